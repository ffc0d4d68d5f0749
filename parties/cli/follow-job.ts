/** How a job gets on, until its result is read. */
import type { JobSummary } from "../../bridge/client.ts";
import { shortId } from "../../contracts/use-terms.ts";
import { partyIndices } from "../../mpc/transport/transport.ts";
import { partiesWords, sharesWords } from "../buyer/asked-chunks.ts";
import type { BuyerClient } from "../buyer/client.ts";
import type { JobResult } from "../buyer/result.ts";
import type { OnWait } from "../buyer/result-shares.ts";
import type { Output } from "./output.ts";
import { type GivenOptions, runnable } from "./runnable.ts";
import { heardWhenInterrupted } from "./until-stopped.ts";

/** Nodes need a moment to join and to reach each other: so long there is nothing to say. */
const momentMs = 5000;

/** A step of a long computation may take longer. */
const stepMs = 30_000;

/** Follows a job to its result. Who interrupts it is told how to come back to it. */
export function followToResult(
  buyer: BuyerClient,
  job: string,
  output: Output,
  options: GivenOptions,
): Promise<JobResult> {
  const goOn = `the job goes on by itself; for its result: symbolon buyer result ${job} --wait`;
  return heardWhenInterrupted(
    () => output.note(runnable(goOn, options)),
    async () => {
      await follow(buyer, job, output);
      return await awaitResult(buyer, job, output);
    },
  );
}

/** Waits for the result and shows how the job gets on, or for whom and until when it waits. */
export async function follow(buyer: BuyerClient, job: string, output: Output): Promise<void> {
  const progress = output.progress(`job ${shortId(job)}`);
  const sinceMs = Date.now();
  let newsMs = sinceMs;
  let known: JobSummary | undefined;
  const onView = (view: JobSummary): void => {
    known = view;
    newsMs = Date.now();
    const report = view.progress;
    if (report !== null) progress.update(report.done, report.total, report.phase);
  };
  const timer = setInterval(() => {
    const silentMs = Date.now() - newsMs;
    const computing = known?.progress != null && known.progress.phase !== "connecting";
    if (silentMs < (computing ? stepMs : momentMs)) return;
    const waitedSec = Math.floor((Date.now() - sinceMs) / 1000);
    if (known === undefined) {
      progress.update(waitedSec, waitedSec + 1, "the bridge does not tell how it gets on; seconds");
      return;
    }
    const totalSec = known.deadlineSec - Math.floor(sinceMs / 1000);
    progress.update(Math.min(waitedSec, totalSec), Math.max(totalSec, 1), `${waitWords(known)}, seconds`);
  }, 1000);
  await heardWhenInterrupted(
    () => progress.stop(),
    () => buyer.waitForResult(job, { onView }),
  ).finally(() => {
    clearInterval(timer);
    progress.stop();
  });
}

/** Whom a job waits for, and until when. */
function waitWords({ state, joins, progress, deadlineSec }: JobSummary): string {
  const until = `until ${new Date(deadlineSec * 1000).toISOString()} at the longest`;
  const missing = partyIndices.filter((point) => !joins.includes(point));
  if (state === "Funded" && missing.length > 0) {
    const there =
      joins.length === 0
        ? ""
        : `${partiesWords(partyIndices.filter((point) => joins.includes(point)))} joined; `;
    return `${there}waiting for ${partiesWords(missing)} to join, ${until}`;
  }
  if (progress === null) return `all parties joined; waiting for them to begin, ${until}`;
  if (progress.phase === "connecting") return `all parties joined; waiting for them to connect, ${until}`;
  return `${progress.phase} ${progress.done}/${progress.total}, nothing new; waiting ${until}`;
}

/** The result, and while shares of it are not there yet, whose. */
export async function awaitResult(buyer: BuyerClient, job: string, output: Output): Promise<JobResult> {
  const progress = output.progress(`job ${shortId(job)}`);
  const onWait: OnWait = (missing, waitedMs, patienceMs) => {
    // Nodes look at the chain before they deliver, so a moment is nothing to speak of.
    if (waitedMs < 1000) return;
    progress.update(
      Math.floor(waitedMs / 1000),
      patienceMs / 1000,
      `waiting for ${sharesWords(missing)}, seconds`,
    );
  };
  return await heardWhenInterrupted(
    () => progress.stop(),
    () => buyer.result(job, onWait),
  ).finally(() => progress.stop());
}
