/**
 * What the contracts or an endpoint refused, in words: which rule, which value, what to change. Every custom
 * error of the contracts has an entry; a test compares the list with the compiled contracts.
 */
import { decodeBytes32String, type ErrorDescription, type Interface, type Result } from "ethers";
import { SymbolonError, toSymbolonError } from "../mpc/errors.ts";
import { allInterfaces } from "./artifacts.ts";
import { jobReasons } from "./job-reasons.ts";
import { eth, time, type Words } from "./reason-words.ts";
import { trainingReasons } from "./training-reasons.ts";
import { shortId } from "./use-terms.ts";

/** By name of the custom error. Arguments come in the order of the declaration. */
export const revertReasons: Readonly<Record<string, (args: Result) => Words>> = {
  ...trainingReasons,
  ...jobReasons,
  // OperatorRegistry
  BondTooSmall: ([sent, minimum]) => ({
    code: "FUNDS_MISSING",
    message: `the bond of ${eth(sent)} is not between the minimum of ${eth(minimum)} and the maximum`,
    hint: `send a bond of at least ${eth(minimum)}`,
  }),
  AlreadyRegistered: ([operator]) => ({
    code: "STATE_INVALID",
    message: `operator ${operator} is registered already`,
    hint: "`symbolon operator update` changes keys, endpoint and fee",
  }),
  NotRegistered: ([operator]) => ({
    code: "STATE_INVALID",
    message: `operator ${operator} is not registered`,
    hint: "register first",
  }),
  RegistrationsUsedUp: ([operator]) => ({
    code: "STATE_INVALID",
    message: `operator ${operator} has registered and left 255 times`,
    hint: "register another account",
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
  PossessionUnproven: ([operator, signer]) => ({
    code: "NOT_AUTHORISED",
    message: `signing key ${signer} has not signed that it signs for operator ${operator} in this market`,
    hint: "register from the key file that has this signing key",
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
    hint: "`symbolon operator status` says from when on the bond can be withdrawn",
  }),
  BondLocked: ([withdrawableAtSec]) =>
    BigInt(withdrawableAtSec) > 1n << 48n
      ? {
          code: "STATE_INVALID",
          message: "the bond is locked: the operator has not left",
          hint: "`symbolon operator leave` ends taking jobs and starts the delay of the bond",
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
  if (saysNoFunds(thrown)) {
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
    const parsed = parseError(abi, data);
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

/** Null also for data that only begin like an error of ours: a contract of others, or an endpoint, may answer anything. */
export function parseError(abi: Interface, data: string): ErrorDescription | null {
  try {
    return abi.parseError(data);
  } catch {
    return null;
  }
}

/** Whether the account cannot pay the amount and the gas; what a contract says of funds is something else. */
export function saysNoFunds(thrown: unknown): boolean {
  if (revertData(thrown) !== null) return false;
  return (thrown as { code?: unknown } | null)?.code === "INSUFFICIENT_FUNDS" || mentionsFunds(thrown);
}

/** Endpoints have different words for it, and ethers knows only some of them. */
function mentionsFunds(thrown: unknown, depth = 0): boolean {
  if (typeof thrown !== "object" || thrown === null || depth > 4) return false;
  const { message, info, error } = thrown as Record<string, unknown>;
  if (typeof message === "string" && /insufficient funds|enough funds/i.test(message)) return true;
  return [info, error].some((inner) => mentionsFunds(inner, depth + 1));
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
