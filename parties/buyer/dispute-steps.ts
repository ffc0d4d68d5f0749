/** A dispute from its beginning to its end: what `symbolon buyer dispute` does. */
import { formatEther } from "ethers";
import type { ChunkOpening } from "../../contracts/market.ts";
import { SymbolonError } from "../../mpc/errors.ts";
import { type PartyIndex, partyIndices } from "../../mpc/transport/transport.ts";
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
  const due = new Date(dueSec * 1000).toISOString();
  return `${back}; other chunks can be posted until ${due}: dispute again then, for the fees of those that were not`;
}

/** @throws TERMS_REFUSED with what it would cost and show */
async function requireConsent(
  { market }: BuyerConnection,
  { finished }: Inspection,
  missing: readonly PartyIndex[],
  disclose: boolean,
): Promise<void> {
  if (disclose) return;
  const feeWei = await market.challengeFeeWei();
  const chunks = chunkCount(finished) * missing.length;
  const readers = missing.length === 1 ? "each of the operators" : "everybody";
  throw new SymbolonError(
    "TERMS_REFUSED",
    `the share of party ${missing.join(" and ")} is missing, and asking for it on chain lets ${readers} put the result together`,
    {
      hint: `to ask for ${chunks} ${chunks === 1 ? "chunk" : "chunks"}, for ${formatEther(feeWei * BigInt(chunks))} ETH at the present price of gas, give --disclose`,
    },
  );
}

async function challengeAll(
  connection: BuyerConnection,
  inspection: Inspection,
  missing: readonly PartyIndex[],
  { onStep = () => {}, signal }: DisputeOptions,
): Promise<DisputeEnd> {
  const { finished } = inspection;
  await challengeShares(connection, finished, missing, (point, chunk, txHash) =>
    onStep(`party ${point} is asked for chunk ${chunk}  tx ${txHash}`),
  );
  const posted = new Map<PartyIndex, ReadonlyMap<number, ChunkOpening>>();
  for (const point of missing) {
    const onWait = (dueSec: number) =>
      onStep(
        `party ${point} has until ${new Date(dueSec * 1000).toISOString()} to post what it was asked for`,
      );
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
