/**
 * What a buyer can do about a result before the challenge window ends. Three shares that are not on a line are shown to
 * the chain, which gives the money back. A share that was not delivered, or does not fit what its operator attested, is
 * asked for on chain chunk by chunk; who does not post it is slashed, and the money comes back. A posted share says nothing
 * to the public, but the other two operators can put it together with their own.
 */
import { setTimeout as pause } from "node:timers/promises";
import type { MarketEvent } from "../../contracts/market.ts";
import { SymbolonError, toSymbolonError } from "../../mpc/errors.ts";
import { type PartyIndex, partyIndices } from "../../mpc/transport/transport.ts";
import { createKernel, fieldSpecs } from "../../mpc/vector/index.ts";
import { encodeShare } from "../data-set.ts";
import { chunkElementBytes, chunkElements, openChunk, type ResultPayload, resultChunks } from "../result.ts";
import type { BuyerConnection } from "./client.ts";
import {
  decodeResult,
  type FinishedJob,
  fetchCiphertext,
  fetchFinishedJob,
  type JobResult,
  openPayload,
  originOf,
  requireKey,
  type Three,
} from "./result.ts";

/** What the buyer got of each party, by point: a share that fits its root, or why there is none. */
export type ReceivedShares = Three<ResultPayload | SymbolonError>;

export interface Inspection {
  finished: FinishedJob;
  shares: ReceivedShares;
  /** Number of the first coordinate whose three shares are not on a line; undefined where all are, or one is missing. */
  lie: number | undefined;
}

/** Fetches and opens the three shares, each for itself. @throws as `fetchFinishedJob`; KEY_INVALID */
export async function inspectResult(
  connection: BuyerConnection,
  id: string,
  patienceMs = 5000,
): Promise<Inspection> {
  const { market, resultKey } = connection;
  const finished = await fetchFinishedJob(connection, id);
  requireKey(finished, resultKey);
  const receive = async (point: PartyIndex): Promise<ResultPayload | SymbolonError> => {
    try {
      const sealed = await fetchCiphertext(connection, finished, point, patienceMs);
      return await openPayload(finished, point, sealed, resultKey, market.deployment);
    } catch (error) {
      return toSymbolonError(error);
    }
  };
  const shares = (await Promise.all(partyIndices.map(receive))) as ReceivedShares;
  return { finished, shares, lie: findLie(finished, shares) };
}

/** The first coordinate that somebody lied about. */
function findLie({ plan }: FinishedJob, shares: ReceivedShares): number | undefined {
  if (!allReceived(shares)) return undefined;
  const { modulus } = fieldSpecs[plan.fieldBits];
  const [first, second, third] = shares.map(({ share }) => elementsOf(resultChunks(share))) as Three<
    bigint[]
  >;
  const found = first.findIndex((value, i) => (value + third[i]! - 2n * second[i]!) % modulus !== 0n);
  return found < 0 ? undefined : found;
}

function allReceived(shares: ReceivedShares): shares is Three<ResultPayload> {
  return shares.every((share) => !(share instanceof SymbolonError));
}

/** Numbers behind chunks of 16-byte big-endian elements. */
function elementsOf(chunks: readonly Uint8Array[]): bigint[] {
  return chunks.flatMap((chunk) => {
    const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    return Array.from(
      { length: chunk.length / chunkElementBytes },
      (_, i) =>
        (view.getBigUint64(i * chunkElementBytes) << 64n) | view.getBigUint64(i * chunkElementBytes + 8),
    );
  });
}

/**
 * Shows a coordinate that somebody lied about to the chain; the money comes back with it. Up to 64 coordinates around
 * it become public.
 */
export async function contestResult(
  { market }: BuyerConnection,
  { finished, shares, lie }: Inspection,
): Promise<{ txHash: string }> {
  if (lie === undefined || !allReceived(shares)) {
    throw new SymbolonError(
      "STATE_INVALID",
      "no three shares of a coordinate of this result contradict each other",
    );
  }
  const chunk = Math.floor(lie / chunkElements);
  const openings = partyIndices.map((point) => {
    const { salt, share } = shares[point - 1]!;
    return openChunk(originOf(finished.job, point), salt, share, chunk);
  });
  const receipt = await market.contest(
    finished.job.job,
    finished.parts,
    { chunk, place: lie % chunkElements },
    openings as Three<(typeof openings)[number]>,
  );
  return { txHash: receipt.hash };
}

