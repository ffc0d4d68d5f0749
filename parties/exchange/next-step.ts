/** What each side of a session has to do next, and by when: told after each command, for a step that is missed is lost. */
import type { CollectorJournal } from "./collector-journal.ts";
import { showTime } from "./phases.ts";
import { type SeatRecord, type SessionRecord, seatName } from "./session.ts";

export interface NextStep {
  /** A command of this side. */
  command: string;
  /** First second; left out when that has come. */
  fromSec?: number;
  /** Last second; left out where there is no limit. */
  bySec?: number;
  /** What it waits for, or what there is besides. */
  note?: string;
  /** Whether it can be done now: its time has come, and it waits for nothing of the other side's. */
  due: boolean;
}

/** Null once nothing is left to do. */
export function collectorStep(
  record: SessionRecord,
  { scores, collected }: Pick<CollectorJournal, "scores" | "collected">,
): NextStep | null {
  const { state, times, nowSec } = record;
  const forfeits = forfeitable(record).length > 0 ? { command: "close", due: true } : null;
  switch (state) {
    case "Open":
      return openStep(record, scores);
    case "Won":
      return nowSec <= times.claimBySec
        ? {
            ...{ command: "collect", due: false },
            note: `once the winner has claimed, until ${showTime(times.claimBySec)}`,
          }
        : { command: "close", due: true };
    case "Claimed":
      return collected === true ? forfeits : { command: "collect", due: true };
    default:
      return forfeits;
  }
}

function openStep(record: SessionRecord, scores: CollectorJournal["scores"]): NextStep {
  const { times, nowSec, seats } = record;
  const { registerBySec, sampleFromSec, sampleBySec, reviewBySec, answerBySec, optimalBySec } = times;
  if (nowSec <= registerBySec || (nowSec <= sampleBySec && unsampled(seats).length > 0)) {
    const time = window(nowSec, sampleFromSec, sampleBySec);
    if (seats.length > 0) return { command: "sample", ...time };
    return { command: "sample", ...time, due: false, note: "no data set is registered yet" };
  }
  const reviewed = seats.filter(({ reviewAsked }) => reviewAsked);
  const answered = reviewed.filter(({ keys }) => keys !== undefined);
  if (nowSec <= optimalBySec && (answered.length > 0 || (reviewed.length > 0 && nowSec <= answerBySec))) {
    const note = `${answered.length} of ${reviewed.length} reviews are answered, for which there is time until ${showTime(answerBySec)}`;
    return { command: "choose", ...window(nowSec, answerBySec + 1, optimalBySec), note };
  }
  if (nowSec <= reviewBySec && seats.some(({ seed }) => seed !== undefined)) {
    const scored = scores.some(({ score }) => score !== undefined);
    return {
      command: scored ? "review" : "score",
      bySec: reviewBySec,
      due: scored || seats.some(({ featuresRoot }) => featuresRoot !== undefined),
      note: deliveryNote(record, scores),
    };
  }
  return { command: "close", ...window(nowSec, optimalBySec + 1), note: "nobody can win any more" };
}

/** What can be done about sellers that deliver nothing, and when. */
function deliveryNote({ times, seats }: SessionRecord, scores: CollectorJournal["scores"]): string {
  const { featuresBySec, accuseBySec } = times;
  const scored = new Set(scores.filter(({ score }) => score !== undefined).map(({ seat }) => seat));
  const sampled = seats.filter(({ seed }) => seed !== undefined);
  const missing = sampled.filter(({ seat }) => !scored.has(String(seat)));
  if (missing.length === 0) return `all ${sampled.length} sampled data sets have a score`;
  return `${missing.length} of ${sampled.length} sampled data sets have no score yet; sellers deliver until ${showTime(featuresBySec)}; from then on buyer exchange accuse names who did not, until ${showTime(accuseBySec)}`;
}

/** Registered seats of sellers of whom none is sampled: of each seller, one is. */
export function unsampled(seats: readonly SeatRecord[]): SeatRecord[] {
  const taken = new Set(seats.filter(({ seed }) => seed !== undefined).map(({ provider }) => provider));
  return seats.filter(({ state, provider }) => state === "Registered" && !taken.has(provider));
}

/** Seats whose deposit the collector can take now. */
export function forfeitable({ times, nowSec, state, winner, seats }: SessionRecord): SeatRecord[] {
  const unclaimed = (state === "Won" || state === "Closed") && nowSec > times.claimBySec;
  return seats.filter(
    (seat) =>
      (seat.state === "Accused" && nowSec > times.reviewBySec) ||
      (unclaimed && seat.seat === winner && seat.state === "Answered"),
  );
}

