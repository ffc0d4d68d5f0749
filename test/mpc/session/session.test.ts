import { describe, expect, it } from "vitest";
import { PlanBackend } from "../../../mpc/session/plan.ts";
import { checkStatisticalDistance, Session } from "../../../mpc/session/session.ts";
import { stackColumns } from "../../../mpc/session/stack.ts";
import { type Program, runEverywhere, type Secret } from "./three-sessions.ts";

const matrix = (rows: number, cols: number, f: (i: number) => number, fracBits = 16): Secret => ({
  rows,
  cols,
  values: Array.from({ length: rows * cols }, (_, i) => f(i)),
  fracBits,
});

const A = matrix(5, 3, (i) => Math.sin(i) * 4);
const B = matrix(3, 2, (i) => Math.cos(3 * i) * 2);
const C = matrix(5, 3, (i) => i / 8 - 1);
const row = matrix(1, 3, (i) => i - 1.25);
const column = matrix(5, 1, (i) => i - 2.5);
const single = matrix(1, 1, () => -3);
/** Below, equal to and above C. */
const steps = matrix(5, 3, (i) => i / 8 - 1 + ((i % 3) - 1) * 2 ** -16);
const ulp = 2 ** -16;

const programs: [string, Secret[], Program, tolerance: number][] = [
  ["multiply", [A, C], (_, [a, b]) => a.multiply(b), 2 * ulp],
  ["multiply with a scale", [A, C], (_, [a, b]) => a.multiply(b, { scale: 1 / 7 }), 2 * ulp],
  ["multiply by a row", [A, row], (_, [a, b]) => a.multiply(b), 2 * ulp],
  ["multiply by a column", [A, column], (_, [a, b]) => a.multiply(b), 2 * ulp],
  ["multiply by a single element", [A, single], (_, [a, b]) => a.multiply(b, { scale: 0.5 }), 2 * ulp],
  ["matmul", [A, B], (_, [a, b]) => a.matmul(b), 2 * ulp],
  ["transposedMatmul", [A, C], (_, [a, b]) => a.transposedMatmul(b, { scale: 0.3 }), 2 * ulp],
  [
    "transposedMatmul with added terms",
    [A, matrix(5, 1, (i) => i), matrix(3, 1, (i) => -i)],
    (_, [a, v, w]) => a.transposedMatmul(v, { scale: 0.125, plus: [{ tensor: w, scale: 0.7 }] }),
    3 * ulp,
  ],
  ["columnDots", [A, C], (_, [a, b]) => a.columnDots(b, { scale: 1 / 5 }), 2 * ulp],
  ["dot", [column, column], (_, [a, b]) => a.dot(b), 2 * ulp],
  ["mean", [A], (_, [a]) => a.mean(), 3 * ulp],
  ["meanRows", [A], (_, [a]) => a.meanRows(), 3 * ulp],
  ["multiplyPublic", [A], (_, [a]) => a.multiplyPublic(-1 / 3), 3 * ulp],
  ["truncate", [A], (_, [a]) => a.truncate(8), 1.5 * 2 ** -8],
  ["select", [matrix(5, 3, (i) => i % 2, 0), A, C], (_, [bit, a, b]) => bit.select(a, b), 0],
  ["atLeastEach", [A], async (_, [a]) => (await a.atLeastEach([0.5, -1]))[1], 0],
  ["atLeast", [steps, C], (_, [a, b]) => a.atLeast(b), 0],
  ["atLeast a number", [C], (_, [a]) => a.atLeast(0.25), 0],
  ["atMost", [steps, C], (_, [a, b]) => a.atMost(b), 0],
  ["atMost a number", [C], (_, [a]) => a.atMost(0.25), 0],
  ["lessThan", [steps, C], (_, [a, b]) => a.lessThan(b), 0],
  ["lessThan a number", [C], (_, [a]) => a.lessThan(0.25), 0],
  ["greaterThan", [steps, C], (_, [a, b]) => a.greaterThan(b), 0],
  ["greaterThan a number", [C], (_, [a]) => a.greaterThan(0.25), 0],
  ["equal", [steps, C], (_, [a, b]) => a.equal(b), 0],
  ["equal to a number", [C], (_, [a]) => a.equal(0.25), 0],
];

