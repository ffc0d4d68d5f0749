/**
 * The same training in the clear, to hold the secure result against: once with the algorithm's own program on
 * plaintext numbers, once with the exact logistic function instead of its piecewise approximation.
 */

import { wrapInputs } from "../../algorithms/inputs.ts";
import type { fit } from "../../algorithms/logistic-regression.ts";
import type { JobShape, Plan, SessionAlgorithm } from "../../algorithms/manifest.ts";
import { batchOrder } from "../../algorithms/public-permutation.ts";
import { PlaintextBackend } from "../../mpc/session/plaintext.ts";
import { Session } from "../../mpc/session/session.ts";
import { conform } from "../data/conform.ts";
import type { Table } from "../data/csv.ts";
import { rawModel, scaleMatrix, scalingOf } from "../data/scaling.ts";
import { type DataSetSchema, sharedColumns } from "../data/schema.ts";

export interface LinearModel {
  /** For raw features. */
  weights: number[];
  intercept: number;
}

/** What a seller shares of a table, in the clear: features scaled to [-1, 1], then the label. Row-major. */
export function sharedMatrix(table: Table, schema: DataSetSchema): Float64Array {
  const { rows, features, label } = conform(table, schema);
  const width = schema.columns.length;
  scaleMatrix(features, scalingOf(schema), features);
  if (label === undefined) return features;
  const matrix = new Float64Array(rows * (width + 1));
  for (let row = 0; row < rows; row++) {
    matrix.set(features.subarray(row * width, (row + 1) * width), row * (width + 1));
    matrix[row * (width + 1) + width] = label[row]!;
  }
  return matrix;
}

/** The values of a result's parts when the program runs on plaintext. */
export async function runInPlaintext(
  algorithm: SessionAlgorithm,
  { shape, plan }: { shape: JobShape; plan: Plan },
  matrices: { inputs: readonly Float64Array[]; validation?: Float64Array },
  parameters: Record<string, unknown>,
): Promise<Record<string, Float64Array>> {
  const session = new Session(new PlaintextBackend(), plan.fieldBits, undefined, plan.fracBits);
  const unit = 2 ** shape.fracBits;
  // Rounded as the shares are, so that what differs is the computation alone.
  const raw = (matrix: Float64Array): Float64Array => matrix.map((value) => Math.round(value * unit));
  const inputs = wrapInputs(session, shape, (input, { rows, columns }) =>
    session.backend.storeOf(
      raw(input === "validation" ? matrices.validation! : matrices.inputs[input]!),
      rows,
      columns,
    ),
  );
  const parts = await algorithm.run(session, inputs, shape, parameters);
  return Object.fromEntries(
    parts.map(({ name, tensor }) => [name, tensor.data.map((value) => value * 2 ** -tensor.fracBits)]),
  );
}

type Optimiser = Pick<
  Parameters<typeof fit>[2],
  "epochs" | "batchSize" | "learningRate" | "l2" | "momentum" | "seed"
>;

/** Logistic regression by the same steps over the same batches, with 1 / (1 + exp(-x)) itself. */
export function trainWithExactSigmoid(
  matrices: readonly Float64Array[],
  schema: DataSetSchema,
  p: Optimiser,
): LinearModel {
  const width = sharedColumns(schema).length;
  const d = width - 1;
  const data = Float64Array.from(matrices.flatMap((matrix) => Array.from(matrix)));
  const n = data.length / width;
  const at = (row: number, column: number): number => data[row * width + column]!;
  const mean = new Float64Array(d);
  const deviation = new Float64Array(d);
  for (let j = 0; j < d; j++) {
    for (let i = 0; i < n; i++) mean[j]! += at(i, j) / n;
    let squares = 0;
    for (let i = 0; i < n; i++) squares += (at(i, j) - mean[j]!) ** 2 / n;
    deviation[j] = Math.sqrt(squares);
  }
  const standard = (row: number, j: number): number =>
    deviation[j]! > 0 ? (at(row, j) - mean[j]!) / deviation[j]! : 0;
  const batch = Math.min(p.batchSize, n);
  const perEpoch = Math.ceil(n / batch);
  const order = batchOrder(n, batch, perEpoch, p.seed);
  const weights = new Float64Array(d + 1);
  const velocity = new Float64Array(d + 1);
  for (let step = 0; step < perEpoch * p.epochs; step++) {
    const gradient = new Float64Array(d + 1);
    const start = (step % perEpoch) * batch;
    for (const row of order.subarray(start, start + batch)) {
      let z = weights[d]!;
      for (let j = 0; j < d; j++) z += weights[j]! * standard(row, j);
      const error = 1 / (1 + Math.exp(-z)) - at(row, d);
      for (let j = 0; j < d; j++) gradient[j]! += (error * standard(row, j)) / batch;
      gradient[d]! += error / batch;
    }
    for (let j = 0; j <= d; j++) {
      const penalty = j < d ? p.l2 * weights[j]! : 0;
      velocity[j] = p.momentum * velocity[j]! + p.learningRate * (gradient[j]! + penalty);
      weights[j]! -= velocity[j]!;
    }
  }
  const onScaled = Array.from({ length: d }, (_, j) => (deviation[j]! > 0 ? weights[j]! / deviation[j]! : 0));
  const intercept = onScaled.reduce((sum, w, j) => sum - w * mean[j]!, weights[d]!);
  return rawModel({ weights: onScaled, intercept }, scalingOf(schema));
}

/** Share of rows that a model puts on the right side. */
export function accuracyOf(model: LinearModel, table: Table, label: string): number {
  const labelAt = table.columns.indexOf(label);
  const features = table.columns.map((_, j) => j).filter((j) => j !== labelAt);
  let correct = 0;
  for (let row = 0; row < table.rows; row++) {
    const base = row * table.columns.length;
    const z = features.reduce(
      (sum, j, k) => sum + table.values[base + j]! * model.weights[k]!,
      model.intercept,
    );
    if (z >= 0 === (table.values[base + labelAt] === 1)) correct++;
  }
  return correct / table.rows;
}

/** Standard deviations of the features over all tables, to put weights into comparable units. */
export function deviationsOf(tables: readonly Table[], columns: readonly string[]): number[] {
  return columns.map((name) => {
    const values = tables.flatMap((table) => {
      const at = table.columns.indexOf(name);
      return Array.from({ length: table.rows }, (_, row) => table.values[row * table.columns.length + at]!);
    });
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
  });
}
