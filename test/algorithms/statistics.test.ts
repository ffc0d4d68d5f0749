import { describe, expect, it } from "vitest";
import { findAlgorithm } from "../../algorithms/catalog.ts";
import { type Matrix, runTwice } from "./run.ts";

const columns = [
  { name: "a", center: 10, halfRange: 4 },
  { name: "b", center: 0, halfRange: 1 },
];

function matrix(rows: number, seed: number): Matrix {
  const values = Array.from({ length: rows }, (_, i) => [Math.sin(i * seed), Math.cos(i + seed) ** 3]).flat();
  return { rows, columns: 2, values, hasLabel: false };
}

describe("statistics", () => {
  it("gives count, sum, mean and variance of the pooled rows", async () => {
    const inputs = [matrix(50, 1.7), matrix(33, 0.3), matrix(1, 2)];
    const { secure, shape } = await runTwice("statistics", inputs);
    const values = Object.fromEntries(Object.entries(secure).map(([k, v]) => [k, Float64Array.from(v)]));
    const { model } = findAlgorithm("statistics").decode(values, { shape, parameters: {}, columns });
    const decoded = model.columns as Record<
      string,
      { count: number; sum: number; mean: number; variance: number }
    >;
    columns.forEach(({ name, center, halfRange }, j) => {
      const raw = inputs.flatMap((m) =>
        Array.from({ length: m.rows }, (_, i) => center + halfRange * m.values[i * 2 + j]),
      );
      const sum = raw.reduce((s, x) => s + x, 0);
      const variance = raw.reduce((s, x) => s + (x - sum / raw.length) ** 2, 0) / (raw.length - 1);
      expect(decoded[name].count).toBe(84);
      // An input is rounded to 2^-17 of half its range.
      expect(Math.abs(decoded[name].sum - sum)).toBeLessThan(84 * halfRange * 2 ** -17);
      expect(Math.abs(decoded[name].mean - sum / 84)).toBeLessThan(halfRange * 2 ** -17);
      expect(Math.abs(decoded[name].variance - variance)).toBeLessThan(halfRange ** 2 * 2 ** -14);
    });
  });

  it("has no variance for a single row, and none for a constant column", async () => {
    const single = await runTwice("statistics", [
      { rows: 1, columns: 2, values: [0.5, -1], hasLabel: false },
    ]);
    expect(single.secure.squares).toBeUndefined();
    expect(single.secure.sum).toEqual([0.5, -1]);
    const values = Array.from({ length: 20 }, () => [0.3, 1]).flat();
    const { secure } = await runTwice("statistics", [{ rows: 20, columns: 2, values, hasLabel: false }]);
    for (const v of secure.squares) expect(Math.abs(v)).toBeLessThanOrEqual(1.5 * 2 ** -32);
  });

  it.each([
    ["all at one bound", () => 1],
    ["half at each bound", (i: number) => (i % 2 === 0 ? 1 : -1)],
    ["one far from all others", (i: number) => (i === 7 ? 1 : -1)],
    ["near nothing", (i: number) => ((i % 3) - 1) * 2 ** -16],
    ["no multiples of a power of two", (i: number) => Math.cos(i * 1.7)],
  ])("stays within its stated errors with values %s", async (_, value) => {
    for (const rows of [2, 33, 64]) {
      const values = Array.from({ length: rows }, (_, i) => value(i));
      await runTwice("statistics", [{ rows, columns: 1, values, hasLabel: false }]);
    }
  });

  it("refuses data sets of different widths", async () => {
    const narrow: Matrix = { rows: 2, columns: 1, values: [0, 1], hasLabel: false };
    await expect(runTwice("statistics", [matrix(3, 1), narrow])).rejects.toMatchObject({
      code: "SHAPE_MISMATCH",
    });
  });
});
