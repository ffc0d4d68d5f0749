import { toZn } from "bigint-crypto-utils";
import { addCost, type Cost, noCost } from "../cost.ts";
import type { Party } from "../party.ts";
import { degree2Coefficient } from "../shamir.ts";
import type { FieldArray } from "../vector/index.ts";
import {
  and,
  andCost,
  type BitShares,
  bytesOf,
  concatBits,
  openBits,
  openBitsCost,
  sliceBits,
  wordsFor,
  wordsOf,
  xor,
  xorWords,
} from "./bits.ts";
import { blockPlanes, evaluateBlocks } from "./carry.ts";
import { blockWidths, type Deal, fieldBits } from "./deal.ts";
import { freeMaskedOpening, type MaskedOpening, openMasked, openMaskedCost } from "./masked-opening.ts";

/** Label of the outcomes of comparisons plus random bits, which are opened and uniform. */
export const maskedBitsLabel = "masked bits";

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

/** Bits of the two's complement numbers in which the comparison is done. */
function comparisonBits({ thresholds, bitLength, coarseBits }: CompareRequest): number {
  let largest = 1n << BigInt(bitLength);
  for (const t of thresholds) {
    const distance = (t < 0n ? -t : t) + (1n << BigInt(bitLength));
    if (distance > largest) largest = distance;
  }
  // |x - t| / 2^g plus the error of the shifts must stay below half of the range.
  return ((largest >> BigInt(coarseBits)) + 4n).toString(2).length + 1;
}

/** What the helper of the masked opening must deal for this comparison. */
export function compareDeal(request: CompareRequest): Deal {
  return {
    shift: request.coarseBits,
    carryBits: comparisonBits(request) - 1,
    top: true,
    copies: request.thresholds.length,
    toField: true,
  };
}

/**
 * Comparison of shared values with public thresholds.
 *
 * Input: x[n] shares with |x| < 2^bitLength; thresholds[t]. Output: bits [x_i >= t_j] as field shares,
 * n * t elements, threshold after threshold.
 * Cost: 3 rounds and the levels of a binary tree over the blocks of four bits; see `compareCost`.
 * Opened: c to two parties (distance as for `truncate`), and the outcome plus a random bit to all.
 * Adversary: passive. Source: comparison by masked opening [CdH10], bit sharings from pair keys [CDI05],
 * replicated conjunctions [AFLNO16]; the block polynomials are this project's (docs/protocols.md).
 */
export async function compare(party: Party, x: FieldArray, request: CompareRequest): Promise<FieldArray> {
  const offset = 1n << BigInt(request.bitLength);
  const opening = await party.round((operation) =>
    openMasked(party, operation, {
      values: x,
      degree: 1,
      mask: "statistical",
      offset,
      deal: compareDeal(request),
    }),
  );
  const bits = await compareOpened(party, opening, x.length, offset, request);
  freeMaskedOpening(party, opening);
  return bits;
}

/** Declared cost of `compare`. */
export function compareCost(n: number, request: CompareRequest, elementBytes: number): Cost {
  const deal = compareDeal(request);
  return addCost(openMaskedCost(n, 1, elementBytes, deal), compareOpenedCost(n, deal, elementBytes));
}

/**
 * The rounds of a comparison after a masked opening that carried `compareDeal(request)`.
 * @param offset the public constant that the opening added.
 */
export async function compareOpened(
  party: Party,
  opening: MaskedOpening,
  n: number,
  offset: bigint,
  request: CompareRequest,
): Promise<FieldArray> {
  const { kernel } = party;
  const deal = compareDeal(request);
  const bitsInAll = deal.carryBits + 1;
  const modulus = 1n << BigInt(bitsInAll);
  let local: Uint32Array[] = [];
  if (opening.opened !== undefined) {
    const shifted = kernel.allocate(n);
    kernel.shiftRight(shifted, opening.opened, deal.shift);
    local = request.thresholds.map((t) => {
      // y = (c >> g) - (r_first >> g) - (r_second >> g) - (offset + t) / 2^g + 2^(m-1): its top bit is the answer.
      const constant = 1n + (modulus >> 1n) - ((offset + t) >> BigInt(deal.shift));
      const a = kernel.allocate(n);
      kernel.addScalar(a, shifted, toZn(constant, modulus));
      const planes = kernel.extractBits(a, 0, bitsInAll);
      kernel.free(a);
      const dealt = opening.dealt!.planes!;
      const isFirst = party.index === opening.first;
      const blocks = evaluateBlocks(planes, dealt, deal.carryBits, isFirst);
      const dealtTop = dealt.subarray(dealt.length - wordsFor(n));
      const top = isFirst ? xorWords(planes[deal.carryBits], dealtTop) : dealtTop;
      return concatWords([blocks, top]);
    });
    kernel.free(shifted);
  }
  const { bits, random } = await shareBlocks(party, opening, local, n, deal);
  const outcome = await carryTree(party, bits, deal, wordsFor(n));
  return toField(party, outcome, opening, random, n, deal.copies);
}

