/**
 * What the contracts or an endpoint refused, in words: which rule, which value, what to change. Every custom
 * error of the contracts has an entry; a test compares the list with the compiled contracts.
 */
import { decodeBytes32String, formatEther, formatUnits, type Result, ZeroAddress } from "ethers";
import { type ErrorCode, SymbolonError, toSymbolonError } from "../mpc/errors.ts";
import { allInterfaces } from "./artifacts.ts";
import { jobStates } from "./job-states.ts";
import { trainingReasons } from "./training-reasons.ts";
import { describeTermFailure, shortId, terms } from "./use-terms.ts";

export interface Words {
  code: ErrorCode;
  message: string;
  hint?: string;
}

/** By name of the custom error. Arguments come in the order of the declaration. */
export const revertReasons: Readonly<Record<string, (args: Result) => Words>> = {
  ...trainingReasons,
  // OperatorRegistry
  BondTooSmall: ([sent, minimum]) => ({
    code: "FUNDS_MISSING",
    message: `the bond of ${eth(sent)} is not between the minimum of ${eth(minimum)} and the maximum`,
    hint: `send a bond of at least ${eth(minimum)}`,
  }),
  AlreadyRegistered: ([operator]) => ({
    code: "STATE_INVALID",
    message: `operator ${operator} is registered already`,
    hint: "change keys, endpoint or fee with an update",
  }),
  NotRegistered: ([operator]) => ({
    code: "STATE_INVALID",
    message: `operator ${operator} is not registered`,
    hint: "register first",
  }),
  OperatorInactive: ([operator]) => ({
    code: "STATE_INVALID",
    message: `operator ${operator} is not registered, paused, leaving or slashed, and takes no new jobs`,
    hint: "use offers of another operator set",
  }),
  AlgorithmNotApproved: ([operatorSet, algorithm, approvals]) => ({
    code: "ALGORITHM_NOT_APPROVED",
    message: `operator set ${shortId(operatorSet)} does not run algorithm ${shortId(algorithm)}: ${missingMembers(approvals)} did not approve it there`,
    hint: "choose another algorithm, or ask the operators to approve it",
  }),
  TokenNotAccepted: ([operator, token]) => ({
    code: "TERMS_REFUSED",
    message: `operator ${operator} takes no jobs that are paid in token ${token}`,
    hint: "choose offers that are paid in ETH, or ask the operator to accept the token",
  }),
  NotMember: ([operator, operatorSet]) => ({
    code: "NOT_AUTHORISED",
    message: `operator ${operator} is not in operator set ${shortId(operatorSet)}`,
    hint: "an operator approves algorithms for sets that it is in",
  }),
  NotActive: ([operator]) => ({
    code: "STATE_INVALID",
    message: `operator ${operator} is paused, leaving or slashed`,
  }),
  NotPaused: ([operator]) => ({ code: "STATE_INVALID", message: `operator ${operator} is not paused` }),
  NotSlasher: ([caller]) => ({
    code: "NOT_AUTHORISED",
    message: `account ${caller} is not the contract of disputes`,
  }),
  SignerTaken: ([signer, operator]) => ({
    code: "KEY_INVALID",
    message: `signing key ${signer} belongs to operator ${operator}`,
    hint: "make a new signing key; each operator has its own",
  }),
  KeyMissing: () => ({
    code: "KEY_INVALID",
    message: "one of the four public keys is zero",
    hint: "give signing, sealing, channel and JIFF key",
  }),
  EndpointInvalid: ([length]) => ({
    code: "PARAMETER_INVALID",
    message: `the endpoint has ${length} bytes, not 1 to 255`,
    hint: "give host:port",
  }),
  MembersNotDistinct: ([member]) => ({
    code: "PARAMETER_INVALID",
    message: `operator ${member} stands twice in the operator set`,
    hint: "name three different operators",
  }),
  SetUnknown: ([operatorSet]) => ({
    code: "NOT_FOUND",
    message: `no operator set ${operatorSet}`,
    hint: "create the set of three registered operators first",
  }),
  AlreadyLeaving: ([operator]) => ({
    code: "STATE_INVALID",
    message: `operator ${operator} is leaving already`,
  }),
  BondLocked: ([withdrawableAtSec]) =>
    BigInt(withdrawableAtSec) > 1n << 48n
      ? {
          code: "STATE_INVALID",
          message: "the bond is locked while the operator takes jobs",
          hint: "ask for the end of the bond first, then wait for the delay",
        }
      : {
          code: "STATE_INVALID",
          message: `the bond is locked until ${time(withdrawableAtSec)}`,
          hint: "try again after that time",
        },
  PaymentFailed: ([account, amount]) => ({
    code: "CONTRACT_REVERTED",
    message: `account ${account} refused a payment of ${eth(amount)}`,
    hint: "the receiving contract must accept plain transfers",
  }),
  // JobEscrow: offers
  DataSetKnown: ([offer]) => ({
    code: "TERMS_REFUSED",
    message: `these share commitments were published before, as offer ${shortId(offer)}`,
    hint: "share the data anew, or list that offer under other terms",
  }),
  OfferUnknown: ([seller, offer]) => ({
    code: "NOT_FOUND",
    message: `seller ${seller} has no offer ${shortId(offer)} to this operator set`,
    hint: "offers of one job are of one operator set",
  }),
  OfferInactive: ([offer]) => ({
    code: "TERMS_REFUSED",
    message: `offer ${shortId(offer)} was withdrawn by its seller`,
    hint: "leave it out of the job",
  }),
  TermsChanged: ([offer]) => ({
    code: "TERMS_REFUSED",
    message: `offer ${shortId(offer)} has other terms now`,
    hint: "look at the offer again",
  }),
  RulesMismatch: ([offer]) => ({
    code: "COMMITMENT_MISMATCH",
    message: `the rules given for offer ${shortId(offer)} are not those of its terms`,
    hint: "read them from the offer's last listing on this chain",
  }),
  DiscountInvalid: ([bps]) => ({
    code: "PARAMETER_INVALID",
    message: `a discount of ${formatUnits(bps, 2)} %`,
    hint: "a credential gives at most the whole price back",
  }),
  TermRefused: ([offer, term, found, asked]) => ({
    code: "TERMS_REFUSED",
    ...describeTermFailure({ offer, term: terms[Number(term)] ?? "Terms", found, asked }),
  }),
  OffersEmpty: () => ({ code: "PARAMETER_INVALID", message: "a job uses at least one offer" }),
  OffersNotDistinct: ([offers, distinct]) => ({
    code: "PARAMETER_INVALID",
    message: `a job of ${offers} offers names only ${distinct} different ones`,
    hint: "name each offer once",
  }),
  ShapeInvalid: ([rows, columns]) => ({
    code: "SHAPE_MISMATCH",
    message: `a data set of ${rows} rows and ${columns} columns`,
    hint: "a data set has at least one row and one column",
  }),
  // JobEscrow: jobs
  BudgetNotReturnable: ([job]) => ({
    code: "STATE_INVALID",
    message: `job ${shortId(job)} has no privacy budget to give back`,
    hint: "it comes back once, from a job that ended or expired before the operators joined, or of which all three say that nothing was opened",
  }),
  SpecMismatch: ([job]) => ({
    code: "COMMITMENT_MISMATCH",
    message: `these are not the data sets and the amount that job ${shortId(job)} reserved`,
  }),
  TransitionRefused: ([job, from, to]) => ({
    code: from === 0n ? "NOT_FOUND" : "STATE_INVALID",
    message:
      from === 0n
        ? `no job ${shortId(job)}`
        : from === to
          ? `job ${shortId(job)} is ${stateName(from)} already`
          : `job ${shortId(job)} is ${stateName(from)} and cannot become ${stateName(to)}`,
  }),
  DeadlineOutOfRange: ([deadline, earliest, latest]) => ({
    code: "PARAMETER_INVALID",
    message: `the deadline ${time(deadline)} is not between ${time(earliest)} and ${time(latest)}`,
    hint: "choose a deadline within a minute and 30 days from now",
  }),
  DeadlinePassed: ([job, deadline]) => ({
    code: "JOB_EXPIRED",
    message: `the deadline of job ${shortId(job)}, ${time(deadline)}, has passed`,
    hint: "the buyer is refunded",
  }),
  DeadlineNotPassed: ([job, deadline]) => ({
    code: "STATE_INVALID",
    message: `job ${shortId(job)} can be refunded after its deadline, ${time(deadline)}, unless two operators report its failure`,
    hint: "try again after that time",
  }),
  AmountTooLarge: ([amount]) => ({
    code: "PARAMETER_INVALID",
    message: `a job of ${amount} units, more than the escrow can hold for one`,
  }),
  OutcomeMismatch: ([job]) => ({
    code: "COMMITMENT_MISMATCH",
    message: `the outcome given for job ${shortId(job)} is not the one that was attested`,
    hint: "read it from the job's attestation on this chain",
  }),
  SignatureInvalid: ([job, point, expected]) => ({
    code: "NOT_AUTHORISED",
    message: `the signature at point ${point} of job ${shortId(job)} is not by ${expected}`,
    hint: "each operator signs with the key that was registered when the job was funded",
  }),
  PointsInvalid: ([first, second]) => ({
    code: "PARAMETER_INVALID",
    message: `failure notices come from two different points 1, 2 or 3, not from ${first} and ${second}`,
  }),
  NotBuyer: ([job, caller]) => ({
    code: "NOT_AUTHORISED",
    message: `account ${caller} is not the buyer of job ${shortId(job)}`,
    hint: "only the buyer can accept; anyone can settle after the challenge window",
  }),
  WindowOpen: ([job, end]) => ({
    code: "STATE_INVALID",
    message: `the challenge window of job ${shortId(job)} is open until ${time(end)}`,
    hint: "the buyer can accept now; anyone can settle after that time",
  }),
  WindowClosed: ([job, end]) => ({
    code: "STATE_INVALID",
    message: `the challenge window of job ${shortId(job)} ended at ${time(end)}`,
    hint: "its result stands",
  }),
  ChallengeOpen: ([job]) => ({
    code: "STATE_INVALID",
    message: `an operator was asked for a part of the result of job ${shortId(job)} and has not answered yet`,
    hint: "wait for the answer, or for the end of its time",
  }),
  NotDisputes: ([caller]) => ({
    code: "NOT_AUTHORISED",
    message: `account ${caller} is not the contract of disputes`,
  }),
  AlreadyClaimed: ([job, index]) => ({
    code: "STATE_INVALID",
    message: `payout ${index} of job ${shortId(job)} was paid before`,
  }),
  ProofInvalid: ([job, index]) => ({
    code: "COMMITMENT_MISMATCH",
    message: `payout ${index} is not in the attested payouts of job ${shortId(job)}`,
    hint: "account, amount and proof must be exactly those of the attested tree",
  }),
  ClaimTooLarge: ([job, amount, unclaimed]) => ({
    code: "FUNDS_MISSING",
    message: `payout of ${amount} units from job ${shortId(job)}, which holds ${unclaimed}`,
    hint: "the attested payouts add up to more than was paid in",
  }),
  ReentrancyGuardReentrantCall: () => ({
    code: "CONTRACT_REVERTED",
    message: "a payment called back into the escrow",
  }),
  // Disputes
  NothingToSlash: ([operator]) => ({
    code: "STATE_INVALID",
    message:
      operator === ZeroAddress
        ? "the key that signed belongs to no operator"
        : `operator ${operator} has no bond any more`,
  }),
  PartsMismatch: ([job]) => ({
    code: "COMMITMENT_MISMATCH",
    message: `these are not the roots of the three shares that job ${shortId(job)} was attested with`,
  }),
  PointInvalid: ([point]) => ({
    code: "PARAMETER_INVALID",
    message: `there is no point ${point}, only 1, 2, 3`,
  }),
  ChunkOutOfRange: ([chunk, chunks]) => ({
    code: "PARAMETER_INVALID",
    message: `there is no chunk ${chunk} in a result of ${chunks}`,
  }),
  FieldInvalid: ([bits]) => ({
    code: "COMMITMENT_MISMATCH",
    message: `the result was attested in a field of ${bits} bits, which is none`,
  }),
  OpeningInvalid: ([job, point]) => ({
    code: "COMMITMENT_MISMATCH",
    message: `the chunk is not what the operator at point ${point} attested of job ${shortId(job)}`,
  }),
  CoordinateOutOfRange: ([place, length]) => ({
    code: "PARAMETER_INVALID",
    message: `there is no coordinate ${place} in a chunk of ${length}`,
  }),
  SharesConsistent: ([job, coordinate]) => ({
    code: "TERMS_REFUSED",
    message: `the three shares of coordinate ${coordinate} of job ${shortId(job)} are on a line`,
    hint: "nobody lied about it",
  }),
  ChallengeWindowClosed: ([job, end]) => ({
    code: "STATE_INVALID",
    message:
      end === 0n
        ? `job ${shortId(job)} has no attested result`
        : `the result of job ${shortId(job)} can no longer be disputed: the job ended, or its challenge window did at ${time(end)}`,
  }),
  FeeWrong: ([sent, due]) => ({
    code: "FUNDS_MISSING",
    message: `a challenge costs ${eth(due)}, and ${eth(sent)} came with it`,
  }),
  AlreadyChallenged: ([job, point, chunk]) => ({
    code: "STATE_INVALID",
    message: `the operator at point ${point} was asked for chunk ${chunk} of job ${shortId(job)} already`,
  }),
  NoChallenge: ([job, point, chunk]) => ({
    code: "NOT_FOUND",
    message: `nobody waits for chunk ${chunk} of the operator at point ${point} of job ${shortId(job)}`,
  }),
  ResponseTooLate: ([job, due]) => ({
    code: "STATE_INVALID",
    message: `the time to answer the challenge of job ${shortId(job)} ended at ${time(due)}`,
  }),
  ResponseNotDue: ([job, due]) => ({
    code: "STATE_INVALID",
    message: `the operator has until ${time(due)} to answer the challenge of job ${shortId(job)}`,
  }),
  DeploymentInvalid: () => ({
    code: "INTERNAL",
    message: "escrow and registry take orders from another contract of disputes",
    hint: "deploy again; the account must send nothing else meanwhile",
  }),
  // OpenZeppelin's, at deployment and never later
  StringTooLong: ([text]) => ({ code: "INTERNAL", message: `domain name ${text} is too long` }),
  InvalidShortString: () => ({ code: "INTERNAL", message: "the domain name is malformed" }),
};

