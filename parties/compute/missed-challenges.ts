/**
 * Challenges of which the endpoint told no event: one log query in which it leaves one out would cost the bond. The
 * contract counts what each operator owes. Where the ledger, which has the events up to a block, knows of fewer than the
 * contract had counted at that block, the results on this node's disk are gone through for the others.
 */
import type { Market } from "../../contracts/market.ts";
import { toSymbolonError } from "../../mpc/errors.ts";
import { type Challenge, challengeKey, type MarketLedger } from "../ledger.ts";
import { chunkElements, shareElements } from "../result.ts";
import type { EvidenceStore } from "./evidence-store.ts";
import type { Logger } from "./logger.ts";

export interface MissedChallengesOptions {
  operator: string;
  market: Pick<Market, "openAgainst" | "isChallenged" | "openChallenges">;
  evidence: EvidenceStore;
  logger: Logger;
  /** How often the contract is asked. */
  everyMs?: number;
}

/** Many times within the hour that a deployment gives for an answer, where nothing else was said. */
const defaultEveryMs = 60_000;

export class MissedChallenges {
  readonly #options: Required<MissedChallengesOptions>;
  readonly #stop = new AbortController();
  #found = new Map<string, Challenge>();
  /** How many are open and neither in the ledger nor found. */
  #lost = 0;
  #failing = false;
  #atMs = 0;
  #looking: Promise<void> | undefined;

  constructor(options: MissedChallengesOptions) {
    this.#options = { everyMs: defaultEveryMs, ...options };
  }

  /** Those that were found and are not in `ledger`, by the ledger's keys. */
  notIn(ledger: MarketLedger): [string, Challenge][] {
    return [...this.#found].filter(([key]) => !ledger.challenges.has(key));
  }

  has(key: string): boolean {
    return this.#found.has(key);
  }

  /** It was answered: until the contract is asked again it counts as over. */
  delete(key: string): void {
    this.#found.delete(key);
  }

  /** Why the bond is at stake, in words; empty when it is not. */
  get obstacles(): string[] {
    return this.#lost === 0 ? [] : ["challenged for a chunk that this node cannot find"];
  }

  /**
   * Looks, when it is time and nothing is being looked for.
   * @param block the last one of which the ledger has all that was told
   */
  async look(ledger: MarketLedger, block: number): Promise<void> {
    if (this.#looking === undefined && performance.now() >= this.#atMs && !this.#stop.signal.aborted) {
      this.#atMs = performance.now() + this.#options.everyMs;
      this.#looking = this.#look(ledger, block).finally(() => {
        this.#looking = undefined;
      });
    }
    await this.#looking;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#looking;
  }

  async #look(ledger: MarketLedger, block: number): Promise<void> {
    const { market, operator, logger } = this.#options;
    try {
      const known = ownChallenges(ledger, operator).length;
      const missing = (await market.openAgainst(operator, block)) - known;
      if (missing <= 0) this.#found.clear();
      this.#lost = missing <= 0 ? 0 : missing - (await this.#search(ledger, block, missing));
      if (this.#lost > 0) {
        logger.error(
          { missing: this.#lost },
          "challenged, and the endpoint does not tell for what: the bond is at stake",
        );
      }
      this.#failing = false;
    } catch (thrown) {
      if (this.#stop.signal.aborted) return;
      if (!this.#failing)
        logger.warn({ err: toSymbolonError(thrown) }, "the contract does not tell what is owed");
      this.#failing = true;
    }
  }

  /** @returns how many were found; what was found is kept, also where the rest cannot be asked for */
  async #search(ledger: MarketLedger, block: number, missing: number): Promise<number> {
    const { evidence, logger } = this.#options;
    const before = this.#found;
    this.#found = new Map();
    for (const job of await evidence.jobs()) {
      // What is settled owes nothing.
      if (this.#found.size >= missing || ledger.jobs.get(job)?.state === "Settled") continue;
      try {
        for await (const challenge of this.#owed(job, block)) {
          const key = challengeKey(challenge);
          if (ledger.challenges.has(key)) continue;
          this.#found.set(key, challenge);
          const { chunk, dueSec } = challenge;
          if (!before.has(key))
            logger.warn({ job, chunk, dueSec }, "a challenge is open of which the endpoint told no event");
          if (this.#found.size >= missing) break;
        }
      } catch (thrown) {
        if (this.#stop.signal.aborted) throw thrown;
        for (const [key, challenge] of before) if (challenge.job === job) this.#found.set(key, challenge);
        logger.warn({ job, err: toSymbolonError(thrown) }, "what is owed of a result cannot be asked for");
      }
    }
    return this.#found.size;
  }

  /** Of one job, as the contract had it at that block. */
  async *#owed(job: string, blockTag: number): AsyncGenerator<Challenge> {
    const { market, operator, evidence } = this.#options;
    if (!(await market.isChallenged(job, blockTag))) return;
    const kept = await evidence.read(job);
    if (kept === undefined) return;
    const { point } = kept.origin;
    const chunks = Math.ceil(shareElements(kept.share) / chunkElements);
    const about = { job, point, chunks };
    const { signal } = this.#stop;
    for await (const { chunk, dueSec } of market.openChallenges(about, { blockTag, signal })) {
      yield { job, operator, point, chunk, dueSec };
    }
  }
}

/** What the ledger has of them, by its keys. */
export function ownChallenges(ledger: MarketLedger, operator: string): [string, Challenge][] {
  const own = operator.toLowerCase();
  return [...ledger.challenges].filter(([, challenge]) => challenge.operator.toLowerCase() === own);
}
