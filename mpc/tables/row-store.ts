/**
 * Where the rows of large matrices of shares lie: in the kernel's memory, or in a file when the memory that a
 * job may use is not enough. They are written once, front to back, and read in any order.
 */
import { SymbolonError } from "../errors.ts";
import type { FieldArray, Kernel } from "../vector/index.ts";

export interface RowStore<D> {
  readonly rows: number;
  readonly cols: number;
  /** All rows, row-major, where they lie in memory; undefined when they lie elsewhere. */
  readonly whole: D | undefined;
  /** Writes the next `rows` rows, row-major. @throws SHAPE_MISMATCH beyond the last row; STORAGE_FULL */
  append(data: D, rows: number): Promise<void>;
  /**
   * Rows first, ..., first + count - 1: a view of memory, or new data that the reader gives back by `release`
   * or leaves to the end of a region.
   * @throws SHAPE_MISMATCH for rows that were not written
   */
  read(first: number, count: number): Promise<D>;
  release(data: D): void;
  /** Gives back what the rows occupy. */
  free(): Promise<void>;
}

/** Refuses rows that do not exist. */
export function checkRows(first: number, count: number, rows: number): void {
  if (!(first >= 0 && count >= 0 && first + count <= rows)) {
    throw new SymbolonError("SHAPE_MISMATCH", `rows ${first} to ${first + count} of ${rows}`);
  }
}

/** Rows in the memory of a kernel. */
export class MemoryRows implements RowStore<FieldArray> {
  readonly rows: number;
  readonly cols: number;
  readonly whole: FieldArray;
  readonly #kernel: Kernel;
  readonly #onFree: () => void;
  #written = 0;

  /** @param onFree called when the memory is given back */
  constructor(kernel: Kernel, rows: number, cols: number, onFree: () => void = () => {}) {
    this.#kernel = kernel;
    this.rows = rows;
    this.cols = cols;
    this.whole = kernel.allocate(rows * cols);
    this.#onFree = onFree;
  }

  async append(data: FieldArray, rows: number): Promise<void> {
    checkRows(this.#written, rows, this.rows);
    this.#kernel.copy(this.#kernel.slice(this.whole, this.#written * this.cols, rows * this.cols), data);
    this.#written += rows;
  }

  async read(first: number, count: number): Promise<FieldArray> {
    checkRows(first, count, this.#written);
    return this.#kernel.slice(this.whole, first * this.cols, count * this.cols);
  }

  release(): void {}

  async free(): Promise<void> {
    this.#kernel.free(this.whole);
    this.#onFree();
  }
}

/** A matrix that is in memory already and belongs to someone else, `slice(start, length)` a view of it. */
export function storeOf<D>(
  whole: D,
  rows: number,
  cols: number,
  slice: (start: number, length: number) => D,
): RowStore<D> {
  return {
    ...{ rows, cols, whole },
    append: async () => checkRows(rows, 1, rows),
    read: async (first, count) => {
      checkRows(first, count, rows);
      return slice(first * cols, count * cols);
    },
    release: () => {},
    free: async () => {},
  };
}

/** Some rows of one of several matrices. */
export interface RowRange {
  readonly matrix: number;
  readonly first: number;
  readonly rows: number;
}

/**
 * Matrices of given shapes, one behind the other, in blocks of whole rows that together have at most
 * `maxElements` elements, or of one row where that is longer.
 */
export function* rowBlocks(
  shapes: readonly { readonly rows: number; readonly cols: number }[],
  maxElements: number,
): Generator<RowRange[]> {
  let block: RowRange[] = [];
  let room = maxElements;
  for (const [matrix, { rows, cols }] of shapes.entries()) {
    for (let first = 0; first < rows; ) {
      const fitting = Math.floor(room / cols);
      if (fitting <= 0 && block.length > 0) {
        yield block;
        block = [];
        room = maxElements;
        continue;
      }
      const count = Math.min(rows - first, Math.max(1, fitting));
      block.push({ matrix, first, rows: count });
      first += count;
      room -= count * cols;
    }
  }
  if (block.length > 0) yield block;
}
