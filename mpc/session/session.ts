/**
 * The session: vectors and matrices of secret fixed-point numbers, and the operations that algorithms are
 * written in. One program runs on three backends (shares, plaintext, plan), and the session does for all of
 * them what does not depend on the data: shapes, public bounds, the choice of bit lengths, declared costs.
 *
 * Every tensor carries a public bound on its absolute values. From it follow the bit length of a masked
 * opening and the statistical distance that it adds; what would not fit the field is refused with the name
 * of the step. A caller who knows a tighter bound than interval arithmetic can see states it with `assume`.
 */
import { addCost, type Cost, type Declaration, emptyDeclaration } from "../cost.ts";
import { SymbolonError } from "../errors.ts";
import {
  type CompareRequest,
  compareCost,
  compareDeal,
  compareOpenedCost,
  maskedBitsLabel,
} from "../protocols/compare.ts";
import { maskedValuesLabel, openMaskedCost } from "../protocols/masked-opening.ts";
import { reduceDegreeCost } from "../protocols/multiply.ts";
import { openCost } from "../protocols/open.ts";
import { type FieldBits, fieldSpecs } from "../vector/index.ts";
import type { Backend, ProductTerm, Truncation } from "./backend.ts";

/** A secret matrix, row-major; vectors are [n, 1] or [1, n]. Values are raw / 2^fracBits, |value| <= bound. */
export interface Tensor<D> {
  readonly rows: number;
  readonly cols: number;
  readonly fracBits: number;
  readonly bound: number;
  readonly data: D;
}

/** Upper limit of the summed statistical distance of one job: 2^-40. */
export const statisticalLimit = 2 ** -40;

/** Significant bits of an encoded public factor: its relative error is below 2^-24. */
const factorBits = 24;

export interface ProductOptions<D = never> {
  /** Public factor on the product, encoded with a relative error below 2^-scaleBits. */
  readonly scale?: number;
  /** Default 24. */
  readonly scaleBits?: number;
  /** Fractional bits of the result; default: those of the first operand. */
  readonly fracBits?: number;
  /** A bound on the scaled product that the caller can prove, where it is smaller than the computed one. */
  readonly bound?: number;
  /** Shared values with public factors that are added before the truncation, so in the same round. */
  readonly plus?: readonly { readonly tensor: Tensor<D>; readonly scale: number }[];
}

/** One summand of `sumOfProducts`: scale * a o b, element by element. */
export interface Summand<D> {
  readonly a: Tensor<D>;
  readonly b: Tensor<D>;
  readonly scale: number;
}

export type ProgressListener = (phase: string, done: number, total: number) => void;

export class Session<D> {
  readonly backend: Backend<D>;
  readonly fieldBits: FieldBits;
  readonly declaration: Declaration = emptyDeclaration();
  readonly #elementBytes: number;
  readonly #onProgress: ProgressListener;
  #step = "input";

  constructor(backend: Backend<D>, fieldBits: FieldBits, onProgress: ProgressListener = () => {}) {
    this.backend = backend;
    this.fieldBits = fieldBits;
    this.#elementBytes = fieldSpecs[fieldBits].elementBytes;
    this.#onProgress = onProgress;
  }

  /** Names what follows, for error messages and the range report. */
  step(name: string): void {
    this.#step = name;
  }

  progress(phase: string, done: number, total: number): void {
    this.#onProgress(phase, done, total);
  }

  // Making tensors.

  /** Wraps input data whose range the schema declares. */
  input(data: D, rows: number, cols: number, fracBits: number, bound: number): Tensor<D> {
    return { rows, cols, fracBits, bound, data };
  }

  /** A public matrix with all elements `value`. */
  constant(value: number, rows: number, cols: number, fracBits: number): Tensor<D> {
    const data = this.backend.constant(encode(value, fracBits), rows * cols);
    return { rows, cols, fracBits, bound: Math.abs(value), data };
  }

  /** A smaller public bound that the caller can prove; the proof stands in a comment at the call. */
  assume(a: Tensor<D>, bound: number): Tensor<D> {
    return { ...a, bound: Math.min(a.bound, bound) };
  }

  // Local operations: no message.

  add(a: Tensor<D>, b: Tensor<D>): Tensor<D> {
    sameShape("add", a, b);
    return { ...a, bound: a.bound + b.bound, data: this.backend.add(a.data, b.data) };
  }

