/** The rows of a table in another public order. */
import type { RowStore } from "../tables/row-store.ts";
import type { Session } from "./session.ts";
import { commonFormat, Table, type TableFormat } from "./table.ts";
import type { Tensor } from "./tensor.ts";

/** Elements of the rows that are put in order at once, in memory. */
const defaultBucketElements = 2 ** 23;

/**
 * A table with the rows order[0], order[1], ... of another, repetitions allowed. Local.
 *
 * What lies in memory is read where it stands. A table on disk is read from the front to the back, and each row
 * goes to the bucket of its new place; a bucket fits into memory and is put in order there. So every row is
 * read and written twice, whatever the order and the number of rows.
 * @param batch rows that will be read together
 * @param finish made of each piece of rows before it is written: the same rows, `cols` columns
 */
export async function takeRows<D>(
  table: Table<D>,
  order: Uint32Array,
  batch: number,
  cols: number,
  finish: (rows: Tensor<D>) => Tensor<D>,
  bucketElements = defaultBucketElements,
): Promise<Table<D>> {
  const { session } = table;
  const store = await session.backend.rowStore(order.length, cols, batch);
  let format: TableFormat | undefined;
  const write = async (source: Tensor<D>, rows: Uint32Array): Promise<void> => {
    for (let at = 0; at < rows.length; at += table.blockRows) {
      await session.scope(async () => {
        const piece = finish(source.takeRows(rows.subarray(at, at + table.blockRows)));
        await store.append(piece.data, piece.rows);
        format = commonFormat(piece, format);
        return [];
      });
    }
  };
  const { whole } = table;
  if (whole !== undefined) await write(whole, order);
  else {
    const bucketRows = Math.max(1, Math.floor(bucketElements / table.cols));
    const buckets = await fillBuckets(table, order, bucketRows);
    for (const { rows, arrivals } of buckets) {
      await session.scope(async () => {
        const bucket = new Table(session, [rows], table);
        await write(await bucket.tensor(), arrivals);
        return [];
      });
      await rows.free();
    }
  }
  return new Table(session, [store], format!);
}

interface Bucket<D> {
  /** The first place of the new order that it is for. */
  readonly first: number;
  /** The rows in the order of the old table. */
  readonly rows: RowStore<D>;
  /** For each place, which of these rows belongs there. */
  readonly arrivals: Uint32Array;
}

async function fillBuckets<D>(table: Table<D>, order: Uint32Array, bucketRows: number): Promise<Bucket<D>[]> {
  const { session, cols, blockRows } = table;
  const buckets = await newBuckets(session, order.length, cols, bucketRows);
  const arrived = buckets.map(() => 0);
  const { places, starts } = placesByRow(order, table.rows);
  for (let first = 0; first < table.rows; first += blockRows) {
    const count = Math.min(blockRows, table.rows - first);
    await session.scope(async () => {
      const block = await table.read(first, count);
      const taken: number[][] = buckets.map(() => []);
      for (let row = 0; row < count; row++) {
        for (let at = starts[first + row]; at < starts[first + row + 1]; at++) {
          const place = places[at];
          const to = Math.floor(place / bucketRows);
          buckets[to].arrivals[place - buckets[to].first] = arrived[to] + taken[to].length;
          taken[to].push(row);
        }
      }
      for (const [to, rows] of taken.entries()) {
        if (rows.length === 0) continue;
        await buckets[to].rows.append(block.takeRows(rows).data, rows.length);
        arrived[to] += rows.length;
      }
      return [];
    });
  }
  return buckets;
}

async function newBuckets<D>(
  session: Session<D>,
  rows: number,
  cols: number,
  bucketRows: number,
): Promise<Bucket<D>[]> {
  const buckets: Bucket<D>[] = [];
  for (let first = 0; first < rows; first += bucketRows) {
    const count = Math.min(bucketRows, rows - first);
    const store = await session.backend.rowStore(count, cols, count);
    buckets.push({ first, rows: store, arrivals: new Uint32Array(count) });
  }
  return buckets;
}

/** The places of each row in the order: those of row r are places[starts[r]] to places[starts[r + 1] - 1]. */
function placesByRow(order: Uint32Array, rows: number): { places: Uint32Array; starts: Uint32Array } {
  const starts = new Uint32Array(rows + 1);
  for (const row of order) starts[row + 1] += 1;
  for (let row = 0; row < rows; row++) starts[row + 1] += starts[row];
  const next = starts.slice();
  const places = new Uint32Array(order.length);
  order.forEach((row, place) => {
    places[next[row]] = place;
    next[row] += 1;
  });
  return { places, starts };
}
