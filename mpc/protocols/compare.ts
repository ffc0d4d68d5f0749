import { toZn } from "bigint-crypto-utils";
import { addCost, type Cost } from "../cost.ts";
import { SymbolonError } from "../errors.ts";
import type { Party } from "../party.ts";
import { degree1Coefficient, degree2Coefficient, embedCoefficient, slopeCoefficient } from "../shamir.ts";
import { type Bytes127, loadBytes127, maxComparedBits } from "../vector/bytes127.ts";
import type { FieldArray } from "../vector/index.ts";
import { wordsFor, xorWords } from "./bits.ts";
import {
  type Dealing,
  freeMaskedOpening,
  type MaskedOpening,
  openMasked,
  openMaskedCost,
  type Roles,
} from "./masked-opening.ts";
import { beginPairSum, finishPairSum, type PairSum } from "./pair-sum.ts";

/** Label of the outcomes that the helper of a comparison sees, each plus a random bit of the openers. */
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

/** What a party holds of a comparison after its masked opening, beside the opening itself. */
interface ComparisonDealt {
  readonly bytes127: Bytes127;
  /** The second opener's additive shares mod 127 of the compared bits of r: n * m bytes, element after element. */
  readonly shares?: Uint8Array;
  /** The first opener's, slice by slice from the key that it has with the helper. */
  readonly pad?: PadSource;
  /** The bits of r above the compared ones, at the helper. */
  readonly top?: Uint32Array;
}

type PadSource = (out: Uint8Array) => void;

/** Elements worked on at a time: what is drawn for them stays in the cache. A multiple of 32. */
const slice = 1024;

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
      return { wire, dealt: { bytes127, top } };
    },
    atOpener: (party, operation, roles) =>
      party.index === roles.first ? { bytes127, pad: padOf(party, operation, roles) } : { bytes127 },
    complete: (dealt, bytes) => ({ ...dealt, shares: checkedBytes(bytes127, new Uint8Array(bytes)) }),
  };
}

/** Bytes of the dealing for n values: one for each compared bit. */
export function comparisonDealtBytes(n: number, request: CompareRequest): number {
  return n * comparedBits(request);
}

/** The part of bit planes that belongs to the elements start .. start + rows - 1; start a multiple of 32. */
function slicePlanes(planes: readonly Uint32Array[], start: number, rows: number): Uint32Array[] {
  return planes.map((plane) => plane.subarray(start / 32, start / 32 + wordsFor(rows)));
}

/**
 * Comparison of shared values with public thresholds.
 *
 * Input: x[n] shares with |x| < 2^bitLength; thresholds[t]. Output: bits [x_i >= t_j] as field shares,
 * n * t elements, threshold after threshold.
 * Cost: 4 rounds; see `compareCost`. Opened: c to two parties (distance as for `truncate`), and to the third
 * the outcome plus a random bit. Adversary: passive. Source: docs/protocols.md; comparison by a masked
 * opening [CdH10], of bits by the search for a zero [DGK07] with a helping third party [WGC19].
 */
export async function compare(party: Party, x: FieldArray, request: CompareRequest): Promise<FieldArray> {
  const { opening, offset } = await openForComparison(party, x, request);
  const bits = await compareOpened(party, opening, offset, request);
  freeMaskedOpening(party, opening);
  return bits;
}

/** Declared cost of `compare`. */
export function compareCost(n: number, request: CompareRequest, elementBytes: number): Cost {
  return addCost(
    openMaskedCost(n, 1, elementBytes, comparisonDealtBytes(n, request)),
    compareOpenedCost(n, request, elementBytes),
  );
}

/** The first round of a comparison of values that nothing else opens. */
export async function openForComparison(
  party: Party,
  x: FieldArray,
  request: CompareRequest,
): Promise<{ opening: ComparisonOpening; offset: bigint }> {
  const offset = 1n << BigInt(request.bitLength);
  const dealing = await comparisonDealing(request);
  const opening = await party.openingRound("compare", (operation) =>
    openMasked(party, operation, { values: x, degree: 1, mask: "statistical", offset, dealing }),
  );
  return { opening, offset };
}

/**
 * The three rounds of a comparison after a masked opening that carried `comparisonDealing(request)`.
 * @param offset the public constant that the opening added.
 */
export async function compareOpened(
  party: Party,
  opening: ComparisonOpening,
  offset: bigint,
  request: CompareRequest,
): Promise<FieldArray> {
  const { kernel, index } = party;
  const { split } = await findOutcomes(party, opening, offset, request, undefined);
  const helpers = await dealOutcomes(party, opening, split);
  const isOpener = index !== opening.helper;
  // b = u + v - 2 u v, u dealt by the helper, v known to the openers.
  const openers = isOpener ? outcomeElements(party, split) : undefined;
  const product = await party.round("compare", async (operation) => {
    let values: FieldArray | undefined;
    if (openers !== undefined) {
      values = kernel.allocate(helpers.length);
      kernel.multiply(values, helpers, openers);
      kernel.multiplyScalar(values, values, degree2Coefficient[index] * party.embed(opening.helper));
    }
    const sum = beginPairSum(party, operation, opening, values, helpers.length);
    return exchangePairSum(party, operation, opening, sum, helpers.length);
  });
  kernel.multiplyAdd(helpers, product, -2n, helpers);
  if (openers !== undefined) {
    kernel.multiplyAdd(helpers, openers, party.embed(opening.helper), helpers);
    kernel.free(openers);
  }
  kernel.free(product);
  party.recorder?.state(kernel, { relation: "outcomes", comparison: split.operation, shares: helpers });
  return helpers;
}

