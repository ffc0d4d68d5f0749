import { encode } from "../session/encoding.ts";
import type { Tensor } from "../session/tensor.ts";
import { workBits } from "./normalise.ts";
import { polynomial } from "./polynomial.ts";

/** exp(r) for |r| <= ln 2 + 0.06 with a relative error below 2^-24.5: interpolated at Chebyshev's points. */
const coefficients = [
  0.99999997969, 0.99999999775, 0.50000114574, 0.16666679368, 0.04165657796, 0.00833221467, 0.0014172704,
  0.00020156123,
];

/** exp(x) is 4^i exp(x - i width). */
const width = 2 * Math.LN2;

/** Comparison bits that count. What is misjudged lies this far below a threshold at most. */
const resolutionBits = 7;
const slack = 3 * 2 ** -resolutionBits;

/** Where exp is wanted; infinite where no value of x is cut off. */
export interface ExpRange {
  /** Smaller values give 0, those within 3/128 of it either that or exp(x). */
  readonly min: number;
  /** Larger values count as max, up to an error of 3/128 in the exponent. */
  readonly max: number;
}

/**
 * exp(x), element by element. Comparisons find the multiple i of 2 ln 2 that is nearest; what remains goes into
 * a polynomial of degree 7, and 4^i is a sum over the comparisons' bits.
 *
 * Error: 2^-20 of the largest result and 2 units in the last place, within the range; results below 2^-4 of the
 * last place may be given as 0. Rounds: 8, which are those of a comparison, 3 and 1; 1 more where x can leave the range.
 */
export async function exp<D>(
  x: Tensor<D>,
  { min, max }: ExpRange,
  fracBits = x.fracBits,
): Promise<Tensor<D>> {
  const top = Math.min(max, x.bound);
  const bottom = Math.max(min, -x.bound, -(fracBits + 4) * Math.LN2);
  const [cutBelow, cutAbove] = [x.bound > -bottom, x.bound > top];
  const first = Math.round(bottom / width);
  const last = Math.max(first, Math.round(top / width));
  const numbers = Array.from({ length: last - first + 1 }, (_, i) => first + i);
  const thresholds = numbers.slice(1).map((i) => (i - 0.5) * width);
  // A value just below the upper end must not be judged to lie above, so the end is moved outwards.
  const end = top + slack;
  const bits = await x.atLeastEach(
    [...(cutBelow ? [bottom] : []), ...thresholds, ...(cutAbove ? [end] : [])],
    resolutionBits,
  );
  // Whatever the bits say of a value near a threshold, what remains of it lies in the polynomial's interval.
  const judged = bits.map((bit) => bit.assumeError(0));
  const above = cutAbove ? judged.pop() : undefined;
  // Bit i is 1 from the i-th number on: the first of them for all values that are not cut off below.
  if (!cutBelow) judged.unshift(x.session.constant(1, x.rows, x.cols, 0));
  const [inside] = judged;

  let remainder = weighted(
    judged,
    numbers.map((i) => i * width),
    workBits,
  ).negate();
  if (cutBelow || above !== undefined) {
    const kept = above === undefined ? inside : inside.subtract(above).assume(1);
    remainder = remainder.add(
      await x.widen(Math.max(x.fracBits, workBits)).multiply(kept, { fracBits: workBits }),
    );
    if (above !== undefined) remainder = remainder.add(weighted([above], [end], workBits));
  } else {
    remainder = remainder.add(await x.truncate(workBits));
  }
  const power = weighted(
    judged,
    numbers.map((i) => 4 ** i),
    Math.max(0, -2 * first),
  ).assume(4 ** last);
  const value = await polynomial(
    remainder.assume(Math.LN2 + slack + 2 ** -20).assumeError(2 ** (1 - workBits)),
    coefficients,
  );
  const largest = Math.exp(end);
  const out = await power.multiply(value, { fracBits, bound: largest * (1 + 2 ** -20) });
  // The polynomial's values are above 0.48.
  const relative = 2.1 * value.error + 2 ** -24.5 + Math.expm1(x.error);
  const cut = (cutBelow ? Math.exp(bottom + slack) : 0) + (cutAbove ? largest - Math.exp(top) : 0);
  return out.assumeError(largest * relative + cut + 2 * 2 ** -fracBits);
}

/** The sum of bits that follow each other, so weighted that the last one that is 1 gives its own value. Local. */
function weighted<D>(bits: readonly Tensor<D>[], values: readonly number[], places: number): Tensor<D> {
  const encoded = values.map((value) => Number(encode(value, places)));
  const sum = bits
    .map((bit, i) => bit.timesInteger(encoded[i] - (i > 0 ? encoded[i - 1] : 0)))
    .reduce((total, term) => total.add(term));
  return sum.timesPowerOfTwo(-places).assume(Math.max(...values.map(Math.abs)) + 2 ** -(places + 1));
}
