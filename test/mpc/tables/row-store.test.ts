import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DiskRows } from "../../../mpc/tables/disk-rows.ts";
import { MemoryRows, type RowStore, rowBlocks, storeOf } from "../../../mpc/tables/row-store.ts";
import { Scratch } from "../../../mpc/tables/scratch.ts";
import { createKernel, type FieldArray, fieldBits, type Kernel } from "../../../mpc/vector/index.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "symbolon-test-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const rows = 23;
const cols = 3;
const values = Array.from({ length: rows * cols }, (_, i) => BigInt(i) ** 9n + 7n);
const shape = (recordRows: number) => ({ rows, cols, recordRows });
const reduced = (kernel: Kernel) => values.map((v) => v % kernel.spec.modulus);

function arrayOf(kernel: Kernel, list: readonly bigint[]): FieldArray {
  const out = kernel.allocate(list.length);
  kernel.fromBigints(out, list);
  return out;
}

async function fill(kernel: Kernel, store: RowStore<FieldArray>, steps: readonly number[]): Promise<void> {
  let at = 0;
  for (const step of steps) {
    await store.append(arrayOf(kernel, values.slice(at * cols, (at + step) * cols)), step);
    at += step;
  }
}

const named = (path: string) => join(folder, path);

describe.each(fieldBits.map((bits) => [bits]))("rows over p = 2^%i - 1", (bits) => {
  it("come back from memory and from disk as they were written, in any pieces", async () => {
    const kernel = await createKernel(bits);
    const stores = [
      new MemoryRows(kernel, rows, cols),
      await DiskRows.create(kernel, shape(4), named("four")),
      await DiskRows.create(kernel, shape(100), named("hundred")),
    ];
    for (const store of stores) {
      await fill(kernel, store, [5, 1, 10, 7]);
      const expected = reduced(kernel);
      await fc.assert(
        fc.asyncProperty(fc.nat(rows), fc.nat(rows), async (a, b) => {
          const [first, count] = [Math.min(a, b), Math.abs(a - b)];
          const read = await store.read(first, count);
          expect(kernel.toBigints(read)).toEqual(expected.slice(first * cols, (first + count) * cols));
          store.release(read);
        }),
        { numRuns: 40 },
      );
      await store.free();
    }
    expect(await readdir(folder)).toEqual([]);
  });
});

describe("rows", () => {
  it("refuse rows that do not exist, or are not written yet", async () => {
    const kernel = await createKernel(89);
    const whole = arrayOf(kernel, values);
    const stores: RowStore<FieldArray>[] = [
      new MemoryRows(kernel, rows, cols),
      await DiskRows.create(kernel, shape(4), named("rows")),
    ];
    const mismatch = { code: "SHAPE_MISMATCH" };
    for (const store of stores) {
      await fill(kernel, store, [20]);
      await expect(store.read(19, 2)).rejects.toMatchObject(mismatch);
      await expect(store.read(-1, 2)).rejects.toMatchObject(mismatch);
      await expect(store.append(whole, 4)).rejects.toMatchObject(mismatch);
      await store.free();
    }
    const borrowed = storeOf(whole, rows, cols, (start, length) => kernel.slice(whole, start, length));
    await expect(borrowed.read(rows, 1)).rejects.toMatchObject(mismatch);
    await expect(borrowed.append(whole, 1)).rejects.toMatchObject(mismatch);
  });

  it("on disk cannot be read without the process, and do not survive a change", async () => {
    const kernel = await createKernel(89);
    const path = named("rows");
    const store = await DiskRows.create(kernel, shape(8), path);
    await fill(kernel, store, [8, 8, 7]);
    const file = await readFile(path);
    const plain = Buffer.from(kernel.encode(arrayOf(kernel, values.slice(0, 8 * cols))));
    for (let at = 0; at + 12 <= plain.length; at += 12)
      expect(file.includes(plain.subarray(at, at + 12))).toBe(false);
    // The same rows in another file are other bytes: each file has its own key.
    const other = await DiskRows.create(kernel, shape(8), named("other"));
    await fill(kernel, other, [8, 8, 7]);
    const others = await readFile(named("other"));
    expect(others.length).toBe(file.length);
    expect(others.equals(file)).toBe(false);

    const record = 8 * cols * kernel.spec.elementBytes + 16;
    const changes: [string, Buffer][] = [
      ["a bit", Buffer.from(file.map((byte, i) => (i === record + 5 ? byte ^ 1 : byte)))],
      [
        "records exchanged",
        Buffer.concat([
          file.subarray(record, 2 * record),
          file.subarray(0, record),
          file.subarray(2 * record),
        ]),
      ],
      ["another file's record", Buffer.concat([others.subarray(0, record), file.subarray(record)])],
    ];
    for (const [, changed] of changes) {
      await writeFile(path, changed);
      const attempt = (async () => {
        for (const first of [0, 8, 16, 0]) await store.read(first, 7);
      })();
      await expect(attempt).rejects.toMatchObject({ code: "INTERNAL" });
    }
    await writeFile(path, file);
    await truncate(path, 2 * record + 3);
    await expect(
      (async () => {
        for (const first of [8, 16, 0, 16]) await store.read(first, 7);
      })(),
    ).rejects.toMatchObject({ code: "INTERNAL" });
    for (const each of [store, other]) await each.free();
  });
});

