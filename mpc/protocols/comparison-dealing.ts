/**
 * What the helper of a masked opening deals to the openers for a comparison: the bits of its masks' sum that
 * are compared, each as an additive sharing modulo 127.
 */
import { SymbolonError } from "../errors.ts";
import type { Party } from "../party.ts";
import { type Bytes127, loadBytes127, maxComparedBits } from "../vector/bytes127.ts";
import { wordsFor } from "./bits.ts";
import type { Dealing, MaskedOpening, Roles } from "./masked-opening.ts";

/**
 * What is compared: for each value x and each threshold t, the bit [x >= t].
 * Thresholds and values are integers of the same scale.
 */
export interface CompareRequest {
  readonly thresholds: readonly bigint[];
  /** |x| < 2^bitLength. */
  readonly bitLength: number;
  /**
   * Bits dropped before the comparison. 0: exact. g > 0: x with t - 3 * 2^g < x < t may be judged either way,
   * everything else exactly; each dropped bit saves work.
   */
  readonly coarseBits: number;
}

/**
 * Bits below the sign bit of the two's complement numbers in which x - t is formed.
 * @throws RANGE_EXCEEDED
 */
export function comparedBits({ thresholds, bitLength, coarseBits }: CompareRequest): number {
  let largest = 1n << BigInt(bitLength);
  for (const t of thresholds) {
    const distance = (t < 0n ? -t : t) + (1n << BigInt(bitLength));
    if (distance > largest) largest = distance;
  }
  // |x - t| / 2^g plus the error of the shifts must stay below half of the range.
  const bits = ((largest >> BigInt(coarseBits)) + 4n).toString(2).length;
  if (bits > maxComparedBits)
    throw new SymbolonError("RANGE_EXCEEDED", `numbers of ${bits} bits cannot be compared`);
  return bits;
}

/**
 * Whether the masked opening and the differences fit the field: |x| and the offset below 2^(k-4) leave the
 * masks their room, and c plus the constant that holds a threshold stays below p.
 * @throws RANGE_EXCEEDED, SHAPE_MISMATCH
 */
export function checkComparison(fieldBits: number, request: CompareRequest): void {
  const { thresholds, bitLength, coarseBits } = request;
  if (thresholds.length === 0) throw new SymbolonError("SHAPE_MISMATCH", "a comparison without thresholds");
  if (!(coarseBits >= 0 && coarseBits <= fieldBits))
    throw new SymbolonError("SHAPE_MISMATCH", `${coarseBits} bits cannot be dropped`);
  const m = comparedBits(request);
  const k = BigInt(fieldBits);
  // c < 2^(l+1) + 2^(k-1); the offset is at least 0.
  const largest = (2n << BigInt(bitLength)) + (1n << (k - 1n));
  const constants = thresholds.map((t) => (1n << BigInt(m)) - (t >> BigInt(coarseBits)));
  const sum = (largest >> BigInt(coarseBits)) + constants.reduce((a, b) => (a > b ? a : b));
  if (bitLength > fieldBits - 4 || m + 1 > fieldBits || sum >= (1n << k) - 1n)
    throw new SymbolonError(
      "RANGE_EXCEEDED",
      `a comparison of values of ${bitLength} bits does not fit a field of ${fieldBits} bits`,
    );
}

/** What a party holds of a comparison after its masked opening, beside the opening itself. */
export interface ComparisonDealt {
  readonly bytes127: Bytes127;
  /** The second opener's additive shares mod 127 of the compared bits of r: n * m bytes, element after element. */
  readonly shares?: Uint8Array;
  /** The first opener's, slice by slice from the key that it has with the helper. */
  readonly pad?: PadSource;
  /** The bits of r above the compared ones, at the helper. */
  readonly top?: Uint32Array;
  /** A dealing serves one search: a second would continue the first opener's stream and nobody else's. */
  used: boolean;
}

type PadSource = (out: Uint8Array) => void;

/** Elements worked on at a time: what is drawn for them stays in the cache. A multiple of 32. */
export const slice = 1024;

/** A masked opening that carried the dealing of a comparison. */
export type ComparisonOpening = MaskedOpening<ComparisonDealt>;

/** What the helper of the masked opening deals for this comparison, of r = (r_first >> g) + (r_second >> g). */
export async function comparisonDealing(request: CompareRequest): Promise<Dealing<ComparisonDealt>> {
  const bytes127 = await loadBytes127();
  const m = comparedBits(request);
  const padOf = (party: Party, operation: number, { second }: Roles): PadSource => {
    const draw = party.pairStream(second, "deal", operation);
    return (out) => bytes127.sampleUniform(out, draw);
  };
  return {
    byteLength: (n) => comparisonDealtBytes(n, request),
    atHelper(party, operation, roles, firstMask, secondMask) {
      const { kernel } = party;
      const n = firstMask.length;
      const sum = kernel.allocate(n);
      const shifted = kernel.allocate(n);
      kernel.shiftRight(sum, firstMask, request.coarseBits);
      kernel.shiftRight(shifted, secondMask, request.coarseBits);
      kernel.add(sum, sum, shifted);
      const planes = kernel.extractBits(sum, 0, m + 1);
      kernel.free(sum);
      kernel.free(shifted);
      const top = planes.pop()!;
      const pad = padOf(party, operation, roles);
      const wire = party.workspace(n * m);
      const padded = new Uint8Array(Math.min(n, slice) * m);
      for (let start = 0; start < n; start += slice) {
        const rows = Math.min(slice, n - start);
        const out = wire.subarray(start * m, (start + rows) * m);
        const mask = padded.subarray(0, rows * m);
        pad(mask);
        bytes127.bitsToBytes(out, slicePlanes(planes, start, rows), rows);
        bytes127.subtract(out, out, mask);
      }
      return { wire, dealt: { bytes127, top, used: false } };
    },
    atOpener: (party, operation, roles) =>
      party.index === roles.first
        ? { bytes127, pad: padOf(party, operation, roles), used: false }
        : { bytes127, used: false },
    complete: (party, dealt, bytes) => ({ ...dealt, shares: party.keep(checkedBytes(bytes127, bytes)) }),
  };
}

/** Bytes of the dealing for n values: one for each compared bit. */
export function comparisonDealtBytes(n: number, request: CompareRequest): number {
  return n * comparedBits(request);
}

/** The part of bit planes that belongs to the elements start .. start + rows - 1; start a multiple of 32. */
export function slicePlanes(planes: readonly Uint32Array[], start: number, rows: number): Uint32Array[] {
  return planes.map((plane) => plane.subarray(start / 32, start / 32 + wordsFor(rows)));
}

/** @throws FIELD_ENCODING, which ends the round as PEER_MISBEHAVED, when a peer sent a byte that is not below 127. */
export function checkedBytes(bytes127: Bytes127, bytes: Uint8Array): Uint8Array {
  if (!bytes127.isCanonical(bytes))
    throw new SymbolonError("FIELD_ENCODING", "a peer sent a byte that is not a number modulo 127");
  return bytes;
}
