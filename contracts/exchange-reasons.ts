/**
 * What the exchange of raw data sets refused, in words. Every custom error of its contract has an entry; a test
 * compares the list with the compiled contract.
 */
import type { Result } from "ethers";
import { SymbolonError } from "../mpc/errors.ts";
import { artifact } from "./artifacts.ts";
import { seatStates, sessionStates } from "./exchange-states.ts";
import { time, type Words } from "./reason-words.ts";
import { parseError, revertData, toChainError } from "./revert-reasons.ts";

const phases = ["registration", "sampling", "features", "review", "answer", "choice", "claim"];

/** By name of the custom error. Arguments come in the order of the declaration. */
export const exchangeReasons: Readonly<Record<string, (args: Result) => Words>> = {
  SeatTransitionRefused: ([seat, from, to]) => ({
    code: "STATE_INVALID",
    message: `${seatName(seat)} is ${seatStates[Number(from)] ?? from} and cannot become ${seatStates[Number(to)] ?? to}`,
  }),
  SessionTransitionRefused: ([session, from, to]) => ({
    code: from === 0n ? "NOT_FOUND" : "STATE_INVALID",
    message:
      from === 0n
        ? `no session ${session}`
        : `session ${session} is ${sessionStates[Number(from)] ?? from} and cannot become ${sessionStates[Number(to)] ?? to}`,
  }),
  FactsMismatch: ([seat]) => ({
    code: "COMMITMENT_MISMATCH",
    message: `the terms, the facts or the account are not those that ${seatName(seat)} is bound to`,
    hint: "read them from the session's events on this chain",
  }),
  TooEarly: ([session, from]) => ({
    code: "STATE_INVALID",
    message: `session ${session} takes this from ${time(from)} on`,
    hint: "try again after that time",
  }),
  TooLate: ([session, by]) => ({
    code: "STATE_INVALID",
    message: `session ${session} took this until ${time(by)}`,
  }),
  RegistrationEndOutOfRange: ([by, earliest, latest]) => ({
    code: "PARAMETER_INVALID",
    message: `the end of registration ${time(by)} is not between ${time(earliest)} and ${time(latest)}`,
    hint: "choose one within a minute and 30 days from now",
  }),
  PhaseOutOfRange: ([phase, duration, shortest, longest]) => ({
    code: "PARAMETER_INVALID",
    message: `the ${phases[Number(phase)] ?? phase} phase of ${duration} s is not between ${shortest} s and ${longest} s`,
  }),
  AmountsInvalid: ([reward, deposit, bps]) => ({
    code: "PARAMETER_INVALID",
    message: `a reward of ${reward}, a deposit of ${deposit} and a sampling share of ${bps} hundredths of a percent`,
    hint: "reward and deposit are positive, together below 2^88; the share is at most 10000",
  }),
  ShardsInvalid: ([minShards, shardsPerSample]) => ({
    code: "PARAMETER_INVALID",
    message: `at least ${minShards} shards and a sample for each ${shardsPerSample}`,
    hint: "both are at least 1",
  }),
  TooFewShards: ([session, shards, least]) => ({
    code: "PARAMETER_INVALID",
    message: `a data set of ${shards} shards, where session ${session} asks for at least ${least}`,
  }),
  DepositMismatch: ([seat, token, amount, needed]) => ({
    code: "FUNDS_MISSING",
    message: `${seatName(seat)} holds ${amount} of token ${token}, and the session's deposit is ${needed}`,
    hint: "deposit or withdraw until it holds exactly that, in the session's token",
  }),
  TokenMismatch: ([seat, held, given]) => ({
    code: "PARAMETER_INVALID",
    message: `${seatName(seat)} holds token ${held}, not ${given}`,
    hint: "withdraw first, or use another seat",
  }),
  DepositTooLarge: ([seat, amount]) => ({
    code: "PARAMETER_INVALID",
    message: `${amount} more is more than ${seatName(seat)} can hold`,
  }),
  DepositTooSmall: ([seat, amount, wanted]) => ({
    code: "FUNDS_MISSING",
    message: `${seatName(seat)} holds ${amount}, less than ${wanted}`,
  }),
  OpeningsMiscounted: ([seat, given, sampled]) => ({
    code: "PARAMETER_INVALID",
    message: `${given} shards of ${seatName(seat)} were opened, where ${sampled} are sampled`,
  }),
  OpeningInvalid: ([seat, index]) => ({
    code: "COMMITMENT_MISMATCH",
    message: `the opening of shard ${index} is not what ${seatName(seat)} is committed to`,
  }),
  AnswersExhausted: ([session, answers]) => ({
    code: "LIMIT_EXCEEDED",
    message: `the reward of session ${session} pays for ${answers} answers, and there are as many`,
  }),
  SeatHasWon: ([session, seat]) => ({
    code: "STATE_INVALID",
    message: `${seatName(seat)} has won session ${session}`,
    hint: "claim the reward in time",
  }),
  SeatHasNotWon: ([session, seat]) => ({
    code: "STATE_INVALID",
    message: `${seatName(seat)} has not won session ${session}`,
  }),
  // Payments
  ValueWrong: ([sent, due]) => ({
    code: "FUNDS_MISSING",
    message: `${sent} wei came along where ${due} are due`,
    hint: "amounts in a token are approved, not sent",
  }),
  TokenShort: ([token, received, amount]) => ({
    code: "CONTRACT_REVERTED",
    message: `token ${token} delivered ${received} of ${amount}`,
    hint: "tokens that take a fee on transfer cannot be used",
  }),
  PaymentFailed: ([account, amount]) => ({
    code: "CONTRACT_REVERTED",
    message: `account ${account} refused a payment of ${amount} wei`,
    hint: "the receiving contract must accept plain transfers",
  }),
  SafeERC20FailedOperation: ([token]) => ({
    code: "CONTRACT_REVERTED",
    message: `token ${token} refused the transfer`,
    hint: "approve the amount for the exchange first",
  }),
  ReentrancyGuardReentrantCall: () => ({
    code: "CONTRACT_REVERTED",
    message: "a payment called back into the exchange",
  }),
};

/** Turns what ethers threw into a SymbolonError with the contract's reason. The message never holds call data. */
export function toExchangeError(thrown: unknown): SymbolonError {
  if (thrown instanceof SymbolonError) return thrown;
  const data = revertData(thrown);
  const parsed = data === null ? null : parseError(artifact("ReviewExchange").abi, data);
  const words = parsed === null ? undefined : exchangeReasons[parsed.name]?.(parsed.args);
  if (words === undefined) return toChainError(thrown);
  const { code, message, hint } = words;
  return new SymbolonError(code, message, { ...(hint === undefined ? {} : { hint }), cause: thrown });
}

/** A seat by its account and number. */
function seatName(seat: bigint): string {
  const account = (seat >> 64n).toString(16).padStart(40, "0");
  return `seat ${seat & 0xffff_ffff_ffff_ffffn} of 0x${account}`;
}
