import type { Session } from "../mpc/session/session.ts";
import { Table } from "../mpc/session/table.ts";
import type { RowStore } from "../mpc/tables/row-store.ts";
import type { InputShape, JobInputs, JobShape } from "./manifest.ts";

/** Input data as tables: every value lies in [-1, 1] by the schema's scaling. */
export function wrapInputs<D>(
  session: Session<D>,
  shape: JobShape,
  data: (input: number | "validation", shape: InputShape) => RowStore<D>,
): JobInputs<D> {
  const format = { fracBits: shape.fracBits, bound: 1, error: 0 };
  const { validation } = shape;
  return {
    inputs: shape.inputs.map((s, i) => new Table(session, [data(i, s)], format)),
    validation: validation && new Table(session, [data("validation", validation)], format),
  };
}
