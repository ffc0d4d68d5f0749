/** A session as the chain tells it: its terms, its times, and the registrations with their facts. */
import type { ExchangeEvent, ExchangeMarket, Registration } from "../../contracts/exchange.ts";
import {
  type SessionRequest,
  type SessionTerms,
  seatId,
  sessionTerms,
} from "../../contracts/exchange-commitments.ts";
import type { SeatState, SessionState } from "../../contracts/exchange-states.ts";
import { SymbolonError } from "../../mpc/errors.ts";
import { type PhaseTimes, phaseTimes } from "./phases.ts";

export interface SeatRecord extends Registration {
  provider: string;
  /** What the seat is now; "Ended" once this registration is over. */
  state: SeatState | "Ended";
  reviewAsked: boolean;
  /** Revealed with the claim. */
  masterKey?: string;
  /** How the registration ended; of a released one with what its seat was owed then. */
  outcome?: { ended: "paid" | "forfeited" } | { ended: "released"; amount: bigint };
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

/** Reads a session from its events and the present state of its seats. @throws NOT_FOUND, CHAIN_UNREACHABLE */
export async function readSession(
  market: ExchangeMarket,
  session: string,
  fromBlock: number,
): Promise<SessionRecord> {
  const events = await market.events(fromBlock);
  const opened = events.find((event) => event.type === "SessionOpened" && event.session === session);
  if (opened?.type !== "SessionOpened") {
    throw new SymbolonError("NOT_FOUND", `no session ${session} was opened at ${market.address}`, {
      hint: "is it the id that buyer exchange open printed, and are --rpc and --deployment those of its chain?",
    });
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
      record.outcome = { ended: "paid" };
      break;
    case "SeatReleased":
      record.state = "Ended";
      record.outcome = { ended: "released", amount: event.deposit + event.compensation };
      break;
    case "DepositForfeited":
      record.state = "Ended";
      record.outcome = { ended: "forfeited" };
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
    throw new SymbolonError("NOT_FOUND", `seat ${number} of ${account} is not registered in this session`, {
      hint: "seller exchange register, given again, goes on where it was interrupted",
    });
  }
  return seat;
}
