/** A session as the chain tells it: its terms, the clock of its phases, and the registrations with their facts. */
import type { ExchangeEvent, ExchangeMarket, Registration } from "../../contracts/exchange.ts";
import {
  type SessionRequest,
  type SessionTerms,
  seatId,
  sessionTerms,
} from "../../contracts/exchange-commitments.ts";
import type { SeatState, SessionState } from "../../contracts/exchange-states.ts";
import { SymbolonError } from "../../mpc/errors.ts";

/** Last second of each phase, and the first of sampling. Ends are included. */
export interface PhaseTimes {
  registerBySec: number;
  sampleFromSec: number;
  sampleBySec: number;
  featuresBySec: number;
  accuseBySec: number;
  reviewBySec: number;
  answerBySec: number;
  optimalBySec: number;
  claimBySec: number;
}

export interface SeatRecord extends Registration {
  provider: string;
  /** What the seat is now; "Ended" once this registration is over. */
  state: SeatState | "Ended";
  reviewAsked: boolean;
  /** Revealed with the claim. */
  masterKey?: string;
}

export interface SessionRecord {
  id: string;
  collector: string;
  request: SessionRequest;
  terms: SessionTerms;
  times: PhaseTimes;
  /** The newest block's second, when this was read. */
  nowSec: number;
  state: SessionState;
  answered: number;
  winner: bigint | null;
  /** In the order of registration; each seat with its last registration. */
  seats: SeatRecord[];
}

export function phaseTimes(request: SessionRequest, sampleDelaySec: number): PhaseTimes {
  const { registerBySec } = request;
  const sampleBySec = registerBySec + request.sampleSec;
  const featuresBySec = sampleBySec + request.featuresSec;
  const reviewBySec = featuresBySec + request.reviewSec;
  const answerBySec = reviewBySec + request.answerSec;
  const optimalBySec = answerBySec + request.optimalSec;
  return {
    registerBySec,
    sampleFromSec: registerBySec + sampleDelaySec,
    sampleBySec,
    featuresBySec,
    accuseBySec: featuresBySec + Math.floor(request.reviewSec / 2),
    reviewBySec,
    answerBySec,
    optimalBySec,
    claimBySec: optimalBySec + request.claimSec,
  };
}

const phases: readonly (readonly [string, keyof PhaseTimes])[] = [
  ["registration", "registerBySec"],
  ["sampling", "sampleBySec"],
  ["features", "featuresBySec"],
  ["review", "reviewBySec"],
  ["answer", "answerBySec"],
  ["choice", "optimalBySec"],
  ["claim", "claimBySec"],
];

/** The phases with their ends, and which one runs at `nowSec`. */
export function phaseTable(
  times: PhaseTimes,
  nowSec: number,
): { phase: string; bySec: number; current: boolean }[] {
  const current = phases.findIndex(([, end]) => nowSec <= times[end]);
  return phases.map(([phase, end], index) => ({ phase, bySec: times[end], current: index === current }));
}

/** Reads a session from its events and the present state of its seats. @throws NOT_FOUND, CHAIN_UNREACHABLE */
export async function readSession(
  market: ExchangeMarket,
  session: string,
  fromBlock: number,
): Promise<SessionRecord> {
  const events = await market.events(fromBlock);
  const opened = events.find((event) => event.type === "SessionOpened" && event.session === session);
  if (opened?.type !== "SessionOpened") {
    throw new SymbolonError("NOT_FOUND", `no session ${session} was opened at ${market.address}`);
  }
  const { collector, request } = opened;
  const seats = await Promise.all(
    seatsOf(events, session).map(async (seat) =>
      seat.state === "Ended" ? seat : { ...seat, state: (await market.seat(seat.seat)).state },
    ),
  );
  return {
    id: session,
    collector,
    request,
    terms: sessionTerms(collector, request),
    times: phaseTimes(request, await market.sampleDelaySec()),
    nowSec: await market.nowSec(),
    ...(await market.session(session)),
    seats,
  };
}

/** Follows the events of a session. */
function seatsOf(events: readonly ExchangeEvent[], session: string): SeatRecord[] {
  const seats = new Map<bigint, SeatRecord>();
  for (const event of events) {
    if (!("seat" in event && "session" in event) || event.session !== session) continue;
    if (event.type === "ProviderRegistered") {
      const { seat, commitment } = event;
      // The order is that of the last registration.
      seats.delete(seat);
      const provider = providerOf(seat);
      seats.set(seat, { seat, commitment, provider, state: "Registered", reviewAsked: false });
      continue;
    }
    const record = seats.get(event.seat);
    // Anyone may state features for a seat of its own that is in no session.
    if (record !== undefined) apply(record, event);
  }
  return [...seats.values()];
}

function apply(record: SeatRecord, event: ExchangeEvent): void {
  switch (event.type) {
    case "ShardsSampled":
      record.state = "Sampled";
      record.seed = event.seed;
      break;
    case "FeaturesCommitted":
      // A word without effect once the features are bound.
      if (record.state === "Sampled" || record.state === "Accused") record.featuresRoot = event.featuresRoot;
      break;
    case "FeaturesMissed":
      record.state = "Accused";
      break;
    case "FeaturesDelivered":
      record.state = "Delivered";
      record.featuresRoot = event.featuresRoot;
      break;
    case "CandidateNamed":
      record.state = "Candidate";
      record.featuresRoot = event.featuresRoot;
      break;
    case "ReviewAsked":
      record.state = "Reviewing";
      record.reviewAsked = true;
      break;
    case "ReviewAnswered":
      record.state = "Answered";
      record.keys = event.keys;
      break;
    case "RewardClaimed":
      record.masterKey = event.masterKey;
      record.state = "Ended";
      break;
    case "SeatReleased":
    case "DepositForfeited":
      record.state = "Ended";
      break;
  }
}

/** The account of a seat. */
export function providerOf(seat: bigint): string {
  return `0x${(seat >> 64n).toString(16).padStart(40, "0")}`;
}

/** A seat as people write it: account and number. */
export function seatName(seat: bigint): string {
  return `${providerOf(seat)}/${seat & 0xffff_ffff_ffff_ffffn}`;
}

/** @throws NOT_FOUND */
export function seatOf(session: SessionRecord, account: string, number: bigint): SeatRecord {
  const seat = session.seats.find((each) => each.seat === seatId(account, number));
  if (seat === undefined) {
    throw new SymbolonError("NOT_FOUND", `seat ${number} of ${account} is not registered in this session`);
  }
  return seat;
}

/**
 * Looks at the clock before a call that shows a secret: the estimate of its gas already tells it to the endpoint, and a
 * refusal would come too late. @throws STATE_INVALID
 */
export function requireTime(session: SessionRecord, what: string, fromSec: number, bySec: number): void {
  const { nowSec } = session;
  if (nowSec >= fromSec && nowSec <= bySec) return;
  const at = (seconds: number): string => new Date(seconds * 1000).toISOString();
  throw new SymbolonError("STATE_INVALID", `${what} is from ${at(fromSec)} to ${at(bySec)}`, {
    hint: `the chain's newest block is of ${at(nowSec)}`,
  });
}
