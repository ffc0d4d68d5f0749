import { openMaskedCost } from "../protocols/masked-opening.ts";
import { openCost } from "../protocols/open.ts";
import { atLeastEach, type PiecewiseLinear, piecewise, piecewiseOfProduct } from "./comparisons.ts";
import {
  encode,
  encodedSize,
  encodingError,
  factorExponent,
  roundedBound,
  timesBound,
  truncationError,
} from "./encoding.ts";
import type { ProductOptions } from "./products.ts";
import * as products from "./products.ts";
import type { Session } from "./session.ts";
import { broadcastOf, mismatch, shapeError } from "./shapes.ts";
import { stackColumns } from "./stack.ts";

/**
 * A secret matrix of fixed-point numbers, row-major: raw integers over 2^fracBits. A vector is a matrix of one
 * column or one row. Tensors do not change; every operation makes a new one.
 *
 * Each carries a public bound on its absolute values. From it follow the bit length of a masked opening and the
 * statistical distance that it adds; what would not fit the field is refused with the name of the step. A
 * caller who knows a tighter bound than interval arithmetic can see states it with `assume`.
 *
 * Each also carries a public bound on its error: how far its values can be from those that the same program
 * gives in exact arithmetic, with exact functions, on the same inputs. Truncations, encoded factors and
 * approximations add to it and products spread it; `assumeError` states what a proof knows better.
 *
 * Synchronous methods are local. Those that return a promise take one round unless they say otherwise; a method
 * that is given operands of wrong shape or format throws SHAPE_MISMATCH, one whose result has no room in the
 * field RANGE_EXCEEDED. A row [1, cols], a column [rows, 1] or a single element [1, 1] as second operand of
 * `add`, `subtract` and `multiply` is repeated to the shape of the first.
 */
export class Tensor<D> {
  readonly session: Session<D>;
  readonly data: D;
  readonly rows: number;
  readonly cols: number;
  readonly fracBits: number;
  readonly bound: number;
  readonly error: number;

  constructor(
    session: Session<D>,
    data: D,
    rows: number,
    cols: number,
    fracBits: number,
    bound: number,
    error: number,
  ) {
    this.session = session;
    this.data = data;
    this.rows = rows;
    this.cols = cols;
    this.fracBits = fracBits;
    this.bound = bound;
    this.error = error;
  }

  /** Number of elements. */
  get size(): number {
    return this.rows * this.cols;
  }

  /** The same with a smaller public bound that the caller can prove; the proof stands in a comment there. */
  assume(bound: number): Tensor<D> {
    return this.#with(this.data, { bound: Math.min(this.bound, bound) });
  }

  /**
   * The same with another error bound, for which the proof stands in a comment there; 0 where errors from here
   * on are to be counted against these very values.
   */
  assumeError(error: number): Tensor<D> {
    return this.#with(this.data, { error });
  }

  // Arithmetic without a message.

