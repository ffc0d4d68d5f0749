/**
 * Checks of shared inputs before anything is computed on them, so that a data owner who shares nonsense is
 * refused instead of overrunning the statistical masks of later openings: every input is a sharing of degree
 * 1, every value lies in its declared range, every label is 0 or 1.
 *
 * The random coefficients come from a coin that is opened after the inputs are fixed.
 * Adversary: any data owner; compute parties passive.
 */
import { createCipheriv } from "node:crypto";
import { addCost, type Cost } from "../cost.ts";
import { SymbolonError } from "../errors.ts";
import type { Party } from "../party.ts";
import type { FieldArray, FieldSpec } from "../vector/index.ts";
import {
  type BitShares,
  openBits,
  openBitsCost,
  randomBits,
  sliceBits,
  wordsFor,
  wordsOf,
  xor,
  xorWords,
} from "./bits.ts";
import { blockDealing } from "./block-deal.ts";
import {
  type CarryShape,
  carryTree,
  carryTreeCost,
  evaluateBlocks,
  shareBlocks,
  shareBlocksCost,
} from "./carry.ts";
import { freeMaskedOpening, maskedValuesLabel, openMasked, openMaskedCost } from "./masked-opening.ts";
import { reduceDegree, reduceDegreeCost } from "./multiply.ts";
import { open, openCost } from "./open.ts";

/** One data owner's matrix: values scaled to [-1, 1], then perhaps a label column of 0 and 1. */
export interface CheckedInput {
  /** For error messages: whose it is. */
  readonly name: string;
  readonly shares: FieldArray;
  readonly rows: number;
  readonly cols: number;
  readonly hasLabel: boolean;
  readonly fracBits: number;
}

/** What the checks open, in every job. Stands beside the algorithm's own openings. */
export const inputCheckOpenings = {
  coin: "128 random bits that nobody knew before: seed of the checks' coefficients",
  "input consistency": "for each input a random combination of its shares plus a random sharing: uniform",
  "input labels": "for each input a random combination of y (y - 1), which is 0 when all labels are 0 or 1",
  [maskedValuesLabel]: "to two parties: a value plus two masks, of which each of them knows one",
  "input range": "40 random parities of the bits [value in range], which are known when all are 1",
} as const;

/** What all rounds of the checks are counted as. */
export const inputCheckProtocol = "check inputs";

/** Wrong inputs pass with probability 2^-40. */
const parities = 40;
const coinWords = 4;
/** Values checked at once; bounds the memory of the bit planes. */
const rangeBlock = 1 << 17;

/**
 * Checks all inputs of a job.
 * Cost: `inputCheckCost`; about 130 bytes a value on the wire with k = 127.
 * @throws SHARES_INCONSISTENT, INPUT_OUT_OF_RANGE naming the data owner where one check is per owner.
 */
export async function checkInputs(unnamed: Party, inputs: readonly CheckedInput[]): Promise<void> {
  const party = unnamed.within(inputCheckProtocol);
  const coefficients = await tossCoin(party);
  await checkConsistency(party, inputs, coefficients);
  const labelled = inputs.filter((input) => input.hasLabel);
  if (labelled.length > 0) await checkLabels(party, labelled, coefficients);
  const values = withoutLabels(party, inputs);
  const one = 1n << BigInt(inputs[0].fracBits);
  for (let at = 0; at < values.length; at += rangeBlock) {
    const block = party.kernel.slice(values, at, Math.min(rangeBlock, values.length - at));
    await checkRange(party, block, -one, one, coefficients);
  }
  party.kernel.free(values);
}

/** Expands the coin into public coefficients. */
type Coefficients = (bytes: number) => Uint8Array;

async function tossCoin(party: Party): Promise<Coefficients> {
  // The pair keys of the random bits are older than the inputs' use, but known to no data owner.
  const random = randomBits(party, "bit-random", party.nextOperation, coinWords);
  const seed = await openBits(party, random, "coin", 32 * coinWords);
  const key = Buffer.from(seed.buffer, seed.byteOffset, 16);
  let counter = 0n;
  return (bytes) => {
    counter += 1n;
    const iv = Buffer.alloc(16);
    iv.writeBigUInt64BE(counter, 0);
    return createCipheriv("aes-128-ctr", key, iv).update(new Uint8Array(bytes));
  };
}

