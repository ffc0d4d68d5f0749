/** What to change where a job has no room in any field: the nearest parameters and formats that fit. */
import { SymbolonError } from "../mpc/errors.ts";
import { fieldBits } from "../mpc/vector/index.ts";
import type { Algorithm, JobShape, Plan } from "./manifest.ts";
import { planJob } from "./planner.ts";

// biome-ignore lint/suspicious/noExplicitAny: each algorithm has its own parameter type, checked by its zod schema
type AnyAlgorithm = Algorithm<any>;

/** Tries of one parameter. Each is a plan, which takes a moment for a long training. */
const maxTries = 8;

/**
 * `planJob` for those who can change the job: where it is refused for its ranges, the hint names for each
 * parameter the nearest value that fits, all else unchanged, and the formats of the data that would. Parties plan
 * without: what nobody reads is not worth a dozen plans.
 * @throws as `planJob`; USAGE for validation rows of which the algorithm makes no use
 */
export async function planOrAdvise(
  algorithm: AnyAlgorithm,
  shape: JobShape,
  parameters: Record<string, unknown>,
): Promise<Plan> {
  if (shape.validation !== undefined) requireMetrics(algorithm);
  try {
    return await planJob(algorithm, shape, parameters);
  } catch (error) {
    if (!(error instanceof SymbolonError) || error.code !== "RANGE_EXCEEDED") throw error;
    const changes = await fittingChanges(algorithm, shape, parameters);
    throw new SymbolonError(error.code, error.message, {
      hint:
        changes.length > 0
          ? `it fits with ${changes.join(", or with ")}`
          : "no single parameter or data format mends it: change several, or use fewer rows or columns",
      cause: error,
    });
  }
}

/** Refuses rows that would be shared, and checked, for nothing. @throws USAGE */
export function requireMetrics({ manifest, usesValidation }: AnyAlgorithm): void {
  if (usesValidation === true) return;
  throw new SymbolonError("USAGE", `${manifest.id} has no metrics, so it takes no --validation`);
}

async function fittingChanges(
  algorithm: AnyAlgorithm,
  shape: JobShape,
  parameters: Record<string, unknown>,
): Promise<string[]> {
  const changes: string[] = [];
  const narrower = algorithm.engine === "session" ? (algorithm.narrower?.(parameters) ?? {}) : {};
  for (const [name, values] of Object.entries(narrower)) {
    for (const value of values.slice(0, maxTries)) {
      if (!(await fits(algorithm, shape, { ...parameters, [name]: value }))) continue;
      changes.push(`${name} ${value} instead of ${parameters[name]}`);
      break;
    }
  }
  for (const bits of fieldBits.filter((larger) => larger > shape.fieldBits)) {
    if (!(await fits(algorithm, { ...shape, fieldBits: bits }, parameters))) continue;
    changes.push(`data shared in the field of ${bits} bits instead of ${shape.fieldBits}`);
    break;
  }
  for (let fracBits = shape.fracBits - 4; fracBits >= 8; fracBits -= 4) {
    if (!(await fits(algorithm, { ...shape, fracBits }, parameters))) continue;
    changes.push(`data shared with ${fracBits} fractional bits instead of ${shape.fracBits}`);
    break;
  }
  return changes;
}

/** Whether a job of this kind would be planned; no, too, where it is refused for another reason. */
async function fits(
  algorithm: AnyAlgorithm,
  shape: JobShape,
  parameters: Record<string, unknown>,
): Promise<boolean> {
  try {
    await planJob(algorithm, shape, parameters);
    return true;
  } catch (error) {
    if (error instanceof SymbolonError) return false;
    throw error;
  }
}

/** Half of a number, a quarter of it and so on down to a limit: the values that `narrower` offers. */
export function halves(start: number, limit: number, round = (x: number): number => x): number[] {
  const values: number[] = [];
  for (let value = round(start / 2); value >= limit && values.length < maxTries; value = round(value / 2)) {
    values.push(value);
  }
  return values;
}
