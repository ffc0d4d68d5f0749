/**
 * What is known of a run before it: the field that it needs, its cost, its openings, its ranges. Everything
 * follows from the job's shape, its parameters and the algorithm alone, so the buyer and the three parties
 * come to the same plan by themselves.
 */
import { addCost, addOpenings, type Declaration } from "../mpc/cost.ts";
import { SymbolonError } from "../mpc/errors.ts";
import { convertAllCost, convertDistance } from "../mpc/protocols/convert.ts";
import { inputCheckCost } from "../mpc/protocols/input-check.ts";
import { maskedValuesLabel } from "../mpc/protocols/masked-opening.ts";
import { PlanBackend } from "../mpc/session/plan.ts";
import { checkStatisticalDistance, Session, statisticalLimit } from "../mpc/session/session.ts";
import { type FieldBits, fieldBits, fieldSpecs } from "../mpc/vector/index.ts";
import { wrapInputs } from "./inputs.ts";
import type { Algorithm, InputShape, JobShape, Plan } from "./manifest.ts";

// biome-ignore lint/suspicious/noExplicitAny: each algorithm has its own parameter type, checked by its zod schema
type AnyAlgorithm = Algorithm<any>;

const largestField = fieldBits[fieldBits.length - 1];

/**
 * Picks the smallest field in which the program's values fit and the statistical distances of all openings
 * add up to at most 2^-40, and declares the run in it: the checks of the inputs, which every job begins with,
 * their conversion where they are shared in another field, and the program.
 *
 * Runs the program on shapes and bounds alone, twice at most in the end: the bits and masks that it needs do
 * not depend on the field, so the run in the largest one tells which of the others are too small.
 * @throws RANGE_EXCEEDED when no field has room for it; SHAPE_MISMATCH
 */
export async function planJob(
  algorithm: AnyAlgorithm,
  shape: JobShape,
  parameters: Record<string, unknown>,
): Promise<Plan> {
  algorithm.checkShape(shape, parameters);
  const widest = await planProgram(algorithm, shape, parameters, largestField);
  let refusal: unknown;
  for (const field of fieldBits) {
    if (field !== largestField && !mayHold(field, widest.declaration)) continue;
    try {
      const program =
        field === largestField ? widest : await planProgram(algorithm, shape, parameters, field);
      const plan = withInputs(program, shape);
      checkStatisticalDistance(plan.declaration, field);
      return plan;
    } catch (error) {
      if (!(error instanceof SymbolonError) || error.code !== "RANGE_EXCEEDED") throw error;
      refusal = error;
    }
  }
  throw refusal;
}

/** Whether a field is worth a run, after one in the largest field. */
function mayHold(field: FieldBits, { worstBits, statisticalDistance }: Declaration): boolean {
  return worstBits <= field - 4 && statisticalDistance * 2 ** (largestField - field) <= statisticalLimit;
}

async function planProgram(
  algorithm: AnyAlgorithm,
  shape: JobShape,
  parameters: Record<string, unknown>,
  field: FieldBits,
): Promise<Plan> {
  if (algorithm.engine === "jiff") return { fieldBits: field, ...algorithm.plan(shape, field, parameters) };
  const session = new Session(new PlanBackend(), field);
  const parts = await algorithm.run(session, wrapInputs(session, shape, nothing), shape, parameters);
  return {
    fieldBits: field,
    declaration: session.declaration,
    parts: parts.map(({ name, tensor: { rows, cols, fracBits } }) => ({ name, rows, cols, fracBits })),
  };
}

const nothing = (): null => null;

/** The plan of a program with what goes before it. */
function withInputs(program: Plan, shape: JobShape): Plan {
  const inputs = checkedInputs(shape);
  const spec = fieldSpecs[shape.fieldBits];
  const check = inputCheckCost(
    inputs.map(({ rows, columns, hasLabel }) => ({ rows, cols: columns, hasLabel })),
    spec,
  );
  const { declaration } = program;
  let cost = addCost(declaration, check.cost);
  let openings = addOpenings(check.openings, declaration.openings);
  let { statisticalDistance } = declaration;
  if (program.fieldBits !== shape.fieldBits) {
    const values = inputs.reduce((sum, { rows, columns }) => sum + rows * columns, 0);
    cost = addCost(cost, convertAllCost(values, spec.elementBytes));
    openings = addOpenings(openings, { [maskedValuesLabel]: values });
    statisticalDistance += convertDistance(values, shape.fracBits, shape.fieldBits);
  }
  return { ...program, declaration: { ...declaration, ...cost, openings, statisticalDistance } };
}

function checkedInputs({ inputs, validation }: JobShape): InputShape[] {
  return validation === undefined ? [...inputs] : [...inputs, validation];
}