  subtract(a: Tensor<D>, b: Tensor<D>): Tensor<D> {
    sameShape("subtract", a, b);
    return { ...a, bound: a.bound + b.bound, data: this.backend.subtract(a.data, b.data) };
  }

  /** a + value for a public number. */
  addPublic(a: Tensor<D>, value: number): Tensor<D> {
    const data = this.backend.addConstant(a.data, encode(value, a.fracBits));
    return { ...a, bound: a.bound + Math.abs(value), data };
  }

  /** value - a. */
  publicMinus(value: number, a: Tensor<D>): Tensor<D> {
    return this.addPublic(this.timesInteger(a, -1), value);
  }

  /** a * c for a public integer. */
  timesInteger(a: Tensor<D>, c: number): Tensor<D> {
    return { ...a, bound: a.bound * Math.abs(c), data: this.backend.scale(a.data, BigInt(c)) };
  }

  /** The same values with more fractional bits. */
  widen(a: Tensor<D>, fracBits: number): Tensor<D> {
    if (fracBits === a.fracBits) return a;
    if (fracBits < a.fracBits) throw shapeError("widen", "it cannot drop fractional bits");
    return { ...a, fracBits, data: this.backend.scale(a.data, 1n << BigInt(fracBits - a.fracBits)) };
  }

  /** a[rows, cols] - row[1, cols] in every row. */
  subtractRow(a: Tensor<D>, row: Tensor<D>): Tensor<D> {
    if (row.rows !== 1 || row.cols !== a.cols || row.fracBits !== a.fracBits)
      throw mismatch("subtractRow", a, row);
    const negative = this.backend.scale(row.data, -1n);
    const data = this.backend.addRow(a.data, negative, a.rows, a.cols);
    return { ...a, bound: a.bound + row.bound, data };
  }

  rows(a: Tensor<D>, start: number, count: number): Tensor<D> {
    if (start < 0 || start + count > a.rows) throw shapeError("rows", `${start}+${count} of ${a.rows} rows`);
    return { ...a, rows: count, data: this.backend.slice(a.data, start * a.cols, count * a.cols) };
  }

  columns(a: Tensor<D>, start: number, count: number): Tensor<D> {
    if (start < 0 || start + count > a.cols)
      throw shapeError("columns", `${start}+${count} of ${a.cols} columns`);
    if (count === a.cols) return a;
    const indices = new Uint32Array(a.rows * count);
    for (let i = 0; i < a.rows; i++)
      for (let j = 0; j < count; j++) indices[i * count + j] = i * a.cols + start + j;
    return { ...a, cols: count, data: this.backend.gather(a.data, indices) };
  }

  /** The rows of `a` in the given order, repetitions allowed. */
  takeRows(a: Tensor<D>, order: readonly number[] | Uint32Array): Tensor<D> {
    const indices = new Uint32Array(order.length * a.cols);
    for (let i = 0; i < order.length; i++)
      for (let j = 0; j < a.cols; j++) indices[i * a.cols + j] = order[i] * a.cols + j;
    return { ...a, rows: order.length, data: this.backend.gather(a.data, indices) };
  }

  reshape(a: Tensor<D>, rows: number, cols: number): Tensor<D> {
    if (rows * cols !== a.rows * a.cols)
      throw shapeError("reshape", `${a.rows}x${a.cols} to ${rows}x${cols}`);
    return { ...a, rows, cols };
  }

  transpose(a: Tensor<D>): Tensor<D> {
    const data = this.backend.transpose(a.data, a.rows, a.cols);
    return { ...a, rows: a.cols, cols: a.rows, data };
  }

  stackRows(list: readonly Tensor<D>[]): Tensor<D> {
    const [first] = list;
    for (const a of list)
      if (a.cols !== first.cols || a.fracBits !== first.fracBits) throw mismatch("stackRows", first, a);
    if (list.length === 1) return first;
    const data = this.backend.concat(
      list.map((a) => a.data),
      list.map((a) => a.rows * a.cols),
    );
    const rows = list.reduce((sum, a) => sum + a.rows, 0);
    return { ...first, rows, bound: Math.max(...list.map((a) => a.bound)), data };
  }

  stackColumns(a: Tensor<D>, b: Tensor<D>): Tensor<D> {
    if (a.rows !== b.rows || a.fracBits !== b.fracBits) throw mismatch("stackColumns", a, b);
    return this.transpose(this.stackRows([this.transpose(a), this.transpose(b)]));
  }

