/** What both sides of an exchange act through. */
import type { ExchangeMarket } from "../../contracts/exchange.ts";
import { SymbolonError } from "../../mpc/errors.ts";
import type { BlobStore } from "./blob-store.ts";
import { readSession, type SessionRecord } from "./session.ts";

export interface ExchangeConnection {
  market: ExchangeMarket;
  /** The account that acts. */
  account: string;
  chainId: number;
  /** No event of the exchange is older. */
  fromBlock: number;
  store: BlobStore;
}

/** What a journal says of where it belongs. */
export interface JournalOwner {
  chainId: number;
  exchange: string;
  account: string;
  session: string;
}

/** @throws CONFIG_INVALID when a journal is of another chain, contract or account */
export function requireOwner(owner: JournalOwner, { chainId, market, account }: ExchangeConnection): void {
  const here = [chainId, market.address, account].join().toLowerCase();
  if ([owner.chainId, owner.exchange, owner.account].join().toLowerCase() === here) return;
  throw new SymbolonError("CONFIG_INVALID", "the folder's session is of another account, contract or chain", {
    hint: `it was begun by ${owner.account} at ${owner.exchange} on chain ${owner.chainId}`,
  });
}

export async function sessionAt(
  { market, fromBlock }: ExchangeConnection,
  session: string,
): Promise<SessionRecord> {
  return await readSession(market, session, fromBlock);
}
