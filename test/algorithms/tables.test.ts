/** The algorithms on tables that lie on disk, and on tables of several blocks: the results of those in memory. */
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Scratch } from "../../mpc/tables/scratch.ts";
import { type Matrix, runTwice } from "./run.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "symbolon-test-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

let open: Scratch[] = [];
afterEach(async () => {
  await Promise.all(open.map((scratch) => scratch.close()));
  open = [];
  expect(await readdir(folder)).toEqual([]);
});

/** Scratch for three parties; `memoryBytes` of rows stay in memory. */
async function scratches(memoryBytes: number): Promise<Scratch[]> {
  open = await Promise.all(
    [1, 2, 3].map((index) => Scratch.open({ folder: join(folder, String(index)), memoryBytes })),
  );
  return open;
}

function labelled(rows: number, columns: number, seed: number): Matrix {
  const values = Array.from({ length: rows * columns }, (_, at) => {
    const [row, column] = [Math.floor(at / columns), at % columns];
    const x = Math.sin(row * seed + column * 1.7);
    return column === columns - 1 ? (Math.sin(row * seed) > 0.1 ? 1 : 0) : x;
  });
  return { rows, columns, values, hasLabel: true };
}

const close = (a: readonly number[], b: readonly number[], tolerance: number): void => {
  expect(a).toHaveLength(b.length);
  a.forEach((x, i) => {
    expect(Math.abs(x - b[i]!)).toBeLessThan(tolerance);
  });
};

describe("on disk", () => {
  it("statistics come out the same, in the field of the data and in another", async () => {
    const inputs = [labelled(40, 4, 0.7), labelled(23, 4, 1.3)];
    for (const fieldBits of [89, 127] as const) {
      const { secure, plain } = await runTwice("statistics", inputs, {
        fieldBits,
        scratch: await scratches(0),
      });
      close(secure.sum!, plain.sum!, 1e-9);
      close(secure.squares!, plain.squares!, 1e-4);
      await Promise.all(open.map((scratch) => scratch.close()));
    }
  });

  it.each([
    ["all of it", 0],
    ["what does not fit the memory", 3000],
  ])("training comes out the same with %s there", async (_, memoryBytes) => {
    const inputs = [labelled(50, 4, 0.7), labelled(31, 4, 1.3)];
    const { secure, plain } = await runTwice("logistic-regression", inputs, {
      parameters: { epochs: 2, batchSize: 16 },
      validation: labelled(20, 4, 0.9),
      scratch: await scratches(memoryBytes),
    });
    close(secure.weights!, plain.weights!, 0.01);
    expect(secure.correct).toEqual(plain.correct);
  });

  it("an aggregation comes out the same", async () => {
    const vector = (seed: number): Matrix => ({
      rows: 100,
      columns: 1,
      values: Array.from({ length: 100 }, (_, i) => Math.cos(i * seed)),
      hasLabel: false,
    });
    const { secure, plain } = await runTwice("gradient-aggregation", [vector(1), vector(2)], {
      scratch: await scratches(0),
    });
    close(secure.update!, plain.update!, 1e-4);
  });
});

describe("in several blocks", () => {
  it("statistics come out the same, in as many rounds as declared", async () => {
    // 2^17 elements are two rows and a half.
    const { secure, plain } = await runTwice("statistics", [labelled(3, 50_001, 0.37)], { fieldBits: 107 });
    close(secure.sum!.slice(0, 50), plain.sum!.slice(0, 50), 1e-6);
    close(secure.squares!.slice(0, 50), plain.squares!.slice(0, 50), 1e-4);
  });
});
