/** What a provider is refused before anything is sent, and why. */
import { SymbolonError } from "../../mpc/errors.ts";
import { lostBecause } from "./next-step.ts";
import { showTime } from "./phases.ts";
import { type SeatRecord, type SessionRecord, seatName } from "./session.ts";

/** Of a seat that is not sampled, its features are nobody's to ask for. */
export function notSampled(record: SessionRecord, { seat, state, provider }: SeatRecord): SymbolonError {
  const { times, nowSec, seats } = record;
  const { sampleFromSec, sampleBySec } = times;
  const other = seats.find(
    (each) => each.provider === provider && each.seat !== seat && each.seed !== undefined,
  );
  const waiting = state === "Registered" && nowSec <= sampleBySec;
  const withdraw = `the deposit goes back from ${showTime(sampleBySec + 1)} on: seller exchange withdraw`;
  return new SymbolonError("STATE_INVALID", "the seat is not sampled: nobody may ask for its features", {
    hint:
      other !== undefined
        ? `of each seller one data set is sampled, and of this one it is seat ${seatName(other.seat)}; ${withdraw}`
        : waiting
          ? `the buyer samples from ${showTime(sampleFromSec)} to ${showTime(sampleBySec)}; try again when it has`
          : `the buyer has left it out; ${withdraw}`,
  });
}

/** @throws STATE_INVALID for a seat that has won, whether its pay is to be claimed or lost */
export function requireWithdrawable(record: SessionRecord, seat: SeatRecord): void {
  const lost = lostBecause(record, seat);
  if (lost !== undefined) {
    throw new SymbolonError("STATE_INVALID", `the deposit of this data set is the buyer's: ${lost}`);
  }
  if (record.state !== "Won" || record.winner !== seat.seat || seat.state !== "Answered") return;
  throw new SymbolonError(
    "STATE_INVALID",
    "this data set has won: its claim pays the reward and the deposit",
    {
      hint: `seller exchange claim, until ${showTime(record.times.claimBySec)}: the deposit is lost after that`,
    },
  );
}
