/**
 * The affine maps between raw units and [-1, 1], and what they do to models and moments.
 *
 * Only the public bounds of the schema enter, so scaling tells nothing about the rows.
 */
import { SymbolonError } from "../../mpc/errors.ts";
import type { DataSetSchema } from "./schema.ts";

/** For each column j: scaled = (raw - center_j) / halfRange_j, with halfRange_j > 0. */
export interface Scaling {
  center: Float64Array;
  halfRange: Float64Array;
}

/** A linear model: x . weights + intercept, or any link function of it. */
export interface LinearModel {
  weights: readonly number[] | Float64Array;
  intercept: number;
}

/** The map of a schema's columns, in its order, that takes [min, max] to [-1, 1]. */
export function scalingOf(schema: DataSetSchema): Scaling {
  return {
    center: Float64Array.from(schema.columns, ({ min, max }) => min / 2 + max / 2),
    halfRange: Float64Array.from(schema.columns, ({ min, max }) => max / 2 - min / 2),
  };
}

/**
 * Scales a row-major matrix whose values lie within the bounds. The result lies within [-1, 1] exactly:
 * what rounding carries beyond is set to the bound. `out` may be `matrix`.
 */
export function scaleMatrix(
  matrix: Float64Array,
  scaling: Scaling,
  out: Float64Array = new Float64Array(matrix.length),
): Float64Array {
  const { center, halfRange } = scaling;
  const width = checkWidth(matrix, scaling, out);
  for (let at = 0; at < matrix.length; at++) {
    const column = at % width;
    const scaled = (matrix[at]! - center[column]!) / halfRange[column]!;
    out[at] = Math.min(1, Math.max(-1, scaled));
  }
  return out;
}

/** The inverse of `scaleMatrix`. */
export function unscaleMatrix(
  matrix: Float64Array,
  scaling: Scaling,
  out: Float64Array = new Float64Array(matrix.length),
): Float64Array {
  const { center, halfRange } = scaling;
  const width = checkWidth(matrix, scaling, out);
  for (let at = 0; at < matrix.length; at++) {
    const column = at % width;
    out[at] = matrix[at]! * halfRange[column]! + center[column]!;
  }
  return out;
}

/**
 * The model on raw units that predicts what `model` predicts on u = (raw - center) / scale: weights over
 * scale, intercept less the centers' part. Serves for scaled units and, with means and standard deviations,
 * for standardised ones. @throws SHAPE_MISMATCH for other lengths or a scale that is not positive
 */
export function modelBeforeMap(
  model: LinearModel,
  center: readonly number[] | Float64Array,
  scale: readonly number[] | Float64Array,
): { weights: number[]; intercept: number } {
  const width = model.weights.length;
  if (center.length !== width || scale.length !== width) {
    throw new SymbolonError(
      "SHAPE_MISMATCH",
      `A model of ${width} weights needs as many centers and scales.`,
    );
  }
  const weights: number[] = [];
  let intercept = model.intercept;
  for (let column = 0; column < width; column++) {
    const by = scale[column]!;
    if (!(by > 0)) throw new SymbolonError("SHAPE_MISMATCH", "A scale must be positive.");
    const weight = model.weights[column]! / by;
    weights.push(weight);
    intercept -= weight * center[column]!;
  }
  return { weights, intercept };
}

/** A linear model on scaled features as one on raw features. */
export function rawModel(model: LinearModel, scaling: Scaling): { weights: number[]; intercept: number } {
  return modelBeforeMap(model, scaling.center, scaling.halfRange);
}

/** A linear model on raw features as one on scaled features; the inverse of `rawModel`. */
export function scaledModel(model: LinearModel, scaling: Scaling): { weights: number[]; intercept: number } {
  const weights = Array.from(model.weights, (weight, column) => weight * scaling.halfRange[column]!);
  const intercept = Array.from(model.weights).reduce(
    (sum, weight, column) => sum + weight * scaling.center[column]!,
    model.intercept,
  );
  return { weights, intercept };
}

/** Mean and variance of a scaled column in raw units, with the sum over `count` rows. */
export function rawMoments(
  scaled: { mean: number; variance: number },
  count: number,
  column: number,
  scaling: Scaling,
): { mean: number; sum: number; variance: number } {
  const half = scaling.halfRange[column]!;
  const mean = scaled.mean * half + scaling.center[column]!;
  return { mean, sum: mean * count, variance: scaled.variance * half * half };
}

function checkWidth(matrix: Float64Array, { center }: Scaling, out: Float64Array): number {
  if (matrix.length % center.length !== 0 || out.length !== matrix.length) {
    throw new SymbolonError(
      "SHAPE_MISMATCH",
      `${matrix.length} values do not make rows of ${center.length}, or the output has another length.`,
    );
  }
  return center.length;
}
