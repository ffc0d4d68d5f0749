/**
 * What a buyer can do about a result before the challenge window ends. Three shares that are not on a line are shown to
 * the chain, and the job can be refunded. A share that was not delivered, or does not fit what its operator attested, is
 * asked for on chain chunk by chunk; who does not post it is slashed, and the job can be refunded. A posted share says
 * nothing to the public, but the other two operators can put it together with their own.
 */
import { setTimeout as pause } from "node:timers/promises";
import type { Market } from "../../contracts/market.ts";
import type { ChunkOpening } from "../../contracts/market-events.ts";
import { SymbolonError, toSymbolonError } from "../../mpc/errors.ts";
import { type PartyIndex, partyIndices } from "../../mpc/transport/transport.ts";
import { createKernel, fieldSpecs } from "../../mpc/vector/index.ts";
import { chainTimeSec } from "../chain-time.ts";
import { encodeShare } from "../data-set.ts";
import { chunkElementBytes, chunkElements, openChunk, type ResultPayload, resultChunks } from "../result.ts";
import type { RunMeasurement } from "../run-cost.ts";
import {
  type AskedChunk,
  type AskedShare,
  askedChunks,
  askedShares,
  isLapsed,
  isOpen,
} from "./asked-chunks.ts";
import type { BuyerConnection } from "./client.ts";
import { type FinishedJob, fetchFinishedJob } from "./finished-job.ts";
import { decodeResult, type JobResult } from "./result.ts";
import { fetchCiphertext, openPayload, originOf, requireKey, type Three } from "./result-shares.ts";

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
      const payload = await openPayload(finished, point, sealed, resultKey, market.deployment);
      requireLength(finished, point, payload);
      return payload;
    } catch (error) {
      return toSymbolonError(error);
    }
  };
  const shares = (await Promise.all(partyIndices.map(receive))) as ReceivedShares;
  return { finished, shares, lie: findLie(finished, shares) };
}

/**
 * A party can commit to a share of another length than all three attested. No chunk of it can be shown to the chain, so
 * it counts as missing: its operator has to post one of the right length, and cannot.
 */
function requireLength({ job }: FinishedJob, point: PartyIndex, { share }: ResultPayload): void {
  if (elementsOf(resultChunks(share)).length === job.parts.total) return;
  throw new SymbolonError(
    "RESULT_TAMPERED",
    `the result share of party ${point} is not of the length that was attested`,
  );
}

function findLie(finished: FinishedJob, shares: ReceivedShares): number | undefined {
  if (!allReceived(shares)) return undefined;
  return firstLie(finished, shares.map(({ share }) => elementsOf(resultChunks(share))) as Three<bigint[]>);
}

/** The first coordinate that somebody lied about. */
function firstLie({ plan }: FinishedJob, shares: Three<readonly bigint[]>): number | undefined {
  const { modulus } = fieldSpecs[plan.fieldBits];
  const [first, second, third] = shares;
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

/** Shows a coordinate that somebody lied about to the chain. Up to 64 coordinates around it become public. */
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
  const openings = partyIndices.map((point) => openReceived(finished, point, shares[point - 1]!, chunk));
  return contestAt(market, finished, lie, openings as Three<ChunkOpening>);
}

/** What was posted on chain of a party's share, by chunk. */
export type PostedShares = ReadonlyMap<PartyIndex, ReadonlyMap<number, ChunkOpening>>;

/**
 * The same where a share was posted that contradicts the others, as far as it was.
 * @returns undefined where all coordinates of which there are three shares are on a line
 */
