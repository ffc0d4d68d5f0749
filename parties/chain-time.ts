/** The chain's clock, for who asks what a contract will allow. */
import type { MarketReader } from "../contracts/market-reader.ts";

/**
 * Time as the contract will judge it, in seconds. A chain that mines only on demand stands still, and its next block
 * has the time of the wall clock, hence the later of the two.
 */
export async function chainTimeSec({ provider }: Pick<MarketReader, "provider">): Promise<number> {
  const block = await provider.getBlock("latest");
  return Math.max(block?.timestamp ?? 0, Math.floor(Date.now() / 1000));
}
