/** What was asked on chain of the shares of a result, and what became of it. */
import type { ChunkOpening } from "../../contracts/market.ts";
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
  /** When the last one that nobody has posted is due; null where there is none. */
  dueSec: number | null;
  exposed: boolean;
}

/** By party, of those that were asked for anything. */
export function askedShares(chunks: readonly AskedChunk[]): AskedShare[] {
  const points = [...new Set(chunks.map(({ point }) => point))].sort();
  return points.map((point) => {
    const own = chunks.filter((chunk) => chunk.point === point);
    const open = own.filter(isOpen);
    return {
      point,
      asked: own.length,
      posted: own.filter(({ posted }) => posted !== null).length,
      dueSec: open.length === 0 ? null : Math.max(...open.map(({ dueSec }) => dueSec)),
      exposed: own.some(({ exposed }) => exposed !== null),
    };
  });
}

/** The same in words. @param nowSec as the contract will judge it */
export function describeAsked({ point, asked, posted, dueSec, exposed }: AskedShare, nowSec: number): string {
  const chunks = asked === 1 ? "1 chunk" : `${asked} chunks`;
  const so = `party ${point} has posted ${posted} of ${chunks} that it was asked for on chain`;
  if (exposed) return `${so}, not all of them in time: its bond is gone`;
  if (dueSec === null) return so;
  const due = new Date(dueSec * 1000).toISOString();
  return `${so}, and ${nowSec > dueSec ? "had" : "has"} until ${due} for the others`;
}

/** Whether an operator let the time of a chunk pass. */
export const isLapsed = ({ posted, exposed, dueSec }: AskedChunk, nowSec: number): boolean =>
  posted === null && (exposed !== null || nowSec > dueSec);