  /** Sums over the rows: [1, cols]. */
  sumRows(a: Tensor<D>): Tensor<D> {
    const data = this.backend.sumColumns(a.data, a.rows, a.cols);
    return { ...a, rows: 1, bound: a.bound * a.rows, data };
  }

  // One round each.

  /** Element-wise product. */
  multiply(a: Tensor<D>, b: Tensor<D>, options: ProductOptions<D> = {}): Promise<Tensor<D>> {
    return this.sumOfProducts(
      [{ a, b, scale: options.scale ?? 1 }],
      options.fracBits ?? a.fracBits,
      options.bound,
    );
  }

  /** The sum of scaled element-wise products, in one truncation. */
  async sumOfProducts(
    list: readonly Summand<D>[],
    fracBits: number,
    provenBound?: number,
  ): Promise<Tensor<D>> {
    const [{ a, b }] = list;
    for (const s of list) {
      sameShape("multiply", s.a, a);
      sameShape("multiply", s.b, b);
    }
    const exponent = Math.max(...list.map((s) => factorExponent(s.scale)));
    const { shift, raw } = this.#scaling("multiply", exponent, a, b, fracBits);
    const terms = list.map(
      (s): ProductTerm<D> => ({
        kind: "elementwise",
        a: s.a.data,
        b: s.b.data,
        rows: a.rows,
        cols: a.cols,
        scale: encode(s.scale, exponent),
      }),
    );
    const bound = list.reduce((sum, s) => sum + s.a.bound * s.b.bound * Math.abs(s.scale), 0);
    return this.#product(terms, a.rows, a.cols, Math.min(bound, provenBound ?? bound), raw, shift, fracBits);
  }

  /** a[n, m] b[m, q] -> [n, q]. */
  async matmul(a: Tensor<D>, b: Tensor<D>, options: ProductOptions<D> = {}): Promise<Tensor<D>> {
    const { term, bound, fracBits, shift, raw } = this.#matmulTerm(a, b, options);
    return this.#product([term], a.rows, b.cols, bound, raw, shift, fracBits);
  }

