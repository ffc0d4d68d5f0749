import { describe, expect, it } from "vitest";
import { findAlgorithm, parseParameters } from "../../algorithms/catalog.ts";
import { halves, planOrAdvise } from "../../algorithms/fit-advice.ts";
import type { InputShape, JobShape } from "../../algorithms/manifest.ts";
import { planJob } from "../../algorithms/planner.ts";

const input = (rows: number, columns: number, hasLabel: boolean): InputShape => ({
  ...{ rows, columns, hasLabel },
  weight: rows,
});

async function refusal(id: string, shape: JobShape, given: Record<string, unknown> = {}) {
  const algorithm = findAlgorithm(id);
  const error = await planOrAdvise(algorithm, shape, parseParameters(algorithm, given)).catch((e) => e);
  expect(error).toMatchObject({ code: "RANGE_EXCEEDED" });
  return error as { message: string; hint: string };
}

describe("a refusal for its ranges", () => {
  const training: JobShape = { fieldBits: 107, fracBits: 16, inputs: [input(500, 20, true)] };

  it("names the step, how much too wide it is, and the parameters that would fit", async () => {
    const given = { learningRate: 4, momentum: 0.9, epochs: 40 };
    const { message, hint } = await refusal("logistic-regression", training, given);
    expect(message).toMatch(/step "(training step|accuracy)/);
    expect(message).toMatch(/\d+(\.\d)? (bits )?more than/);
    const algorithm = findAlgorithm("logistic-regression");
    const changes = Array.from(hint.matchAll(/(learningRate|epochs|momentum) ([\d.]+) instead of ([\d.]+)/g));
    expect(changes.length).toBeGreaterThan(1);
    for (const [, name, value, before] of changes) {
      expect(Number(before)).toBe(given[name as keyof typeof given]);
      const changed = parseParameters(algorithm, { ...given, [name!]: Number(value) });
      await expect(planJob(algorithm, training, changed)).resolves.toBeDefined();
    }
  });

  it("names the field to share in where the data cannot be converted", async () => {
    const shape: JobShape = { fieldBits: 61, fracBits: 16, inputs: [input(1000, 1, false)] };
    const { message, hint } = await refusal("gradient-aggregation", shape);
    expect(message).toContain("conversion of the inputs");
    expect(hint).toContain("the field of 89 bits instead of 61");
  });

  it("names the format to share in where it is too fine", async () => {
    const shape: JobShape = { fieldBits: 127, fracBits: 40, inputs: [input(1_000_000, 10, false)] };
    const { hint } = await refusal("statistics", shape);
    const [, fracBits] = /with (\d+) fractional bits instead of 40/.exec(hint)!;
    const statistics = findAlgorithm("statistics");
    await expect(planJob(statistics, { ...shape, fracBits: Number(fracBits) }, {})).resolves.toBeDefined();
    await expect(planJob(statistics, { ...shape, fracBits: Number(fracBits) + 4 }, {})).rejects.toBeDefined();
  });

  it("passes on what a plan refuses for other reasons", async () => {
    const statistics = findAlgorithm("statistics");
    const uneven: JobShape = { ...training, inputs: [input(5, 2, false), input(5, 3, false)] };
    await expect(planOrAdvise(statistics, uneven, {})).rejects.toMatchObject({ code: "SHAPE_MISMATCH" });
  });
});

it("halves go down to the limit, each once", () => {
  expect(halves(20, 1, Math.floor)).toEqual([10, 5, 2, 1]);
  expect(halves(1, 1, Math.floor)).toEqual([]);
  expect(halves(0.5, 0.1)).toEqual([0.25, 0.125]);
});

describe("validation rows", () => {
  const shape: JobShape = { fieldBits: 107, fracBits: 16, inputs: [input(50, 3, true)] };

  it("are for algorithms with metrics only", async () => {
    const withRows = { ...shape, validation: input(5, 3, true) };
    const planned = (id: string) => {
      const algorithm = findAlgorithm(id);
      return planOrAdvise(algorithm, withRows, parseParameters(algorithm, {}));
    };
    await expect(planned("logistic-regression")).resolves.toBeDefined();
    await expect(planned("statistics")).rejects.toMatchObject({ code: "USAGE" });
  });
});
