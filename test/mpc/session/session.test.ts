import { describe, expect, it } from "vitest";
import { PlanBackend } from "../../../mpc/session/plan.ts";
import { checkStatisticalDistance, Session } from "../../../mpc/session/session.ts";
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
const ulp = 2 ** -16;

const programs: [string, Secret[], Program, tolerance: number][] = [
  ["multiply", [A, C], (s, [a, b]) => s.multiply(a, b), 2 * ulp],
  ["multiply with a scale", [A, C], (s, [a, b]) => s.multiply(a, b, { scale: 1 / 7 }), 2 * ulp],
  ["matmul", [A, B], (s, [a, b]) => s.matmul(a, b), 2 * ulp],
  ["transposedMatmul", [A, C], (s, [a, b]) => s.transposedMatmul(a, b, { scale: 0.3 }), 2 * ulp],
  [
    "transposedMatmul with added terms",
    [A, matrix(5, 1, (i) => i), matrix(3, 1, (i) => -i)],
    (s, [a, v, w]) => s.transposedMatmul(a, v, { scale: 0.125, plus: [{ tensor: w, scale: 0.7 }] }),
    3 * ulp,
  ],
  ["columnDots", [A, C], (s, [a, b]) => s.columnDots(a, b, { scale: 1 / 5 }), 2 * ulp],
  ["multiplyRow", [A, row], (s, [a, b]) => s.multiplyRow(a, b), 2 * ulp],
  ["multiplyPublic", [A], (s, [a]) => s.multiplyPublic(a, -1 / 3), 3 * ulp],
  ["truncate", [A], (s, [a]) => s.truncate(a, 8), 1.5 * 2 ** -8],
  ["select", [matrix(5, 3, (i) => i % 2, 0), A, C], (s, [bit, a, b]) => s.select(bit, a, b), 0],
  ["atLeast", [A], async (s, [a]) => (await s.atLeast(a, [0.5, -1]))[1], 0],
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

  it("moves, sums and stacks without a message", async () => {
    const { secure, plain, declaration } = await runEverywhere([A, C, row], async (s, [a, b, r]) => {
      const joined = s.stackColumns(s.subtractRow(a, r), s.subtract(a, b));
      const sums = s.sumRows(s.addPublic(s.timesInteger(s.takeRows(joined, [4, 0, 0]), 3), 0.5));
      return s.add(s.transpose(s.columns(sums, 1, 4)), s.constant(2, 4, 1, 16));
    });
    expect(secure).toEqual(plain);
    expect(declaration.rounds).toBe(0);
  });

  const plan = (): Session<null> => new Session(new PlanBackend(), 89);
  const tensor = (rows: number, cols: number, fracBits = 16, bound = 1) =>
    plan().input(null, rows, cols, fracBits, bound);

  it.each([
    ["add", () => plan().add(tensor(2, 2), tensor(2, 3))],
    ["add of unlike fractional bits", () => plan().add(tensor(2, 2), tensor(2, 2, 8))],
    ["matmul", () => plan().matmul(tensor(2, 2), tensor(3, 2))],
    ["rows", () => plan().rows(tensor(2, 2), 1, 2)],
    ["columnDots", () => plan().columnDots(tensor(2, 2), tensor(3, 2))],
    ["reshape", () => plan().reshape(tensor(2, 2), 3, 2)],
  ])("refuses shapes that do not fit: %s", async (_, act) => {
    await expect((async () => act())()).rejects.toMatchObject({ code: "SHAPE_MISMATCH" });
  });

  it("refuses what would overflow the field, naming the step", async () => {
    const session = plan();
    session.step("the big product");
    const wide = tensor(4, 4, 40, 64);
    await expect(session.multiply(wide, wide)).rejects.toMatchObject({
      code: "RANGE_EXCEEDED",
      message: expect.stringContaining("the big product"),
    });
  });

  it("adds up statistical distances and refuses a job above 2^-40", async () => {
    const session = new Session(new PlanBackend(), 107);
    const a = session.input(null, 1000, 1, 20, 8);
    // 46 bits and one for rounding: 1000 * 2^(47 + 1 - 105) each.
    await session.multiply(a, a);
    expect(session.declaration.statisticalDistance).toBe(1000 * 2 ** (47 + 1 - 105));
    checkStatisticalDistance(session.declaration, 107);
    for (let i = 0; i < 200; i++) await session.multiply(a, a);
    expect(() => checkStatisticalDistance(session.declaration, 107)).toThrow(/more than 2\^-40/);
  });

  it("uses no more bits than the bound needs: a value at the bound survives the truncation", async () => {
    const edge: Secret = { rows: 1, cols: 2, values: [8, -8], fracBits: 16, bound: 8 };
    const { secure } = await runEverywhere([edge, edge], (s, [a, b]) => s.multiply(a, b), 61);
    expect(secure.every((x) => Math.abs(x - 64) < 2 * ulp)).toBe(true);
  });
});