  /** a' b, with a[n, m] and b[n, q] -> [m, q]. */
  async transposedMatmul(a: Tensor<D>, b: Tensor<D>, options: ProductOptions<D> = {}): Promise<Tensor<D>> {
    if (a.rows !== b.rows) throw mismatch("transposedMatmul", a, b);
    const scale = options.scale ?? 1;
    const fracBits = options.fracBits ?? a.fracBits;
    const exponent = factorExponent(scale, options.scaleBits);
    const { shift, raw } = this.#scaling("transposedMatmul", exponent, a, b, fracBits);
    const term: ProductTerm<D> = {
      kind: "transposed-matmul",
      a: a.data,
      b: b.data,
      rows: a.cols,
      inner: a.rows,
      cols: b.cols,
      scale: encode(scale, exponent),
    };
    const bound = a.rows * a.bound * b.bound * Math.abs(scale);
    return this.#product(
      this.#plus([term], a.cols, b.cols, raw, options),
      a.cols,
      b.cols,
      this.#bound(bound, options),
      raw,
      shift,
      fracBits,
    );
  }

  /** Column by column inner products of a[n, m] and b[n, m] -> [1, m]. */
  async columnDots(a: Tensor<D>, b: Tensor<D>, options: ProductOptions<D> = {}): Promise<Tensor<D>> {
    if (a.rows !== b.rows || a.cols !== b.cols) throw mismatch("columnDots", a, b);
    const scale = options.scale ?? 1;
    const fracBits = options.fracBits ?? a.fracBits;
    const exponent = factorExponent(scale, options.scaleBits);
    const { shift, raw } = this.#scaling("columnDots", exponent, a, b, fracBits);
    const term: ProductTerm<D> = {
      kind: "column-dots",
      a: a.data,
      b: b.data,
      rows: 1,
      inner: a.rows,
      cols: a.cols,
      scale: encode(scale, exponent),
    };
    const bound = a.rows * a.bound * b.bound * Math.abs(scale);
    return this.#product([term], 1, a.cols, this.#bound(bound, options), raw, shift, fracBits);
  }

  /** a[n, m] times row[1, m] in every row. */
  async multiplyRow(a: Tensor<D>, row: Tensor<D>, options: ProductOptions<D> = {}): Promise<Tensor<D>> {
    if (row.rows !== 1 || row.cols !== a.cols) throw mismatch("multiplyRow", a, row);
    const scale = options.scale ?? 1;
    const fracBits = options.fracBits ?? a.fracBits;
    const exponent = factorExponent(scale, options.scaleBits);
    const { shift, raw } = this.#scaling("multiplyRow", exponent, a, row, fracBits);
    const term: ProductTerm<D> = {
      kind: "times-row",
      a: a.data,
      b: row.data,
      rows: a.rows,
      cols: a.cols,
      scale: encode(scale, exponent),
    };
    const bound = a.bound * row.bound * Math.abs(scale);
    return this.#product([term], a.rows, a.cols, this.#bound(bound, options), raw, shift, fracBits);
  }

  /** a * factor for a public number, relative error of the factor below 2^-24. */
  async multiplyPublic(a: Tensor<D>, factor: number, fracBits = a.fracBits): Promise<Tensor<D>> {
    const exponent = factorExponent(factor);
    const bound = a.bound * Math.abs(factor);
    const raw = a.fracBits + exponent;
    const data = this.backend.scale(a.data, encode(factor, exponent));
    return this.#truncate({ ...a, bound, fracBits: raw, data }, fracBits);
  }

  /** The same values with fewer fractional bits. */
  truncate(a: Tensor<D>, fracBits: number): Promise<Tensor<D>> {
    return this.#truncate(a, fracBits);
  }

  // Comparisons.

  /**
   * Bits [a >= t] for public thresholds, a tensor each, fracBits 0.
   * @param resolutionBits fractional bits that count: values less than 3 * 2^-resolutionBits below
   * a threshold may be judged either way. Default: exact.
   */
  async atLeast(a: Tensor<D>, thresholds: readonly number[], resolutionBits?: number): Promise<Tensor<D>[]> {
    const n = a.rows * a.cols;
    const bitLength = this.#masked("compare", a.bound, a.fracBits, 0, n);
    const request = this.#comparison(thresholds, a.fracBits, bitLength, resolutionBits);
    this.#declare(compareCost(n, request, this.#elementBytes));
    this.#declareOpening(maskedBitsLabel, n * thresholds.length);
    return this.#splitBits(await this.backend.compare(a.data, n, request), a.rows, a.cols, thresholds.length);
  }

  /** Bits [a >= 0] with exact comparison. */
  async isNonNegative(a: Tensor<D>): Promise<Tensor<D>> {
    return (await this.atLeast(a, [0]))[0];
  }

  /** `matmul`, and `atLeast` of its untruncated result from the same opening. */
  async matmulAtLeast(
    a: Tensor<D>,
    b: Tensor<D>,
    thresholds: readonly number[],
    resolutionBits: number,
    options: ProductOptions<D> = {},
  ): Promise<{ value: Tensor<D>; bits: Tensor<D>[] }> {
    const { term, bound, fracBits, shift, raw } = this.#matmulTerm(a, b, options);
    const n = a.rows * b.cols;
    const bitLength = this.#masked("matmul", bound, raw, shift, n);
    const request = this.#comparison(thresholds, raw, bitLength, resolutionBits);
    const deal = compareDeal(request);
    this.#declare(openMaskedCost(n, 2, this.#elementBytes, deal));
    this.#declare(compareOpenedCost(n, deal, this.#elementBytes));
    this.#declareOpening(maskedBitsLabel, n * thresholds.length);
    const result = await this.backend.productAndCompare([term], n, { shift, bitLength }, request);
    const value: Tensor<D> = {
      rows: a.rows,
      cols: b.cols,
      fracBits,
      bound: rounded(bound, fracBits),
      data: result.value,
    };
    return { value, bits: this.#splitBits(result.bits, a.rows, b.cols, thresholds.length) };
  }

  /** bit ? a : b, element by element; bit has fracBits 0. Exact. */
  async select(bit: Tensor<D>, a: Tensor<D>, b: Tensor<D>): Promise<Tensor<D>> {
    const chosen = await this.multiply(bit, this.subtract(a, b), { fracBits: a.fracBits });
    return { ...this.add(chosen, b), bound: Math.max(a.bound, b.bound) };
  }

  /** Opens to all three parties. The label stands in the manifest. */
  async open(a: Tensor<D>, label: string): Promise<Float64Array> {
    const n = a.rows * a.cols;
    this.#declare(openCost(n, this.#elementBytes));
    this.#declareOpening(label, n);
    const raw = await this.backend.open(a.data, n, label);
    return Float64Array.from(raw, (x) => x / 2 ** a.fracBits);
  }

  /** Runs the body and frees what it made, but for the tensors that it returns. */
  scope<T extends readonly Tensor<D>[]>(body: () => Promise<T>): Promise<T> {
    return this.backend.scope(body, (tensors) => tensors.map((t) => t.data));
  }

  async #product(
    terms: readonly ProductTerm<D>[],
    rows: number,
    cols: number,
    bound: number,
    rawFracBits: number,
    shift: number,
    fracBits: number,
  ): Promise<Tensor<D>> {
    const n = rows * cols;
    let truncation: Truncation | undefined;
    if (shift > 0) {
      truncation = { shift, bitLength: this.#masked("product", bound, rawFracBits, shift, n) };
      this.#declare(openMaskedCost(n, 2, this.#elementBytes));
    } else {
      this.#fits("product", bound, rawFracBits);
      this.#declare(reduceDegreeCost(n, this.#elementBytes));
    }
    const data = await this.backend.product(terms, n, truncation);
    return { rows, cols, fracBits, bound: shift > 0 ? rounded(bound, fracBits) : bound, data };
  }

  async #truncate(a: Tensor<D>, fracBits: number): Promise<Tensor<D>> {
    const shift = a.fracBits - fracBits;
    if (shift === 0) return a;
    if (shift < 0) return this.widen(a, fracBits);
    const n = a.rows * a.cols;
    const bitLength = this.#masked("truncate", a.bound, a.fracBits, shift, n);
    this.#declare(openMaskedCost(n, 1, this.#elementBytes));
    const data = await this.backend.truncate(a.data, n, { shift, bitLength });
    return { ...a, fracBits, bound: rounded(a.bound, fracBits), data };
  }

  #matmulTerm(a: Tensor<D>, b: Tensor<D>, options: ProductOptions<D>) {
    if (a.cols !== b.rows) throw mismatch("matmul", a, b);
    const scale = options.scale ?? 1;
    const fracBits = options.fracBits ?? a.fracBits;
    const exponent = factorExponent(scale, options.scaleBits);
    const { shift, raw } = this.#scaling("matmul", exponent, a, b, fracBits);
    const term: ProductTerm<D> = {
      kind: "matmul",
      a: a.data,
      b: b.data,
      rows: a.rows,
      inner: a.cols,
      cols: b.cols,
      scale: encode(scale, exponent),
    };
    const bound = this.#bound(a.cols * a.bound * b.bound * Math.abs(scale), options);
    return { term, bound, fracBits, shift, raw };
  }

  /** Fractional bits of the raw product, and how many of them to drop. */
  #scaling(operation: string, exponent: number, a: Tensor<D>, b: Tensor<D>, fracBits: number) {
    const raw = a.fracBits + b.fracBits + exponent;
    if (raw < fracBits)
      throw shapeError(operation, `the product has ${raw} fractional bits, fewer than ${fracBits}`);
    return { raw, shift: raw - fracBits };
  }

  /** The product's bound, or the caller's, plus what is added to it. */
  #bound(product: number, options: ProductOptions<D>): number {
    const added = (options.plus ?? []).reduce((sum, p) => sum + p.tensor.bound * Math.abs(p.scale), 0);
    return Math.min(product, options.bound ?? Number.POSITIVE_INFINITY) + added;
  }

  #plus(terms: ProductTerm<D>[], rows: number, cols: number, raw: number, options: ProductOptions<D>) {
    for (const { tensor, scale } of options.plus ?? []) {
      if (tensor.rows !== rows || tensor.cols !== cols) {
        throw shapeError("plus", `${tensor.rows}x${tensor.cols} to ${rows}x${cols}`);
      }
      terms.push({ kind: "linear", a: tensor.data, rows, cols, scale: encode(scale, raw - tensor.fracBits) });
    }
    return terms;
  }

  #comparison(
    thresholds: readonly number[],
    fracBits: number,
    bitLength: number,
    resolutionBits?: number,
  ): CompareRequest {
    const coarseBits = resolutionBits === undefined ? 0 : Math.max(0, fracBits - resolutionBits);
    return { thresholds: thresholds.map((t) => encode(t, fracBits)), bitLength, coarseBits };
  }

  #splitBits(data: D, rows: number, cols: number, count: number): Tensor<D>[] {
    const n = rows * cols;
    return Array.from({ length: count }, (_, j) => ({
      rows,
      cols,
      fracBits: 0,
      bound: 1,
      data: this.backend.slice(data, j * n, n),
    }));
  }

  /** The bit length of a masked value; adds its statistical distance. */
  #masked(operation: string, bound: number, rawFracBits: number, shift: number, count: number): number {
    const bitLength = this.#fits(operation, bound, rawFracBits, shift);
    this.declaration.statisticalDistance += count * 2 ** (bitLength + 1 - (this.fieldBits - 2));
    this.#declareOpening(maskedValuesLabel, count);
    return bitLength;
  }

  #fits(operation: string, bound: number, rawFracBits: number, shift = 0): number {
    // Rounding adds half a unit of the place that remains; one bit more covers it.
    const bitLength = Math.max(shift, Math.ceil(Math.log2(bound * 2 ** rawFracBits + 2 ** shift + 1)));
    if (bitLength > this.declaration.worstBits) {
      this.declaration.worstBits = bitLength;
      this.declaration.worstStep = this.#step;
    }
    if (!(bitLength <= this.fieldBits - 4)) {
      throw new SymbolonError(
        "RANGE_EXCEEDED",
        `step "${this.#step}" (${operation}) needs ${bitLength} bits in the worst case; a field of ${this.fieldBits} bits has room for ${this.fieldBits - 4}`,
        { hint: "use fewer epochs, a smaller learning rate, narrower column ranges, or a larger field" },
      );
    }
    return bitLength;
  }

  #declare(cost: Cost): void {
    Object.assign(this.declaration, addCost(this.declaration, cost));
  }

  #declareOpening(label: string, values: number): void {
    this.declaration.openings[label] = (this.declaration.openings[label] ?? 0) + values;
  }
}