/** How many chunks each party's share of a result has. */
export function chunkCount({ parts }: FinishedJob): number {
  return Math.ceil(parts.total / chunkElements);
}

/** Asks for all chunks of a party's share that were not asked for yet; pays the fee for each. */
export async function challengeShare(
  { market }: BuyerConnection,
  { job, parts }: FinishedJob,
  point: PartyIndex,
  onSent: (chunk: number, txHash: string) => void = () => {},
): Promise<void> {
  const asked = new Set(
    (await market.jobEvents(job.job)).flatMap((event) =>
      event.type === "ChunkChallenged" && event.point === point ? [event.chunk] : [],
    ),
  );
  for (let chunk = 0; chunk < Math.ceil(parts.total / chunkElements); chunk += 1) {
    if (asked.has(chunk)) continue;
    const { hash } = await market.challenge(job.job, parts, point, chunk);
    onSent(chunk, hash);
  }
}

/** How a challenged share ended: posted as a whole, or its operator exposed and the money back. */
export type ChallengeEnd = { posted: Uint8Array[] } | { exposed: string };

/**
 * Waits until the chunks of a party are posted, or one is due; then shows that to the chain.
 * @param nowSec the chain's time
 */
export async function awaitShare(
  { market }: BuyerConnection,
  finished: FinishedJob,
  point: PartyIndex,
  nowSec: () => Promise<number>,
  signal?: AbortSignal,
): Promise<ChallengeEnd> {
  const count = chunkCount(finished);
  const { job } = finished.job;
  for (;;) {
    signal?.throwIfAborted();
    const events = (await market.jobEvents(job)).filter(
      (event): event is MarketEvent & { point: number } => "point" in event && event.point === point,
    );
    const posted = new Map<number, Uint8Array>();
    for (const event of events) {
      if (event.type === "ChunkPosted") posted.set(event.chunk, Buffer.from(event.elements.slice(2), "hex"));
      if (event.type === "OperatorExposed") return { exposed: event.txHash };
    }
    if (posted.size === count) return { posted: Array.from({ length: count }, (_, i) => posted.get(i)!) };
    const now = await nowSec();
    const late = events.find(
      (event) => event.type === "ChunkChallenged" && !posted.has(event.chunk) && now > event.dueSec,
    );
    if (late?.type === "ChunkChallenged") {
      return { exposed: (await market.expose(job, point, late.chunk)).hash };
    }
    await pause(500, undefined, { signal });
  }
}

/** The result with shares that were posted on chain in the place of those that were not delivered. */
export async function resultFromChain(
  { market }: BuyerConnection,
  { finished, shares }: Inspection,
  posted: ReadonlyMap<PartyIndex, readonly Uint8Array[]>,
): Promise<JobResult> {
  const { plan, parts } = finished;
  const kernel = await createKernel(plan.fieldBits);
  const received = shares.find((share) => !(share instanceof SymbolonError));
  if (received === undefined || received instanceof SymbolonError) {
    throw new SymbolonError(
      "STATE_INVALID",
      "no party has delivered its share, so none says how long it ran",
    );
  }
  const whole = partyIndices.map((point) => {
    const share = shares[point - 1]!;
    if (!(share instanceof SymbolonError)) return share;
    const chunks = posted.get(point);
    if (chunks === undefined) throw share;
    const values = kernel.allocate(parts.total);
    kernel.fromBigints(values, elementsOf(chunks));
    const format = { rows: parts.total, cols: 1, fracBits: 0, point };
    // What the party measured came with its delivery; another one measured the same rounds.
    return { share: encodeShare(kernel, values, format), measurement: received.measurement };
  });
  return decodeResult(market, finished, whole as Three<(typeof whole)[number]>);
}
