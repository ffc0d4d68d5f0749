/**
 * The heart of a comparison: two parties know one number, the third knows another, and all end with a sharing
 * of which is larger, split into what the two know and what the third knows.
 */
import { toZn } from "bigint-crypto-utils";
import type { Cost } from "../cost.ts";
import { SymbolonError } from "../errors.ts";
import type { Party } from "../party.ts";
import { degree1Coefficient, embedCoefficient, slopeCoefficient } from "../shamir.ts";
import type { FieldArray } from "../vector/index.ts";
import { wordsFor, xorWords } from "./bits.ts";
import {
  type CompareRequest,
  type ComparisonOpening,
  checkComparison,
  checkedBytes,
  comparedBits,
  slice,
  slicePlanes,
} from "./comparison-dealing.ts";
import type { Roles } from "./masked-opening.ts";
import { beginPairSum, finishPairSum } from "./pair-sum.ts";

/** Label of the outcomes that the helper of a comparison sees, each plus a random bit of the openers. */
export const maskedBitsLabel = "masked bits";

/** Outcomes as bit planes, a run of ceil(n / 32) words for each threshold: u at the helper, v at the openers. */
export interface SplitOutcomes {
  /** The round in which they were found. */
  readonly operation: number;
  readonly planes: Uint32Array;
  readonly n: number;
  readonly copies: number;
}

/**
 * One round. With a = (c >> g) + a constant, the top bit of a - r (m + 1 bits) is the answer:
 * top(a) + top(r) + [r' > a'] mod 2, where a' and r' are the low m bits. The openers know a, the helper r, and
 * the openers hold shares mod 127 of the bits of r'.
 *
 * For sigma = 1 exactly one of the numbers w_i = sigma (a_i - r_i) + 1 + sum over j > i of (a_j xor r_j) is 0
 * if r' > a', none else; for sigma = -1 exactly one is 0 if r' < a', and w_m = sum of all (a_j xor r_j) is 0 if
 * they are equal. The openers choose sigma by a common random bit, multiply each w_i by a common random factor
 * that is not 0, rotate them by a common random amount, and send shares of them, freshly masked, to the helper.
 * It sees whether there is a zero: the outcome plus the random bit. All else that it sees is uniform.
 */
export async function findOutcomes(
  party: Party,
  opening: ComparisonOpening,
  offset: bigint,
  request: CompareRequest,
  y: FieldArray | undefined,
): Promise<{ split: SplitOutcomes; gated: FieldArray | undefined }> {
  const { kernel, index } = party;
  const { helper, first, second, opened, firstMask, secondMask } = opening;
  checkComparison(kernel.spec.bits, request);
  const { bytes127, top, used } = opening.dealt!;
  if (used) throw new SymbolonError("INTERNAL", "the dealing of a comparison is used twice");
  opening.dealt!.used = true;
  const n = (opened ?? firstMask ?? secondMask)!.length;
  const copies = request.thresholds.length;
  const m = comparedBits(request);
  const words = wordsFor(n);
  const width = n * (m + 1);
  return party.openingRound("compare", async (operation) => {
    const planes = new Uint32Array(words * copies);
    const split = { operation, planes, n, copies };
    const state = (): void =>
      party.recorder?.state(kernel, {
        relation: "comparison",
        ...{ operation, request, offset, opened, firstMask, secondMask, planes },
      });
    party.countOpening(maskedBitsLabel, n * copies);
    const elementBytes = y === undefined ? 0 : y.length * kernel.spec.elementBytes;
    if (index === helper) {
      const sum = y && beginPairSum(party, operation, opening, undefined, y.length);
      const fromFirst = await party.receive(first, operation, width * copies + elementBytes);
      const blinded = checkedBytes(bytes127, fromFirst.subarray(0, width * copies));
      const fromSecond = checkedBytes(bytes127, await party.receive(second, operation, width * copies));
      for (let j = 0; j < copies; j++) {
        const range = [j * width, (j + 1) * width] as const;
        const found = bytes127.zeroFlags(blinded.subarray(...range), fromSecond.subarray(...range), n, m + 1);
        planes.set(xorWords(found, top!), j * words);
      }
      state();
      const gated = sum && finishPairSum(party, opening, sum, fromFirst.subarray(width * copies), y!.length);
      return { split, gated };
    }

    const isFirst = index === first;
    const coins = party.pairWords(helper, "coin", operation, words * copies);
    const shifted = kernel.allocate(n);
    const a = kernel.allocate(n);
    kernel.shiftRight(shifted, opened!, request.coarseBits);
    const bits = request.thresholds.map((t, j) => {
      const constant = (1n << BigInt(m)) - ((offset + t) >> BigInt(request.coarseBits));
      kernel.addScalar(a, shifted, toZn(constant, 1n << BigInt(m + 1)));
      const all = kernel.extractBits(a, 0, m + 1);
      planes.set(xorWords(all.pop()!, coins.subarray(j * words, (j + 1) * words)), j * words);
      return all;
    });
    kernel.free(shifted);
    kernel.free(a);
    state();
    const blinded = blindedDifferences(party, operation, opening, bits, coins, n);
    if (y === undefined) {
      party.send(helper, operation, [blinded]);
      return { split, gated: undefined };
    }
    const values = outcomeElements(party, split);
    kernel.multiply(values, values, y);
    const partner = isFirst ? second : first;
    kernel.multiplyScalar(values, values, degree1Coefficient(index, partner, kernel.spec.modulus));
    const sum = beginPairSum(party, operation, opening, values, y.length);
    const elements = kernel.wireParts(sum.outgoing!);
    party.send(helper, operation, isFirst ? [blinded, ...elements] : [blinded]);
    if (!isFirst) party.send(first, operation, elements);
    const received = isFirst ? await party.receive(second, operation, elementBytes) : undefined;
    const gated = finishPairSum(party, opening, sum, received, y.length);
    return { split, gated };
  });
}