  /** this + b, for a tensor or a public number. */
  add(b: Tensor<D> | number): Tensor<D> {
    const { backend } = this.session;
    if (typeof b === "number") {
      return this.#with(backend.addConstant(this.data, encode(b, this.fracBits)), {
        bound: this.bound + encodedSize(b, this.fracBits),
        error: this.error + encodingError(b, this.fracBits),
      });
    }
    if (b.fracBits !== this.fracBits) throw mismatch("add", this, b);
    const sums = { bound: this.bound + b.bound, error: this.error + b.error };
    switch (broadcastOf("add", this, b)) {
      case "none":
        return this.#with(backend.add(this.data, b.data), sums);
      case "row":
        return this.#with(backend.addRow(this.data, b.data, this.rows, this.cols), sums);
      default:
        return this.#with(backend.add(this.data, b.broadcastTo(this.rows, this.cols).data), sums);
    }
  }

  /** this - b, for a tensor or a public number. */
  subtract(b: Tensor<D> | number): Tensor<D> {
    if (typeof b === "number") return this.add(-b);
    if (b.fracBits !== this.fracBits) throw mismatch("subtract", this, b);
    if (b.rows !== this.rows || b.cols !== this.cols) return this.add(b.negate());
    return this.#with(this.session.backend.subtract(this.data, b.data), {
      bound: this.bound + b.bound,
      error: this.error + b.error,
    });
  }

  /** value - this, for a public number. */
  subtractFrom(value: number): Tensor<D> {
    return this.negate().add(value);
  }

  negate(): Tensor<D> {
    return this.timesInteger(-1);
  }

  /** this * c for a public integer. */
  timesInteger(c: number): Tensor<D> {
    const size = Math.abs(c);
    return this.#with(this.session.backend.scale(this.data, BigInt(c)), {
      bound: this.bound * size,
      error: timesBound(this.error, size),
    });
  }

  /** this * 2^exponent, exactly: the binary point moves, and where there are no digits left of it, zeros follow. */
  timesPowerOfTwo(exponent: number): Tensor<D> {
    const scaled = { bound: this.bound * 2 ** exponent, error: this.error * 2 ** exponent };
    const fracBits = this.fracBits - exponent;
    if (fracBits >= 0) return this.#with(this.data, { fracBits, ...scaled });
    const data = this.session.backend.scale(this.data, 1n << BigInt(-fracBits));
    return this.#with(data, { fracBits: 0, ...scaled });
  }

  /** The same values with more fractional bits. */
  widen(fracBits: number): Tensor<D> {
    if (fracBits === this.fracBits) return this;
    if (fracBits < this.fracBits) throw shapeError("widen", "it cannot drop fractional bits");
    const factor = 1n << BigInt(fracBits - this.fracBits);
    return this.#with(this.session.backend.scale(this.data, factor), { fracBits });
  }

  /** The sum of all elements, [1, 1]. */
  sum(): Tensor<D> {
    return this.reshape(this.size, 1).sumRows();
  }

  /** The sum of the rows, [1, cols]. */
  sumRows(): Tensor<D> {
    const data = this.session.backend.sumColumns(this.data, this.rows, this.cols);
    return this.#with(data, { rows: 1, bound: this.bound * this.rows, error: this.error * this.rows });
  }

  /** The sum of the columns, [rows, 1]. */
  sumColumns(): Tensor<D> {
    return this.transpose().sumRows().transpose();
  }

  // Rearrangement, without a message.

  sliceRows(start: number, count: number): Tensor<D> {
    if (start < 0 || count < 0 || start + count > this.rows)
      throw shapeError("sliceRows", `${start}+${count} of ${this.rows} rows`);
    const data = this.session.backend.slice(this.data, start * this.cols, count * this.cols);
    return this.#with(data, { rows: count });
  }

  sliceColumns(start: number, count: number): Tensor<D> {
    if (start < 0 || count < 0 || start + count > this.cols)
      throw shapeError("sliceColumns", `${start}+${count} of ${this.cols} columns`);
    if (count === this.cols) return this;
    const order = Uint32Array.from({ length: this.rows }, (_, i) => i);
    const data = this.session.backend.assemble([
      { a: this.data, cols: this.cols, column: start, width: count, order },
    ]);
    return this.#with(data, { cols: count });
  }

  /** The rows in the given order, repetitions allowed. */
  takeRows(order: readonly number[] | Uint32Array): Tensor<D> {
    return stackColumns([this], order);
  }

  /** Repeats a row, a column or a single element. */
  broadcastTo(rows: number, cols: number): Tensor<D> {
    switch (broadcastOf("broadcastTo", { rows, cols, fracBits: this.fracBits }, this)) {
      case "none":
        return this;
      case "row":
        return this.#gather(rows, cols, (_, j) => j);
      case "column":
        return this.#gather(rows, cols, (i) => i);
      case "scalar":
        return this.#gather(rows, cols, () => 0);
    }
  }

  reshape(rows: number, cols: number): Tensor<D> {
    if (rows * cols !== this.size)
      throw shapeError("reshape", `${this.rows}x${this.cols} to ${rows}x${cols}`);
    return this.#with(this.data, { rows, cols });
  }

  transpose(): Tensor<D> {
    const { data, rows, cols } = this;
    if (rows === 1 || cols === 1) return this.reshape(cols, rows);
    return this.#with(this.session.backend.transpose(data, rows, cols), { rows: cols, cols: rows });
  }

  // Products and truncation: one round.

  /** Element by element. */
  async multiply(b: Tensor<D>, options: ProductOptions<D> = {}): Promise<Tensor<D>> {
    return products.evaluate(products.elementwise(this, b, options));
  }

  /**
   * this * factor for a public number, encoded with a relative error below 2^-factorBits, 24 unless said. No
   * round where the factor is an integer and no fractional bits are dropped.
   */
  async multiplyPublic(factor: number, fracBits = this.fracBits, factorBits?: number): Promise<Tensor<D>> {
    const exponent = factorExponent(factor, factorBits);
    const data = this.session.backend.scale(this.data, encode(factor, exponent));
    const raw = {
      fracBits: this.fracBits + exponent,
      bound: this.bound * encodedSize(factor, exponent),
      error:
        timesBound(this.error, Math.abs(factor)) +
        timesBound(this.bound + this.error, encodingError(factor, exponent)),
    };
    return this.#with(data, raw).truncate(fracBits);
  }

  /** this[n, m] b[m, q] -> [n, q]. */
  async matmul(b: Tensor<D>, options: ProductOptions<D> = {}): Promise<Tensor<D>> {
    return products.evaluate(products.matmul(this, b, options));
  }

  /** The transpose of this[n, m] times b[n, q] -> [m, q]. */
  async transposedMatmul(b: Tensor<D>, options: ProductOptions<D> = {}): Promise<Tensor<D>> {
    return products.evaluate(products.transposedMatmul(this, b, options));
  }

  /** The inner product of two columns of equal length, [1, 1]. */
  async dot(b: Tensor<D>, options: ProductOptions<D> = {}): Promise<Tensor<D>> {
    if (this.cols !== 1 || b.cols !== 1) throw mismatch("dot", this, b);
    return this.transposedMatmul(b, options);
  }

  /** Column by column inner products of [n, m] and [n, m] -> [1, m]. */
  async columnDots(b: Tensor<D>, options: ProductOptions<D> = {}): Promise<Tensor<D>> {
    return products.evaluate(products.columnDots(this, b, options));
  }

  /** The mean of all elements, [1, 1]. */
  mean(): Promise<Tensor<D>> {
    return this.reshape(this.size, 1).meanRows();
  }

  /** The mean of the rows, [1, cols]. */
  meanRows(): Promise<Tensor<D>> {
    return this.sumRows().over(this.rows, this.bound);
  }

  /** The mean of `count` values of at most `bound` each, of which this is the sum. */
  async over(count: number, bound: number): Promise<Tensor<D>> {
    // The factor's error times the mean stays below a quarter of a unit; more bits would only widen the masks.
    const factorBits = Math.max(1, this.fracBits + 2 + Math.ceil(Math.log2(Math.max(1, bound))));
    const mean = await this.multiplyPublic(1 / count, this.fracBits, factorBits);
    // A mean is no larger than what it is taken of; the factor and the truncation add their errors.
    return mean.assume(roundedBound(bound * (1 + 2 ** -factorBits), this.fracBits));
  }

  /** The same values with fewer fractional bits; the error is below 1.5 units in the last place. */
  async truncate(fracBits: number): Promise<Tensor<D>> {
    const shift = this.fracBits - fracBits;
    if (shift <= 0) return this.widen(fracBits);
    const { ledger, elementBytes, backend } = this.session;
    const bitLength = ledger.masked("truncate", this.bound, this.fracBits, shift, this.size);
    ledger.cost("truncate", openMaskedCost(this.size, 1, elementBytes));
    const data = await backend.truncate(this.data, this.size, { shift, bitLength });
    const error = this.error + truncationError(fracBits);
    return ledger.result(this.#with(data, { fracBits, bound: roundedBound(this.bound, fracBits), error }));
  }

  // Comparisons: the rounds of `compare`. Their outcomes are bits with fracBits 0.

  /** [this >= b], for a tensor or a public number. */
  async atLeast(b: Tensor<D> | number): Promise<Tensor<D>> {
    if (typeof b !== "number") return this.subtract(b).atLeast(0);
    return (await this.atLeastEach([b]))[0];
  }

  /** [this < b]. */
  async lessThan(b: Tensor<D> | number): Promise<Tensor<D>> {
    return (await this.atLeast(b)).not();
  }

  /** [this > b]. */
  async greaterThan(b: Tensor<D> | number): Promise<Tensor<D>> {
    return (await this.atMost(b)).not();
  }

  /** [this <= b]. */
  async atMost(b: Tensor<D> | number): Promise<Tensor<D>> {
    return typeof b === "number" ? this.negate().atLeast(-b) : b.atLeast(this);
  }

  /** [this = b], in every digit: two thresholds of one comparison. */
  async equal(b: Tensor<D> | number): Promise<Tensor<D>> {
    const [atLeast, above] = await this.subtract(b).atLeastEach([0, 2 ** -this.fracBits]);
    // Above implies at least.
    return atLeast.subtract(above).assume(1).assumeError(atLeast.error);
  }

  /**
   * Bits [this >= t] for several public thresholds, a tensor each, from one opening.
   * @param resolutionBits fractional bits that count: values less than 3 * 2^-resolutionBits below a threshold
   * may be judged either way. Default: exact.
   */
  atLeastEach(thresholds: readonly number[], resolutionBits?: number): Promise<Tensor<D>[]> {
    return atLeastEach(this, thresholds, resolutionBits);
  }

  /** f(this), element by element, in 4 rounds; exact where all slopes are integers. */
  piecewise(f: PiecewiseLinear): Promise<Tensor<D>> {
    return piecewise(this, f);
  }

  /** f(this b) for a matrix product, in 4 rounds altogether. */
  async matmulPiecewise(
    b: Tensor<D>,
    f: PiecewiseLinear,
    options: ProductOptions<D> = {},
  ): Promise<Tensor<D>> {
    return piecewiseOfProduct(products.matmul(this, b, options), f);
  }

  /** 1 - this, for bits. Local. */
  not(): Tensor<D> {
    // The complement of a bit is a bit.
    return this.subtractFrom(1).assume(1);
  }

  /** Where this is 1 the element of a, where it is 0 that of b. Exact; one round. */
  async select(a: Tensor<D>, b: Tensor<D>): Promise<Tensor<D>> {
    const chosen = await this.multiply(a.subtract(b), { fracBits: this.fracBits + a.fracBits });
    // It is one of the two, and if the bit is wrong the other one.
    const error = Math.max(a.error, b.error) + (this.error > 0 ? a.bound + b.bound : 0);
    return chosen.add(b.widen(chosen.fracBits)).assume(Math.max(a.bound, b.bound)).assumeError(error);
  }

  /** Opens to all three parties. The label stands in the manifest. */
  async open(label: string): Promise<Float64Array> {
    const { ledger, elementBytes, backend } = this.session;
    ledger.cost("open", openCost(this.size, elementBytes, label));
    const raw = await backend.open(this.data, this.size, label);
    const unit = 2 ** -this.fracBits;
    // A loop: `map` takes ten times as long.
    const values = new Float64Array(raw.length);
    for (let i = 0; i < raw.length; i++) values[i] = raw[i]! * unit;
    return values;
  }

  #with(
    data: D,
    changed: { rows?: number; cols?: number; fracBits?: number; bound?: number; error?: number },
  ): Tensor<D> {
    const { rows = this.rows, cols = this.cols, fracBits = this.fracBits } = changed;
    const { bound = this.bound, error = this.error } = changed;
    return new Tensor(this.session, data, rows, cols, fracBits, bound, error);
  }

  #gather(rows: number, cols: number, from: (row: number, col: number) => number): Tensor<D> {
    const indices = new Uint32Array(rows * cols);
    for (let i = 0; i < rows; i++) for (let j = 0; j < cols; j++) indices[i * cols + j] = from(i, j);
    return this.#with(this.session.backend.gather(this.data, indices), { rows, cols });
  }
}
