import type { Tensor } from "../session/tensor.ts";
import { normalise, type PositiveRange, workBits } from "./normalise.ts";
import { polynomial } from "./polynomial.ts";

/** log(3/4 + y) for |y| <= 1/4 with an error below 2^-21.9: interpolated at Chebyshev's points. */
const coefficients = [
  -0.28768189335, 1.33333312018, -0.8889803302, 0.79023228053, -0.78291865734, 0.83422679283, -1.11392149789,
  1.28118907111,
];

/**
 * The natural logarithm of v, element by element, for 2^minExponent <= v <= 2^maxExponent; smaller values, zero
 * and negative ones among them, count as 2^minExponent, or as the last place of v where that is larger.
 *
 * v = u 2^j with u in [1/2, 1]: a polynomial of degree 7 at u - 3/4, and j ln 2.
 *
 * Error: 2^-20 and 2 units in the last place. Rounds: 8, which are those of a comparison, 1 to scale and 3.
 */
export async function log<D>(v: Tensor<D>, range: PositiveRange, fracBits = v.fracBits): Promise<Tensor<D>> {
  const { u, first, last, below, choose } = await normalise(v, range);
  // Below the range u is 0 and j too: 1/2 and the first j take their place.
  const half = below.timesPowerOfTwo(-1).widen(workBits);
  const y = u
    .add(half)
    .subtract(3 / 4)
    .assume(1 / 4 + 2 ** -20)
    .assumeError(2 ** (1 - workBits));
  const exponent = choose((j) => j * Math.LN2, fracBits);
  const lowest = below.timesInteger(Math.round(first * Math.LN2 * 2 ** fracBits)).timesPowerOfTwo(-fracBits);
  const fraction = await polynomial(y, coefficients, fracBits);
  const largest = Math.LN2 * Math.max(Math.abs(first - 1), Math.abs(last));
  const own = fraction.error + 2 ** -21.9 + 2 ** -(fracBits + 1);
  const slope = 2 ** (1 - first);
  return fraction
    .add(exponent)
    .add(lowest)
    .assume(largest + own)
    .assumeError(own + v.error * slope);
}
