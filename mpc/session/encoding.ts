/** Public numbers as integers in units of the last place. */
import { SymbolonError } from "../errors.ts";

/** Significant bits of an encoded public factor: its relative error is below 2^-24. */
const factorBits = 24;

/** round(value * 2^fracBits) as an integer; exact for every double. */
export function encode(value: number, fracBits: number): bigint {
  const scaled = value * 2 ** fracBits;
  if (!Number.isFinite(scaled))
    throw new SymbolonError("FIELD_ENCODING", "a public constant is not a finite number");
  return BigInt(Math.round(scaled));
}

/** How many fractional bits a public factor gets: none for an integer, else as many as keep its significant bits. */
export function factorExponent(factor: number, significantBits = factorBits): number {
  if (Number.isInteger(factor)) return 0;
  const needed = significantBits - Math.ceil(Math.log2(Math.abs(factor)));
  // A dyadic factor is exact with fewer.
  for (let e = 0; e < needed; e++) if (Number.isInteger(factor * 2 ** e)) return e;
  return Math.max(0, needed);
}

/** The absolute value of what a public number is encoded as, which may be larger than its own. */
export function encodedSize(value: number, fracBits: number): number {
  return Math.abs(Number(encode(value, fracBits)) / 2 ** fracBits);
}

/** How far an encoded public number is from what it stands for. */
export function encodingError(value: number, fracBits: number): number {
  return Math.abs(value - Number(encode(value, fracBits)) / 2 ** fracBits);
}

/** Largest error of a truncation that leaves this many fractional bits: 1.5 units in the last place. */
export function truncationError(fracBits: number): number {
  return 1.5 * 2 ** -fracBits;
}

/** Bound after a truncation. */
export function roundedBound(bound: number, fracBits: number): number {
  return bound + truncationError(fracBits);
}

/** a * b for bounds, of which one may be infinite: nothing times anything is nothing. */
export function timesBound(a: number, b: number): number {
  return a === 0 || b === 0 ? 0 : a * b;
}
