/**
 * What is known of a run before it: the field that it needs, its cost, its openings, its ranges. Everything
 * follows from the job's shape, its parameters and the algorithm alone, so the buyer and the three parties
 * come to the same plan by themselves.
 */
import { type Declaration, declareCost, noCost, type StepRange } from "../mpc/cost.ts";
import { SymbolonError } from "../mpc/errors.ts";
import { convertAllCost, convertDistance } from "../mpc/protocols/convert.ts";
import { inputCheckCost, inputCheckProtocol } from "../mpc/protocols/input-check.ts";
import { PlanBackend } from "../mpc/session/plan.ts";
import { checkStatisticalDistance, roomOf, Session, statisticalLimit } from "../mpc/session/session.ts";
import { type FieldBits, fieldBits, fieldSpecs } from "../mpc/vector/index.ts";
import { wrapInputs } from "./inputs.ts";
import type { Algorithm, InputShape, JobShape, Plan } from "./manifest.ts";

// biome-ignore lint/suspicious/noExplicitAny: each algorithm has its own parameter type, checked by its zod schema
type AnyAlgorithm = Algorithm<any>;

const largestField = fieldBits[fieldBits.length - 1];

/**
 * Picks the fewest fractional bits with which the program is as accurate as its algorithm asks, and the smallest
 * field in which its values then fit and the statistical distances of all openings add up to at most 2^-40. Where
 * no field has room for so many fractional bits, fewer are taken, and the plan's error bounds say so.
 *
 * Declares the run in them: the checks of the inputs, which every job begins with, their conversion where they
 * are shared in another field, and the program.
 *
 * Runs the program on shapes and bounds alone. The bits, masks and errors that it has do not depend on the field,
 * so one run in the largest tells which of the others are too small: two runs in the end for most jobs.
 * @throws RANGE_EXCEEDED when no field has room for it; SHAPE_MISMATCH
 */
export async function planJob(
  algorithm: AnyAlgorithm,
  shape: JobShape,
  parameters: Record<string, unknown>,
): Promise<Plan> {
  algorithm.checkShape(shape, parameters);
  let best: Plan | undefined;
  let refusal: unknown;
  for (const fracBits of formatsOf(algorithm, shape)) {
    try {
      best = await planFormat(algorithm, shape, parameters, fracBits);
    } catch (error) {
      refusal ??= onlyOutOfRange(error);
      // Finer formats need more room still.
      break;
    }
    if (isAccurate(algorithm, best)) break;
  }
  if (best === undefined) throw refusal;
  return best;
}

/** Fractional bits that come into question, ascending: never fewer than the inputs have. */
function formatsOf(algorithm: AnyAlgorithm, { fracBits }: JobShape): number[] {
  const wanted = algorithm.engine === "session" ? algorithm.accuracy?.fracBits : undefined;
  return Array.from(new Set((wanted ?? [fracBits]).map((bits) => Math.max(bits, fracBits))));
}

function isAccurate(algorithm: AnyAlgorithm, { declaration }: Plan): boolean {
  if (algorithm.engine === "jiff" || algorithm.accuracy === undefined) return true;
  const { step, error } = algorithm.accuracy;
  return declaration.steps.every(({ name, error: worst }) => name !== step || worst <= error);
}

/** The plan with these fractional bits, in the smallest field that it fits. @throws RANGE_EXCEEDED */
async function planFormat(
  algorithm: AnyAlgorithm,
  shape: JobShape,
  parameters: Record<string, unknown>,
  fracBits: number,
): Promise<Plan> {
  const plan = (field: FieldBits) => planProgram(algorithm, shape, parameters, field, fracBits);
  const widest = await plan(largestField);
  let refusal: unknown;
  for (const field of fieldBits) {
    if (field !== largestField && !mayHold(field, widest.declaration)) continue;
    try {
      const whole = withInputs(field === largestField ? widest : await plan(field), shape);
      checkStatisticalDistance(whole.declaration, field);
      return whole;
    } catch (error) {
      refusal = onlyOutOfRange(error);
    }
  }
  throw refusal;
}

/** Passes on the errors that a smaller format or a larger field may mend; throws all others. */
function onlyOutOfRange(error: unknown): SymbolonError {
  if (error instanceof SymbolonError && error.code === "RANGE_EXCEEDED") return error;
  throw error;
}

/** Whether a field is worth a run, after one in the largest field. */
function mayHold(field: FieldBits, { worstBits, statisticalDistance }: Declaration): boolean {
  return worstBits <= roomOf(field) && statisticalDistance * 2 ** (largestField - field) <= statisticalLimit;
}

async function planProgram(
  algorithm: AnyAlgorithm,
  shape: JobShape,
  parameters: Record<string, unknown>,
  field: FieldBits,
  workFracBits: number,
): Promise<Plan> {
  const format = { fieldBits: field, fracBits: workFracBits };
  if (algorithm.engine === "jiff") return { ...format, ...algorithm.plan(shape, field, parameters) };
  const session = new Session(new PlanBackend(), field, undefined, workFracBits);
  const parts = await algorithm.run(
    session,
    wrapInputs(session, shape, (_, { rows, columns }) => session.backend.storeOf(null, rows, columns)),
    shape,
    parameters,
  );
  return {
    ...format,
    declaration: session.declaration,
    parts: parts.map(({ name, tensor: { rows, cols, fracBits, bound, error } }) => ({
      name,
      rows,
      cols,
      fracBits,
      bound,
      error,
    })),
  };
}

/** The plan of a program with what goes before it. */
function withInputs(program: Plan, shape: JobShape): Plan {
  const inputs = checkedInputs(shape);
  const spec = fieldSpecs[shape.fieldBits];
  const shapes = inputs.map(({ rows, columns, hasLabel }) => ({ rows, cols: columns, hasLabel }));
  const check = inputCheckCost(shapes, spec);
  const converts = program.fieldBits !== shape.fieldBits;
  const before = { [inputCheckProtocol]: noCost, ...(converts ? { convert: noCost } : {}) };
  const { protocols } = program.declaration;
  const declaration = { ...program.declaration, protocols: { ...before, ...protocols } };
  declareCost(declaration, inputCheckProtocol, check);
  if (converts) {
    const values = inputs.reduce((sum, { rows, columns }) => sum + rows * columns, 0);
    declareCost(declaration, "convert", convertAllCost(shapes, spec.elementBytes));
    const conversion: StepRange = {
      name: "conversion of the inputs",
      bits: shape.fracBits,
      operation: "convert",
      statisticalDistance: convertDistance(values, shape.fracBits, shape.fieldBits),
      error: 0,
      bound: 1,
    };
    declaration.statisticalDistance += conversion.statisticalDistance;
    declaration.steps = [conversion, ...declaration.steps];
  }
  return { ...program, declaration };
}

function checkedInputs({ inputs, validation }: JobShape): InputShape[] {
  return validation === undefined ? [...inputs] : [...inputs, validation];
}
