import type { Tensor } from "../session/tensor.ts";
import { inherited, normalise, type PositiveRange, workBits } from "./normalise.ts";

/**
 * 1 / v, element by element, for 2^minExponent <= v <= 2^maxExponent; 0 for smaller v, so nothing is ever divided
 * by zero.
 *
 * With u in [1/2, 1] a line gives y with a residue e = 1 - u y below 0.0605, and 1 / u is
 * y (1 + e) (1 + e^2) (1 + e^4) up to e^8 < 2^-32 [Gol64]; the power of two goes into y.
 *
 * Error: 2^-24 relative and 2 units in the last place.
 * Rounds: 9, which are those of a comparison, 1 to scale and 4.
 */
export async function reciprocal<D>(
  v: Tensor<D>,
  range: PositiveRange,
  fracBits = v.fracBits,
): Promise<Tensor<D>> {
  const { session } = v;
  const { u, first, last, choose } = await normalise(v, range);
  // 2.8184 - 15/8 u, exactly: few enough digits that nothing need be dropped.
  const line = u
    .timesInteger(-15)
    .timesPowerOfTwo(-3)
    .add(2886 / 1024)
    .assume(2.82);
  const factor = choose((j) => 2 ** -j, Math.max(0, last));
  // Four places more than the result has keep the roundings on the way below half a unit.
  const places = fracBits + 4;
  const largest = 2 ** (1 - first);
  const [product, start] = await session.together([
    () => u.multiply(line, { fracBits: workBits, bound: 1.07 }),
    () => line.multiply(factor, { fracBits: places, bound: 1.5 * largest }),
  ]);
  // Below the range u = 0 and e = 1, but then the factor is 0.
  let e = product.subtractFrom(1).assume(1 + 2 ** -20);
  let y = start;
  const correction = 0.07 * largest + 2 ** (2 - places);
  for (let step = 0; step < 2; step++) {
    [y, e] = await session.together([
      () => y.multiply(e, { bound: correction, plus: [{ tensor: y, scale: 1 }] }),
      () => e.multiply(e, { bound: 1 + 2 ** -19 }),
    ]);
    y = y.assume(1.1 * largest);
  }
  const out = await y.multiply(e, { fracBits, bound: correction, plus: [{ tensor: y, scale: 1 }] });
  const own = 2 ** -24 * largest + 2 * 2 ** -fracBits;
  return out.assume(largest + own).assumeError(own + inherited(v.error, largest ** 2, largest));
}
