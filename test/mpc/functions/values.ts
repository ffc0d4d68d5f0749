/** Values for tests of functions: columns, whole matrices, extremes. */
import fc from "fast-check";
import type { FieldBits } from "../../../mpc/vector/index.ts";
import type { Secret } from "../session/three-sessions.ts";

export const someFields: readonly FieldBits[] = [61, 107, 127];

export function column(values: readonly number[], fracBits: number, bound?: number): Secret {
  return { rows: values.length, cols: 1, values, fracBits, bound };
}

export function matrix(
  rows: number,
  cols: number,
  values: readonly number[],
  fracBits: number,
  bound?: number,
) {
  return { rows, cols, values, fracBits, bound } satisfies Secret;
}

/** Multiples of 2^-fracBits from -bound to bound, extremes and neighbours of 0 among them. */
export function fixedPoint(fracBits: number, bound: number): fc.Arbitrary<number> {
  const largest = bound * 2 ** fracBits;
  return fc
    .oneof(
      { weight: 4, arbitrary: fc.integer({ min: -largest, max: largest }) },
      { weight: 1, arbitrary: fc.constantFrom(-largest, largest, -1, 0, 1) },
    )
    .map((raw) => raw / 2 ** fracBits);
}

/** `count` values from low to high, both among them, in equal ratios. */
export function geometric(low: number, high: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => low * (high / low) ** (i / (count - 1)));
}
