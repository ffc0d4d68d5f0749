import type { Party } from "../party.ts";
import { compare, gateOpened, openForComparison } from "../protocols/compare.ts";
import type { CompareRequest } from "../protocols/comparison-dealing.ts";
import { type ComparisonOpening, comparisonDealing } from "../protocols/comparison-dealing.ts";
import { floor } from "../protocols/floor.ts";
import { freeMaskedOpening } from "../protocols/masked-opening.ts";
import { reduceDegree } from "../protocols/multiply.ts";
import { open } from "../protocols/open.ts";
import { truncate, truncateKeepingOpening, truncationOffset } from "../protocols/truncate.ts";
import { type RowStore, storeOf } from "../tables/row-store.ts";
import { Scratch } from "../tables/scratch.ts";
import type { FieldArray } from "../vector/index.ts";
import type { Backend, ColumnBlock, Piecewise, ProductTerm, Truncation } from "./backend.ts";

/** Degree-1 Shamir shares at one party. Every public constant is shared as itself. */
export class SecureBackend implements Backend<FieldArray> {
  readonly kind = "three-party";
  readonly party: Party;
  readonly #scratch: Scratch;

  /** @param scratch where large tables go; in memory by default */
  constructor(party: Party, scratch: Scratch = Scratch.inMemory()) {
    this.party = party;
    this.#scratch = scratch;
  }

  constant(value: bigint, length: number): FieldArray {
    const out = this.party.kernel.allocate(length);
    this.party.kernel.fill(out, value);
    return out;
  }

  add(a: FieldArray, b: FieldArray): FieldArray {
    const out = this.party.kernel.allocate(a.length);
    this.party.kernel.add(out, a, b);
    return out;
  }

  subtract(a: FieldArray, b: FieldArray): FieldArray {
    const out = this.party.kernel.allocate(a.length);
    this.party.kernel.subtract(out, a, b);
    return out;
  }

  scale(a: FieldArray, c: bigint): FieldArray {
    const out = this.party.kernel.allocate(a.length);
    this.party.kernel.multiplyScalar(out, a, c);
    return out;
  }

  addConstant(a: FieldArray, c: bigint): FieldArray {
    const out = this.party.kernel.allocate(a.length);
    this.party.kernel.addScalar(out, a, c);
    return out;
  }

  addRow(a: FieldArray, row: FieldArray, rows: number, cols: number): FieldArray {
    const out = this.party.kernel.allocate(a.length);
    this.party.kernel.addRow(out, a, rows, cols, row);
    return out;
  }

  slice(a: FieldArray, start: number, length: number): FieldArray {
    return this.party.kernel.slice(a, start, length);
  }

  concat(list: readonly FieldArray[], lengths: readonly number[]): FieldArray {
    const { kernel } = this.party;
    const out = kernel.allocate(lengths.reduce((sum, n) => sum + n, 0));
    let at = 0;
    list.forEach((a, i) => {
      kernel.copy(kernel.slice(out, at, lengths[i]), a);
      at += lengths[i];
    });
    return out;
  }

  gather(a: FieldArray, indices: Uint32Array): FieldArray {
    const out = this.party.kernel.allocate(indices.length);
    this.party.kernel.gather(out, a, indices);
    return out;
  }

  assemble(blocks: readonly ColumnBlock<FieldArray>[]): FieldArray {
    const { kernel } = this.party;
    const cols = blocks.reduce((sum, { width }) => sum + width, 0);
    const out = kernel.allocate(blocks[0].order.length * cols);
    let at = 0;
    for (const { a, cols: fromCols, column, width, order } of blocks) {
      kernel.copyRows({ array: out, cols, column: at }, { array: a, cols: fromCols, column }, width, order);
      at += width;
    }
    return out;
  }

  transpose(a: FieldArray, rows: number, cols: number): FieldArray {
    const out = this.party.kernel.allocate(a.length);
    this.party.kernel.transpose(out, a, rows, cols);
    return out;
  }

  sumColumns(a: FieldArray, rows: number, cols: number): FieldArray {
    const out = this.party.kernel.allocate(cols);
    this.party.kernel.sumColumns(out, a, rows, cols);
    return out;
  }

  rowStore(rows: number, cols: number, recordRows: number): Promise<RowStore<FieldArray>> {
    return this.#scratch.rows(this.party.kernel, rows, cols, recordRows);
  }

  storeOf(whole: FieldArray, rows: number, cols: number): RowStore<FieldArray> {
    return storeOf(whole, rows, cols, (start, length) => this.party.kernel.slice(whole, start, length));
  }

  async product(
    terms: readonly ProductTerm<FieldArray>[],
    length: number,
    truncation: Truncation | undefined,
  ): Promise<FieldArray> {
    const values = this.localProduct(terms, length);
    const out =
      truncation === undefined
        ? await reduceDegree(this.party, values)
        : await truncate(this.party, { values, degree: 2, ...truncation });
    this.party.kernel.free(values);
    return out;
  }

