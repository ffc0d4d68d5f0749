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
import { type RowRange, type RowStore, rowBlocks } from "../tables/row-store.ts";
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
  readonly shares: RowStore<FieldArray>;
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
/** Values checked at once, in whole rows; bounds the memory, whatever the size of the inputs. */
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
  const one = 1n << BigInt(inputs[0].fracBits);
  for (const block of rowBlocks(inputs.map(featureShape), rangeBlock)) {
    const values = await featuresOf(party, inputs, block);
    await checkRange(party, values, -one, one, coefficients);
    party.kernel.free(values);
  }
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
  kernel.fill(combined, 0n);
  for (const [i, { shares }] of inputs.entries()) {
    await addUp(party, kernel.slice(combined, i, 1), shares, (block, rows) => {
      const rho = publicVector(party, coefficients, rows * shares.cols);
      kernel.multiply(rho, rho, block);
      return rho;
    });
  }
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
  kernel.fill(local, 0n);
  for (const [i, { shares, fracBits }] of inputs.entries()) {
    const { cols } = shares;
    await addUp(party, kernel.slice(local, i, 1), shares, (block, rows) => {
      const labels = kernel.allocate(rows);
      kernel.copyRows(
        { array: labels, cols: 1, column: 0 },
        { array: block, cols, column: cols - 1 },
        1,
        naturals(rows),
      );
      const product = publicVector(party, coefficients, rows);
      kernel.multiply(product, product, labels);
      kernel.addScalar(labels, labels, -(1n << BigInt(fracBits)));
      kernel.multiply(product, product, labels);
      kernel.free(labels);
      return product;
    });
  }
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

/** Adds to `sum` what `summands` makes of each block of rows; frees the summands. */
async function addUp(
  { kernel }: Party,
  sum: FieldArray,
  shares: RowStore<FieldArray>,
  summands: (block: FieldArray, rows: number) => FieldArray,
): Promise<void> {
  const part = kernel.allocate(1);
  for (const [{ first, rows }] of rowBlocks([shares], rangeBlock)) {
    const block = await shares.read(first, rows);
    const values = summands(block, rows);
    kernel.sum(part, values);
    kernel.add(sum, sum, part);
    kernel.free(values);
    shares.release(block);
  }
  kernel.free(part);
}

/** Rows and columns of an input without its label. */
const featureShape = ({ shares: { rows, cols }, hasLabel }: ShapedInput) => ({
  rows,
  cols: cols - (hasLabel ? 1 : 0),
});

type ShapedInput = {
  readonly shares: { readonly rows: number; readonly cols: number };
  readonly hasLabel: boolean;
};

const naturals = (n: number): Uint32Array => Uint32Array.from({ length: n }, (_, i) => i);

/** The values of a block of rows of several inputs, without labels. */
async function featuresOf(
  { kernel }: Party,
  inputs: readonly CheckedInput[],
  block: readonly RowRange[],
): Promise<FieldArray> {
  const shapes = inputs.map(featureShape);
  const out = kernel.allocate(block.reduce((sum, { matrix, rows }) => sum + rows * shapes[matrix].cols, 0));
  let at = 0;
  for (const { matrix, first, rows } of block) {
    const { shares } = inputs[matrix];
    const { cols } = shapes[matrix];
    const read = await shares.read(first, rows);
    const array = kernel.slice(out, at, rows * cols);
    kernel.copyRows(
      { array, cols, column: 0 },
      { array: read, cols: shares.cols, column: 0 },
      cols,
      naturals(rows),
    );
    shares.release(read);
    at += rows * cols;
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
  const shapes = inputs.map(({ rows, cols, hasLabel }) => featureShape({ shares: { rows, cols }, hasLabel }));
  for (const block of rowBlocks(shapes, rangeBlock)) {
    const n = block.reduce((sum, { matrix, rows }) => sum + rows * shapes[matrix].cols, 0);
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
