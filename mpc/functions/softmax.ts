import type { Tensor } from "../session/tensor.ts";
import { exp } from "./exp.ts";
import { maxRows } from "./maximum.ts";
import { reciprocal } from "./reciprocal.ts";

/**
 * exp(x_ij) / sum_j exp(x_ij) in each row of x[n, m]. The largest value of a row is subtracted first, so no
 * exponential is above 1 and their sum is from 1 to m.
 *
 * Error: (m + 2) 2^-20 and 2 m + 8 units in the last place: that of one exponential in the numerator, of m in the
 * sum, which is at least 1, and those of the reciprocal and the product.
 * Rounds: those of `maxRows`, 9 for exp, 9 for the reciprocal, 1.
 */
export async function softmax<D>(x: Tensor<D>, fracBits = x.fracBits): Promise<Tensor<D>> {
  const m = x.cols;
  const largest = (await maxRows(x.transpose())).transpose();
  // Not above 0, for the largest value is one of them.
  const weights = await exp(
    x.subtract(largest).assumeError(0),
    { min: Number.NEGATIVE_INFINITY, max: 0 },
    fracBits,
  );
  const sums = weights.sumColumns().assumeError(0);
  const inverse = await reciprocal(
    sums.assume(m * (1 + 2 ** -10)),
    { minExponent: -1, maxExponent: Math.ceil(Math.log2(m * (1 + 2 ** -10))) },
    fracBits,
  );
  const shares = await weights.multiply(inverse, { bound: 1.01 });
  const own = (m + 2) * 2 ** -20 + (2 * m + 8) * 2 ** -fracBits;
  // Each share moves by at most twice the largest change of a value.
  return shares.assume(1 + own).assumeError(own + 2 * x.error);
}
