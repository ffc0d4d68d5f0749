import { addCost, type Cost, noCost } from "../cost.ts";
import { SymbolonError } from "../errors.ts";
import type { Party } from "../party.ts";
import { type RowStore, rowBlocks } from "../tables/row-store.ts";
import type { FieldArray, FieldBits } from "../vector/index.ts";
import { freeMaskedOpening, openMasked, openMaskedCost } from "./masked-opening.ts";

export interface ConvertRequest {
  /** Shares of degree 1 in the kernel of `from`. Frees nothing. */
  readonly values: FieldArray;
  /** |x| <= 2^bitLength for every secret value x as a signed integer; at most k - 4 of the smaller field. */
  readonly bitLength: number;
}

/**
 * Changes the field: shares of x over F_p become shares of the same integer x over F_q, p and q any two of the
 * Mersenne primes 2^k - 1, up or down.
 *
 * The masked opening c = x + 2^l + r_first + r_second is a sum of integers below p, so the same equation
 * holds over the integers and hence mod q: the three terms are each known to a pair, which embeds them in
 * lines over F_q after reducing them.
 *
 * Input: n values. Output: shares[n] in the kernel of `to`, exact. Cost: `convertCost`, 1 round.
 * Opened: c, to two parties; its statistical distance from a value without x is `convertDistance`. The masks
 * are as wide as the *source* field allows, so data has to be shared in a field with room for them: at k = 61
 * one value of 16 fractional bits comes out at 2^-42, and a job's limit is 2^-40 for all its openings.
 * A value beyond 2^bitLength would overrun its mask, so inputs are checked before they are converted.
 * Adversary: passive. Source: as `truncate`, [CdH10] and [CDI05].
 *
 * @param from the party in the field of the values
 * @param to the same party in the other field, made by `from.inField`
 */
export async function convert(
  from: Party,
  to: Party,
  { values, bitLength }: ConvertRequest,
): Promise<FieldArray> {
  const room = Math.min(from.kernel.spec.bits, to.kernel.spec.bits) - 4;
  if (!Number.isInteger(bitLength) || bitLength < 0 || bitLength > room) {
    throw new SymbolonError(
      "RANGE_EXCEEDED",
      `a value of ${bitLength} bits does not fit both fields of a conversion, which have room for ${room}`,
    );
  }
  const offset = 1n << BigInt(bitLength);
  const opening = await from.openingRound("convert", (operation) =>
    openMasked(from, operation, { values, degree: 1, mask: "statistical", offset }),
  );
  const { kernel, index } = to;
  const value = kernel.allocate(values.length);
  const part = kernel.allocate(values.length);
  kernel.fill(value, -offset);
  const terms = [
    { a: opening.opened, excluded: opening.helper, sign: 1n },
    { a: opening.firstMask, excluded: opening.second, sign: -1n },
    { a: opening.secondMask, excluded: opening.first, sign: -1n },
  ];
  for (const { a, excluded, sign } of terms) {
    if (a === undefined || excluded === index) continue;
    kernel.fromWords(part, from.kernel.toWords(a), Math.ceil(from.kernel.spec.bits / 32));
    kernel.multiplyAdd(value, part, sign * to.embed(excluded), value);
  }
  kernel.free(part);
  freeMaskedOpening(from, opening);
  return value;
}

/** Values converted at once, in whole rows; bounds the memory, whatever the size of the matrices. */
const block = 1 << 17;

/** `convert` for several matrices together, each into one of `out`: a round for each block of 2^17 values. */
export async function convertAll(
  from: Party,
  to: Party,
  matrices: readonly RowStore<FieldArray>[],
  out: readonly RowStore<FieldArray>[],
  bitLength: number,
): Promise<void> {
  for (const ranges of rowBlocks(matrices, block)) {
    const pieces = ranges.map((range) => ({ ...range, length: range.rows * matrices[range.matrix].cols }));
    const values = from.kernel.allocate(pieces.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const { matrix, first, rows, length } of pieces) {
      const piece = await matrices[matrix].read(first, rows);
      from.kernel.copy(from.kernel.slice(values, at, length), piece);
      matrices[matrix].release(piece);
      at += length;
    }
    const converted = await convert(from, to, { values, bitLength });
    from.kernel.free(values);
    at = 0;
    for (const { matrix, rows, length } of pieces) {
      await out[matrix].append(to.kernel.slice(converted, at, length), rows);
      at += length;
    }
    to.kernel.free(converted);
  }
}

/** Declared cost of `convert`: 2 n elements of the source field over all links. */
export function convertCost(n: number, elementBytes: number): Cost {
  return openMaskedCost(n, 1, elementBytes);
}

/** Declared cost of `convertAll` for matrices of given shapes. */
export function convertAllCost(
  shapes: readonly { readonly rows: number; readonly cols: number }[],
  elementBytes: number,
): Cost {
  let cost = noCost;
  for (const ranges of rowBlocks(shapes, block)) {
    const n = ranges.reduce((sum, { matrix, rows }) => sum + rows * shapes[matrix].cols, 0);
    cost = addCost(cost, convertCost(n, elementBytes));
  }
  return cost;
}

/** What n conversions from a field of 2^k - 1 elements add to a job's statistical distance. */
export function convertDistance(n: number, bitLength: number, k: FieldBits): number {
  return n * 2 ** (bitLength + 1 - (k - 2));
}
