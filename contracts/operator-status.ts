/**
 * Where an operator stands. A contract that refuses one for its status names the account alone; which status it is
 * stands in its record, and is read here, so that the words name the trouble that there is.
 */
import { SymbolonError } from "../mpc/errors.ts";
import { artifact } from "./artifacts.ts";
import type { Operator, OperatorStatus } from "./market-views.ts";
import type { Words } from "./reason-words.ts";
import { parseError, revertData, toChainError } from "./revert-reasons.ts";

/** What is left to an operator that was slashed; its record never changes again. */
const slashedHint =
  "jobs that were funded before go on, and their fees can be claimed (`symbolon operator claim`); to take new ones, register another account, with new keys (`symbolon keys new operator`) and a new bond";

/** Where an operator stands, in words. */
export function standing(operator: string, status: OperatorStatus): string {
  switch (status) {
    case "None":
      return `operator ${operator} is not registered`;
    case "Active":
      return `operator ${operator} is active`;
    case "Paused":
      return `operator ${operator} is paused`;
    case "Leaving":
      return `operator ${operator} is leaving`;
    case "Slashed":
      return `operator ${operator} was slashed: its bond is gone, and its account can take no new jobs any more`;
  }
}

/** For an operator that was slashed, instead of a transaction that costs gas for nothing. */
export function slashedError(operator: string): SymbolonError {
  return new SymbolonError("STATE_INVALID", standing(operator, "Slashed"), { hint: slashedHint });
}

/** For an operator that is leaving and wants what is of use for new jobs alone, or to register once more. */
export function leavingError({ address, withdrawableAtSec }: Operator): SymbolonError {
  const at = new Date((withdrawableAtSec ?? 0) * 1000).toISOString();
  return new SymbolonError(
    "STATE_INVALID",
    `${standing(address, "Leaving")}, and takes no new jobs any more; its bond can be withdrawn from ${at} on`,
    {
      hint: "what it approves or accepts ends with this registration; after `symbolon operator withdraw-bond` it can register again",
    },
  );
}

/** As `toChainError`, and of an operator that was refused for its status with that status. */
export async function explainRefusal(
  thrown: unknown,
  statusOf: (operator: string) => Promise<OperatorStatus>,
): Promise<SymbolonError> {
  const error = toChainError(thrown);
  const refusal = thrown instanceof SymbolonError ? null : refusedOperator(thrown);
  if (refusal === null) return error;
  // Where the record cannot be read either, the general words have to do.
  const status = await statusOf(refusal.operator).catch(() => undefined);
  const words = status === undefined ? undefined : wordsFor(refusal, status);
  if (words === undefined) return error;
  const { message, hint = error.hint } = words;
  return new SymbolonError(error.code, message, { ...(hint !== undefined && { hint }), cause: thrown });
}

/** The custom errors by which an operator is refused for its status. */
const refusals = ["OperatorInactive", "NotActive", "NotPaused"] as const;

interface Refusal {
  name: (typeof refusals)[number];
  operator: string;
}

/** Undefined where the status has changed meanwhile, or the general words say it all. */
function wordsFor({ name, operator }: Refusal, status: OperatorStatus): Omit<Words, "code"> | undefined {
  const message = standing(operator, status);
  if (name === "OperatorInactive") {
    if (status === "Active") return undefined;
    return { message: status === "Slashed" ? message : `${message}, and takes no new jobs` };
  }
  // To the operator, which wanted something that its status does not allow.
  switch (status) {
    case "Paused":
      return name === "NotPaused"
        ? undefined
        : { message, hint: "`symbolon operator resume` ends the pause" };
    case "Leaving":
      return { message, hint: "leaving ends with the bond's return; it can register again then" };
    case "Slashed":
      return { message, hint: slashedHint };
    default:
      return undefined;
  }
}

function refusedOperator(thrown: unknown): Refusal | null {
  const data = revertData(thrown);
  const parsed = data === null ? null : parseError(artifact("OperatorRegistry").abi, data);
  const name = refusals.find((each) => each === parsed?.name);
  return name === undefined ? null : { name, operator: parsed?.args[0] as string };
}
