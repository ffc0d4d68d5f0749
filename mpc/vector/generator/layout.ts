/**
 * What the generator knows about a field: limb widths, how far a limb may exceed its width between
 * operations, and how many products a 64-bit column may collect before it must be carried.
 *
 * **Loose form.** Elements in memory are sums of limbs a_j 2^(w j) that need not be canonical. With w_j = w
 * for j < L - 1 and w_(L-1) = k - w (L - 1) = `topBits`, every operation accepts and leaves
 *
 *     a_j <= 2^(w_j) + 2^16,   and for w = 31 also a_0 < 2^31.                                     (1)
 *
 * **Carry of 32-bit limbs** (after an addition or subtraction): t_j <= 3 (2^(w_j) + 2^16) < 4 * 2^(w_j), so the
 * carries h_j = t_j >> w_j are at most 3, and r_j = (t_j mod 2^(w_j)) + h_(j-1), r_0 with h_(L-1) because
 * 2^k = 1 mod p, obeys (1). For w = 31 one more carry from limb 0 keeps a_0 < 2^31.
 *
 * **Products.** With s = w L - k, 2^(w L) = 2^s mod p, so column t of a product is
 * c_t = sum_(i+j=t) a_i b_j + 2^s sum_(i+j=t+L) a_i b_j. `termsPerCarry` is the largest T such that T products
 * of operands that obey (1), plus what a carry leaves behind, plus the carry that comes in from below, stay
 * under 2^64 in every column; it is computed below and not trusted to a comment.
 *
 * **Carry of 64-bit columns**: one pass from column 0 to the top, the top's carry h < 2^(64 - w_(L-1)) goes back
 * to column 0, and column 0 is carried once more. Column 0 ends below 2^w, column 1 below
 * 2^(w_1) + 2^(64 - w_(L-1) - w) + 1, the others below 2^(w_j): (1) again, as `looseSlack` checks.
 */
import type { FieldSpec } from "../kernel.ts";

export interface Layout {
  readonly bits: number;
  /** L. */
  readonly limbs: number;
  /** w. */
  readonly limbBits: number;
  /** w_(L-1). */
  readonly topBits: number;
  /** s. */
  readonly fold: number;
  /** w_j. */
  readonly widths: readonly number[];
  /** T. */
  readonly termsPerCarry: number;
}

/** 2^16: by how much a limb in loose form may exceed 2^(w_j). */
export const looseSlack = 1n << 16n;

/** The largest limb j of an element in loose form. */
export function looseMax(widths: readonly number[], j: number): bigint {
  return widths[j] === 31 ? (1n << 31n) - 1n : (1n << BigInt(widths[j]!)) + looseSlack;
}

/** The largest column t of a product of two elements in loose form. */
export function columnMax(widths: readonly number[], fold: number, t: number): bigint {
  const limbs = widths.length;
  let total = 0n;
  for (let i = 0; i < limbs; i++) {
    const j = (t - i + limbs) % limbs;
    const product = looseMax(widths, i) * looseMax(widths, j);
    total += i + j === t ? product : product << BigInt(fold);
  }
  return total;
}

/** Derives the layout of a field and checks that the proofs above hold for it. */
export function layoutOf(spec: FieldSpec): Layout {
  const { bits, limbs, limbBits } = spec;
  const topBits = bits - limbBits * (limbs - 1);
  const fold = limbBits * limbs - bits;
  const widths = Array.from({ length: limbs }, (_, j) => (j === limbs - 1 ? topBits : limbBits));
  const limit = (1n << 64n) - 1n;
  // What a partial carry leaves: column 0 takes the top's carry, the others are masked.
  const residue = (1n << BigInt(limbBits)) + (1n << BigInt(64 - topBits));
  const incoming = 1n << BigInt(64 - limbBits + 1);
  let largest = 0n;
  for (let t = 0; t < limbs; t++) {
    const column = columnMax(widths, fold, t);
    if (column > largest) largest = column;
  }
  const termsPerCarry = Number((limit - residue - incoming) / largest);
  // Sums of two limbs, times 2^s where their column folds, are factors of products (products.ts).
  for (let i = 0; i < limbs; i++)
    for (let j = i + 1; j < limbs; j++) {
      const sum = looseMax(widths, i) + looseMax(widths, j);
      if (sum << BigInt(i + j >= limbs ? fold : 0) >= 1n << 32n)
        throw new Error(`limbs ${i} and ${j} of a field of ${bits} bits leave no room for their sum`);
    }
  const slack = (1n << BigInt(Math.max(0, 64 - topBits - limbBits))) + 1n;
  if (termsPerCarry < 2 || slack > looseSlack || 2 ** (limbBits + 1) > 2 ** 32)
    throw new Error(`limbs of ${limbBits} bits do not suit a field of ${bits} bits`);
  return { bits, limbs, limbBits, topBits, fold, widths, termsPerCarry };
}

/**
 * Whether the columns of one product, plus one element, may be carried all at once in 32 bits: each carry
 * c_t >> w_t and a limb together stay below 2^32. The second carry of 32-bit limbs is then as after an
 * addition, with carries of at most 2^(32 - w_j), which obeys (1).
 */
export function carriesFit32({ widths, fold, limbs }: Layout): boolean {
  return widths.every((width, t) => {
    const above = widths[(t + 1) % limbs]!;
    const column = columnMax(widths, fold, t) + looseMax(widths, t);
    return (
      (column >> BigInt(width)) + (1n << BigInt(above)) < 1n << 32n && 1n << BigInt(32 - width) <= looseSlack
    );
  });
}

/**
 * The largest factor c <= 15 such that c (2p - a) + b, the larger of the two sums of limbs that are built with
 * it, stays below 2^32 in every limb and is carried into (1). 1 where there is no room.
 */
export function smallFactor({ widths, limbBits }: Layout): number {
  if (limbBits === 31) return 1;
  let factor = 15;
  const fits = (width: number, j: number) => {
    const sum = BigInt(factor) * (1n << BigInt(width + 1)) + looseMax(widths, j);
    return sum < 1n << 32n && (sum >> BigInt(width)) + 1n <= looseSlack;
  };
  while (factor > 1 && !widths.every(fits)) factor--;
  return factor;
}
