import { inBlocks } from "../blocks.ts";
import { SymbolonError } from "../errors.ts";
import type { Party } from "../party.ts";
import { type FieldArray, randomBlock } from "../vector/index.ts";
import { type Dealing, freeMaskedOpening, type MaskedOpening, openMasked } from "./masked-opening.ts";

export interface TruncateRequest {
  /** Degree 1: shares. Degree 2: local products. Frees nothing. */
  readonly values: FieldArray;
  readonly degree: 1 | 2;
  /** Bits to drop. */
  readonly shift: number;
  /** |x| < 2^bitLength for every secret value x as a signed integer; at least `shift`, at most k - 4. */
  readonly bitLength: number;
}

/**
 * Probabilistic truncation: shares of x become shares of x / 2^shift, up to rounding. With degree 2 the
 * degree reduction comes free: one round multiplies and truncates.
 *
 * From the masked opening c = x + 2^l - 2^(shift-1) + r_first + r_second, whose three terms are each known
 * to a pair, result = (c >> s) - (r_first >> s) - (r_second >> s) - (2^l >> s), each term embedded in a line.
 *
 * Input: n values. Output: shares[n]; error strictly below 1.5 units in the last place, mean 0, variance
 * about 1/4. Cost: 1 round, 4 n elements (2 n for degree 1) over all links.
 * Opened: c, to two parties; its statistical distance from a value without x is below 2^(l + 1 - (k - 2)).
 * Adversary: passive. Source: truncation by a masked opening [CdH10], with masks that pairs know [CDI05].
 */
export async function truncate(party: Party, request: TruncateRequest): Promise<FieldArray> {
  const { value, opening } = await truncateKeepingOpening(party, request);
  freeMaskedOpening(party, opening);
  return value;
}

/** The public constant that a truncating masked opening adds: makes the sum positive and rounds to nearest. */
export function truncationOffset(shift: number, bitLength: number): bigint {
  return (1n << BigInt(bitLength)) - (shift === 0 ? 0n : 1n << BigInt(shift - 1));
}

/** `truncate`, and the opening, so that a comparison can use it in the rounds that follow. */
export async function truncateKeepingOpening<Dealt>(
  party: Party,
  { values, degree, shift, bitLength }: TruncateRequest,
  dealing?: Dealing<Dealt>,
): Promise<{ value: FieldArray; opening: MaskedOpening<Dealt> }> {
  const { kernel, index } = party;
  if (bitLength < shift || bitLength > kernel.spec.bits - 4) {
    throw new SymbolonError(
      "RANGE_EXCEEDED",
      `a value of ${bitLength} bits cannot be truncated by ${shift} in this field`,
    );
  }
  const offset = truncationOffset(shift, bitLength);
  const protocol = degree === 2 ? "multiply and truncate" : "truncate";
  const opening = await party.openingRound(protocol, (operation) =>
    openMasked(party, operation, { values, degree, mask: "statistical", offset, dealing }),
  );
  const value = kernel.allocate(values.length);
  const block = kernel.allocate(Math.min(values.length, randomBlock));
  const constant = -(1n << BigInt(bitLength - shift));
  const terms = [
    { a: opening.opened, excluded: opening.helper, sign: 1n },
    { a: opening.firstMask, excluded: opening.second, sign: -1n },
    { a: opening.secondMask, excluded: opening.first, sign: -1n },
  ];
  inBlocks(values.length, (start, length) => {
    const sum = kernel.slice(value, start, length);
    const part = kernel.slice(block, 0, length);
    kernel.fill(sum, constant);
    for (const { a, excluded, sign } of terms) {
      if (a === undefined || excluded === index) continue;
      kernel.shiftRight(part, kernel.slice(a, start, length), shift);
      kernel.multiplyAdd(sum, part, sign * party.embed(excluded), sum);
    }
  });
  kernel.free(block);
  return { value, opening };
}
