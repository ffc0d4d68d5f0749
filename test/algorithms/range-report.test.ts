import { describe, expect, it } from "vitest";
import { findAlgorithm, parseParameters } from "../../algorithms/catalog.ts";
import { planJob } from "../../algorithms/planner.ts";
import { type RangeReport, rangeReport } from "../../algorithms/range-report.ts";

async function report(id: string, given: Record<string, unknown> = {}): Promise<RangeReport> {
  const algorithm = findAlgorithm(id);
  const hasLabel = algorithm.manifest.input.label === "required";
  const inputs = [{ rows: 200, columns: hasLabel ? 4 : 1, hasLabel, weight: 200 }];
  const shape = { fieldBits: 89 as const, fracBits: 16, inputs };
  return rangeReport(algorithm, shape, await planJob(algorithm, shape, parseParameters(algorithm, given)));
}

describe("the range report", () => {
  it("is JSON that says what was chosen and what it can err by", async () => {
    const ranges = await report("statistics");
    expect(JSON.parse(JSON.stringify(ranges))).toEqual(ranges);
    expect(ranges.inputs).toEqual({ fieldBits: 89, fracBits: 16, roundingError: 2 ** -17 });
    expect(ranges.worst.bits).toBeLessThanOrEqual(ranges.room);
    expect(ranges.statisticalDistance).toBeLessThanOrEqual(ranges.statisticalLimit);
    // Sums are exact; squares are off by the square of the mean's error, and by their own last place.
    expect(ranges.results.map(({ name }) => name)).toEqual(["sum", "squares"]);
    expect(ranges.results[0]!.error).toBe(0);
    expect(ranges.results[1]!.error).toBeLessThan(2 ** -29);
  });

  it("gives null where no bound is of use", async () => {
    const ranges = await report("logistic-regression", { learningRate: 2, epochs: 50 });
    expect(ranges.results.find(({ name }) => name === "weights")).toMatchObject({ error: null });
    expect(ranges.target).toEqual({ step: "training step", error: 2 ** -9 });
    expect(ranges.errorBasis).toContain("standardised rows as computed");
  });
});
