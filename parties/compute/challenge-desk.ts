/**
 * Answers challenges on chain: a buyer asks for a chunk of this party's share of a result, and the node posts it from
 * its own account, through its own endpoint. A bridge that could keep the answer back could have an operator slashed.
 * One share by itself says nothing about the result.
 */
import type { Market } from "../../contracts/market.ts";
import { toSymbolonError } from "../../mpc/errors.ts";
import type { Challenge, MarketLedger } from "../ledger.ts";
import { openChunk } from "../result.ts";
import type { EvidenceStore } from "./evidence-store.ts";
import type { Logger } from "./logger.ts";

export interface ChallengeDeskOptions {
  operator: string;
  /** With the operator's own account, which pays the gas and gets the fee. */
  market: Market;
  evidence: EvidenceStore;
  logger: Logger;
}

/** States in which nobody can ask for another chunk. */
const over = ["Settled", "Failed", "Refunded"];
const retryMs = 5000;

export class ChallengeDesk {
  readonly #options: ChallengeDeskOptions;
  readonly #answering = new Map<string, Promise<void>>();
  readonly #notBefore = new Map<string, number>();
  /** Those whose answer was mined, in blocks that may not be final yet. */
  readonly #answered = new Set<string>();
  #dropping: Promise<void> | undefined;
  #closed = false;

  constructor(options: ChallengeDeskOptions) {
    this.#options = options;
  }

  /** Answers what is open, and forgets what nobody can ask for. */
  review(ledger: MarketLedger, nowSec: number): void {
    if (this.#closed) return;
    const own = this.#options.operator.toLowerCase();
    for (const [key, challenge] of ledger.challenges) {
      if (challenge.operator.toLowerCase() !== own || nowSec > challenge.dueSec) continue;
      if (this.#answering.has(key) || Date.now() < (this.#notBefore.get(key) ?? 0)) continue;
      const answer = this.#answer(key, challenge).finally(() => {
        this.#answering.delete(key);
        this.#notBefore.set(key, Date.now() + retryMs);
      });
      this.#answering.set(key, answer);
    }
    this.#dropping ??= this.#drop(ledger).finally(() => {
      this.#dropping = undefined;
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#answering.values(), this.#dropping]);
  }

  async #answer(key: string, { job, point, chunk, dueSec }: Challenge): Promise<void> {
    const { evidence, market, logger } = this.#options;
    const about = { job, chunk, dueSec };
    try {
      const kept = await evidence.read(job);
      if (kept === undefined) {
        logger.error(about, "challenged for a result that is not on this node's disk: its bond is at stake");
        return;
      }
      const opening = openChunk(kept.origin, kept.salt, kept.share, chunk);
      const { hash } = await market.respond(job, kept.parts, point, chunk, opening);
      this.#answered.add(key);
      logger.info({ ...about, tx: hash }, "challenge answered");
    } catch (thrown) {
      const error = toSymbolonError(thrown);
      // The chain waits for nothing more; should a reorganisation take the answer back, it is sent again.
      if (error.code === "NOT_FOUND" && this.#answered.has(key)) return;
      logger.error({ ...about, err: error }, "the challenge is not answered yet: the bond is at stake");
    }
  }

  async #drop(ledger: MarketLedger): Promise<void> {
    const { evidence, logger } = this.#options;
    try {
      for (const job of await evidence.jobs()) {
        const state = ledger.jobs.get(job)?.state;
        // The money may be back for another party's sake: who does not answer is slashed all the same.
        const asked = [...ledger.challenges.values()].some((challenge) => challenge.job === job);
        if (state !== undefined && over.includes(state) && !asked) await evidence.drop(job);
      }
    } catch (thrown) {
      logger.warn({ err: toSymbolonError(thrown) }, "old result shares are kept");
    }
  }
}
