import { SymbolonError } from "../errors.ts";
import type { Tensor } from "../session/tensor.ts";

/** Fractional bits of the iteration beyond those of the session: its rounding errors stay below the results' own. */
const guardBits = 4;

/**
 * Relative error of the iterations: what is scaled is truncated, an iterate is rounded three times a step and
 * forgets the errors before it, in all below 8 units of 2^-workBits where the result is at least 1.
 */
const iterationError = (workBits: number): number => 2 ** (4 - workBits);

export interface InverseRange {
  /** Values below 2^minExponent, zero among them, give 0: nothing is ever divided by zero. */
  readonly minExponent: number;
  /** Values are below 2^maxExponent. */
  readonly maxExponent: number;
}

/**
 * 1 / v, element by element, for 2^minExponent <= v < 2^maxExponent; 0 for smaller v.
 *
 * v is scaled into [1/2, 1) by the power of two that comparisons find, then Newton's iteration
 * y <- y (2 - u y) from a line whose relative error is 1/17 [Gol64]; four steps leave rounding only.
 * Relative error below 2^-f for a session of f fractional bits, plus that of v's own last place.
 * Rounds: a comparison, 1 to scale, 2 a step, 1 to scale back.
 */
export async function reciprocal<D>(v: Tensor<D>, range: InverseRange, fracBits: number): Promise<Tensor<D>> {
  checkRange(v, range);
  const { u, factor } = await normalise(v, range, 1);
  let y = (await u.multiplyPublic(-32 / 17)).add(48 / 17).assume(2.83);
  for (let step = 0; step < 4; step++) {
    // For u in [1/2, 1) it is near 1, for u = 0 it is 0.
    const product = await u.multiply(y, { bound: 2 });
    // For u in [1/2, 1) the iterates stay in (0, 2]; for u = 0 they double from 48/17 on.
    y = await y.multiply(product.subtractFrom(2), { bound: 2.83 * 2 ** (step + 1) });
  }
  return scaledBack(v, y, factor, 2 ** (1 - range.minExponent), fracBits);
}

/**
 * 1 / sqrt(v), element by element, for 2^minExponent <= v < 2^maxExponent (both even); 0 for smaller v, so
 * that a constant column's deviation divides nothing.
 *
 * v is scaled into [1/4, 1) by a power of four, then Newton's y <- y (3 - u y^2) / 2 from a line with
 * relative error 0.086; four steps leave rounding only. Relative error below 2^-f for a session of f
 * fractional bits, plus half that of v's own last place. Rounds: a comparison, 1 to scale, 1 + 3 a step, 1 to scale back.
 */
export async function inverseSqrt<D>(
  v: Tensor<D>,
  range: InverseRange,
  fracBits: number,
): Promise<Tensor<D>> {
  checkRange(v, range);
  if (range.minExponent % 2 !== 0 || range.maxExponent % 2 !== 0) {
    throw new SymbolonError("INTERNAL", "the range of an inverse square root has even exponents");
  }
  const { u, factor } = await normalise(v, range, 2);
  let y = (await u.multiplyPublic(-1.2188)).add(2.1329).assume(2.14);
  for (let step = 0; step < 4; step++) {
    const square = await y.multiply(y);
    // For u in [1/4, 1) it is near 1, for u = 0 it is 0.
    const product = await square.multiply(u, { bound: 2 });
    // For u in [1/4, 1) the iterates stay in (0, 2.14]; for u = 0 they grow by 3/2 a step from 2.1329 on.
    y = await y.multiply(product.subtractFrom(3), { scale: 0.5, bound: 2.14 * 1.5 ** (step + 1) });
  }
  return scaledBack(v, y, factor, 2 ** (1 - range.minExponent / 2), fracBits);
}

/** y times the factor that undoes the scaling; `bound` holds because the factor is 0 where y has grown. */
async function scaledBack<D>(
  v: Tensor<D>,
  y: Tensor<D>,
  factor: Tensor<D>,
  bound: number,
  fracBits: number,
): Promise<Tensor<D>> {
  // Values on either side of the end of the range give results as far apart as the bound.
  const error = v.error === 0 ? bound * iterationError(y.fracBits) : bound;
  return y.multiply(factor, { fracBits, bound, error });
}

function checkRange<D>(v: Tensor<D>, { maxExponent }: InverseRange): void {
  if (v.bound > 2 ** maxExponent) {
    throw new SymbolonError("RANGE_EXCEEDED", `values up to ${v.bound} are not below 2^${maxExponent}`);
  }
}

/**
 * Finds by comparisons the j with 2^(power (j - 1)) <= v < 2^(power j), and returns u = v 2^(-power j) in
 * [2^-power, 1) and the factor 2^(-j): u and factor are 0 where v < 2^minExponent.
 */
async function normalise<D>(
  v: Tensor<D>,
  { minExponent, maxExponent }: InverseRange,
  power: 1 | 2,
): Promise<{ u: Tensor<D>; factor: Tensor<D> }> {
  const first = Math.floor(minExponent / power);
  const last = Math.ceil(maxExponent / power);
  const thresholds = Array.from({ length: last - first }, (_, i) => 2 ** (power * (first + i)));
  const bits = await v.atLeastEach(thresholds);
  // Interval i covers [thresholds[i], thresholds[i + 1]); there j = first + i + 1.
  let factor: Tensor<D> | undefined;
  let scale: Tensor<D> | undefined;
  const weighted = (bit: Tensor<D>, exponent: number, places: number): Tensor<D> =>
    bit.timesPowerOfTwo(exponent).widen(places);
  for (let i = 0; i < bits.length; i++) {
    const inInterval = i + 1 < bits.length ? bits[i].subtract(bits[i + 1]).assume(1) : bits[i];
    const j = first + i + 1;
    const f = weighted(inInterval, -j, Math.max(0, last));
    const s = weighted(inInterval, -power * j, Math.max(0, power * last));
    factor = factor === undefined ? f : factor.add(f);
    scale = scale === undefined ? s : scale.add(s);
  }
  // Exactly one interval counts, so the sums are at most their largest term.
  const largestFactor = factor!.assume(2 ** -(first + 1));
  const largestScale = scale!.assume(2 ** (-power * (first + 1)));
  // The product is below 1 by the choice of the interval.
  const u = await v.multiply(largestScale, { fracBits: v.session.fracBits + guardBits, bound: 1 });
  return { u, factor: largestFactor };
}
