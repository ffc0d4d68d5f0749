/**
 * Finds out for which jobs the chain gave the reserved privacy budget back. Its events name offers, and not the
 * job, so the escrow is asked: of the jobs that the sender found done, as of the last block whose facts are in the
 * log. Only what that block says becomes a fact, because a newer one may be reorganised away unseen.
 */
import type { Logger } from "pino";
import type { MarketChain } from "../chain/chain.ts";
import type { SendOutcome } from "../chain/sender.ts";
import type { AppendResult, BridgeDatabase, Cursor, NewFact } from "../store/database.ts";
import type { Action } from "./duties.ts";

export interface BudgetReturnsOptions {
  chain: Pick<MarketChain, "budgetReturned">;
  database: BridgeDatabase;
  logger: Logger;
}

export class BudgetReturns {
  readonly #options: BudgetReturnsOptions;
  /**
   * Jobs to ask for, with the hash of the block that was last asked about. A restart loses it; the sender then
   * finds the same jobs done once more.
   */
  readonly #open = new Map<string, string | null>();
  #confirming = false;

  constructor(options: BudgetReturnsOptions) {
    this.#options = options;
  }

  /** The sender came back: done by the bridge, or by somebody before it. */
  sent({ kind, jobId }: Action, { outcome }: SendOutcome): void {
    if (kind !== "returnBudget" && kind !== "returnUnopened") return;
    if (outcome !== "refused") this.#open.set(jobId, null);
  }

  /** Asks for the jobs that are open; null when nothing new is known. */
  async confirm(): Promise<AppendResult | null> {
    const { database } = this.#options;
    const cursor = database.cursor();
    if (cursor === null || this.#open.size === 0 || this.#confirming) return null;
    this.#confirming = true;
    try {
      const done = await this.#returnedBy(cursor);
      // Meanwhile the chain may have been reorganised, and the answer be of a block that is gone.
      const stands = database.rememberedBlocks().some(({ blockHash }) => blockHash === cursor.blockHash);
      if (!stands || done.length === 0) return null;
      const chain = { blockNumber: cursor.blockNumber };
      const facts = done.map((jobId): NewFact => {
        const key = `returned:${jobId}:${cursor.blockHash}`;
        return { key, jobId, event: { type: "BudgetReturned", chain } };
      });
      for (const jobId of done) this.#open.delete(jobId);
      return database.append(facts);
    } finally {
      this.#confirming = false;
    }
  }

  async #returnedBy({ blockNumber, blockHash }: Cursor): Promise<string[]> {
    const { chain, logger } = this.#options;
    const done: string[] = [];
    for (const [jobId, asked] of this.#open) {
      if (asked === blockHash) continue;
      try {
        if (await chain.budgetReturned(jobId, blockNumber)) done.push(jobId);
        else this.#open.set(jobId, blockHash);
      } catch (error) {
        logger.warn({ job: jobId, err: error }, "the chain did not say whether a budget came back");
        // One that does not answer now will not answer for the next job either.
        break;
      }
    }
    return done;
  }
}