function publicVector(party: Party, coefficients: Coefficients, length: number): FieldArray {
  const out = party.kernel.allocate(length);
  party.kernel.fromRandomBytes(out, coefficients(party.kernel.randomByteLength(length)));
  return out;
}

async function checkConsistency(
  party: Party,
  inputs: readonly CheckedInput[],
  coefficients: Coefficients,
): Promise<void> {
  const { kernel } = party;
  const combined = kernel.allocate(inputs.length);
  const mask = [party.next, party.previous].map((excluded) => ({
    excluded,
    value: party.pairVector(excluded, "mask", party.nextOperation, inputs.length),
  }));
  inputs.forEach(({ shares }, i) => {
    const rho = publicVector(party, coefficients, shares.length);
    kernel.dot(kernel.slice(combined, i, 1), shares, rho);
    kernel.free(rho);
  });
  for (const { excluded, value } of mask) {
    kernel.multiplyAdd(combined, value, party.embed(excluded), combined);
    kernel.free(value);
  }
  kernel.free(await open(party, combined, "input consistency"));
  kernel.free(combined);
}

async function checkLabels(
  party: Party,
  inputs: readonly CheckedInput[],
  coefficients: Coefficients,
): Promise<void> {
  const { kernel } = party;
  const local = kernel.allocate(inputs.length);
  inputs.forEach(({ shares, rows, cols, fracBits }, i) => {
    const labels = kernel.allocate(rows);
    kernel.gather(
      labels,
      shares,
      Uint32Array.from({ length: rows }, (_, r) => r * cols + cols - 1),
    );
    const product = kernel.allocate(rows);
    kernel.addScalar(product, labels, -(1n << BigInt(fracBits)));
    kernel.multiply(product, product, labels);
    const rho = publicVector(party, coefficients, rows);
    kernel.dot(kernel.slice(local, i, 1), product, rho);
    for (const a of [labels, product, rho]) kernel.free(a);
  });
  const reduced = await reduceDegree(party, local);
  const opened = kernel.toBigints(await open(party, reduced, "input labels"));
  const wrong = opened.findIndex((x) => x !== 0n);
  if (wrong >= 0) {
    throw new SymbolonError(
      "INPUT_OUT_OF_RANGE",
      `a shared label of ${inputs[wrong].name} is neither 0 nor 1`,
    );
  }
  kernel.free(local);
  kernel.free(reduced);
}

function withoutLabels(party: Party, inputs: readonly CheckedInput[]): FieldArray {
  const { kernel } = party;
  const width = ({ cols, hasLabel }: CheckedInput): number => cols - (hasLabel ? 1 : 0);
  const out = kernel.allocate(inputs.reduce((sum, input) => sum + input.rows * width(input), 0));
  let at = 0;
  for (const input of inputs) {
    const d = width(input);
    const indices = new Uint32Array(input.rows * d);
    for (let i = 0; i < input.rows; i++) for (let j = 0; j < d; j++) indices[i * d + j] = i * input.cols + j;
    kernel.gather(kernel.slice(out, at, indices.length), input.shares, indices);
    at += indices.length;
  }
  return out;
}

/** Two carries over all bits of the field, for c and c - t, against the same dealt sum of uniform masks. */
const rangeCarry = ({ bits }: FieldSpec, n: number): CarryShape => ({
  carryBits: bits,
  copies: 2,
  words: wordsFor(n),
});

/**
 * Checks low <= x <= high for arbitrary field elements, both bounds against one mask.
 *
 * With z = x - low, t = high - low + 1 and c = z + r mod p, r uniform: z < t exactly when
 * [c < t] + [c - t mod p < r] - [c < r] = 1 [MRVW21]; the openers know the first bit, the others are carries.
 * c hides z perfectly. The outcome is wrong with probability 1/p (c = t - 1).
 * @throws INPUT_OUT_OF_RANGE
 */
