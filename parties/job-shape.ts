/** The public shape of a job, from its specification, its schema and its offers: alike for parties and buyer. */
import type { JobSpec } from "../algorithms/job-spec.ts";
import type { ColumnScale, InputShape, JobShape } from "../algorithms/manifest.ts";
import { SymbolonError } from "../mpc/errors.ts";
import { scalingOf } from "./data/scaling.ts";
import { type DataSetSchema, schemaHash, sharedColumns } from "./data/schema.ts";

/** What the shape needs of an offer. */
export interface ShapedOffer {
  schemaHash: string;
  rows: number;
  columns: number;
}

/**
 * @param offers in the order of the job
 * @throws SCHEMA_MISMATCH when an offer, the validation data or the specification is of another schema;
 *   SHAPE_MISMATCH when columns or weights do not fit
 */
export function jobShape(spec: JobSpec, schema: DataSetSchema, offers: readonly ShapedOffer[]): JobShape {
  if (schemaHash(schema) !== spec.schemaHash) {
    throw new SymbolonError("SCHEMA_MISMATCH", "the schema is not the one that the job names");
  }
  const columns = sharedColumns(schema).length;
  const hasLabel = schema.label !== undefined;
  if (spec.weights !== undefined && spec.weights.length !== offers.length) {
    throw new SymbolonError("SHAPE_MISMATCH", "the job has not one weight for each data set");
  }
  const inputs = offers.map((offer, i): InputShape => {
    if (offer.schemaHash.toLowerCase() !== spec.schemaHash) {
      throw new SymbolonError("SCHEMA_MISMATCH", `data set ${i + 1} of the job has another schema`);
    }
    if (offer.columns !== columns) {
      throw new SymbolonError(
        "SHAPE_MISMATCH",
        `data set ${i + 1} of the job has ${offer.columns} columns, its schema ${columns}`,
      );
    }
    return { rows: offer.rows, columns, hasLabel, weight: spec.weights?.[i] ?? offer.rows };
  });
  const { validation } = spec;
  if (validation !== undefined && validation.columns !== columns) {
    throw new SymbolonError(
      "SHAPE_MISMATCH",
      `the validation data has ${validation.columns} columns, the schema ${columns}`,
    );
  }
  return {
    fieldBits: schema.fieldBits,
    fracBits: schema.fracBits,
    inputs,
    ...(validation && { validation: { rows: validation.rows, columns, hasLabel, weight: validation.rows } }),
  };
}

/** The features' public bounds as decoding needs them, in the order of the shared columns. */
export function columnScales(schema: DataSetSchema): ColumnScale[] {
  const { center, halfRange } = scalingOf(schema);
  return schema.columns.map(({ name }, j) => ({ name, center: center[j]!, halfRange: halfRange[j]! }));
}
