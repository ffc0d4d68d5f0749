import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { PositiveRange } from "../../../mpc/functions/normalise.ts";
import { reciprocal } from "../../../mpc/functions/reciprocal.ts";
import { inverseSqrt, sqrt } from "../../../mpc/functions/square-root.ts";
import { PlanBackend } from "../../../mpc/session/plan.ts";
import { Session, type Tensor } from "../../../mpc/session/session.ts";
import type { FieldBits } from "../../../mpc/vector/index.ts";
import { runEverywhere } from "../session/three-sessions.ts";
import { column, geometric } from "./values.ts";

type Inverse = <D>(v: Tensor<D>, range: PositiveRange, fracBits?: number) => Promise<Tensor<D>>;

/** Powers of two and their neighbours on both sides, and values between. */
function extremes({ minExponent, maxExponent }: PositiveRange, fracBits: number): number[] {
  const unit = 2 ** -fracBits;
  const powers = Array.from({ length: maxExponent - minExponent + 1 }, (_, i) => 2 ** (minExponent + i));
  return powers
    .flatMap((p) => [p, p + unit, p - unit, 1.5 * p])
    .filter((v) => v >= 2 ** minExponent && v <= 2 ** maxExponent);
}

const functions: [string, Inverse, (v: number) => number, relative: number, rounds: number][] = [
  ["reciprocal", reciprocal, (v) => 1 / v, 2 ** -24, 9],
  ["inverse square root", inverseSqrt, (v) => 1 / Math.sqrt(v), 2 ** -22, 10],
  ["square root", sqrt, Math.sqrt, 2 ** -22, 10],
];

/** Formats: field, places of the argument and of the result, range. */
const formats: [FieldBits, number, number, PositiveRange][] = [
  [127, 40, 20, { minExponent: -22, maxExponent: 2 }],
  [127, 16, 24, { minExponent: -8, maxExponent: 10 }],
  [107, 24, 16, { minExponent: -10, maxExponent: 0 }],
  [89, 12, 12, { minExponent: -3, maxExponent: 6 }],
];

describe.each(functions)("the %s", (_, f, truth, relative, rounds) => {
  it.each(formats)(
    "keeps its error over p = 2^%i - 1 with %i and %i places in %o",
    async (field, places, out, range) => {
      const inRange = fc.double({ min: 2 ** range.minExponent, max: 2 ** range.maxExponent, noNaN: true });
      const values = [
        ...extremes(range, places),
        ...geometric(2 ** range.minExponent, 2 ** range.maxExponent, 60),
        ...fc.sample(inRange, 60),
      ].map((v) => Math.round(v * 2 ** places) / 2 ** places);
      const input = column(values, places, 2 ** range.maxExponent);
      const { secure, declaration, error } = await runEverywhere(
        [input],
        (_, [v]) => f(v, range, out),
        field,
      );
      secure.forEach((y, i) => {
        const exact = truth(values[i]);
        expect(Math.abs(y - exact), `at ${values[i]}`).toBeLessThan(exact * relative + 2 * 2 ** -out);
        expect(Math.abs(y - exact)).toBeLessThanOrEqual(error);
      });
      expect(declaration.rounds).toBe(rounds);
    },
  );

  it("gives 0 below its range, for 0 and for negative values", async () => {
    const range = { minExponent: -6, maxExponent: 3 };
    const input = column([0, 2 ** -6 - 2 ** -20, -1, -8, 2 ** -20], 20, 8);
    const { secure } = await runEverywhere([input], (_, [v]) => f(v, range, 20), 127);
    for (const y of secure) expect(Math.abs(y)).toBeLessThan(2 * 2 ** -20);
  });

  it("takes its argument's last place for the range's end where it has fewer places", async () => {
    const input = column([0, 2 ** -4, 1], 4, 1);
    const { secure } = await runEverywhere([input], (_, [v]) =>
      f(v, { minExponent: -30, maxExponent: 0 }, 16),
    );
    expect(Math.abs(secure[0])).toBeLessThan(2 * 2 ** -16);
    expect(Math.abs(secure[1] - truth(2 ** -4))).toBeLessThan(3 * 2 ** -16);
  });

  it("refuses values above its range, and a range that is empty", async () => {
    const v = new Session(new PlanBackend(), 127).input(null, 1, 1, 20, 9);
    await expect(f(v, { minExponent: 0, maxExponent: 3 })).rejects.toMatchObject({ code: "RANGE_EXCEEDED" });
    for (const range of [
      { minExponent: 4, maxExponent: 4 },
      { minExponent: 0.5, maxExponent: 4 },
    ]) {
      await expect(f(v, range)).rejects.toMatchObject({ code: "PARAMETER_INVALID" });
    }
  });

  it("says what an error of its argument does, the jump at the range's end included", async () => {
    const v = new Session(new PlanBackend(), 127).input(null, 1, 1, 20, 4).assumeError(2 ** -10);
    const range = { minExponent: -2, maxExponent: 2 };
    const clean = (await f(v.assumeError(0), range)).error;
    const { error } = await f(v, range);
    expect(error - clean).toBeGreaterThanOrEqual(truth(f === sqrt ? 0.25 : 2 ** -2));
  });
});