/** Bound after a truncation, whose error is below 1.5 units in the last place. */
function rounded(bound: number, fracBits: number): number {
  return bound + 1.5 * 2 ** -fracBits;
}

/** round(value * 2^fracBits) as an integer; exact for every double. */
function encode(value: number, fracBits: number): bigint {
  const scaled = value * 2 ** fracBits;
  if (!Number.isFinite(scaled))
    throw new SymbolonError("FIELD_ENCODING", "a public constant is not a finite number");
  return BigInt(Math.round(scaled));
}

/** How many fractional bits a public factor gets: none for an integer, else as many as keep its significant bits. */
function factorExponent(factor: number, significantBits = factorBits): number {
  if (Number.isInteger(factor)) return 0;
  const needed = significantBits - Math.ceil(Math.log2(Math.abs(factor)));
  // A dyadic factor is exact with fewer.
  for (let e = 0; e < needed; e++) if (Number.isInteger(factor * 2 ** e)) return e;
  return Math.max(0, needed);
}

function shapeError(operation: string, what: string): SymbolonError {
  return new SymbolonError("SHAPE_MISMATCH", `${operation}: ${what}`);
}

function mismatch<D>(operation: string, a: Tensor<D>, b: Tensor<D>): SymbolonError {
  const shape = (t: Tensor<D>): string => `${t.rows}x${t.cols} (${t.fracBits} fractional bits)`;
  return shapeError(operation, `${shape(a)} and ${shape(b)} do not fit`);
}

function sameShape<D>(operation: string, a: Tensor<D>, b: Tensor<D>): void {
  const bits = operation === "multiply" ? true : a.fracBits === b.fracBits;
  if (a.rows !== b.rows || a.cols !== b.cols || !bits) throw mismatch(operation, a, b);
}

/** @throws RANGE_EXCEEDED when the masked openings of a run add up to more than 2^-40. */
export function checkStatisticalDistance(
  { statisticalDistance, worstBits, worstStep }: Declaration,
  fieldBits: FieldBits,
): void {
  if (statisticalDistance <= statisticalLimit) return;
  const widest = worstStep === "" ? "" : `; the widest step is "${worstStep}" with ${worstBits} bits`;
  throw new SymbolonError(
    "RANGE_EXCEEDED",
    `masked openings would add up to a statistical distance of 2^${Math.log2(statisticalDistance).toFixed(1)}, ` +
      `more than 2^-40, in a field of ${fieldBits} bits${widest}`,
    { hint: "use fewer epochs, a smaller learning rate, narrower column ranges, or a larger field" },
  );
}