export async function contestPosted(
  { market }: BuyerConnection,
  { finished, shares }: Inspection,
  posted: PostedShares,
): Promise<{ coordinate: number; txHash: string } | undefined> {
  const available = partyIndices.map((point) => chunksAt(finished, point, shares, posted));
  for (let chunk = 0; chunk < chunkCount(finished); chunk += 1) {
    const three = available.map((chunks) => chunks[chunk]).filter((elements) => elements !== undefined);
    if (three.length < 3) continue;
    const lie = firstLie(finished, three.map((elements) => elementsOf([elements])) as Three<bigint[]>);
    if (lie === undefined) continue;
    const coordinate = chunk * chunkElements + lie;
    const openings = partyIndices.map((point) => {
      const share = shares[point - 1]!;
      return share instanceof SymbolonError
        ? posted.get(point)!.get(chunk)!
        : openReceived(finished, point, share, chunk);
    });
    return {
      coordinate,
      ...(await contestAt(market, finished, coordinate, openings as Three<ChunkOpening>)),
    };
  }
  return undefined;
}

function openReceived(
  { job }: FinishedJob,
  point: PartyIndex,
  { salt, share }: ResultPayload,
  chunk: number,
): ChunkOpening {
  return openChunk(originOf(job, point), salt, share, chunk);
}

async function contestAt(
  market: Market,
  { job }: FinishedJob,
  coordinate: number,
  openings: Three<ChunkOpening>,
): Promise<{ txHash: string }> {
  const place = { chunk: Math.floor(coordinate / chunkElements), place: coordinate % chunkElements };
  return { txHash: (await market.contest(job, place, openings)).hash };
}

/** A party's share in chunks, as it was delivered or posted; undefined are those of which there is neither. */
function chunksAt(
  finished: FinishedJob,
  point: PartyIndex,
  shares: ReceivedShares,
  posted: PostedShares,
): readonly (Uint8Array | undefined)[] {
  const share = shares[point - 1]!;
  if (!(share instanceof SymbolonError)) return resultChunks(share.share);
  const chunks = posted.get(point);
  return Array.from({ length: chunkCount(finished) }, (_, chunk) => chunks?.get(chunk)?.elements);
}

/** How many chunks each party's share of a result has. */
export function chunkCount({ job }: FinishedJob): number {
  return Math.ceil(job.parts.total / chunkElements);
}

/** So many challenges go out together: waiting for a block for each would take longer than most windows. */
const challengesAtOnce = 16;

/**
 * Asks for all chunks of these parties' shares that were not asked for yet, in the order of the chunks; pays the fee for
 * each. Where the challenge window closes before the last one, those that were asked for are what there is.
 * @throws STATE_INVALID where none could be asked for
 */
export async function challengeShares(
  { market }: BuyerConnection,
  finished: FinishedJob,
  points: readonly PartyIndex[],
  onSent: (point: PartyIndex, chunk: number, txHash: string) => void = () => {},
): Promise<void> {
  const { job } = finished;
  const before = await askedChunks(market, job.job);
  const asked = new Set(before.map(({ point, chunk }) => `${point} ${chunk}`));
  const rest = Array.from({ length: chunkCount(finished) }, (_, chunk) =>
    points.map((point) => ({ point, chunk })),
  )
    .flat()
    .filter(({ point, chunk }) => !asked.has(`${point} ${chunk}`));
  for (let at = 0; at < rest.length; at += challengesAtOnce) {
    const ends = await Promise.allSettled(
      rest.slice(at, at + challengesAtOnce).map(async ({ point, chunk }) => {
        const { hash } = await market.challenge(job, point, chunk);
        asked.add(`${point} ${chunk}`);
        onSent(point, chunk, hash);
      }),
    );
    const refused = ends.find((end) => end.status === "rejected");
    if (refused === undefined) continue;
    if (asked.size > 0 && toSymbolonError(refused.reason).code === "STATE_INVALID") return;
    throw refused.reason;
  }
}

/** How the challenges of shares ended: all that was asked for posted, or one of the operators exposed. */
export type ChallengeEnd = { posted: PostedShares } | { point: PartyIndex; exposed: string };

/**
 * Waits until what was asked of these parties is posted, or something of it is overdue; then shows that to the chain.
 * @param onLook told at each look what was asked of each, and what came of it
 */
