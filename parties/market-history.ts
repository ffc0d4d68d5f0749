/** The whole history of a market as a ledger, read once. For those who come and go; nodes follow the chain. */
import type { MarketReader } from "../contracts/market-reader.ts";
import { MarketLedger } from "./ledger.ts";

/** Public endpoints answer for a limited number of blocks at a time. */
const blocksPerRequest = 5000;

/** @throws CHAIN_UNREACHABLE; STATE_INVALID when the endpoint leaves events out */
export async function readLedger(market: MarketReader): Promise<MarketLedger> {
  const ledger = new MarketLedger();
  const last = await market.blockNumber();
  for (let from = market.deployment.blockNumber; from <= last; from += blocksPerRequest) {
    const events = await market.events(from, Math.min(last, from + blocksPerRequest - 1));
    for (const event of events) ledger.apply(event);
  }
  return ledger;
}
