/**
 * What the bridge needs of a chain, in the bridge's own words. `ethereum.ts` is the implementation; the
 * listener, the sender and the job desk know only this.
 */
import type { JobState } from "../../contracts/job-states.ts";
import type { Action, MarketTimes } from "../jobs/duties.ts";
import type { NewFact } from "../store/database.ts";

export interface BlockHead {
  number: number;
  hash: string;
  timestampSec: number;
}

export interface MarketChain {
  readonly chainId: number;
  readonly jobEscrow: string;
  /** Block of the deployment: nothing happened before. */
  readonly firstBlock: number;

  /** What was fixed at deployment. */
  times(): Promise<MarketTimes>;
  head(): Promise<BlockHead>;
  /** Hash of a block of the chain as it is now, null when there is no such block. */
  blockHash(number: number): Promise<string | null>;
  /** The market's facts in these blocks (both included), in the chain's order. */
  facts(fromBlock: number, toBlock: number): Promise<NewFact[]>;
  jobState(jobId: string): Promise<JobState>;
  /** Whether a job's reserved privacy budget was given back. */
  budgetReturned(jobId: string): Promise<boolean>;
  /** Sends the transaction and waits until it is mined. @throws CONTRACT_REVERTED, FUNDS_MISSING, CHAIN_UNREACHABLE */
  send(action: Action): Promise<{ txHash: string }>;
  close(): Promise<void>;
}
