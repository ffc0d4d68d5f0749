import { describe, expect, it } from "vitest";
import { findAlgorithm } from "../../algorithms/catalog.ts";
import { type Matrix, runTwice } from "./run.ts";

const update = (length: number, weight: number, phase: number): Matrix => ({
  rows: length,
  columns: 1,
  values: Array.from({ length }, (_, i) => Math.sin(i + phase)),
  hasLabel: false,
  weight,
});

describe("gradient aggregation", () => {
  it("gives the weighted mean of the updates", async () => {
    const inputs = [update(300, 100, 0), update(300, 50, 1), update(300, 7, 2)];
    const { secure, shape, plan } = await runTwice("gradient-aggregation", inputs);
    // What the plan states, and what sharing rounds away.
    const error = plan.parts[0]!.error + 2 ** -17;
    secure.update.forEach((x, i) => {
      const mean = inputs.reduce((s, m) => s + (m.weight! / 157) * m.values[i], 0);
      expect(Math.abs(x - mean)).toBeLessThanOrEqual(error);
    });
    const { model } = findAlgorithm("gradient-aggregation").decode(
      { update: Float64Array.from(secure.update) },
      { shape, parameters: {}, columns: [{ name: "update", center: 0, halfRange: 3 }] },
    );
    expect(model.accepted).toEqual([true, true, true]);
    expect((model.update as number[])[5]).toBeCloseTo(3 * secure.update[5], 9);
  });

  it("refuses updates of different lengths", async () => {
    const attempt = runTwice("gradient-aggregation", [update(3, 1, 0), update(4, 1, 0)]);
    await expect(attempt).rejects.toMatchObject({ code: "SHAPE_MISMATCH" });
  });
});
