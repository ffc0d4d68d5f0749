import { inverseSqrt } from "../mpc/functions/reciprocal.ts";
import type { Tensor } from "../mpc/session/tensor.ts";

/** Fractional bits in which programs work; inputs with fewer are widened, which costs nothing. */
export const workFracBits = 20;

/** Columns whose scaled variance is below this give 0 instead of a division: they are constant, or nearly. */
export const minVarianceExponent = -22;

const varianceFracBits = 40;

export interface Standardised<D> {
  /** (x - mean) / deviation, [n, d]; 0 in columns that are constant. */
  readonly X: Tensor<D>;
  readonly mean: Tensor<D>;
  /** 1 / deviation, or 0. */
  readonly inverseDeviation: Tensor<D>;
}

/** Means [1, d] and X - mean, with nothing opened. One round. */
export async function centre<D>(X: Tensor<D>): Promise<{ mean: Tensor<D>; centred: Tensor<D> }> {
  X.session.step("mean");
  const mean = await X.meanRows();
  return { mean, centred: X.subtract(mean) };
}

/** Sum of squares over `divisor`, [1, d], with 40 fractional bits. One round. */
export async function variance<D>(centred: Tensor<D>, divisor: number): Promise<Tensor<D>> {
  centred.session.step("variance");
  // A variance of values in [-1, 1] is at most 1; with divisor n - 1 at most n / (n - 1) <= 2.
  const bound = (centred.rows / divisor) * (1 + 2 ** -10);
  return centred.columnDots(centred, {
    scale: 1 / divisor,
    scaleBits: 20,
    fracBits: varianceFracBits,
    bound,
  });
}

/** Standardises the columns of X[n, d], scaled to [-1, 1], on shares; nothing is opened. */
export async function standardise<D>(X: Tensor<D>): Promise<Standardised<D>> {
  const { session } = X;
  const { mean, centred } = await centre(X);
  const squares = await variance(centred, X.rows);
  session.step("inverse deviation");
  const range = { minExponent: minVarianceExponent, maxExponent: 2 };
  const inverseDeviation = await inverseSqrt(squares, range, workFracBits);
  session.step("standardise");
  const scaled = await centred.multiply(inverseDeviation);
  // n variance = sum (x_i - mean)^2 >= (x_j - mean)^2, so |x_j - mean| / deviation <= sqrt(n).
  return { X: scaled.assume(1.01 * Math.sqrt(X.rows)), mean, inverseDeviation };
}