/** Declared cost of `compareOpened`. */
export function compareOpenedCost(n: number, request: CompareRequest, elementBytes: number): Cost {
  const outcomes = n * request.thresholds.length;
  return [
    findOutcomesCost(n, request),
    dealOutcomesCost(outcomes, elementBytes),
    { rounds: 1, frames: 2, bytes: 2 * outcomes * elementBytes, openings: {} },
  ].reduce(addCost);
}

/**
 * The two rounds of a comparison whose outcomes b_j each multiply a value y_j, j a threshold: local values of
 * degree 2, to be reduced or truncated in one more round, of b_j y_j. The products cost no round of their own:
 * with b = u xor v, u known to the helper and v to the openers, the openers share v y while they look for u,
 * and b y = v y + u (y - 2 v y).
 * @param y n * t shares of degree 1, threshold after threshold.
 */
export async function gateOpened(
  party: Party,
  opening: ComparisonOpening,
  offset: bigint,
  request: CompareRequest,
  y: FieldArray,
): Promise<FieldArray> {
  const { kernel } = party;
  const { split, gated } = await findOutcomes(party, opening, offset, request, y);
  const helpers = await dealOutcomes(party, opening, split);
  const out = kernel.allocate(y.length);
  kernel.multiplyAdd(out, gated!, -2n, y);
  kernel.multiply(out, out, helpers);
  kernel.add(out, out, gated!);
  const shape = { rows: y.length, cols: 1 };
  party.recorder?.state(kernel, {
    relation: "local product",
    product: out,
    terms: [
      { kind: "elementwise", a: y, b: helpers, ...shape, scale: 1n },
      { kind: "elementwise", a: gated!, b: helpers, ...shape, scale: -2n },
      { kind: "linear", a: gated!, ...shape, scale: 1n },
    ],
  });
  kernel.free(helpers);
  kernel.free(gated!);
  return out;
}

/** Declared cost of `gateOpened`. */
export function gateOpenedCost(n: number, request: CompareRequest, elementBytes: number): Cost {
  const outcomes = n * request.thresholds.length;
  const gates: Cost = { rounds: 0, frames: 1, bytes: 2 * outcomes * elementBytes, openings: {} };
  return [findOutcomesCost(n, request), gates, dealOutcomesCost(outcomes, elementBytes)].reduce(addCost);
}

/** Outcomes as bit planes, a run of ceil(n / 32) words for each threshold: u at the helper, v at the openers. */
interface SplitOutcomes {
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
async function findOutcomes(
  party: Party,
  opening: ComparisonOpening,
  offset: bigint,
  request: CompareRequest,
  y: FieldArray | undefined,
): Promise<{ split: SplitOutcomes; gated: FieldArray | undefined }> {
  const { kernel, index } = party;
  const { helper, first, second, opened, firstMask, secondMask } = opening;
  const { bytes127, top } = opening.dealt!;
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
  return out;
}

function findOutcomesCost(n: number, request: CompareRequest): Cost {
  const outcomes = n * request.thresholds.length;
  const bytes = 2 * outcomes * (comparedBits(request) + 1);
  return { rounds: 1, frames: 2, bytes, openings: { [maskedBitsLabel]: outcomes } };
}

/**
 * One round: the helper's outcomes become field shares. The first opener's are pseudo-random, the line through
 * them and the outcome gives the helper's own, and the second's, which it sends: n * t elements.
 */
async function dealOutcomes(party: Party, roles: Roles, split: SplitOutcomes): Promise<FieldArray> {
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

function dealOutcomesCost(outcomes: number, elementBytes: number): Cost {
  return { rounds: 1, frames: 1, bytes: outcomes * elementBytes, openings: {} };
}

/** Sends and receives one pair sum that is a round by itself. */
async function exchangePairSum(
  party: Party,
  operation: number,
  roles: Roles,
  sum: PairSum,
  length: number,
): Promise<FieldArray> {
  const { helper, first, second } = roles;
  const { index } = party;
  if (sum.outgoing !== undefined) party.sendVector(index === first ? helper : first, operation, sum.outgoing);
  const bytes = length * party.kernel.spec.elementBytes;
  const received =
    index === second ? undefined : await party.receive(index === first ? second : first, operation, bytes);
  return finishPairSum(party, roles, sum, received, length);
}

/** The outcomes as field elements 0 and 1, threshold after threshold. */
function outcomeElements({ kernel }: Party, { planes, n, copies }: SplitOutcomes): FieldArray {
  const words = wordsFor(n);
  const out = kernel.allocate(n * copies);
  for (let j = 0; j < copies; j++) {
    const plane = planes.slice(j * words, (j + 1) * words);
    if (n % 32 !== 0) plane[words - 1] &= (1 << (n % 32)) - 1;
    kernel.fromBits(kernel.slice(out, j * n, n), plane);
  }
  return out;
}

/** @throws FIELD_ENCODING when a peer sent a byte that is not below 127. */
function checkedBytes(bytes127: Bytes127, bytes: Uint8Array): Uint8Array {
  if (!bytes127.isCanonical(bytes))
    throw new SymbolonError("FIELD_ENCODING", "a peer sent a byte that is not a number modulo 127");
  return bytes;
}
