import { inverseSqrt } from "../mpc/functions/square-root.ts";
import type { Tensor } from "../mpc/session/tensor.ts";

/** Columns whose variance, times n over `squaresDivisor(n)`, is below this power of two give 0 instead of a division: they are constant, or nearly. */
export const minVarianceExponent = -22;

/** Fractional bits of sums of squares: twice those of what is squared, up to this many. */
const maxSquareBits = 40;

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

/**
 * The divisor of `meanSquares` of n rows: the next power of two. Dividing by it moves the point, where n itself
 * would take 20 bits of every sum to encode; who needs another divisor multiplies by the quotient.
 */
export function squaresDivisor(n: number): number {
  return 2 ** Math.ceil(Math.log2(n));
}

/** Sums of the squares of centred[n, d], as `centre` makes it, over `squaresDivisor(n)`, [1, d]. One round. */
export async function meanSquares<D>(centred: Tensor<D>): Promise<Tensor<D>> {
  centred.session.step("variance");
  const divisor = squaresDivisor(centred.rows);
  // All rows of a column are off by the same error e of its mean, and exactly centred they add up to 0: so
  // sum (c + e)^2 = sum c^2 + n e^2.
  const error = (centred.rows / divisor) * centred.error ** 2;
  return centred.columnDots(centred, {
    scale: 1 / divisor,
    fracBits: Math.min(maxSquareBits, 2 * centred.fracBits),
    // A variance of values in [-1, 1] is at most 1; their mean is rounded.
    bound: (centred.rows / divisor) * (1 + 2 ** -10),
    error,
  });
}

/**
 * Standardises the columns of X[n, d], scaled to [-1, 1], on shares; nothing is opened. Errors are counted
 * afresh from its results on.
 */
export async function standardise<D>(X: Tensor<D>): Promise<Standardised<D>> {
  const { session, rows } = X;
  const { mean, centred } = await centre(X);
  const squares = await meanSquares(centred);
  session.step("inverse deviation");
  const range = { minExponent: minVarianceExponent, maxExponent: 2 };
  // Errors of what follows count from the computed means, deviations and rows on: these are the units in which
  // a model is trained, and whether a column is constant enough to be left out is decided by them.
  const inverse = await inverseSqrt(squares.assumeError(0), range, session.fracBits);
  const inverseDeviation = await inverse.multiplyPublic(Math.sqrt(rows / squaresDivisor(rows)));
  session.step("standardise");
  const scaled = await centred.assumeError(0).multiply(inverseDeviation.assumeError(0));
  // n variance = sum (x_i - mean)^2 >= (x_j - mean)^2, so |x_j - mean| / deviation <= sqrt(n).
  return {
    X: scaled.assume(1.01 * Math.sqrt(rows)).assumeError(0),
    mean: mean.assumeError(0),
    inverseDeviation: inverseDeviation.assumeError(0),
  };
}
