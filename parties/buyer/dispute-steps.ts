/** A dispute from its beginning to its end: what `symbolon buyer dispute` does. */
import { formatEther } from "ethers";
import type { Market } from "../../contracts/market.ts";
import type { Job } from "../../contracts/market-views.ts";
import { shortId } from "../../contracts/use-terms.ts";
import { SymbolonError } from "../../mpc/errors.ts";
import { type PartyIndex, partyIndices } from "../../mpc/transport/transport.ts";
import { chainTimeSec } from "../chain-time.ts";
import {
  type AskedChunk,
  type AskedShare,
  askedChunks,
  askedShares,
  describeAsked,
  isLapsed,
  isOverdue,
  sharesWords,
} from "./asked-chunks.ts";
import { type BuyerConnection, moneyBack } from "./client.ts";
import {
  awaitShares,
  challengeShares,
  chunkCount,
  contestPosted,
  contestResult,
  exposeOverdue,
  type Inspection,
  inspectResult,
  resultOf,
} from "./dispute.ts";
import type { JobResult } from "./result.ts";

export interface DisputeOptions {
  /** The buyer agrees that a challenged share lets each operator put the result together. */
  disclose: boolean;
  onStep?: (line: string) => void;
  /** Told again and again while parties can still post what they were asked for, and the chain's time. */
  onWait?: (waiting: readonly AskedShare[], nowSec: number) => void;
  signal?: AbortSignal;
}

export interface DisputeEnd {
  /**
   * The result was sound; a contradiction was shown and the money is back; missing shares were posted; an operator did
   * not post its share, lost its bond, and the money is back; all was posted that could be asked for before the challenge
   * window closed, which is not the whole.
   */
  outcome: "sound" | "contested" | "posted" | "exposed" | "incomplete";
  txHash: string | null;
  result: JobResult | null;
  words: string;
}

/**
 * Inspects the result of a job and does what there is to do.
 * @throws STATE_INVALID before the attestation and after the challenge window; TERMS_REFUSED when a share is missing and
 * may not be disclosed
 */
export async function disputeResult(
  connection: BuyerConnection,
  id: string,
  options: DisputeOptions,
): Promise<DisputeEnd> {
  const { onStep = () => {} } = options;
  const inspection = await inspectResult(connection, id);
  const { shares, lie } = inspection;
  if (lie !== undefined) {
    onStep(`the three shares of number ${lie} of the result are not on a line`);
    const closed = await closedWords(connection.market, inspection.finished.job);
    if (closed !== undefined) throw new SymbolonError("STATE_INVALID", closed);
    const { txHash } = await contestResult(connection, inspection);
    return contestedEnd(connection, id, txHash);
  }
  const missing = partyIndices.filter((point) => shares[point - 1] instanceof SymbolonError);
  if (missing.length === 0) {
    const result = await resultOf(connection, inspection);
    return {
      outcome: "sound",
      txHash: null,
      result,
      words:
        "the three shares are there, fit what was attested, and are on a line: there is nothing to dispute",
    };
  }
  for (const point of missing) onStep(`party ${point}: ${(shares[point - 1] as SymbolonError).message}`);
  if (await mayAsk(connection, inspection, missing, options.disclose)) {
    await challengeShares(connection, inspection.finished, missing, (point, chunk, txHash) =>
      onStep(`party ${point} is asked for chunk ${chunk}  tx ${txHash}`),
    );
  }
  return awaitAll(connection, inspection, missing, options);
}

async function contestedEnd(connection: BuyerConnection, id: string, txHash: string): Promise<DisputeEnd> {
  const back = await fetchBack(connection, id);
  const words = `the contradiction stands on chain (tx ${txHash}), and ${back}`;
  return { outcome: "contested", txHash, result: null, words };
}

/** A dispute that was won pays nothing by itself: what it gave back is fetched here. */
async function fetchBack(connection: BuyerConnection, id: string): Promise<string> {
  const { market, buyer } = connection;
  const back = await moneyBack(market, id, 0);
  const dueSec = await exposeOverdue(connection, id, await chainTimeSec(market));
  if ((await market.returnedFeesWei(buyer)) > 0n) await market.withdrawFees(buyer);
  if (dueSec === undefined) return back;
  return `${back}; other chunks can be posted until ${time(dueSec)}: for the fees of those that were not, after that: symbolon buyer dispute ${id}`;
}

/** Why nothing more of a result can be asked for or shown; undefined while it can. */
async function closedWords(
  market: Market,
  { job, state, windowEndSec }: Job,
  { asking = false } = {},
): Promise<string | undefined> {
  const endSec = windowEndSec ?? 0;
  const inWindow = (await chainTimeSec(market)) <= endSec;
  if (state === "Attested" && inWindow) return undefined;
  // What was posted can be shown to be wrong for longer than something can be asked for.
  if (state === "Disputed" && (inWindow || !asking)) return undefined;
  if (state === "Settled") {
    const settled = (await market.jobEvents(job)).find(({ type }) => type === "JobSettled");
    // In the window nobody but the buyer settles.
    if (settled !== undefined && settled.timestampSec <= endSec) {
      return `job ${shortId(job)} was accepted at ${time(settled.timestampSec)}, and can no longer be disputed`;
    }
  }
  if (inWindow) return `job ${shortId(job)} is ${state}, and can no longer be disputed`;
  return `job ${shortId(job)} is ${state}, and its challenge window ended at ${time(endSec)}`;
}

