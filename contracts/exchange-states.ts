/**
 * The states of a session of the exchange and of a provider's seat, and the arrows between them, as the contract has
 * them (libraries/ExchangeStates.sol). A test compares the tables for all pairs.
 */

/** In the order of their numbers on chain, as are those of sessions. */
export const seatStates = [
  "None",
  "Idle",
  "Registered",
  "Sampled",
  "Accused",
  "Delivered",
  "Candidate",
  "Reviewing",
  "Answered",
] as const;
export type SeatState = (typeof seatStates)[number];

export const sessionStates = ["None", "Open", "Won", "Claimed", "Closed"] as const;
export type SessionState = (typeof sessionStates)[number];

/** Where a seat can go from each state. The arrows to Idle end a registration; all others lead on. */
export const seatTransitions: Readonly<Record<SeatState, readonly SeatState[]>> = {
  None: ["Idle"],
  Idle: ["Registered"],
  Registered: ["Idle", "Sampled"],
  Sampled: ["Idle", "Accused", "Candidate"],
  Accused: ["Idle", "Delivered"],
  Delivered: ["Idle", "Candidate"],
  Candidate: ["Idle", "Reviewing"],
  Reviewing: ["Idle", "Answered"],
  Answered: ["Idle"],
};

/** Where a session can go from each state. */
export const sessionTransitions: Readonly<Record<SessionState, readonly SessionState[]>> = {
  None: ["Open"],
  Open: ["Won", "Closed"],
  Won: ["Claimed", "Closed"],
  Claimed: [],
  Closed: [],
};