describe("scratch", () => {
  it("keeps rows in memory while the budget lasts, then on disk, and leaves nothing", async () => {
    const kernel = await createKernel(61);
    const bytes = rows * cols * kernel.spec.elementBytes;
    const place = named("scratch");
    const scratch = await Scratch.open({ folder: place, memoryBytes: 2 * bytes });
    const stores = [];
    for (let i = 0; i < 4; i++) stores.push(await scratch.rows(kernel, rows, cols, 5));
    expect(stores.map(({ whole }) => whole !== undefined)).toEqual([true, true, false, false]);
    expect(scratch.memoryUsed).toBe(2 * bytes);
    expect(await readdir(place)).toHaveLength(2);
    await stores[0]!.free();
    // The kernel has the memory still: it may be used again there, and nowhere else.
    expect(scratch.memoryUsed).toBe(2 * bytes);
    const other = await createKernel(61);
    const elsewhere = await scratch.rows(other, rows, cols, 5);
    expect(elsewhere.whole).toBeUndefined();
    await elsewhere.free();
    expect((await scratch.rows(kernel, rows, cols, 5)).whole).toBeDefined();
    await stores[2]!.free();
    expect(await readdir(place)).toHaveLength(1);
    await scratch.close();
    expect(await readdir(folder)).toEqual([]);
  });

  it("without a folder keeps everything in memory", async () => {
    const kernel = await createKernel(61);
    expect((await Scratch.inMemory().rows(kernel, rows, cols, 5)).whole).toBeDefined();
  });
});

describe("blocks of rows", () => {
  const shapes = fc.array(
    fc.record({ rows: fc.integer({ min: 1, max: 40 }), cols: fc.integer({ min: 1, max: 9 }) }),
    { minLength: 1, maxLength: 6 },
  );

  it("take every row once, in order, and no more elements than allowed", () => {
    fc.assert(
      fc.property(shapes, fc.integer({ min: 1, max: 50 }), (given, most) => {
        const seen: string[] = [];
        for (const block of rowBlocks(given, most)) {
          const elements = block.reduce((sum, { matrix, rows: n }) => sum + n * given[matrix]!.cols, 0);
          const single = block.length === 1 && block[0]!.rows === 1;
          expect(elements <= most || single).toBe(true);
          for (const { matrix, first, rows: n } of block) {
            for (let row = first; row < first + n; row++) seen.push(`${matrix}:${row}`);
          }
        }
        expect(seen).toEqual(
          given.flatMap(({ rows: n }, matrix) => Array.from({ length: n }, (_, row) => `${matrix}:${row}`)),
        );
      }),
    );
  });
});