/**
 * Whether the rest of the missing shares is to be asked for: not where all was asked for before, where nothing can be any
 * more, or where an operator has let the time pass, which is enough.
 * @throws TERMS_REFUSED without the buyer's consent, or STATE_INVALID when nothing was asked for in time
 */
async function mayAsk(
  { market }: BuyerConnection,
  { finished }: Inspection,
  missing: readonly PartyIndex[],
  disclose: boolean,
): Promise<boolean> {
  const { job } = finished;
  const asked = (await askedChunks(market, job.job)).filter(({ point }) => missing.includes(point));
  const rest = chunkCount(finished) * missing.length - asked.length;
  const nowSec = await chainTimeSec(market);
  if (rest === 0 || asked.some((chunk) => isLapsed(chunk, nowSec))) return false;
  const closed = await closedWords(market, job, { asking: true });
  if (closed === undefined) {
    if (disclose) return true;
    const feeWei = await market.challengeFeeWei();
    throw consentError(job, missing, asked, { rest, nowSec, feeWei });
  }
  if (asked.length > 0) return false;
  throw new SymbolonError("STATE_INVALID", `${isMissing(missing)}, but ${closed}`);
}

/** What was asked, what came of it, and what asking for the rest would cost and show. */
function consentError(
  { job, windowEndSec }: Job,
  missing: readonly PartyIndex[],
  asked: readonly AskedChunk[],
  { rest, nowSec, feeWei }: { rest: number; nowSec: number; feeWei: bigint },
): SymbolonError {
  const readers = missing.length === 1 ? "each of the operators" : "everybody";
  const first = asked.length === 0;
  const them = missing.length === 1 ? "it" : "them";
  const sofar = askedShares(asked).map((share) => `; ${describeAsked(share, nowSec)}`);
  const chunks = `${rest} ${first ? "" : "more "}${rest === 1 ? "chunk" : "chunks"}`;
  const cost = `${formatEther(feeWei * BigInt(rest))} ETH at the present price of gas`;
  return new SymbolonError(
    "TERMS_REFUSED",
    `${isMissing(missing)}${sofar.join("")}${first ? `, and asking for ${them}` : "; asking for the rest"} on chain lets ${readers} put the result together`,
    {
      hint: `to ask for ${chunks}, for ${cost}, before the challenge window ends at ${time(windowEndSec ?? 0)}: symbolon buyer dispute ${job} --disclose`,
    },
  );
}

const isMissing = (points: readonly PartyIndex[]): string =>
  `${sharesWords(points)} ${points.length === 1 ? "is" : "are"} missing`;

const time = (seconds: number): string => new Date(seconds * 1000).toISOString();

async function awaitAll(
  connection: BuyerConnection,
  inspection: Inspection,
  missing: readonly PartyIndex[],
  { onStep = () => {}, onWait = () => {}, signal }: DisputeOptions,
): Promise<DisputeEnd> {
  const { finished } = inspection;
  const { job } = finished.job;
  const told = new Map<PartyIndex, ShareState>();
  const onLook = (asked: readonly AskedShare[], nowSec: number): void => {
    for (const point of missing) {
      const share = asked.find((each) => each.point === point);
      const state = stateOf(share, nowSec);
      if (told.get(point) === state) continue;
      told.set(point, state);
      onStep(stateWords(point, share, nowSec));
    }
    const waiting = asked.filter((share) => stateOf(share, nowSec) === "awaited");
    if (waiting.length > 0) onWait(waiting, nowSec);
  };
  const end = await awaitShares(connection, finished, missing, onLook, signal);
  if ("exposed" in end) {
    const back = await fetchBack(connection, job);
    const words = `party ${end.point} did not post its share: its bond is gone (tx ${end.exposed}), and ${back}`;
    return { outcome: "exposed", txHash: end.exposed, result: null, words };
  }
  const contested = await contestPosted(connection, inspection, end.posted);
  if (contested !== undefined) {
    onStep(`the three shares of number ${contested.coordinate} of the result are not on a line`);
    return contestedEnd(connection, job, contested.txHash);
  }
  const count = chunkCount(finished);
  const parts = [...end.posted].filter(([, chunks]) => chunks.size < count);
  if (parts.length > 0) {
    const closed = await closedWords(connection.market, finished.job, { asking: true });
    const asked = parts.map(([point, { size }]) => `${size} of ${count} chunks of party ${point}`);
    const words = `${closed === undefined ? "" : `${closed}: `}${asked.join(", ")} had been asked for; what was asked for was posted and contradicts nothing, and the rest of the result stays missing`;
    return { outcome: "incomplete", txHash: null, result: null, words };
  }
  const result = await resultOf(connection, inspection, end.posted);
  const words = "the missing shares are on chain, and the result is whole";
  return { outcome: "posted", txHash: null, result, words };
}

type ShareState = "not asked" | "posted" | "overdue" | "awaited";

function stateOf(share: AskedShare | undefined, nowSec: number): ShareState {
  if (share === undefined) return "not asked";
  if (isOverdue(share, nowSec)) return "overdue";
  return share.nextDueSec === null ? "posted" : "awaited";
}

/** The same in words. */
function stateWords(point: PartyIndex, share: AskedShare | undefined, nowSec: number): string {
  if (share === undefined) return `party ${point} was not asked for its share`;
  if (stateOf(share, nowSec) === "posted") return `party ${point} has posted what it was asked for`;
  return describeAsked(share, nowSec);
}
