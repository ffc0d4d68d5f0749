/** A dispute from its beginning to its end: what `symbolon buyer dispute` does. */
import { formatEther } from "ethers";
import type { ChunkOpening } from "../../contracts/market.ts";
import { shortId } from "../../contracts/use-terms.ts";
import { SymbolonError } from "../../mpc/errors.ts";
import { type PartyIndex, partyIndices } from "../../mpc/transport/transport.ts";
import { type AskedShare, askedChunks, askedShares, describeAsked, isLapsed } from "./asked-chunks.ts";
import { type BuyerConnection, chainTimeSec, moneyBack } from "./client.ts";
import {
  awaitShare,
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
 * @throws STATE_INVALID before the attestation; TERMS_REFUSED when a share is missing and may not be disclosed;
 * CONTRACT_REVERTED and kin after the challenge window
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
  await requireConsent(connection, inspection, missing, options.disclose);
  return challengeAll(connection, inspection, missing, options);
}

async function contestedEnd(connection: BuyerConnection, id: string, txHash: string): Promise<DisputeEnd> {
  const back = await fetchBack(connection, id);
  const words = `the contradiction stands on chain, and ${back}  tx ${txHash}`;
  return { outcome: "contested", txHash, result: null, words };
}

/** A dispute that was won pays nothing by itself: what it gave back is fetched here. */
async function fetchBack(connection: BuyerConnection, id: string): Promise<string> {
  const { market, buyer } = connection;
  const back = await moneyBack(market, id, 0);
  const dueSec = await exposeOverdue(connection, id, await chainTimeSec(market));
  if ((await market.returnedFeesWei(buyer)) > 0n) await market.withdrawFees(buyer);
  if (dueSec === undefined) return back;
  return `${back}; other chunks can be posted until ${time(dueSec)}: dispute again then, for the fees of those that were not`;
}

/**
 * Nothing needs consent where all was asked for before, where nothing can be any more, or where an operator has let the
 * time pass, which is enough.
 * @throws TERMS_REFUSED, or STATE_INVALID when nothing was asked for in time
 */
async function requireConsent(
  { market }: BuyerConnection,
  { finished }: Inspection,
  missing: readonly PartyIndex[],
  disclose: boolean,
): Promise<void> {
  if (disclose) return;
  const { job, state, windowEndSec } = finished.job;
  const asked = (await askedChunks(market, job)).filter(({ point }) => missing.includes(point));
  const rest = chunkCount(finished) * missing.length - asked.length;
  const nowSec = await chainTimeSec(market);
  if (rest === 0 || asked.some((chunk) => isLapsed(chunk, nowSec))) return;
  const endSec = windowEndSec ?? 0;
  const open = (state === "Attested" || state === "Disputed") && nowSec <= endSec;
  if (open) {
    throw consentError(missing, askedShares(asked), rest, {
      nowSec,
      endSec,
      feeWei: await market.challengeFeeWei(),
    });
  }
  if (asked.length > 0) return;
  throw new SymbolonError(
    "STATE_INVALID",
    `${isMissing(missing)} and cannot be asked for any more: job ${shortId(job)} is ${state}, and its challenge window ended at ${time(endSec)}`,
  );
}

/** What was asked, what came of it, and what asking for the rest would cost and show. */
function consentError(
  missing: readonly PartyIndex[],
  asked: readonly AskedShare[],
  rest: number,
  { nowSec, endSec, feeWei }: { nowSec: number; endSec: number; feeWei: bigint },
): SymbolonError {
  const readers = missing.length === 1 ? "each of the operators" : "everybody";
  const first = asked.length === 0;
  const sofar = asked.map((share) => `; ${describeAsked(share, nowSec)}`).join("");
  const chunks = `${rest} ${first ? "" : "more "}${rest === 1 ? "chunk" : "chunks"}`;
  const cost = `${formatEther(feeWei * BigInt(rest))} ETH at the present price of gas`;
  return new SymbolonError(
    "TERMS_REFUSED",
    `${isMissing(missing)}${sofar}${first ? ", and asking for it" : "; asking for the rest"} on chain lets ${readers} put the result together`,
    {
      hint: `to ask for ${chunks}, for ${cost}, give --disclose before the challenge window ends at ${time(endSec)}`,
    },
  );
}

const isMissing = (points: readonly PartyIndex[]): string =>
  `the share of party ${points.join(" and ")} is missing`;

const time = (seconds: number): string => new Date(seconds * 1000).toISOString();

async function challengeAll(
  connection: BuyerConnection,
  inspection: Inspection,
  missing: readonly PartyIndex[],
  { disclose, onStep = () => {}, signal }: DisputeOptions,
): Promise<DisputeEnd> {
  const { finished } = inspection;
  if (disclose) {
    await challengeShares(connection, finished, missing, (point, chunk, txHash) =>
      onStep(`party ${point} is asked for chunk ${chunk}  tx ${txHash}`),
    );
  }
  const posted = new Map<PartyIndex, ReadonlyMap<number, ChunkOpening>>();
  for (const point of missing) {
    const onWait = (dueSec: number) =>
      onStep(`party ${point} has until ${time(dueSec)} to post what it was asked for`);
    const end = await awaitShare(connection, finished, point, onWait, signal);
    if ("exposed" in end) {
      const back = await fetchBack(connection, finished.job.job);
      const words = `party ${point} did not post its share: its bond is gone, and ${back}  tx ${end.exposed}`;
      return { outcome: "exposed", txHash: end.exposed, result: null, words };
    }
    onStep(`party ${point} has posted what it was asked for`);
    posted.set(point, end.posted);
  }
  const contested = await contestPosted(connection, inspection, posted);
  if (contested !== undefined) {
    onStep(`the three shares of number ${contested.coordinate} of the result are not on a line`);
    return contestedEnd(connection, finished.job.job, contested.txHash);
  }
  const asked = Math.min(...[...posted.values()].map((chunks) => chunks.size));
  const count = chunkCount(finished);
  if (asked < count) {
    const words = `the challenge window closed when ${asked} of ${count} chunks had been asked for: they were posted and contradict nothing, and the rest of the result stays missing`;
    return { outcome: "incomplete", txHash: null, result: null, words };
  }
  const result = await resultOf(connection, inspection, posted);
  const words = "the missing shares are on chain, and the result is whole";
  return { outcome: "posted", txHash: null, result, words };
}