/**
 * An opener's message: for each threshold and element m + 1 shares of factor * w, rotated (see `findOutcomes`).
 * Factors, masks and rotations come from the openers' key, slice by slice.
 */
function blindedDifferences(
  party: Party,
  operation: number,
  { helper, first, dealt }: ComparisonOpening,
  bits: readonly Uint32Array[][],
  coins: Uint32Array,
  n: number,
): Uint8Array {
  const { bytes127, shares, pad } = dealt!;
  const isFirst = party.index === first;
  const m = bits[0].length;
  const words = wordsFor(n);
  const draw = party.pairStream(helper, "blind", operation);
  const out = party.workspace(bits.length * n * (m + 1));
  const most = Math.min(n, slice);
  const [aBits, rBits] = [new Uint8Array(most * m), new Uint8Array(most * m)];
  const [factors, masks] = [new Uint8Array(most * (m + 1)), new Uint8Array(most * (m + 1))];
  const rotations = new Uint8Array(most);
  for (let start = 0; start < n; start += slice) {
    const rows = Math.min(slice, n - start);
    const rShare = isFirst ? rBits.subarray(0, rows * m) : shares!.subarray(start * m, (start + rows) * m);
    if (isFirst) pad!(rShare);
    const request = {
      aBits: aBits.subarray(0, rows * m),
      rShare,
      multipliers: factors.subarray(0, rows * (m + 1)),
      zeros: masks.subarray(0, rows * (m + 1)),
      rotations: rotations.subarray(0, rows),
      n: rows,
      m,
      isFirst,
    };
    bits.forEach((planes, j) => {
      bytes127.sampleNonzero(request.multipliers, draw);
      bytes127.sampleUniform(request.zeros, draw);
      bytes127.sampleBelow(request.rotations, m + 1, draw);
      bytes127.bitsToBytes(request.aBits, slicePlanes(planes, start, rows), rows);
      const at = (j * n + start) * (m + 1);
      const from = j * words + start / 32;
      bytes127.privateCompare(out.subarray(at, at + rows * (m + 1)), {
        ...request,
        coins: coins.subarray(from, from + wordsFor(rows)),
      });
    });
  }
  if (shares !== undefined) party.discard(shares);
  return out;
}

/** Declared cost of `findOutcomes`, without gated values. */
export function findOutcomesCost(n: number, request: CompareRequest): Cost {
  const outcomes = n * request.thresholds.length;
  const bytes = 2 * outcomes * (comparedBits(request) + 1);
  return { rounds: 1, frames: 2, bytes, openings: { [maskedBitsLabel]: outcomes } };
}

/**
 * One round: the helper's outcomes become field shares. The first opener's are pseudo-random, the line through
 * them and the outcome gives the helper's own, and the second's, which it sends: n * t elements.
 */
export async function dealOutcomes(party: Party, roles: Roles, split: SplitOutcomes): Promise<FieldArray> {
  const { kernel, index } = party;
  const { helper, first, second } = roles;
  const { modulus } = kernel.spec;
  const length = split.n * split.copies;
  const { operation: comparison } = split;
  return party.round("compare", async (operation) => {
    const stated = (shares: FieldArray): FieldArray => {
      party.recorder?.state(kernel, { relation: "dealt bits", operation, comparison, shares });
      return shares;
    };
    if (index === second) return stated(await party.receiveVector(helper, operation, length));
    const known = party.pairVector(second, "share", operation, length);
    if (index === first) return stated(known);
    // The line through (0, u) and (first, known): its values at the helper and at the second opener.
    const outcomes = outcomeElements(party, split);
    const other = kernel.allocate(length);
    kernel.multiplyScalar(other, outcomes, embedCoefficient(second, first, modulus));
    kernel.multiplyAdd(other, known, slopeCoefficient(second, first, modulus), other);
    party.sendVector(second, operation, other);
    kernel.multiplyScalar(outcomes, outcomes, embedCoefficient(helper, first, modulus));
    kernel.multiplyAdd(outcomes, known, slopeCoefficient(helper, first, modulus), outcomes);
    kernel.free(known);
    kernel.free(other);
    return stated(outcomes);
  });
}

/** Declared cost of `dealOutcomes`. */
export function dealOutcomesCost(outcomes: number, elementBytes: number): Cost {
  return { rounds: 1, frames: 1, bytes: outcomes * elementBytes, openings: {} };
}

/** The outcomes as field elements 0 and 1, threshold after threshold. */
export function outcomeElements({ kernel }: Party, { planes, n, copies }: SplitOutcomes): FieldArray {
  const words = wordsFor(n);
  const out = kernel.allocate(n * copies);
  for (let j = 0; j < copies; j++) {
    const plane = planes.slice(j * words, (j + 1) * words);
    if (n % 32 !== 0) plane[words - 1] &= (1 << (n % 32)) - 1;
    kernel.fromBits(kernel.slice(out, j * n, n), plane);
  }
  return out;
}
