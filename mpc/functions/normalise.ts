import { SymbolonError } from "../errors.ts";
import { encode } from "../session/encoding.ts";
import type { Tensor } from "../session/tensor.ts";

/** Fractional bits in which normalised values are worked on: 2^-28 is far below the results' own errors. */
export const workBits = 28;

/** Which positive values count. */
export interface PositiveRange {
  /** From 2^minExponent on; what is smaller, zero and negative values among them, is below the range. */
  readonly minExponent: number;
  /** Values are at most 2^maxExponent. */
  readonly maxExponent: number;
}

/** v = u 2^j, element by element. */
export interface Normalised<D> {
  /** In [1/2, 1], with `workBits` fractional bits, off by less than 1.5 of the last; 0 below the range. */
  readonly u: Tensor<D>;
  /** Smallest and largest j. */
  readonly first: number;
  readonly last: number;
  /** 1 below the range, else 0. */
  readonly below: Tensor<D>;
  /**
   * constantOf(j), each rounded to a unit in the last of `fracBits` places, or 0 below the range. Local.
   */
  choose(constantOf: (exponent: number) => number, fracBits: number): Tensor<D>;
}

/**
 * Finds by comparisons with the powers of two the j with 2^(j - 1) <= v < 2^j, and scales v by 2^-j. 5 rounds.
 * @throws RANGE_EXCEEDED when the bound of v lies above the range, PARAMETER_INVALID when the range is empty
 */
export async function normalise<D>(v: Tensor<D>, range: PositiveRange): Promise<Normalised<D>> {
  // Below the last place of v there is only 0.
  const lowest = Math.max(range.minExponent, -v.fracBits);
  const { maxExponent } = range;
  if (!Number.isInteger(lowest) || !Number.isInteger(maxExponent) || lowest >= maxExponent) {
    throw new SymbolonError("PARAMETER_INVALID", `no values lie from 2^${lowest} to 2^${maxExponent}`);
  }
  if (v.bound > 2 ** maxExponent) {
    throw new SymbolonError("RANGE_EXCEEDED", `values up to ${v.bound} are not below 2^${maxExponent}`);
  }
  const thresholds = Array.from({ length: maxExponent - lowest }, (_, i) => 2 ** (lowest + i));
  const bits = await v.atLeastEach(thresholds);
  // Bit i is of 2^(lowest + i), so between it and the next one j = lowest + i + 1. Thresholds rise: a bit again.
  const intervals = bits.map((bit, i) =>
    i + 1 < bits.length
      ? bit
          .subtract(bits[i + 1])
          .assume(1)
          .assumeError(0)
      : bit.assumeError(0),
  );
  const [first, last] = [lowest + 1, maxExponent];
  const choose = (constantOf: (exponent: number) => number, fracBits: number): Tensor<D> => {
    const constants = intervals.map((_, i) => constantOf(first + i));
    const sum = intervals
      .map((bit, i) => bit.timesInteger(Number(encode(constants[i], fracBits))))
      .reduce((total, term) => total.add(term));
    // One interval counts at most.
    const largest = Math.max(...constants.map(Math.abs)) + 2 ** -(fracBits + 1);
    return sum.timesPowerOfTwo(-fracBits).assume(largest).assumeError(0);
  };
  const scale = choose((j) => 2 ** -j, Math.max(0, last, workBits - v.fracBits));
  // At most 1 by the choice of the interval. What an error of v does is the caller's to say.
  const u = await v.assumeError(0).multiply(scale, { fracBits: workBits, bound: 1 });
  return { u, first, last, below: bits[0].not().assumeError(0), choose };
}

/**
 * What an error of the argument does to a function that is 0 below a range: as the slope says, or at the range's
 * end a jump.
 */
export function inherited(error: number, slope: number, jump: number): number {
  return error === 0 ? 0 : error * slope + jump;
}
