/** How sessions of review and exchange are shown, to people and in JSON. */
import type { SessionRequest } from "../../contracts/exchange-commitments.ts";
import { ether } from "../../contracts/tokens.ts";
import type { ScoredSeat } from "../exchange/collector.ts";
import type { Review } from "../exchange/collector-view.ts";
import type { DoneStep } from "../exchange/follow.ts";
import type { NextStep } from "../exchange/next-step.ts";
import { phaseTable, showTime } from "../exchange/phases.ts";
import type { Delivery } from "../exchange/provider.ts";
import { type SeatRecord, type SessionRecord, seatName } from "../exchange/session.ts";
import type { TokenBook } from "./money.ts";
import type { Output } from "./output.ts";

/** A session in JSON. Amounts count in the smallest unit of `token`; the zero address is ETH. */
export function sessionDocument(record: SessionRecord) {
  const { id, collector, state, request, times, nowSec, winner } = record;
  return {
    session: id,
    ...{ collector, state, nowSec },
    winner: winner === null ? null : seatName(winner),
    token: request.token,
    rewardWei: request.reward,
    depositWei: request.deposit,
    samplingBps: request.samplingBps,
    times,
    seats: record.seats.map((seat) => ({
      seat: seatName(seat.seat),
      provider: seat.provider,
      state: seat.state,
      shards: seat.commitment.shardCount,
      featuresRoot: seat.featuresRoot ?? null,
    })),
  };
}

/**
 * Reward, what of it the reviewed get that do not win, and deposit; where they are in a token also its address, for any
 * token can call itself by any symbol.
 */
export async function describeMoney(
  { token, reward, deposit, samplingBps }: SessionRequest,
  tokens: TokenBook,
): Promise<string> {
  const share = (reward * BigInt(samplingBps)) / 10_000n;
  const shared =
    share === 0n
      ? "nothing of it to who is reviewed and does not win"
      : `of which ${await tokens.show(share, token)} to each who is reviewed and does not win`;
  const words = `reward ${await tokens.show(reward, token)}, ${shared}; deposit ${await tokens.show(deposit, token)}`;
  return token === ether.address ? words : `${words}, token ${token}`;
}

/** A session in words: its phases and seats. */
export async function describeSession(
  record: SessionRecord,
  tokens: TokenBook,
  output: Output,
): Promise<string> {
  const { id, state, request, times, nowSec, seats, winner } = record;
  const phases = phaseTable(times, nowSec).map(({ phase, bySec, current }) => [
    current ? `> ${phase}` : `  ${phase}`,
    showTime(bySec),
  ]);
  return [
    `session ${id}: ${state}; ${await describeMoney(request, tokens)}`,
    output.table(["phase", "until"], phases),
    `sampling begins ${showTime(times.sampleFromSec)}; the chain's newest block is of ${showTime(nowSec)}`,
    seats.length === 0
      ? "no data set is registered"
      : output.table(
          ["seat", "shards", "state"],
          seats.map(({ seat, commitment, state: seatState }) => [
            seatName(seat),
            String(commitment.shardCount),
            seat === winner ? `${seatState}, winner` : seatState,
          ]),
        ),
  ].join("\n");
}

/** The next step of one side, its command as it is typed. */
export function nextDocument(role: "buyer" | "seller", next: NextStep | null) {
  if (next === null) return null;
  const { command, fromSec = null, bySec = null, note = null, due } = next;
  return { command: `${role} exchange ${command}`, fromSec, bySec, note, due };
}

export function describeNext(role: "buyer" | "seller", next: NextStep | null): string {
  if (next === null) return "next: nothing, this session is over for you";
  return `next: symbolon ${role} exchange ${next.command}${timeOf(next)}`;
}

/** What a seller's side that goes by itself waits for. */
export function describeWait(next: NextStep): string {
  const step =
    { features: "deliver", answer: "answer a review", claim: "claim" }[next.command] ?? next.command;
  return `waits to ${step}${timeOf(next)}`;
}

