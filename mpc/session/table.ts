/**
 * A secret matrix of many rows, read in blocks: in memory when it is small, in a scratch file when it is not.
 * Programs are the same for both, and so are their rounds: the size of a block depends on the columns alone.
 */
import { checkRows, type RowStore } from "../tables/row-store.ts";
import type { Session } from "./session.ts";
import { mismatch } from "./shapes.ts";
import { stackRows } from "./stack.ts";
import { Tensor } from "./tensor.ts";

/** Elements of a block: what is computed on at once, and so the memory that an operation on a table takes. */
const blockElements = 2 ** 17;

/** What all elements of a table have in common. */
export interface TableFormat {
  readonly fracBits: number;
  readonly bound: number;
  readonly error: number;
}

/** Rows of one store, or of several one behind the other. Tables do not change. */
export class Table<D> {
  readonly session: Session<D>;
  readonly rows: number;
  readonly cols: number;
  readonly fracBits: number;
  readonly bound: number;
  readonly error: number;
  readonly #stores: readonly RowStore<D>[];

  constructor(session: Session<D>, stores: readonly RowStore<D>[], { fracBits, bound, error }: TableFormat) {
    this.session = session;
    this.#stores = stores;
    this.rows = stores.reduce((sum, { rows }) => sum + rows, 0);
    this.cols = stores[0].cols;
    this.fracBits = fracBits;
    this.bound = bound;
    this.error = error;
  }

  /** The rows of several tables, one behind the other; nothing is copied. @throws SHAPE_MISMATCH */
  static stack<D>(tables: readonly Table<D>[]): Table<D> {
    const [first] = tables;
    for (const table of tables) {
      if (table.cols !== first.cols || table.fracBits !== first.fracBits)
        throw mismatch("stack", first, table);
    }
    return new Table(
      first.session,
      tables.flatMap((table) => table.#stores),
      {
        fracBits: first.fracBits,
        bound: Math.max(...tables.map(({ bound }) => bound)),
        error: Math.max(...tables.map(({ error }) => error)),
      },
    );
  }

  /** Rows in a block. */
  get blockRows(): number {
    return Math.max(1, Math.floor(blockElements / this.cols));
  }

  /** All rows where they are one piece of memory, without copying; otherwise undefined. */
  get whole(): Tensor<D> | undefined {
    const [{ whole }, ...others] = this.#stores;
    return whole === undefined || others.length > 0 ? undefined : this.#tensor(whole, this.rows);
  }

  /** Rows first, ..., first + count - 1. Local. @throws SHAPE_MISMATCH */
  async read(first: number, count: number): Promise<Tensor<D>> {
    checkRows(first, count, this.rows);
    const pieces: Tensor<D>[] = [];
    let begin = 0;
    for (const store of this.#stores) {
      const from = Math.max(first, begin);
      const to = Math.min(first + count, begin + store.rows);
      if (from < to) pieces.push(this.#tensor(await store.read(from - begin, to - from), to - from));
      begin += store.rows;
    }
    return stackRows(pieces);
  }

  /** All rows in memory, whatever they take. */
  async tensor(): Promise<Tensor<D>> {
    return this.whole ?? this.read(0, this.rows);
  }

  /** Gives back the memory or the file. */
  async free(): Promise<void> {
    for (const store of this.#stores) await store.free();
  }

  #tensor(data: D, rows: number): Tensor<D> {
    return new Tensor(this.session, data, rows, this.cols, this.fracBits, this.bound, this.error);
  }
}

/**
 * What `each` makes of every block of `step` rows, one tensor a block, one above the other in memory. All else
 * that it makes is freed.
 */
export async function mapBlocks<D>(
  table: Table<D>,
  each: (block: Tensor<D>) => Tensor<D> | Promise<Tensor<D>>,
  step = table.blockRows,
): Promise<Tensor<D>> {
  const { session, rows } = table;
  const results: Tensor<D>[] = [];
  for (let first = 0; first < rows; first += step) {
    const count = Math.min(step, rows - first);
    results.push(...(await session.scope(async () => [await each(await table.read(first, count))])));
  }
  return stackRows(results);
}

/**
 * A table of what `each` makes of the rows, block by block: the same number of rows, `cols` columns.
 * @param recordRows rows that will be read together
 */
export async function mapRows<D>(
  table: Table<D>,
  cols: number,
  each: (block: Tensor<D>) => Tensor<D> | Promise<Tensor<D>>,
  recordRows = table.blockRows,
): Promise<Table<D>> {
  const { session, rows, blockRows } = table;
  const store = await session.backend.rowStore(rows, cols, recordRows);
  let format: TableFormat | undefined;
  for (let first = 0; first < rows; first += blockRows) {
    const count = Math.min(blockRows, rows - first);
    await session.scope(async () => {
      const made = await each(await table.read(first, count));
      await store.append(made.data, count);
      format = commonFormat(made, format);
      return [];
    });
  }
  return new Table(session, [store], format!);
}

/** The format of a table of which this is a block. */
export function commonFormat(
  { fracBits, bound, error }: TableFormat,
  others: TableFormat = { fracBits, bound: 0, error: 0 },
): TableFormat {
  return { fracBits, bound: Math.max(bound, others.bound), error: Math.max(error, others.error) };
}

/** A matrix in memory as a table. */
export function tableOf<D>(tensor: Tensor<D>): Table<D> {
  const { session, rows, cols, data } = tensor;
  return new Table(session, [session.backend.storeOf(data, rows, cols)], tensor);
}
