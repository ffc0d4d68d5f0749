import { describe, expect, it } from "vitest";
import { inverseSqrt, reciprocal } from "../../../mpc/functions/reciprocal.ts";
import {
  type SigmoidName,
  sigmoid,
  sigmoidOfProduct,
  sigmoidPlain,
  sigmoidPresets,
} from "../../../mpc/functions/sigmoid.ts";
import { runEverywhere, type Secret } from "../session/three-sessions.ts";

const column = (values: number[], fracBits: number, bound?: number): Secret => ({
  rows: values.length,
  cols: 1,
  values,
  fracBits,
  bound,
});

const exact = (x: number): number => 1 / (1 + Math.exp(-x));
const grid = Array.from({ length: 2001 }, (_, i) => (i - 1000) / 80);

describe.each(Object.keys(sigmoidPresets) as SigmoidName[])("the sigmoid %s", (name) => {
  const { maxError } = sigmoidPresets[name];

  it("is within its stated error of the true one everywhere, and no better bound would do", () => {
    const worst = Math.max(...grid.map((x) => Math.abs(sigmoidPlain(x, name) - exact(x))));
    expect(worst).toBeLessThanOrEqual(maxError);
    expect(worst).toBeGreaterThan(maxError - 0.001);
    expect(sigmoidPlain(1e6, name)).toBeCloseTo(1, 9);
    expect(sigmoidPlain(-1e6, name)).toBe(0);
  });

  it("keeps its error on shares, at the knots and far outside", async () => {
    const knots = sigmoidPresets[name].knots.flatMap((k) => [k, -k, k + 2 ** -12, -k - 2 ** -12]);
    const values = [...knots, 0, 1000, -1000, 2 ** 20, -(2 ** 20), ...grid.filter((_, i) => i % 50 === 0)];
    const { secure } = await runEverywhere([column(values, 20, 2 ** 20)], (_, [z]) => sigmoid(z, name));
    secure.forEach((p, i) => {
      const difference = Math.abs(p - sigmoidPlain(Math.round(values[i] * 2 ** 20) / 2 ** 20, name));
      expect(difference).toBeLessThan(0.0006 + 4 * 2 ** -20);
    });
  });

  it("is the same from the opening of a product", async () => {
    const X: Secret = {
      rows: 40,
      cols: 3,
      values: Array.from({ length: 120 }, (_, i) => 5 * Math.sin(i)),
      fracBits: 20,
    };
    const w = column([1.5, -2, 0.25], 20);
    const { secure, plain } = await runEverywhere([X, w], (_, [x, v]) => sigmoidOfProduct(x, v, name));
    secure.forEach((p, i) => {
      expect(Math.abs(p - plain[i])).toBeLessThan(0.0006 + 4 * 2 ** -20);
    });
  });
});

describe("inverse square root", () => {
  const range = { minExponent: -22, maxExponent: 2 };

  it("has a small relative error over its whole range, powers of four and their neighbours included", async () => {
    const powers = Array.from({ length: 12 }, (_, j) => 4 ** (j - 11));
    const values = powers.flatMap((p) => [p, p * 1.0001, p * 1.7, p * 2, p * 3.9]).filter((v) => v < 4);
    const { secure } = await runEverywhere([column(values, 40, 4)], (_, [v]) => inverseSqrt(v, range, 24));
    secure.forEach((y, i) => {
      const truth = 1 / Math.sqrt(values[i]);
      expect(Math.abs(y - truth)).toBeLessThan(truth * (2 ** -18 + 2 ** -40 / values[i]) + 2 ** -22);
    });
  });

  it("gives 0 for 0 and for what is below the range: nothing is divided by zero", async () => {
    const { secure } = await runEverywhere([column([0, 2 ** -23, 2 ** -40], 40, 4)], (_, [v]) =>
      inverseSqrt(v, range, 24),
    );
    for (const y of secure) expect(Math.abs(y)).toBeLessThan(2 ** -20);
  });
});

describe("reciprocal", () => {
  it("has a small relative error over its whole range, and gives 0 for 0", async () => {
    const range = { minExponent: -8, maxExponent: 10 };
    const values = [2 ** -8, 0.005, 0.3, 0.5, 0.999, 1, 1.001, 3, 100, 511, 512, 1023, 0];
    const { secure } = await runEverywhere([column(values, 30, 1024)], (_, [v]) => reciprocal(v, range, 24));
    values.forEach((v, i) => {
      const truth = v === 0 ? 0 : 1 / v;
      expect(Math.abs(secure[i] - truth)).toBeLessThan(truth * 2 ** -18 + 2 ** -22);
    });
  });
});