describe("a session", () => {
  it.each(programs)(
    "computes %s on shares as in the clear, at the declared cost",
    async (_, inputs, program, tolerance) => {
      const { secure, plain } = await runEverywhere(inputs, program);
      secure.forEach((x, i) => {
        expect(Math.abs(x - plain[i])).toBeLessThanOrEqual(tolerance);
      });
    },
  );

  it("repeats and sums along either side without a message", async () => {
    const { secure, plain, declaration } = await runEverywhere([A, column, single], async (_, [a, c, x]) => {
      const total = a.subtract(c).add(x).sum().timesPowerOfTwo(-3).timesPowerOfTwo(2);
      return a.sumColumns().widen(17).add(total);
    });
    expect(secure).toEqual(plain);
    expect(declaration.rounds).toBe(0);
  });

  it("moves, sums and stacks without a message", async () => {
    const { secure, plain, declaration } = await runEverywhere([A, C, row], async (s, [a, b, r]) => {
      const joined = stackColumns([a.subtract(r), a.subtract(b)]);
      const sums = joined.takeRows([4, 0, 0]).timesInteger(3).add(0.5).sumRows();
      return sums
        .sliceColumns(1, 4)
        .transpose()
        .add(s.constant(2, 4, 1, 16));
    });
    expect(secure).toEqual(plain);
    expect(declaration.rounds).toBe(0);
  });

  const plan = (): Session<null> => new Session(new PlanBackend(), 89);
  const tensor = (rows: number, cols: number, fracBits = 16, bound = 1) =>
    plan().input(null, rows, cols, fracBits, bound);

  it.each([
    ["add", () => tensor(2, 2).add(tensor(2, 3))],
    ["add of unlike fractional bits", () => tensor(2, 2).add(tensor(2, 2, 8))],
    ["matmul", () => tensor(2, 2).matmul(tensor(3, 2))],
    ["stackColumns of nothing", () => stackColumns([])],
    ["sliceRows", () => tensor(2, 2).sliceRows(1, 2)],
    ["takeRows", () => tensor(2, 2).takeRows([0, 2])],
    ["multiply of a larger one", () => tensor(1, 2).multiply(tensor(2, 2))],
    ["dot", () => tensor(2, 2).dot(tensor(2, 2))],
    ["columnDots", () => tensor(2, 2).columnDots(tensor(3, 2))],
    ["reshape", () => tensor(2, 2).reshape(3, 2)],
  ])("refuses shapes that do not fit: %s", async (_, act) => {
    await expect((async () => act())()).rejects.toMatchObject({ code: "SHAPE_MISMATCH" });
  });

  it("refuses what would overflow the field, naming the step", async () => {
    const session = plan();
    session.step("the big product");
    const wide = session.input(null, 4, 4, 40, 64);
    await expect(wide.multiply(wide)).rejects.toMatchObject({
      code: "RANGE_EXCEEDED",
      message: expect.stringContaining("the big product"),
    });
  });

  it("adds up statistical distances and refuses a job above 2^-40", async () => {
    const session = new Session(new PlanBackend(), 107);
    const a = session.input(null, 1000, 1, 20, 8);
    // 46 bits and one for rounding: 1000 * 2^(47 + 1 - 105) each.
    await a.multiply(a);
    expect(session.declaration.statisticalDistance).toBe(1000 * 2 ** (47 + 1 - 105));
    checkStatisticalDistance(session.declaration, 107);
    for (let i = 0; i < 200; i++) await a.multiply(a);
    expect(() => checkStatisticalDistance(session.declaration, 107)).toThrow(/more than 2\^-40/);
  });

  it("uses no more bits than the bound needs: a value at the bound survives the truncation", async () => {
    const edge: Secret = { rows: 1, cols: 2, values: [8, -8], fracBits: 16, bound: 8 };
    const { secure } = await runEverywhere([edge, edge], (_, [a, b]) => a.multiply(b), 61);
    expect(secure.every((x) => Math.abs(x - 64) < 2 * ulp)).toBe(true);
  });
});