/**
 * Turns what ethers threw into a SymbolonError: CONTRACT_REVERTED and kin with the contract's reason,
 * FUNDS_MISSING for an account that cannot pay, CHAIN_UNREACHABLE for an endpoint that does not answer or a
 * transaction that was overtaken. The message never holds call data.
 */
export function toChainError(thrown: unknown): SymbolonError {
  if (thrown instanceof SymbolonError) return thrown;
  const data = revertData(thrown);
  if (data !== null) return revertError(data, thrown);
  const { code, shortMessage, message } = thrown as {
    code?: string;
    shortMessage?: string;
    message?: string;
  };
  const words = shortMessage ?? message ?? "";
  if (code === "INSUFFICIENT_FUNDS" || saysNoFunds(thrown)) {
    return new SymbolonError("FUNDS_MISSING", "the account cannot pay the amount and the gas", {
      hint: "send ETH to the account",
      cause: thrown,
    });
  }
  if (code === "CALL_EXCEPTION") {
    return new SymbolonError("CONTRACT_REVERTED", "the contract refused without a reason", {
      hint: "check that the addresses are those of this market on this chain",
      cause: thrown,
    });
  }
  if (code === "BAD_DATA") {
    return new SymbolonError("CONFIG_INVALID", "there is no contract of this market at that address", {
      hint: "check chain and addresses of the deployment",
      cause: thrown,
    });
  }
  if (code === "INVALID_ARGUMENT" || code === "NUMERIC_FAULT" || code === "MISSING_ARGUMENT") {
    return new SymbolonError("PARAMETER_INVALID", words, { cause: thrown });
  }
  if (code === "NONCE_EXPIRED" || code === "REPLACEMENT_UNDERPRICED" || code === "TRANSACTION_REPLACED") {
    return new SymbolonError("CHAIN_UNREACHABLE", "another transaction of this account was in the way", {
      hint: "try again",
      cause: thrown,
    });
  }
  // Whatever came over the network has a code, of ethers or of Node; the rest is a defect of ours.
  if (typeof code !== "string") return toSymbolonError(thrown);
  return new SymbolonError("CHAIN_UNREACHABLE", "the JSON-RPC endpoint did not do what was asked", {
    hint: "check the address of the endpoint and that it answers",
    cause: thrown,
  });
}

