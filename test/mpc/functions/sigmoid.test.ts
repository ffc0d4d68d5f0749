import { describe, expect, it } from "vitest";
import {
  type SigmoidName,
  sigmoid,
  sigmoidOfProduct,
  sigmoidPlain,
  sigmoidPresets,
} from "../../../mpc/functions/sigmoid.ts";
import { runEverywhere, type Secret } from "../session/three-sessions.ts";
import { column } from "./values.ts";

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