export async function checkRange(
  party: Party,
  x: FieldArray,
  low: bigint,
  high: bigint,
  coefficients: Coefficients,
): Promise<void> {
  const { kernel, index } = party;
  const n = x.length;
  const words = wordsFor(n);
  const shape = rangeCarry(kernel.spec, n);
  const dealing = blockDealing(shape.carryBits);
  const t = high - low + 1n;
  const opening = await party.openingRound(inputCheckProtocol, (operation) =>
    openMasked(party, operation, { values: x, degree: 1, mask: "uniform", offset: -low, dealing }),
  );
  const local: Uint32Array[] = [];
  if (opening.opened !== undefined) {
    const isFirst = index === opening.first;
    const shifted = kernel.allocate(n);
    for (const subtrahend of [0n, t]) {
      // [c >= r] is the carry out of (c + 1) + (2^k - 1 - r).
      kernel.addScalar(shifted, opening.opened, 1n - subtrahend);
      const planes = kernel.extractBits(shifted, 0, kernel.spec.bits);
      const blocks = evaluateBlocks(planes, opening.dealt!, shape.carryBits, isFirst);
      const last = subtrahend === 0n && isFirst ? lessThanPublic(planes, t + 1n) : new Uint32Array(words);
      local.push(blocks, last);
    }
    kernel.free(shifted);
  }
  const bits = await shareBlocks(party, opening, local, shape);
  const carries = await carryTree(party, bits, shape);
  freeMaskedOpening(party, opening);
  // The two complements in [c < r] = 1 - carry cancel.
  const inRange = xor(sliceBits(carries, 0, words), sliceBits(carries, words, 2 * words));
  await checkAllOnes(party, inRange, n, coefficients);
}

/** Bits [a < t] of numbers in bit planes. */
function lessThanPublic(planes: readonly Uint32Array[], t: bigint): Uint32Array {
  const less = new Uint32Array(planes[0].length);
  planes.forEach((plane, bit) => {
    const one = ((t >> BigInt(bit)) & 1n) === 1n;
    for (let w = 0; w < less.length; w++) less[w] = one ? ~plane[w] | less[w] : ~plane[w] & less[w];
  });
  return less;
}

async function checkAllOnes(
  party: Party,
  bits: BitShares,
  n: number,
  coefficients: Coefficients,
): Promise<void> {
  const words = bits.next.length;
  const sums: BitShares = { next: new Uint32Array(2), previous: new Uint32Array(2) };
  const expected = new Uint32Array(2);
  for (let j = 0; j < parities; j++) {
    const chosen = wordsOf(coefficients(4 * words));
    if (n % 32 !== 0) chosen[words - 1] &= (1 << (n % 32)) - 1;
    const bit = 1 << (j % 32);
    const at = j >> 5;
    if (parity(chosen)) expected[at] |= bit;
    if (parity(chosen, bits.next)) sums.next[at] |= bit;
    if (parity(chosen, bits.previous)) sums.previous[at] |= bit;
  }
  const opened = await openBits(party, sums, "input range", parities);
  if (xorWords(opened, expected).some((w) => w !== 0)) {
    throw new SymbolonError(
      "INPUT_OUT_OF_RANGE",
      "a shared value lies outside the range that its schema declares",
    );
  }
}

function parity(chosen: Uint32Array, bits?: Uint32Array): boolean {
  let sum = 0;
  for (let w = 0; w < chosen.length; w++) sum ^= bits === undefined ? chosen[w] : chosen[w] & bits[w];
  sum ^= sum >>> 16;
  sum ^= sum >>> 8;
  sum ^= sum >>> 4;
  sum ^= sum >>> 2;
  sum ^= sum >>> 1;
  return (sum & 1) === 1;
}

/** Declared cost of `checkInputs`. */
export function inputCheckCost(
  inputs: readonly { rows: number; cols: number; hasLabel: boolean }[],
  spec: FieldSpec,
): Cost {
  const { elementBytes } = spec;
  const labelled = inputs.filter((input) => input.hasLabel).length;
  const steps = [
    openBitsCost(coinWords, "coin", 32 * coinWords),
    openCost(inputs.length, elementBytes, "input consistency"),
  ];
  if (labelled > 0) {
    steps.push(reduceDegreeCost(labelled, elementBytes), openCost(labelled, elementBytes, "input labels"));
  }
  const values = inputs.reduce(
    (sum, { rows, cols, hasLabel }) => sum + rows * (cols - (hasLabel ? 1 : 0)),
    0,
  );
  for (let at = 0; at < values; at += rangeBlock) {
    const n = Math.min(rangeBlock, values - at);
    const shape = rangeCarry(spec, n);
    steps.push(
      openMaskedCost(n, 1, elementBytes, blockDealing(shape.carryBits).byteLength(n)),
      shareBlocksCost(shape),
      carryTreeCost(shape),
      openBitsCost(2, "input range", parities),
    );
  }
  return steps.reduce(addCost);
}