  async productPiecewise(
    terms: readonly ProductTerm<FieldArray>[],
    length: number,
    truncation: Truncation,
    pieces: Piecewise,
  ): Promise<FieldArray> {
    const { party } = this;
    const values = this.localProduct(terms, length);
    const { value, opening } = await truncateKeepingOpening(
      party,
      { values, degree: 2, ...truncation },
      await comparisonDealing(pieces.request),
    );
    party.kernel.free(values);
    const offset = truncationOffset(truncation.shift, truncation.bitLength);
    const out = await this.#gatedSum(value, opening, offset, pieces);
    party.kernel.free(value);
    return out;
  }

  async piecewise(a: FieldArray, _length: number, pieces: Piecewise): Promise<FieldArray> {
    const { opening, offset } = await openForComparison(this.party, a, pieces.request);
    return this.#gatedSum(a, opening, offset, pieces);
  }

  /** Frees the opening. */
  async #gatedSum(
    z: FieldArray,
    opening: ComparisonOpening,
    offset: bigint,
    { request, gates, truncation }: Piecewise,
  ): Promise<FieldArray> {
    const { party } = this;
    const { kernel } = party;
    const n = z.length;
    const y = kernel.allocate(n * gates.length);
    gates.forEach(({ slope, constant }, j) => {
      const part = kernel.slice(y, j * n, n);
      kernel.multiplyScalar(part, z, slope);
      kernel.addScalar(part, part, constant);
    });
    const gated = await gateOpened(party, opening, offset, request, y);
    freeMaskedOpening(party, opening);
    const values = kernel.allocate(n);
    kernel.sumColumns(values, gated, gates.length, n);
    party.recorder?.state(kernel, {
      relation: "local product",
      terms: [{ kind: "sum-columns", a: gated, rows: gates.length, cols: n, scale: 1n }],
      product: values,
    });
    const out =
      truncation === undefined
        ? await reduceDegree(party, values)
        : await truncate(party, { values, degree: 2, ...truncation });
    for (const a of [y, gated, values]) kernel.free(a);
    return out;
  }

  floor(a: FieldArray, _length: number, truncation: Truncation): Promise<FieldArray> {
    return floor(this.party, a, truncation);
  }

  truncate(a: FieldArray, _length: number, truncation: Truncation): Promise<FieldArray> {
    return truncate(this.party, { values: a, degree: 1, ...truncation });
  }

  compare(a: FieldArray, _length: number, request: CompareRequest): Promise<FieldArray> {
    return compare(this.party, a, request);
  }

  async open(a: FieldArray, _length: number, label: string): Promise<Float64Array> {
    const opened = await open(this.party, a, label);
    const values = this.party.kernel.toNumbers(opened, 0);
    this.party.kernel.free(opened);
    return values;
  }

  together<T>(tasks: readonly (() => Promise<T>)[], resumed: (task: number) => void): Promise<T[]> {
    return this.party.together(tasks, resumed);
  }

  async scope<T>(body: () => Promise<T>, keep: (result: T) => readonly FieldArray[]): Promise<T> {
    const { kernel } = this.party;
    // Regions nest, and those of tasks that take turns would not: the scope around them frees what they made.
    if (this.party.sharesRounds) return body();
    const region = kernel.beginRegion();
    const result = await body();
    kernel.endRegion(region, keep(result));
    return result;
  }

  localProduct(terms: readonly ProductTerm<FieldArray>[], length: number): FieldArray {
    const { kernel } = this.party;
    // A single product is written into place; everything else is added to zeros.
    const single = terms.length === 1 && terms[0].kind !== "linear" && terms[0].kind !== "local";
    const out = single ? kernel.allocate(length) : kernel.allocateZeros(length);
    const part = single ? out : kernel.allocate(length);
    for (const term of terms) {
      if (term.kind === "linear") {
        kernel.multiplyAdd(out, term.a, term.scale, out);
        continue;
      }
      if (term.kind === "local") {
        kernel.add(out, out, term.a);
        continue;
      }
      const { a, b, rows, cols } = term;
      switch (term.kind) {
        case "elementwise":
          kernel.multiply(part, a, b);
          break;
        case "matmul":
          if (cols === 1) kernel.matvec(part, a, rows, term.inner, b);
          else kernel.matmul(part, a, rows, term.inner, b, cols);
          break;
        case "transposed-matmul": {
          if (cols === 1) kernel.matvecTransposed(part, a, term.inner, rows, b);
          else {
            const transposed = this.transpose(a, term.inner, rows);
            kernel.matmul(part, transposed, rows, term.inner, b, cols);
            kernel.free(transposed);
          }
          break;
        }
        case "column-dots":
          kernel.columnDots(part, a, b, term.inner, cols);
          break;
        case "times-row":
          kernel.multiplyRow(part, a, rows, cols, b);
          break;
        case "times-column":
          kernel.multiplyColumn(part, a, rows, cols, b);
          break;
      }
      if (part !== out) kernel.multiplyAdd(out, part, term.scale, out);
      else if (term.scale !== 1n) kernel.multiplyScalar(out, out, term.scale);
    }
    if (part !== out) kernel.free(part);
    this.party.recorder?.state(kernel, { relation: "local product", terms, product: out });
    return out;
  }
}
