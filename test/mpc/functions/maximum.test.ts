import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  argmaxRows,
  max,
  maximum,
  maxRows,
  min,
  minimum,
  minRows,
  oneHot,
} from "../../../mpc/functions/maximum.ts";
import { type Program, runEverywhere } from "../session/three-sessions.ts";
import { fixedPoint, matrix, someFields } from "./values.ts";

const fracBits = 10;
const bound = 100;
const cols = 3;

describe.each(someFields)("largest and smallest values over p = 2^%i - 1", (field) => {
  /** Few distinct values as well, so that there are ties. */
  const elements = fc.oneof(fixedPoint(fracBits, bound), fc.constantFrom(0, 1, -1));
  const tables = fc
    .integer({ min: 1, max: 7 })
    .chain((rows) => fc.array(elements, { minLength: rows * cols, maxLength: rows * cols }));

  const columnsOf = (values: readonly number[]): number[][] =>
    Array.from({ length: cols }, (_, j) => values.filter((_, i) => i % cols === j));

  it("are those of the plain values, ties included", async () => {
    await fc.assert(
      fc.asyncProperty(tables, async (values) => {
        const rows = values.length / cols;
        const x = matrix(rows, cols, values, fracBits, bound);
        const other = matrix(rows, cols, [...values].reverse(), fracBits, bound);
        const run = async (program: Program) => (await runEverywhere([x, other], program, field)).secure;
        const columns = columnsOf(values);
        expect(await run((_, [a]) => maxRows(a))).toEqual(columns.map((c) => Math.max(...c)));
        expect(await run((_, [a]) => minRows(a))).toEqual(columns.map((c) => Math.min(...c)));
        expect(await run((_, [a]) => max(a))).toEqual([Math.max(...values)]);
        expect(await run((_, [a]) => min(a))).toEqual([Math.min(...values)]);
        const larger = values.map((v, i) => Math.max(v, other.values[i]));
        expect(await run((_, [a, b]) => maximum(a, b))).toEqual(larger);
        const smaller = values.map((v, i) => Math.min(v, other.values[i]));
        expect(await run((_, [a, b]) => minimum(a, b))).toEqual(smaller);
        const first = columns.map((c) => c.indexOf(Math.max(...c)));
        expect(await run((_, [a]) => argmaxRows(a))).toEqual(first);
        const hot = Array.from({ length: rows * cols }, (_, i) =>
          first[i % cols] === Math.floor(i / cols) ? 1 : 0,
        );
        expect(await run(async (_, [a]) => oneHot(await argmaxRows(a), a.rows))).toEqual(hot);
      }),
      { numRuns: 6 },
    );
  });

  it("go by ranks where there are few elements, and along a tree where there are many", async () => {
    const run = async (cols: number, program: Program) => {
      const values = Array.from({ length: 5 * cols }, (_, i) => ((i * 37) % 11) - 5);
      const x = matrix(5, cols, values, fracBits);
      const { secure, plain, declaration } = await runEverywhere([x], program, field);
      expect(secure).toEqual(plain);
      return declaration.rounds;
    };
    expect(await run(3, (_, [a]) => maxRows(a))).toBe(9);
    expect(await run(100, (_, [a]) => maxRows(a))).toBe(3 * 4);
    expect(await run(3, (_, [a]) => argmaxRows(a))).toBe(8);
    expect(await run(150, (_, [a]) => argmaxRows(a))).toBe(3 * 5);
    expect(await run(3, (_, [a]) => maxRows(a.sliceRows(0, 2)))).toBe(4);
  });
});
