/** What was asked on chain of the shares of a result, and what became of it. */
import type { ChunkOpening } from "../../contracts/market-events.ts";
import type { MarketReader } from "../../contracts/market-reader.ts";
import type { PartyIndex } from "../../mpc/transport/transport.ts";

export interface AskedChunk {
  point: PartyIndex;
  chunk: number;
  /** Last second in which it can be posted. */
  dueSec: number;
  posted: ChunkOpening | null;
  /** The transaction that ended it, for nobody had posted it in time. */
  exposed: string | null;
}

/** In the order in which they were asked for. */
export async function askedChunks(market: MarketReader, job: string): Promise<AskedChunk[]> {
  const asked = new Map<string, AskedChunk>();
  for (const event of await market.jobEvents(job)) {
    if (!("point" in event)) continue;
    const { chunk } = event;
    const point = event.point as PartyIndex;
    const key = `${point} ${chunk}`;
    const known = asked.get(key);
    if (event.type === "ChunkChallenged") {
      asked.set(key, { point, chunk, dueSec: event.dueSec, posted: null, exposed: null });
    } else if (known !== undefined && event.type === "ChunkPosted") known.posted = event.opening;
    else if (known !== undefined && event.type === "OperatorExposed") known.exposed = event.txHash;
  }
  return [...asked.values()];
}

/** Whether nobody has posted it, nor shown that nobody did. */
export const isOpen = ({ posted, exposed }: AskedChunk): boolean => posted === null && exposed === null;

/** What was asked of one party's share, in numbers of chunks. */
export interface AskedShare {
  point: PartyIndex;
  asked: number;
  posted: number;
  /** When the first and the last one that nobody has posted is due; null where there is none. */
  nextDueSec: number | null;
  dueSec: number | null;
  exposed: boolean;
}

/** By party, of those that were asked for anything. */
export function askedShares(chunks: readonly AskedChunk[]): AskedShare[] {
  const points = [...new Set(chunks.map(({ point }) => point))].sort();
  return points.map((point) => {
    const own = chunks.filter((chunk) => chunk.point === point);
    const due = own.filter(isOpen).map(({ dueSec }) => dueSec);
    return {
      point,
      asked: own.length,
      posted: own.filter(({ posted }) => posted !== null).length,
      nextDueSec: due.length === 0 ? null : Math.min(...due),
      dueSec: due.length === 0 ? null : Math.max(...due),
      exposed: own.some(({ exposed }) => exposed !== null),
    };
  });
}

/** Whether time has passed for something that nobody has posted. */
export const isOverdue = ({ exposed, nextDueSec }: AskedShare, nowSec: number): boolean =>
  exposed || (nextDueSec !== null && nowSec > nextDueSec);

/** The same in words. @param nowSec as the contract will judge it */
export function describeAsked(share: AskedShare, nowSec: number): string {
  const { point, asked, posted, nextDueSec, dueSec, exposed } = share;
  const chunks = asked === 1 ? "1 chunk" : `${asked} chunks`;
  const so = `party ${point} has posted ${posted} of ${chunks} that it was asked for on chain`;
  if (exposed) return `${so}, and lost its bond for what it did not post in time`;
  if (nextDueSec === null || dueSec === null) return so;
  const them =
    posted === 0 ? (asked === 1 ? "it" : "them") : asked - posted === 1 ? "the other" : "the others";
  if (nowSec > nextDueSec) return `${so}, and had until ${time(nextDueSec)} for ${them}`;
  if (nextDueSec === dueSec) return `${so}, and has until ${time(dueSec)} for ${them}`;
  return `${so}, and has until ${time(nextDueSec)} for the next, and until ${time(dueSec)} for the last`;
}

const time = (seconds: number): string => new Date(seconds * 1000).toISOString();

/** "party 2" or "parties 1, 2 and 3". */
export function partiesWords(points: readonly PartyIndex[]): string {
  const last = points.at(-1);
  return points.length === 1 ? `party ${last}` : `parties ${points.slice(0, -1).join(", ")} and ${last}`;
}

/** "the share of party 2" or "the shares of parties 1, 2 and 3". */
export const sharesWords = (points: readonly PartyIndex[]): string =>
  `the ${points.length === 1 ? "share" : "shares"} of ${partiesWords(points)}`;

/** Whether an operator let the time of a chunk pass. */
export const isLapsed = ({ posted, exposed, dueSec }: AskedChunk, nowSec: number): boolean =>
  posted === null && (exposed !== null || nowSec > dueSec);