/** From when and until when, and what it waits for. */
function timeOf({ fromSec, bySec, note }: NextStep): string {
  const from = fromSec === undefined ? "" : ` from ${showTime(fromSec)}`;
  const by = bySec === undefined ? "" : ` until ${showTime(bySec)}`;
  return `${from}${by}${note === undefined ? "" : `; ${note}`}`;
}

/** A step of a seller that was done. */
export async function stepWords(step: DoneStep, tokens: TokenBook): Promise<string> {
  switch (step.command) {
    case "features":
      return featuresWords(step.result);
    case "answer":
      return answerWords(step.result);
    case "claim":
      return await claimWords(step.result, tokens);
    default:
      return await withdrawWords(step.result, tokens);
  }
}

export function featuresWords({ store, storeHasSession, featuresRoot, txHash }: Delivery): string {
  const doubt = storeHasSession
    ? ""
    : `\n${store} did not have the description of this session: is it the store that the buyer reads? symbolon seller exchange features, with the right --store, delivers there, too`;
  return `the delivery is in ${store} as ${featuresRoot}${showTx(txHash)}${doubt}`;
}

type Result<Step extends DoneStep["command"]> = (DoneStep & { command: Step })["result"];

export const answerWords = ({ shards, txHash }: Result<"answer">): string =>
  `opened shard${shards.length === 1 ? "" : "s"} ${shards.join(", ")}${showTx(txHash)}`;

export async function claimWords(
  { rewardWei, token, txHash }: Result<"claim">,
  tokens: TokenBook,
): Promise<string> {
  return `paid: ${await tokens.show(rewardWei, token)} of the reward, and the deposit${showTx(txHash)}`;
}

export async function withdrawWords(
  { amountWei, token, txHash }: Result<"withdraw">,
  tokens: TokenBook,
): Promise<string> {
  return `paid out: ${await tokens.show(amountWei, token)}${showTx(txHash)}`;
}

export function scoreDocument({ seat, score }: ScoredSeat) {
  return { seat: seatName(seat.seat), state: seat.state, ...score };
}

export function scoreTable(ranking: readonly ScoredSeat[], output: Output): string {
  if (ranking.length === 0) return "no data set has a score yet";
  return output.table(
    ["seat", "rows", "log loss", "accuracy", "labels as expected"],
    ranking.map(({ seat, score: { rows, logLoss, accuracy, agreement } }) => [
      seatName(seat.seat),
      String(rows),
      logLoss.toFixed(4),
      showShare(accuracy),
      showShare(agreement),
    ]),
  );
}

export function reviewDocument({ seat, shards, rows, agreement, problems }: Review) {
  return { seat: seatName(seat.seat), shards, rows, agreement, problems };
}

export function reviewTable(reviews: readonly Review[], output: Output): string {
  if (reviews.length === 0) return "no review is answered yet";
  return output.table(
    ["seat", "shards", "rows", "labels as expected", "review"],
    reviews.map(({ seat, shards, rows, agreement, problems: [problem] }) => [
      seatName(seat.seat),
      shards.join(" "),
      String(rows),
      showShare(agreement),
      problem === undefined ? "passes" : `shard ${problem.shard}: ${problem.message}`,
    ]),
  );
}

export const seatNames = (seats: readonly SeatRecord[]): string[] => seats.map(({ seat }) => seatName(seat));

/** Seats behind a colon. */
export const listSeats = (seats: readonly SeatRecord[]): string =>
  seats.length === 0 ? "" : `: ${seatNames(seats).join(", ")}`;

/** The transaction of a call; null when it was not needed. */
export const showTx = (hash: string | null): string =>
  hash === null ? ", as it was before" : `  tx ${hash}`;

const showShare = (share: number): string => `${(100 * share).toFixed(1)} %`;
