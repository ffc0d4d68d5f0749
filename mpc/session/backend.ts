/**
 * What a session needs underneath: data without shapes or bounds, in units of the last place ("raw"
 * integers). Three backends exist: shares at one of three parties (`secure.ts`), numbers in the clear
 * (`plaintext.ts`) and nothing at all, for predicting costs and ranges (`plan.ts`).
 */
import type { CompareRequest } from "../protocols/comparison-dealing.ts";
import type { RowStore } from "../tables/row-store.ts";

/** One summand of a product; the output has rows * cols elements. */
export type ProductTerm<D> =
  | { kind: "elementwise"; a: D; b: D; rows: number; cols: number; scale: bigint }
  /** a[rows, inner] b[inner, cols] */
  | { kind: "matmul"; a: D; b: D; rows: number; inner: number; cols: number; scale: bigint }
  /** a' b with a[inner, rows], b[inner, cols] */
  | { kind: "transposed-matmul"; a: D; b: D; rows: number; inner: number; cols: number; scale: bigint }
  /** sum over the rows of a_ij b_ij, a and b [inner, cols]; rows = 1 */
  | { kind: "column-dots"; a: D; b: D; rows: number; inner: number; cols: number; scale: bigint }
  /** a_ij b_j, b [1, cols] */
  | { kind: "times-row"; a: D; b: D; rows: number; cols: number; scale: bigint }
  /** a_ij b_i, b [rows, 1] */
  | { kind: "times-column"; a: D; b: D; rows: number; cols: number; scale: bigint }
  /** a itself, linear: added before the truncation */
  | { kind: "linear"; a: D; rows: number; cols: number; scale: bigint }
  /** a is a sum of products already, as `localProduct` makes it */
  | { kind: "local"; a: D; rows: number; cols: number; scale: 1n };

/** Drop `shift` bits of raw values below 2^bitLength in absolute value. */
export interface Truncation {
  readonly shift: number;
  readonly bitLength: number;
}

/**
 * A piecewise linear function, as the sum of what each threshold adds: [x >= t_j] (slope_j z + constant_j),
 * z a value with the sign and order of x (x itself, or x truncated). Then truncated, or exact.
 */
export interface Piecewise {
  readonly request: CompareRequest;
  readonly gates: readonly { readonly slope: bigint; readonly constant: bigint }[];
  readonly truncation: Truncation | undefined;
}

/** Columns of a matrix [?, cols], from `column` on, `width` of them, in the rows `order`. */
export interface ColumnBlock<D> {
  readonly a: D;
  readonly cols: number;
  readonly column: number;
  readonly width: number;
  readonly order: Uint32Array;
}

export interface Backend<D> {
  readonly kind: "three-party" | "plaintext" | "plan";

  /** `length` times the same public integer. */
  constant(value: bigint, length: number): D;
  add(a: D, b: D): D;
  subtract(a: D, b: D): D;
  /** a * c for a public integer. */
  scale(a: D, c: bigint): D;
  /** a + c for a public integer. */
  addConstant(a: D, c: bigint): D;
  /** a[rows, cols] + row[1, cols] in every row. */
  addRow(a: D, row: D, rows: number, cols: number): D;
  slice(a: D, start: number, length: number): D;
  concat(list: readonly D[], lengths: readonly number[]): D;
  gather(a: D, indices: Uint32Array): D;
  /** A matrix made of blocks of equally many rows, side by side. */
  assemble(blocks: readonly ColumnBlock<D>[]): D;
  transpose(a: D, rows: number, cols: number): D;
  sumColumns(a: D, rows: number, cols: number): D;

  /** Room for a matrix of which `recordRows` rows are read together; not freed by a scope. */
  rowStore(rows: number, cols: number, recordRows: number): Promise<RowStore<D>>;
  /** A matrix in memory as a store that does not own it. */
  storeOf(whole: D, rows: number, cols: number): RowStore<D>;

  /** The sum of products before any message, for a term of kind "local". */
  localProduct(terms: readonly ProductTerm<D>[], length: number): D;
  /** The sum of products, truncated or (shift 0) exactly. */
  product(terms: readonly ProductTerm<D>[], length: number, truncation: Truncation | undefined): Promise<D>;
  /** A function of the truncated sum of products, compared before its truncation. */
  productPiecewise(
    terms: readonly ProductTerm<D>[],
    length: number,
    truncation: Truncation,
    pieces: Piecewise,
  ): Promise<D>;
  piecewise(a: D, length: number, pieces: Piecewise): Promise<D>;
  truncate(a: D, length: number, truncation: Truncation): Promise<D>;
  /** Truncation to the next lower integer, exactly. */
  floor(a: D, length: number, truncation: Truncation): Promise<D>;
  /** Bits [a >= t], threshold after threshold. */
  compare(a: D, length: number, request: CompareRequest): Promise<D>;
  /** Raw values in units of the last place; exact integers except in plaintext. */
  open(a: D, length: number, label: string): Promise<Float64Array>;

  /** Runs tasks that do not depend on each other in shared rounds; see `Party.together`. */
  together<T>(tasks: readonly (() => Promise<T>)[], resumed: (task: number) => void): Promise<T[]>;

  /** Runs the body and frees all data that it made, except what `keep` names of its result. */
  scope<T>(body: () => Promise<T>, keep: (result: T) => readonly D[]): Promise<T>;
}
