/** What a buyer sees of a dispute: its steps, the wait for shares that were asked for, and what to do in the end. */
import { type AskedShare, sharesWords } from "../buyer/asked-chunks.ts";
import type { DisputeEnd } from "../buyer/dispute-steps.ts";
import { describeResult } from "./describe-result.ts";
import type { Output, Progress } from "./output.ts";
import { type GivenOptions, runnable } from "./runnable.ts";

export class DisputeProgress {
  readonly #output: Output;
  readonly #progress: Progress;
  readonly #goOn: string;
  #sinceSec: number | undefined;

  /** @param goOn the command that goes on with the dispute */
  constructor(output: Output, goOn: string) {
    this.#output = output;
    this.#progress = output.progress("waiting");
    this.#goOn = goOn;
  }

  step(line: string): void {
    this.stop();
    this.#output.note(line);
  }

  /** Shows how long those who were asked have yet. */
  wait(waiting: readonly AskedShare[], nowSec: number): void {
    if (this.#sinceSec === undefined) {
      this.#sinceSec = nowSec;
      this.step(`the command waits, and may be interrupted; to go on later: ${this.#goOn}`);
    }
    const dueSec = Math.min(...waiting.flatMap((share) => share.nextDueSec ?? []));
    const whose = sharesWords(waiting.map(({ point }) => point));
    const note = `for ${whose} until ${new Date(dueSec * 1000).toISOString()}, seconds`;
    this.#progress.update(nowSec - this.#sinceSec, Math.max(dueSec - this.#sinceSec, 1), note);
  }

  interrupted(): void {
    this.step(`to go on with the dispute: ${this.#goOn}`);
  }

  stop(): void {
    this.#progress.stop();
  }
}

/** How a dispute ended, and what the buyer does next. */
export function endWords({ words, result }: DisputeEnd, options: GivenOptions, output: Output): string {
  if (result === null) return runnable(words, options);
  const { job, state } = result.job;
  const { out } = options;
  const next =
    state === "Attested" || state === "Disputed"
      ? [`to accept it, so that sellers and operators are paid at once: symbolon buyer accept ${job}`]
      : [];
  return [
    words,
    out === undefined ? describeResult(result.file, output) : `the result is in ${out}`,
    ...next.map((line) => runnable(line, options)),
  ].join("\n");
}
