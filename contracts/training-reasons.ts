/** The words for what GradientRounds refuses; `contracts/revert-reasons.ts` merges them with the market's. */
import type { Result } from "ethers";
import { time, type Words } from "./reason-words.ts";
import { type ownerStatuses, trainingStates } from "./training-states.ts";

export const trainingReasons: Readonly<Record<string, (args: Result) => Words>> = {
  TrainingMoveRefused: ([training, from, to]) => ({
    code: from === 0n ? "NOT_FOUND" : "STATE_INVALID",
    message:
      from === 0n
        ? `no training ${training}`
        : `training ${training} is ${stateName(from)} and cannot become ${stateName(to)}`,
  }),
  TrainingStateWrong: ([training, state, needed]) => ({
    code: state === 0n ? "NOT_FOUND" : "STATE_INVALID",
    message:
      state === 0n
        ? `no training ${training}`
        : `training ${training} is ${stateName(state)}; this is done while it is ${stateName(needed)}`,
  }),
  TrainingTermsMismatch: ([training]) => ({
    code: "COMMITMENT_MISMATCH",
    message: `the terms given for training ${training} are not those that it was opened with`,
    hint: "read them from the training's opening on this chain",
  }),
  RoundWrong: ([training, round, current]) => ({
    code: "STATE_INVALID",
    message: `training ${training} is in round ${current}, not in round ${round}`,
  }),
  RoundsOutOfRange: ([rounds, most]) => ({
    code: "PARAMETER_INVALID",
    message: `${rounds} rounds, where 1 to ${most} are possible`,
  }),
  RewardMissing: () => ({
    code: "PARAMETER_INVALID",
    message: "a round needs a reward for its data owners",
  }),
  FeeTooSmall: ([fee, needed]) => ({
    code: "FUNDS_MISSING",
    message: `the operators are offered ${fee} wei for a round and ask ${needed} wei`,
    hint: "offer at least the sum of their fees",
  }),
  EscrowTooLarge: ([amount]) => ({
    code: "PARAMETER_INVALID",
    message: `all rounds together cost ${amount}, more than 96 bits hold`,
  }),
  OwnerLimitsInvalid: ([least, most, byzantine]) => ({
    code: "PARAMETER_INVALID",
    message: `${least} to ${most} data owners with ${byzantine} of them arbitrary`,
    hint: "Krum needs at least twice the arbitrary ones and three more",
  }),
  PhaseOutOfRange: ([duration, shortest, longest]) => ({
    code: "PARAMETER_INVALID",
    message: `a phase of ${duration} seconds is not between ${shortest} and ${longest}`,
  }),
  MemberConvicted: ([operator]) => ({
    code: "TERMS_REFUSED",
    message: `operator ${operator} was convicted of signing two results for one round`,
    hint: "use another operator set",
  }),
  TrainingFull: ([training, most]) => ({
    code: "LIMIT_EXCEEDED",
    message: `training ${training} has all of its ${most} data owners`,
  }),
  OwnerStatusWrong: ([training, owner, status]) => ({
    code: "STATE_INVALID",
    message: `${owner} in training ${training}: ${statusWords[Number(status)] ?? status}`,
  }),
  UpdateCommittedBefore: ([training, owner, round]) => ({
    code: "STATE_INVALID",
    message: `${owner} has committed its update for round ${round} of training ${training}`,
    hint: "leaving is possible when the round is over",
  }),
  OwnersTooFew: ([training, owners, least]) => ({
    code: "STATE_INVALID",
    message: `a round of training ${training} needs ${least} data owners and has ${owners}`,
  }),
  PhaseOpen: ([training, end]) => ({
    code: "STATE_INVALID",
    message: `training ${training} has to wait until after ${time(end)}`,
    hint: "try again after that time",
  }),
  PhaseOver: ([training, end]) => ({
    code: "JOB_EXPIRED",
    message: `the time for this in training ${training} ended at ${time(end)}`,
  }),
  DepositLocked: ([training, owner, until]) => ({
    code: "STATE_INVALID",
    message:
      BigInt(until) > 1n << 48n
        ? `${owner} takes part in training ${training}`
        : `the deposit of ${owner} in training ${training} is locked until ${time(until)}`,
    hint: "leave the training, or wait for its end, and then for the time in which evidence counts",
  }),
  InputRootMismatch: ([training, attested, committed]) => ({
    code: "COMMITMENT_MISMATCH",
    message: `the attestation is about inputs ${attested}, training ${training} has ${committed}`,
    hint: "read the commitments of the round from this chain",
  }),
  AcceptedCountInvalid: ([training, accepted, committed]) => ({
    code: "PARAMETER_INVALID",
    message: `${accepted} updates accepted of ${committed} in training ${training}`,
  }),
  RoundSignatureInvalid: ([training, point, expected]) => ({
    code: "NOT_AUTHORISED",
    message: `the signature at point ${point} of training ${training} is not by ${expected}`,
    hint: "each operator signs with the key that was registered when the training was opened",
  }),
  NoticePointsInvalid: ([first, second]) => ({
    code: "PARAMETER_INVALID",
    message: `failure notices come from two different points 1, 2 or 3, not from ${first} and ${second}`,
  }),
  RoundAlreadyClaimed: ([training, round, index]) => ({
    code: "STATE_INVALID",
    message: `payout ${index} of round ${round} of training ${training} was paid before`,
  }),
  RoundProofInvalid: ([training, round, index]) => ({
    code: "COMMITMENT_MISMATCH",
    message: `payout ${index} is not in the attested payouts of round ${round} of training ${training}`,
    hint: "token, account, amount and proof must be exactly those of the attested tree",
  }),
  RoundClaimTooLarge: ([training, round, amount, unclaimed]) => ({
    code: "FUNDS_MISSING",
    message: `payout of ${amount} from round ${round} of training ${training}, which holds ${unclaimed}`,
    hint: "the attested payouts add up to more than the round pays",
  }),
  NoContradiction: () => ({
    code: "PARAMETER_INVALID",
    message: "these are not two different attestations of one job, or of one round, by one key",
  }),
  OwnerSignatureInvalid: ([training, owner]) => ({
    code: "NOT_AUTHORISED",
    message: `${owner} did not sign that for this round of training ${training}`,
  }),
  NotAnOperator: ([signer]) => ({
    code: "NOT_AUTHORISED",
    message: `the two statements are not both by ${signer}, or it is no operator's key`,
  }),
  ConvictedBefore: ([operator]) => ({
    code: "STATE_INVALID",
    message: `operator ${operator} was convicted before`,
  }),
  // Payments, and OpenZeppelin under it
  ValueWrong: ([sent, due]) => ({
    code: "FUNDS_MISSING",
    message: `${sent} wei came with the call, and ${due} wei are due`,
    hint: "send exactly that; none where the payment is in a token",
  }),
  TokenShort: ([token, received, amount]) => ({
    code: "FUNDS_MISSING",
    message: `token ${token} delivered ${received} of ${amount}`,
    hint: "tokens that take a fee on transfer cannot be used",
  }),
  SafeERC20FailedOperation: ([token]) => ({
    code: "FUNDS_MISSING",
    message: `token ${token} refused the transfer`,
    hint: "approve the amount first, and hold it",
  }),
};

const statusWords = [
  "has not joined",
  "has joined",
  "has left",
  "has its deposit back",
  "was convicted of two updates for one round",
  "was convicted, and its deposit is paid out",
] as const satisfies Record<number, string> & { length: typeof ownerStatuses.length };

function stateName(number: bigint): string {
  return trainingStates[Number(number)] ?? String(number);
}