/** Declared cost of `compareOpened`. */
export function compareOpenedCost(n: number, deal: Deal, elementBytes: number): Cost {
  const words = wordsFor(n) * deal.copies;
  return [carryTreeCost(deal, words), openBitsCost(words)].reduce(
    addCost,
    shareBlocksCost(n, deal, elementBytes),
  );
}

/**
 * One round: the openers' additive shares of the blocks become replicated shares, and the random bits'
 * product of the helper's part with the openers' part is reduced to degree 1 in the same frames.
 *
 * The component that first opener and helper know is pseudo-random; the first opener sends its share, masked
 * by both its keys, to the second, and the second its share, masked by its key with the first, to the helper.
 */
export async function shareBlocks(
  party: Party,
  opening: MaskedOpening,
  local: readonly Uint32Array[],
  n: number,
  deal: Deal,
): Promise<{ bits: BitShares; random: FieldArray }> {
  const { kernel, index } = party;
  const { helper, first, second, dealt } = opening;
  const words = (blockPlanes(deal.carryBits) + 1) * wordsFor(n) * deal.copies;
  const randomCopies = deal.toField ? deal.copies : 0;
  const count = randomCopies * n;
  const elementBytes = count * kernel.spec.elementBytes;
  return party.round(async (operation) => {
    // Masks by excluded party: `second` is shared by helper and first, `helper` by first and second.
    const bitMask = (excluded: typeof helper): Uint32Array =>
      excluded === index ? new Uint32Array(0) : party.pairWords(excluded, "bit-zero", operation, words);
    const maskSecond = bitMask(second);
    const maskHelper = bitMask(helper);
    const fieldMaskSecond = index === second ? undefined : party.pairVector(second, "zero", operation, count);
    const fieldMaskHelper = index === helper ? undefined : party.pairVector(helper, "zero", operation, count);

    // rho: the third component of the random bits, known to the openers.
    const openersBit =
      index === helper
        ? undefined
        : fieldBits(
            party,
            index === first ? dealt!.randomBits.previous : dealt!.randomBits.next,
            n,
            randomCopies,
          );
    const components = new Map<number, { bits: Uint32Array; product: FieldArray }>();
    if (fieldMaskSecond !== undefined) components.set(second, { bits: maskSecond, product: fieldMaskSecond });
    if (index !== helper) {
      const own = concatWords(local);
      for (let w = 0; w < words; w++) own[w] ^= maskHelper[w];
      const product = kernel.allocate(count);
      kernel.multiply(product, openersBit!, dealt!.helperBits);
      kernel.multiplyScalar(product, product, party.embed(helper) * degree2Coefficient[index]);
      if (index === first) {
        for (let w = 0; w < words; w++) own[w] ^= maskSecond[w];
        kernel.subtract(product, product, fieldMaskHelper!);
        kernel.subtract(product, product, fieldMaskSecond!);
      } else {
        kernel.add(product, product, fieldMaskHelper!);
      }
      party.send(index === first ? second : helper, operation, [bytesOf(own), ...kernel.wireParts(product)]);
      components.set(index === first ? helper : first, { bits: own, product });
    }
    if (index !== first) {
      const from = index === second ? first : second;
      const bytes = await party.receive(from, operation, 4 * words + elementBytes);
      const product = kernel.allocate(count);
      kernel.decode(product, bytes.subarray(4 * words));
      components.set(index === second ? helper : first, {
        bits: wordsOf(bytes.subarray(0, 4 * words)),
        product,
      });
    }

    // random bit = u + rho - 2 u rho.
    const random = kernel.allocate(count);
    kernel.copy(random, dealt!.helperBits);
    for (const [excluded, { product }] of components) {
      kernel.multiplyAdd(random, product, -2n * party.embed(excluded as typeof helper), random);
      kernel.free(product);
    }
    if (openersBit !== undefined) {
      kernel.multiplyAdd(random, openersBit, party.embed(helper), random);
      kernel.free(openersBit);
    }
    if (fieldMaskHelper !== undefined) kernel.free(fieldMaskHelper);
    return {
      bits: { next: components.get(party.next)!.bits, previous: components.get(party.previous)!.bits },
      random,
    };
  });
}

