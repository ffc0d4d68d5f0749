/** The smallest field that a workload fits, as the engine's own range analysis decides it. */
import { SymbolonError } from "../mpc/errors.ts";
import { PlanBackend } from "../mpc/session/plan.ts";
import { checkStatisticalDistance, Session } from "../mpc/session/session.ts";
import { type FieldBits, fieldBits } from "../mpc/vector/index.ts";
import type { Workload } from "./workloads.ts";

export interface FieldChoice {
  readonly field: FieldBits;
  /** Why even the largest field is too small for a job of this kind: it would be refused in the market. */
  readonly refused?: string;
}

/**
 * Runs the workload on shapes and public bounds alone, in one field after the other, until the values fit and
 * the statistical distances add up to at most 2^-40.
 */
export async function smallestField(workload: Workload): Promise<FieldChoice> {
  let refused = "";
  for (const field of fieldBits) {
    try {
      await plan(workload, field);
      return { field };
    } catch (error) {
      if (!(error instanceof SymbolonError) || error.code !== "RANGE_EXCEEDED") throw error;
      refused = error.message;
    }
  }
  return { field: fieldBits[fieldBits.length - 1], refused };
}

async function plan(workload: Workload, field: FieldBits): Promise<void> {
  const session = new Session(new PlanBackend(), field);
  const inputs = workload.inputs.map(({ rows, cols, fracBits, bound }) =>
    session.input(null, rows, cols, fracBits, bound),
  );
  await (workload.job ?? workload.run)(session, inputs);
  checkStatisticalDistance(session.declaration, field);
}
