/**
 * Sends the bridge's transactions, each at most once at a time.
 *
 * Before a transaction goes out, the state of its job is read from the chain again: after a restart, or when
 * somebody else was faster, there is nothing to do. Trouble on the way (an endpoint that does not answer) is
 * retried at once a few times; a refusal by the contract is reported and then tried again ever more rarely,
 * because a duty (a refund above all) does not lapse.
 */
import pRetry, { AbortError } from "p-retry";
import type { Logger } from "pino";
import type { JobState } from "../../contracts/job-states.ts";
import { type SymbolonError, toSymbolonError } from "../../mpc/errors.ts";
import type { Action } from "../jobs/duties.ts";
import type { ActionKind } from "../jobs/events.ts";
import type { MarketChain } from "./chain.ts";

/** The states in which a transaction has an effect. What comes back of a budget has a mark of its own on chain. */
export const statesOf: Readonly<Record<ActionKind, readonly JobState[]>> = {
  join: ["Funded"],
  attest: ["Joined"],
  fail: ["Funded", "Joined"],
  refund: ["Funded", "Joined", "Failed"],
  settle: ["Attested", "Disputed"],
  expose: ["Disputed"],
  returnBudget: ["Funded", "Failed", "Refunded"],
  returnUnopened: ["Joined", "Failed", "Refunded"],
};

export type SendOutcome =
  | { outcome: "mined"; txHash: string }
  /** The chain is past it already: nothing was sent. */
  | { outcome: "unneeded"; state: JobState }
  | { outcome: "refused"; error: SymbolonError };

export interface SenderOptions {
  chain: MarketChain;
  logger: Logger;
  onOutcome: (action: Action, outcome: SendOutcome) => void;
  /** Immediate attempts after trouble on the way. */
  retries?: number;
  /** Wait before the first new attempt after a refusal; it doubles up to a hundred times that. */
  backOffMs?: number;
  /** Transactions on their way at a time; what does not fit is offered again at the next review. */
  maxInFlight?: number;
}

interface Attempt {
  refusals: number;
  notBeforeMs: number;
}

export class TransactionSender {
  readonly #options: Required<SenderOptions>;
  readonly #inFlight = new Map<string, Promise<void>>();
  readonly #attempts = new Map<string, Attempt>();
  readonly #abort = new AbortController();

  constructor(options: SenderOptions) {
    this.#options = { retries: 4, backOffMs: 3000, maxInFlight: 128, ...options };
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  /** Starts to send `action` unless it is on its way, was mined before, or was refused a short time ago. */
  offer(action: Action): void {
    const key = `${action.jobId}:${action.kind}`;
    if (this.#abort.signal.aborted || this.#inFlight.has(key)) return;
    if (this.#inFlight.size >= this.#options.maxInFlight) return;
    if (performance.now() < (this.#attempts.get(key)?.notBeforeMs ?? 0)) return;
    const work = this.#send(action)
      .then((outcome) => this.#finish(key, action, outcome))
      .finally(() => this.#inFlight.delete(key));
    this.#inFlight.set(key, work);
  }

  /** Forgets back-offs of a job, after its state changed. */
  forget(jobId: string): void {
    for (const key of this.#attempts.keys()) if (key.startsWith(`${jobId}:`)) this.#attempts.delete(key);
  }

  /** Sends nothing more and waits for what is on its way, at most `graceMs`. */
  async close(graceMs = 5000): Promise<void> {
    this.#abort.abort();
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, graceMs);
    await Promise.race([Promise.allSettled(this.#inFlight.values()), late]);
    clearTimeout(timer);
  }

  async #send(action: Action): Promise<SendOutcome> {
    const { chain, retries, logger } = this.#options;
    try {
      return await pRetry(
        async () => {
          const state = await chain.jobState(action.jobId);
          const returns = action.kind === "returnBudget" || action.kind === "returnUnopened";
          const isDone = returns && (await chain.budgetReturned(action.jobId));
          if (isDone || !statesOf[action.kind].includes(state))
            return { outcome: "unneeded", state } as const;
          const { txHash } = await chain.send(action).catch(abortUnlessUnreachable);
          return { outcome: "mined", txHash } as const;
        },
        {
          retries,
          minTimeout: 250,
          maxTimeout: 5000,
          signal: this.#abort.signal,
          onFailedAttempt: ({ attemptNumber, retriesLeft }) => {
            logger.warn(
              { job: action.jobId, kind: action.kind, attemptNumber, retriesLeft },
              "sending failed",
            );
          },
        },
      );
    } catch (error) {
      return { outcome: "refused", error: toSymbolonError(error, "CHAIN_UNREACHABLE") };
    }
  }

  #finish(key: string, action: Action, outcome: SendOutcome): void {
    if (this.#abort.signal.aborted) return;
    const refusals = (this.#attempts.get(key)?.refusals ?? 0) + 1;
    // Mined or unneeded: the listener will see the new state; look again only if it does not.
    const factor = outcome.outcome === "refused" ? Math.min(100, 2 ** (refusals - 1)) : 100;
    this.#attempts.set(key, {
      refusals: outcome.outcome === "refused" ? refusals : 0,
      notBeforeMs: performance.now() + this.#options.backOffMs * factor,
    });
    this.#options.onOutcome(action, outcome);
  }
}

/** A contract's refusal will be the same a second later; only an endpoint's silence is worth a retry. */
function abortUnlessUnreachable(thrown: unknown): never {
  const error = toSymbolonError(thrown);
  if (error.code === "CHAIN_UNREACHABLE") throw error;
  throw new AbortError(error);
}

/** For the log of a job: what was refused and why, without anything that the caller did not know. */
export function refusalOf(error: SymbolonError): { code: string; message: string } {
  return { code: error.code, message: error.message.slice(0, 500) };
}
