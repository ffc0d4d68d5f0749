import type { Session } from "../mpc/session/session.ts";
import type { JobInputs, JobShape } from "./manifest.ts";

/** Input data as tensors: every value lies in [-1, 1] by the schema's scaling. */
export function wrapInputs<D>(
  session: Session<D>,
  shape: JobShape,
  data: (input: number | "validation") => D,
): JobInputs<D> {
  return {
    inputs: shape.inputs.map((s, i) => session.input(data(i), s.rows, s.columns, shape.fracBits, 1)),
    validation:
      shape.validation &&
      session.input(data("validation"), shape.validation.rows, shape.validation.columns, shape.fracBits, 1),
  };
}