/** Declared cost of `shareBlocks`. */
export function shareBlocksCost(n: number, deal: Deal, elementBytes: number): Cost {
  const words = (blockPlanes(deal.carryBits) + 1) * wordsFor(n) * deal.copies;
  const elements = deal.toField ? deal.copies * n : 0;
  return { rounds: 1, frames: 2, bytes: 2 * (4 * words + elements * elementBytes) };
}

/**
 * The carry out of all blocks, by a binary tree of (G, P) o (G', P') = (G + P G', P P'), plus the last plane.
 * One round a level.
 *
 * @param bits for each comparison: planes G_0 ... G_(B-1), P_1 ... P_(B-1), and one that is added at the end.
 * @param words words of a plane.
 */
export async function carryTree(
  party: Party,
  bits: BitShares,
  deal: Deal,
  words: number,
): Promise<BitShares> {
  const blocks = blockWidths(deal.carryBits).length;
  const planes = blockPlanes(deal.carryBits) + 1;
  const planeOf = (plane: number): BitShares =>
    concatBits(
      Array.from({ length: deal.copies }, (_, copy) => {
        const at = (copy * planes + plane) * words;
        return sliceBits(bits, at, at + words);
      }),
    );
  // Lowest first; the lowest group needs no propagate bit.
  let groups = Array.from({ length: blocks }, (_, b) => ({
    generate: planeOf(b),
    propagate: b > 0 ? planeOf(blocks + b - 1) : undefined,
  }));
  const size = words * deal.copies;
  while (groups.length > 1) {
    const left: BitShares[] = [];
    const right: BitShares[] = [];
    for (let b = 0; b + 1 < groups.length; b += 2) {
      const high = groups[b + 1].propagate!;
      left.push(high);
      right.push(groups[b].generate);
      if (b > 0) {
        left.push(high);
        right.push(groups[b].propagate!);
      }
    }
    const products = await and(party, concatBits(left), concatBits(right));
    let at = 0;
    const take = (): BitShares => {
      at += size;
      return sliceBits(products, at - size, at);
    };
    const merged: typeof groups = [];
    for (let b = 0; b < groups.length; b += 2) {
      if (b + 1 === groups.length) {
        merged.push(groups[b]);
        continue;
      }
      const generate = xor(groups[b + 1].generate, take());
      merged.push({ generate, propagate: b > 0 ? take() : undefined });
    }
    groups = merged;
  }
  return xor(groups[0].generate, planeOf(planes - 1));
}

/** Declared cost of `carryTree` over planes of `words` words in all comparisons together. */
export function carryTreeCost(deal: Deal, words: number): Cost {
  let cost = noCost;
  for (let blocks = blockWidths(deal.carryBits).length; blocks > 1; blocks = Math.ceil(blocks / 2)) {
    cost = addCost(cost, andCost((2 * Math.floor(blocks / 2) - 1) * words));
  }
  return cost;
}

/** One round: opens outcome + random bit, and corrects the random bit's field shares to the outcome's. */
async function toField(
  party: Party,
  outcome: BitShares,
  opening: MaskedOpening,
  random: FieldArray,
  n: number,
  copies: number,
): Promise<FieldArray> {
  const { kernel } = party;
  party.meter.countOpening(maskedBitsLabel, copies * n);
  const masked = await openBits(party, xor(outcome, opening.dealt!.randomBits), maskedBitsLabel);
  const e = fieldBits(party, masked, n, copies);
  // e + random - 2 e random, e public.
  const out = kernel.allocate(copies * n);
  kernel.multiply(out, e, random);
  kernel.multiplyAdd(out, out, -2n, e);
  kernel.add(out, out, random);
  kernel.free(e);
  kernel.free(random);
  return out;
}

function concatWords(list: readonly Uint32Array[]): Uint32Array {
  const out = new Uint32Array(list.reduce((sum, x) => sum + x.length, 0));
  let at = 0;
  for (const x of list) {
    out.set(x, at);
    at += x.length;
  }
  return out;
}
