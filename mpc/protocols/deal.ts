/**
 * What the helper of a masked opening deals to the openers in the same round, so that they can compare c
 * with the masks in few rounds afterwards:
 *
 * - the bits v of the complement of r = r_first + r_second, cut into blocks of four, and within each block
 *   all products of its bits, shared over GF(2) between the openers. The generate and propagate bits of a
 *   block of the sum c + v are then *linear* in what was dealt, with coefficients from c that both openers
 *   know: four levels of a carry chain cost no round at all;
 * - random bits, known to the helper but for a third component, for turning the outcome into field elements.
 *
 * The helper learns nothing (it receives nothing here). The openers' shares are a pseudo-random string and
 * its sum with the dealt bits: each alone is uniform.
 */

import { modInv, toZn } from "bigint-crypto-utils";
import type { Party } from "../party.ts";
import { embedCoefficient } from "../shamir.ts";
import type { FieldArray } from "../vector/index.ts";
import { type BitShares, bytesOf, randomBits, wordsFor, wordsOf, xorWords } from "./bits.ts";
import type { Roles } from "./masked-opening.ts";

/** Bits in a block; 2^4 - 1 products are dealt for each. */
export const blockBits = 4;

export interface Deal {
  /** The masks are shifted right by this much before they are added. */
  readonly shift: number;
  /** Low bits of v that are dealt in blocks. */
  readonly carryBits: number;
  /** Whether the next higher bit of v is dealt as well, by itself. */
  readonly top: boolean;
  /** How many comparisons are made with each value. */
  readonly copies: number;
  /** Whether their outcomes become field elements, for which a random bit each is dealt. */
  readonly toField: boolean;
}

export interface ReceivedDeal {
  /** An opener's share of the dealt planes, plane after plane; absent at the helper. */
  readonly planes?: Uint32Array;
  /** Shares over GF(2) of the random bits: copies * ceil(n / 32) words. */
  readonly randomBits: BitShares;
  /** Shares in the field of the helper's part of the random bits: copies * n elements. */
  readonly helperBits: FieldArray;
}

/** Widths of the blocks that cover `carryBits`, lowest first. */
export function blockWidths(carryBits: number): number[] {
  const widths: number[] = [];
  for (let left = carryBits; left > 0; left -= blockBits) widths.push(Math.min(left, blockBits));
  return widths;
}

/** Number of planes that a deal consists of. */
export function dealtPlanes(deal: Deal): number {
  return blockWidths(deal.carryBits).reduce((sum, w) => sum + (1 << w) - 1, 0) + (deal.top ? 1 : 0);
}

/** Random bits dealt for each value. */
const randomCopies = (deal: Deal): number => (deal.toField ? deal.copies : 0);

/** Bytes that the helper adds to its frame to the second opener. */
export function dealBytes(deal: Deal, n: number, elementBytes: number): number {
  return 4 * dealtPlanes(deal) * wordsFor(n) + randomCopies(deal) * n * elementBytes;
}

/** The helper's side: what to append to the frame for the second opener, and what it keeps. */
export function prepareDeal(
  party: Party,
  operation: number,
  roles: Roles,
  deal: Deal,
  firstMask: FieldArray,
  secondMask: FieldArray,
): { parts: Uint8Array[]; kept: ReceivedDeal } {
  const { kernel } = party;
  const n = firstMask.length;
  const words = wordsFor(n);

  const sum = kernel.allocate(n);
  const shifted = kernel.allocate(n);
  kernel.shiftRight(sum, firstMask, deal.shift);
  kernel.shiftRight(shifted, secondMask, deal.shift);
  kernel.add(sum, sum, shifted);
  const bits = kernel.extractBits(sum, 0, deal.carryBits + (deal.top ? 1 : 0));
  kernel.free(sum);
  kernel.free(shifted);

  const planes = party.pairWords(roles.second, "deal", operation, dealtPlanes(deal) * words).slice();
  let plane = 0;
  let low = 0;
  const product = new Uint32Array(1 << blockBits);
  for (const width of blockWidths(deal.carryBits)) {
    for (let w = 0; w < words; w++) {
      for (let subset = 1; subset < 1 << width; subset++) {
        const top = 31 - Math.clz32(subset);
        const rest = subset ^ (1 << top);
        const bit = ~bits[low + top][w];
        product[subset] = rest === 0 ? bit : bit & product[rest];
        planes[(plane + subset - 1) * words + w] ^= product[subset];
      }
    }
    plane += (1 << width) - 1;
    low += width;
  }
  if (deal.top) {
    const top = bits[deal.carryBits];
    for (let w = 0; w < words; w++) planes[plane * words + w] ^= ~top[w];
  }

  const random = randomBits(party, "bit-random", operation, randomCopies(deal) * words);
  const helperBits = fieldBits(party, xorWords(random.next, random.previous), n, randomCopies(deal));
  // The line through (0, u) and (first, s): its values at the helper and at the second opener.
  const { modulus } = kernel.spec;
  const known = party.pairVector(roles.second, "share", operation, randomCopies(deal) * n);
  const lineAt = (point: number): bigint =>
    toZn(BigInt(point) * modInv(BigInt(roles.first), modulus), modulus);
  const other = kernel.allocate(randomCopies(deal) * n);
  kernel.multiplyScalar(other, helperBits, embedCoefficient(roles.second, roles.first, modulus));
  kernel.multiplyAdd(other, known, lineAt(roles.second), other);
  const wire = kernel.encode(other);
  kernel.free(other);
  kernel.multiplyScalar(helperBits, helperBits, embedCoefficient(roles.helper, roles.first, modulus));
  kernel.multiplyAdd(helperBits, known, lineAt(roles.helper), helperBits);
  kernel.free(known);
  return { parts: [bytesOf(planes), wire], kept: { randomBits: random, helperBits } };
}

/** The first opener derives its part of the deal from the key that it shares with the helper. */
export function deriveDeal(
  party: Party,
  operation: number,
  roles: Roles,
  deal: Deal,
  n: number,
): ReceivedDeal {
  const words = wordsFor(n);
  return {
    planes: party.pairWords(roles.second, "deal", operation, dealtPlanes(deal) * words),
    randomBits: randomBits(party, "bit-random", operation, randomCopies(deal) * words),
    helperBits: party.pairVector(roles.second, "share", operation, randomCopies(deal) * n),
  };
}

/** The second opener reads its part from the helper's frame. */
export function readDeal(
  party: Party,
  operation: number,
  deal: Deal,
  n: number,
  bytes: Uint8Array,
): ReceivedDeal {
  const words = wordsFor(n);
  const planeBytes = 4 * dealtPlanes(deal) * words;
  const helperBits = party.kernel.allocate(randomCopies(deal) * n);
  party.kernel.decode(helperBits, bytes.subarray(planeBytes));
  return {
    planes: wordsOf(bytes.subarray(0, planeBytes)),
    randomBits: randomBits(party, "bit-random", operation, randomCopies(deal) * words),
    helperBits,
  };
}

/** Bits, `copies` runs of ceil(n / 32) words, as copies * n field elements 0 or 1. */
export function fieldBits(party: Party, planes: Uint32Array, n: number, copies: number): FieldArray {
  const { kernel } = party;
  const words = wordsFor(n);
  const out = kernel.allocate(copies * n);
  for (let j = 0; j < copies; j++) {
    const plane = planes.slice(j * words, (j + 1) * words);
    if (n % 32 !== 0) plane[words - 1] &= (1 << (n % 32)) - 1;
    kernel.fromBits(kernel.slice(out, j * n, n), plane);
  }
  return out;
}
