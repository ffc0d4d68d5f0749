/**
 * Square roots and their inverses, for 2^minExponent <= v <= 2^maxExponent; 0 for smaller v, so that what is
 * constant up to rounding divides nothing.
 *
 * With u in [1/2, 1] a line gives y with a residue e = 1 - u y^2 below 0.046, and 1 / sqrt(u) is y times the
 * series of (1 - e)^(-1/2), whose terms from e^5 on are below 2^-24. sqrt(u) is u y times the same series.
 *
 * Error: 2^-22 relative and 2 units in the last place.
 * Rounds: 10, which are those of a comparison, 1 to scale and 5.
 */
import type { Tensor } from "../session/tensor.ts";
import { inherited, type Normalised, normalise, type PositiveRange, workBits } from "./normalise.ts";

/** Significant places of the powers of sqrt(2). */
const factorPlaces = 24;

/** 1 / sqrt(v), element by element. */
export async function inverseSqrt<D>(
  v: Tensor<D>,
  range: PositiveRange,
  fracBits = v.fracBits,
): Promise<Tensor<D>> {
  const { session } = v;
  const parts = await normalise(v, range);
  const { u, first, last, choose } = parts;
  const line = start(parts);
  const factor = choose((j) => 2 ** (-j / 2), factorPlaces + Math.max(0, Math.ceil(last / 2)));
  const [root, scaled] = await session.together([
    () => u.multiply(line, { fracBits: workBits, bound: 1.03 }),
    () => line.multiply(factor, { fracBits: fracBits + 4 }),
  ]);
  const largest = 2 ** ((1 - first) / 2);
  const out = await scaled.multiply(await series(root, line), { fracBits, bound: 1.01 * largest });
  const own = 2 ** -22 * largest + 2 * 2 ** -fracBits;
  return out.assume(largest + own).assumeError(own + inherited(v.error, largest ** 3 / 2, largest));
}

/** sqrt(v), element by element; also 0 for negative v. */
export async function sqrt<D>(v: Tensor<D>, range: PositiveRange, fracBits = v.fracBits): Promise<Tensor<D>> {
  const { session } = v;
  const parts = await normalise(v, range);
  const { u, first, last, choose } = parts;
  const line = start(parts);
  const factor = choose((j) => 2 ** (j / 2), factorPlaces + Math.max(0, -Math.floor(first / 2)));
  const root = await u.multiply(line, { fracBits: workBits, bound: 1.03 });
  const [scaled, inverse] = await session.together([
    () => root.multiply(factor, { fracBits: fracBits + 4 }),
    () => series(root, line),
  ]);
  const smallest = 2 ** ((first - 1) / 2);
  const largest = 2 ** (last / 2);
  const out = await scaled.multiply(inverse, { fracBits, bound: 1.01 * largest });
  const own = 2 ** -22 * largest + 2 * 2 ** -fracBits;
  // What is below the range gives 0 in place of something up to the range's end.
  return out.assume(largest + own).assumeError(own + smallest + inherited(v.error, 0.5 / smallest, smallest));
}

/** 1.79 - 13/16 u, exactly, between 0.97 and 1.39 for u in [1/2, 1]. */
function start<D>({ u }: Normalised<D>): Tensor<D> {
  return u
    .timesInteger(-13)
    .timesPowerOfTwo(-4)
    .add(1833 / 1024)
    .assume(1.8);
}

/** 1 + e/2 + 3/8 e^2 + 5/16 e^3 + 35/128 e^4 for e = 1 - root * line. 3 rounds. */
async function series<D>(root: Tensor<D>, line: Tensor<D>): Promise<Tensor<D>> {
  const product = await root.multiply(line, { bound: 1.05 });
  // Below the range root = 0 and e = 1, but then the factor is 0.
  const e = product.subtractFrom(1).assume(1 + 2 ** -20);
  const square = await e.multiply(e, { bound: 1 + 2 ** -19 });
  const inner = square
    .timesInteger(35)
    .timesPowerOfTwo(-7)
    .add(e.timesInteger(40).timesPowerOfTwo(-7))
    .add(3 / 8);
  const higher = await square.multiply(inner, { fracBits: workBits });
  return higher
    .widen(workBits + 1)
    .add(e.timesPowerOfTwo(-1))
    .add(1);
}
