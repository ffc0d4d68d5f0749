import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { matmul, transposedMatmul } from "../../../mpc/session/products.ts";
import { SecureBackend } from "../../../mpc/session/secure.ts";
import { Session } from "../../../mpc/session/session.ts";
import { stackColumns } from "../../../mpc/session/stack.ts";
import { mapBlocks, mapRows, Table, tableOf } from "../../../mpc/session/table.ts";
import { rowProducts, sumProducts, sumRows } from "../../../mpc/session/table-products.ts";
import { takeRows } from "../../../mpc/session/take-rows.ts";
import { Scratch } from "../../../mpc/tables/scratch.ts";
import { createKernel, type FieldArray } from "../../../mpc/vector/index.ts";
import { deal, type Parties, reveal, threeParties, together } from "../three-parties.ts";
import { type Program, runEverywhere, type Secret } from "./three-sessions.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "symbolon-test-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

// So many columns that a block of 2^17 elements has two rows.
const cols = 44_000;
const rows = 3;
const wide = Array.from({ length: rows * cols }, (_, i) => ((i * 37) % 201) / 128 - 0.75);
const secretOf = (values: readonly number[], r: number, c: number): Secret => ({
  rows: r,
  cols: c,
  values,
  fracBits: 8,
  bound: 1,
});

describe("a table", () => {
  it("adds up its rows block by block, at the cost of one block", async () => {
    const whole: Program = async (_s, [x]) => x!.sumRows();
    const blocks: Program = async (_s, [x]) => sumRows(tableOf(x!));
    const input = [secretOf(wide, rows, cols)];
    const one = await runEverywhere(input, whole);
    const other = await runEverywhere(input, blocks);
    expect(other.secure).toEqual(one.secure);
    expect(other.declaration).toEqual(one.declaration);
  });

  it("adds up products of blocks in one round", async () => {
    const narrow = Array.from({ length: rows }, (_, i) => i / 8);
    const inputs = [secretOf(wide, rows, cols), secretOf(narrow, rows, 1)];
    const blocks: Program = async (_s, [x, y]) => {
      let first = 0;
      return sumProducts(tableOf(x!), (block) => {
        const part = y!.sliceRows(first, block.rows);
        first += block.rows;
        return transposedMatmul(block, part, {});
      });
    };
    const { plain, declaration } = await runEverywhere(inputs, blocks);
    expect(declaration.rounds).toBe(1);
    expect(plain[3]).toBeCloseTo(
      narrow.reduce((sum, y, i) => sum + y * (Math.round(wide[i * cols + 3]! * 256) / 256), 0),
    );
  });

  it("gives a product a row for each of its rows, a round for 2^17 of them", async () => {
    const column = Array.from({ length: cols }, (_, i) => (i % 3) / 4);
    const inputs = [secretOf(wide, rows, cols), secretOf(column, cols, 1)];
    const blocks: Program = async (_s, [x, w]) =>
      rowProducts(
        tableOf(x!),
        (block) => matmul(block, w!, {}),
        async (product) => product.add(1),
      );
    const { declaration, plain } = await runEverywhere(inputs, blocks);
    expect(declaration.rounds).toBe(1);
    expect(plain).toHaveLength(rows);
  });

  it("maps its rows to another table, a round a block", async () => {
    const map: Program = async (_s, [x]) =>
      (await mapRows(tableOf(x!), cols, (block) => block.multiply(block))).tensor();
    const { declaration } = await runEverywhere([secretOf(wide, rows, cols)], map);
    expect(declaration.rounds).toBe(2);
  });
});

/** Three parties with rows of up to `memoryBytes` bytes in memory, and the rest on disk. */
async function withTables(
  memoryBytes: number,
  values: readonly (readonly bigint[])[],
  width: number,
  body: (table: Table<FieldArray>, session: Session<FieldArray>) => Promise<Table<FieldArray>>,
): Promise<bigint[]> {
  const parties: Parties = await threeParties(89, { kernel: createKernel });
  const shares = values.map((list) => deal(parties, list));
  const scratches = await Promise.all(
    parties.map(({ index }) => Scratch.open({ folder: join(folder, String(index)), memoryBytes })),
  );
  const attempt = together(parties, async (party, i) => {
    const session = new Session(new SecureBackend(party, scratches[i]!), 89);
    const stores = [];
    for (const list of shares) {
      const n = list[i]!.length / width;
      const store = await session.backend.rowStore(n, width, 4);
      await store.append(list[i]!, n);
      stores.push(store);
    }
    const format = { fracBits: 0, bound: 1e6, error: 0 };
    const tables = stores.map((store) => new Table(session, [store], format));
    return (await body(Table.stack(tables), session)).tensor();
  });
  const results = await attempt.finally(() => Promise.all(scratches.map((scratch) => scratch.close())));
  const revealed = reveal(
    parties,
    results.map(({ data }) => data),
  );
  expect(await readdir(folder)).toEqual([]);
  return revealed;
}

describe("rows in another order", () => {
  const width = 3;
  const lists = [20, 9].map((n, j) => Array.from({ length: n * width }, (_, i) => BigInt(1000 * j + i)));
  const all = lists.flat();
  // Every row, some of them twice, in no order.
  const order = Uint32Array.from({ length: 40 }, (_, i) => (i * 11 + 5) % 29);
  const expected = Array.from(order).flatMap((row) => [...all.slice(row * width, (row + 1) * width), 1n]);

  it.each([
    ["in memory", 1e9, 1e6],
    ["on disk, in one bucket", 0, 1e6],
    ["on disk, in buckets of four rows", 0, 4 * width],
    ["on disk, with buckets in memory", 1000, 7 * width],
  ])("are the same %s", async (_, memoryBytes, bucketElements) => {
    const result = await withTables(memoryBytes, lists, width, (table, session) =>
      takeRows(
        table,
        order,
        6,
        width + 1,
        (piece) => stackColumns([piece, session.constant(1, piece.rows, 1, 0)]),
        bucketElements,
      ),
    );
    expect(result).toEqual(expected);
  });

  it("come from tables behind each other as from one", async () => {
    const result = await withTables(0, lists, width, async (table, session) => {
      const read = await table.read(18, 5);
      expect(read.rows).toBe(5);
      const store = await session.backend.rowStore(5, width, 2);
      await store.append(read.data, 5);
      return new Table(session, [store], read);
    });
    expect(result).toEqual(all.slice(18 * width, 23 * width));
  });

  it("are refused where tables do not fit", async () => {
    const attempt = withTables(0, lists, width, async (table) =>
      Table.stack([table, tableOf(await mapBlocks(table, (block) => block.sliceColumns(0, 1)))]),
    );
    await expect(attempt).rejects.toMatchObject({ code: "SHAPE_MISMATCH" });
  });
});