/** The words for revert data, as a contract returned it. */
export function revertError(data: string, cause?: unknown): SymbolonError {
  for (const abi of allInterfaces()) {
    const parsed = abi.parseError(data);
    if (parsed === null) continue;
    const words = revertReasons[parsed.name]?.(parsed.args);
    if (words === undefined) {
      return new SymbolonError("CONTRACT_REVERTED", `the contract refused: ${parsed.name}`, { cause });
    }
    const { code, message, hint } = words;
    return new SymbolonError(code, message, { ...(hint === undefined ? {} : { hint }), cause });
  }
  return new SymbolonError("CONTRACT_REVERTED", "the contract refused for an unknown reason", { cause });
}

/** Endpoints have different words for it, and ethers knows only some of them. */
function saysNoFunds(thrown: unknown, depth = 0): boolean {
  if (typeof thrown !== "object" || thrown === null || depth > 4) return false;
  const { message, info, error } = thrown as Record<string, unknown>;
  if (typeof message === "string" && /insufficient funds|enough funds/i.test(message)) return true;
  return [info, error].some((inner) => saysNoFunds(inner, depth + 1));
}

/** Revert data lies at different depths with different endpoints. */
export function revertData(thrown: unknown, depth = 0): string | null {
  if (typeof thrown !== "object" || thrown === null || depth > 4) return null;
  const { data, info, error, cause } = thrown as Record<string, unknown>;
  if (typeof data === "string" && /^0x([0-9a-fA-F]{2}){4,}$/.test(data)) return data;
  for (const inner of [data, info, error, cause]) {
    const found = revertData(inner, depth + 1);
    if (found !== null) return found;
  }
  return null;
}

/** A failure's reason as text; what is no text comes as hex. */
export function reasonText(reason: string): string {
  try {
    return decodeBytes32String(reason);
  } catch {
    return reason;
  }
}

/** The points at which an approval is missing. */
function missingMembers(approvals: bigint): string {
  const points = [1, 2, 3].filter((point) => ((approvals >> BigInt(point - 1)) & 1n) === 0n);
  return points.length === 1
    ? `the operator at point ${points[0]}`
    : `the operators at points ${points.join(", ")}`;
}

function eth(wei: bigint): string {
  return `${formatEther(wei)} ETH`;
}

function time(seconds: bigint): string {
  // Beyond what a Date holds there is no calendar.
  return seconds > 8_640_000_000_000n ? `second ${seconds}` : new Date(Number(seconds) * 1000).toISOString();
}

function stateName(number: bigint): string {
  return jobStates[Number(number)] ?? String(number);
}