/**
 * @param seat the own one, once it is registered
 * @param heldWei what it holds that no registration binds
 */
export function providerStep(
  record: SessionRecord,
  seat: SeatRecord | undefined,
  heldWei: bigint,
): NextStep | null {
  const { times, nowSec } = record;
  if (seat === undefined && nowSec <= times.registerBySec)
    return { command: "register", bySec: times.registerBySec, due: true };
  if (seat === undefined || seat.state === "Ended") {
    return heldWei > 0n ? { command: "withdraw", due: true } : null;
  }
  const other = record.seats.find(({ seed, provider }) => seed !== undefined && provider === seat.provider);
  if (seat.state === "Registered" && other !== undefined) {
    return {
      ...{ command: "withdraw", ...window(record.nowSec, times.sampleBySec + 1) },
      note: `of each seller one data set is sampled, and of this one it is seat ${seatName(other.seat)}`,
    };
  }
  return seatStep(record, seat) ?? lastStep(record, seat);
}

/** The step for which the buyer waits or will; undefined when the data set can go no further. */
function seatStep({ state, winner, nowSec, times }: SessionRecord, seat: SeatRecord): NextStep | undefined {
  const { sampleFromSec, sampleBySec, featuresBySec, reviewBySec, answerBySec, optimalBySec, claimBySec } =
    times;
  const answer = { command: "answer", ...window(nowSec, reviewBySec + 1, answerBySec) };
  switch (seat.state) {
    case "Registered":
      if (nowSec > sampleBySec) return;
      return {
        ...{ command: "features", ...window(nowSec, sampleFromSec, featuresBySec), due: false },
        note: `once the buyer has sampled this data set, for which it has until ${showTime(sampleBySec)}`,
      };
    case "Sampled":
      if (nowSec > reviewBySec) return;
      if (seat.featuresRoot !== undefined) return { ...answer, due: false, note: ifAsked(reviewBySec) };
      if (nowSec <= featuresBySec) return { command: "features", bySec: featuresBySec, due: true };
      return {
        ...{ command: "features", bySec: reviewBySec, due: true },
        note: "late: the buyer may accuse this seller",
      };
    case "Accused":
      if (nowSec > reviewBySec) return;
      return {
        ...{ command: "features", bySec: reviewBySec, due: true },
        note: "the deposit is lost otherwise",
      };
    case "Delivered":
    case "Candidate":
      if (nowSec > reviewBySec) return;
      return { ...answer, due: false, note: ifAsked(reviewBySec) };
    case "Reviewing":
      return nowSec > answerBySec ? undefined : answer;
    default:
      if (state === "Open" && nowSec <= optimalBySec) {
        return {
          ...{ command: "claim", ...window(nowSec, answerBySec + 1, claimBySec), due: false },
          note: `if the buyer names this data set, for which it has until ${showTime(optimalBySec)}; withdraw otherwise`,
        };
      }
      if (state !== "Won" || winner !== seat.seat || nowSec > claimBySec) return;
      return { command: "claim", bySec: claimBySec, due: true };
  }
}

/** What is left for a data set that goes no further; null where its deposit is lost. */
function lastStep(record: SessionRecord, seat: SeatRecord): NextStep | null {
  return lostBecause(record, seat) === undefined ? { command: "withdraw", due: true } : null;
}

/** Why the deposit of a seat, and what it would have been paid, is the buyer's; undefined where it is not. */
export function lostBecause({ winner, nowSec, times }: SessionRecord, seat: SeatRecord): string | undefined {
  const { reviewBySec, claimBySec } = times;
  const taken = seat.outcome?.ended === "forfeited";
  if (taken ? seat.seat !== winner : seat.state === "Accused" && nowSec > reviewBySec) {
    return `the features were not delivered by ${showTime(reviewBySec)}, after the buyer said that they are missing`;
  }
  if (taken || (seat.state === "Answered" && seat.seat === winner && nowSec > claimBySec)) {
    return `it has won, and did not claim by ${showTime(claimBySec)}`;
  }
  return undefined;
}

const ifAsked = (reviewBySec: number): string =>
  `if the buyer asks for a review, for which it has until ${showTime(reviewBySec)}; withdraw otherwise`;

/** The time for a step, without a beginning that has come; it is due then, unless it waits for more than that. */
function window(
  nowSec: number,
  fromSec: number,
  bySec?: number,
): Pick<NextStep, "fromSec" | "bySec" | "due"> {
  return {
    ...(fromSec > nowSec && { fromSec }),
    ...(bySec !== undefined && { bySec }),
    due: fromSec <= nowSec,
  };
}