export async function awaitShares(
  { market }: BuyerConnection,
  { job: { job } }: FinishedJob,
  points: readonly PartyIndex[],
  onLook: (asked: readonly AskedShare[], nowSec: number) => void,
  signal?: AbortSignal,
): Promise<ChallengeEnd> {
  for (;;) {
    signal?.throwIfAborted();
    const asked = (await askedChunks(market, job)).filter(({ point }) => points.includes(point));
    const nowSec = await chainTimeSec(market);
    onLook(askedShares(asked), nowSec);
    for (const { point, exposed } of asked) if (exposed !== null) return { point, exposed };
    const open = asked.filter(isOpen);
    if (open.length === 0) {
      const own = (point: PartyIndex) => asked.filter((each) => each.point === point);
      return { posted: new Map(points.map((point) => [point, postedOf(own(point))])) };
    }
    const late = open.find((each) => isLapsed(each, nowSec));
    if (late !== undefined) {
      const { point, chunk } = late;
      return { point, exposed: (await market.expose(job, point, chunk)).hash };
    }
    await pause(500, undefined, { signal });
  }
}

/** What was posted of one share, by chunk. */
function postedOf(asked: readonly AskedChunk[]): Map<number, ChunkOpening> {
  return new Map(asked.flatMap(({ chunk, posted }) => (posted === null ? [] : [[chunk, posted]])));
}

/**
 * Ends the challenges of a job that nobody answered in time, for each has a fee that goes back to the buyer.
 * @returns when the last of the others is due; undefined where there is none
 */
export async function exposeOverdue(
  { market }: BuyerConnection,
  id: string,
  nowSec: number,
): Promise<number | undefined> {
  const open = (await askedChunks(market, id)).filter(isOpen);
  for (const { point, chunk, dueSec } of open) if (nowSec > dueSec) await market.expose(id, point, chunk);
  const waiting = open.filter(({ dueSec }) => nowSec <= dueSec);
  return waiting.length === 0 ? undefined : Math.max(...waiting.map(({ dueSec }) => dueSec));
}

/**
 * The result of what was delivered and what was posted on chain. Made of the numbers that the parties attested: what
 * stands around them in a delivered share is attested by nobody.
 */
export async function resultOf(
  { market }: BuyerConnection,
  { finished, shares }: Inspection,
  posted: PostedShares = new Map(),
): Promise<JobResult> {
  const { plan } = finished;
  const { total } = finished.job.parts;
  const { modulus } = fieldSpecs[plan.fieldBits];
  const kernel = await createKernel(plan.fieldBits);
  const told = shares.flatMap((share) => (share instanceof SymbolonError ? [] : [share]));
  const whole = partyIndices.map((point) => {
    const own = shares[point - 1]!;
    const chunks = chunksAt(finished, point, shares, posted).filter((elements) => elements !== undefined);
    if (own instanceof SymbolonError && chunks.length < chunkCount(finished)) throw own;
    const elements = elementsOf(chunks);
    const values = kernel.allocate(total);
    kernel.fromBigints(
      values,
      elements.map((element) => element % modulus),
    );
    const share = encodeShare(kernel, values, { rows: total, cols: 1, fracBits: 0, point });
    // What the party measured came with its delivery; another one measured the same rounds.
    const { measurement } = own instanceof SymbolonError ? (told[0] ?? unmeasured) : own;
    return { share, measurement };
  });
  return decodeResult(market, finished, whole as Three<(typeof whole)[number]>);
}

/**
 * The result as it can be read now, of what was delivered and what was posted. Sends nothing.
 * @throws why it cannot be read; RESULT_TAMPERED when the shares contradict each other
 */
export async function readResult(connection: BuyerConnection, id: string): Promise<JobResult> {
  const inspection = await inspectResult(connection, id);
  const asked = await askedChunks(connection.market, id);
  const posted = new Map(
    partyIndices.map((point) => [point, postedOf(asked.filter((each) => each.point === point))]),
  );
  return resultOf(connection, inspection, posted);
}

/** Of a run of which no party has told. */
const unmeasured: { measurement: RunMeasurement } = {
  measurement: {
    ...{ rounds: 0, framesSent: 0, bytesSent: 0, bytesReceived: 0, openings: {} },
    ...{ localMs: 0, waitingMs: 0, protocols: {}, seconds: 0, links: {} },
  },
};
