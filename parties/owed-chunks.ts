/** Chunks of results that an operator was asked for on chain and that nobody has posted yet: its bond stands for them. */
import type { MarketReader } from "../contracts/market-reader.ts";
import { SymbolonError } from "../mpc/errors.ts";
import { MarketLedger } from "./ledger.ts";
import { readLedger } from "./market-history.ts";

export interface OwedChunks {
  /** How many, by the contract's own word. */
  chunks: number;
  /** Of which jobs, as the events tell it: an endpoint that leaves some out tells of fewer. */
  jobs: OwedOfJob[];
}

export interface OwedOfJob {
  job: string;
  chunks: number;
  /** Last second in which the first of them can be posted. */
  dueSec: number;
}

/** @throws CHAIN_UNREACHABLE */
export async function owedChunks(market: MarketReader, operator: string): Promise<OwedChunks> {
  const chunks = await market.openAgainst(operator);
  // Hardly ever is anything owed, and the events are the whole history of the market.
  if (chunks === 0) return { chunks, jobs: [] };
  const { challenges } = await readLedger(market).catch(emptyWhereIncomplete);
  const jobs = new Map<string, OwedOfJob>();
  for (const { job, operator: asked, dueSec } of challenges.values()) {
    if (asked.toLowerCase() !== operator.toLowerCase()) continue;
    const known = jobs.get(job);
    jobs.set(job, {
      job,
      chunks: (known?.chunks ?? 0) + 1,
      dueSec: Math.min(known?.dueSec ?? dueSec, dueSec),
    });
  }
  return { chunks, jobs: [...jobs.values()].sort((a, b) => a.dueSec - b.dueSec) };
}

/** That something is owed must be told even where it cannot be told of what. */
function emptyWhereIncomplete(error: unknown): MarketLedger {
  if (error instanceof SymbolonError && error.code === "STATE_INVALID") return new MarketLedger();
  throw error;
}
