/** The choice of the field, the declaration of checks and conversion, and refusals. */
import { describe, expect, it } from "vitest";
import { findAlgorithm, parseParameters } from "../../algorithms/catalog.ts";
import type { JobShape, Plan } from "../../algorithms/manifest.ts";
import { planJob } from "../../algorithms/planner.ts";
import { convertAllCost, convertDistance } from "../../mpc/protocols/convert.ts";
import { inputCheckCost } from "../../mpc/protocols/input-check.ts";
import { maskedValuesLabel } from "../../mpc/protocols/masked-opening.ts";
import { type FieldBits, fieldSpecs } from "../../mpc/vector/index.ts";

interface Sizes {
  rows: number;
  columns: number;
  sellers?: number;
  fieldBits?: FieldBits;
  fracBits?: number;
  hasLabel?: boolean;
}

function shapeOf({ rows, columns, sellers = 2, hasLabel = false, ...format }: Sizes): JobShape {
  const inputs = Array.from({ length: sellers }, () => ({ rows, columns, hasLabel, weight: rows }));
  return { fieldBits: 89, fracBits: 16, ...format, inputs };
}

function plan(id: string, sizes: Sizes, parameters: Record<string, unknown> = {}): Promise<Plan> {
  const algorithm = findAlgorithm(id);
  return planJob(algorithm, shapeOf(sizes), parseParameters(algorithm, parameters));
}

const update = { rows: 1000, columns: 1 };

describe("the field of a run", () => {
  it("is the smallest in which bits and distances fit, however the data is shared", async () => {
    const shared = await Promise.all(
      ([89, 107, 127] as const).map((bits) => plan("gradient-aggregation", { ...update, fieldBits: bits })),
    );
    // 41 bits and 1000 values: 2^(10 + 42 - (k - 2)) is 2^-53 for k = 107 and 2^-35 for k = 89.
    for (const { fieldBits: bits, declaration } of shared) {
      expect(bits).toBe(107);
      expect(declaration.worstBits).toBe(41);
    }
    const finer = await plan("gradient-aggregation", { rows: 1_000_000, columns: 1, fracBits: 20 });
    expect(finer.fieldBits).toBe(127);
  });

  it("is no larger for a smaller job", async () => {
    let last = 0;
    for (const rows of [1, 100, 10_000, 1_000_000]) {
      const { fieldBits: bits } = await plan("gradient-aggregation", { rows, columns: 1, fracBits: 20 });
      expect(bits).toBeGreaterThanOrEqual(last);
      last = bits;
    }
  });

  it("is the same whoever plans", async () => {
    const sizes = { rows: 300, columns: 4, hasLabel: true };
    const first = await plan("logistic-regression", sizes, { epochs: 2 });
    expect(await plan("logistic-regression", sizes, { epochs: 2 })).toEqual(first);
  });
});

describe("the declaration", () => {
  it("adds the conversion of every input where the field is another, and nothing where it is the same", async () => {
    const values = 2 * 1000;
    const same = await plan("gradient-aggregation", { ...update, fieldBits: 107 });
    const converted = await plan("gradient-aggregation", { ...update, fieldBits: 89 });
    const checks = (bits: FieldBits) =>
      inputCheckCost(
        Array.from({ length: 2 }, () => ({ rows: 1000, cols: 1, hasLabel: false })),
        fieldSpecs[bits],
      );
    const conversion = convertAllCost(
      Array.from({ length: 2 }, () => ({ rows: 1000, cols: 1 })),
      fieldSpecs[89].elementBytes,
    );
    expect(converted.declaration.bytes - checks(89).bytes - conversion.bytes).toBe(
      same.declaration.bytes - checks(107).bytes,
    );
    expect(converted.declaration.rounds - checks(89).rounds - 1).toBe(
      same.declaration.rounds - checks(107).rounds,
    );
    expect(converted.declaration.openings[maskedValuesLabel]).toBe(
      same.declaration.openings[maskedValuesLabel]! + values,
    );
    expect(converted.declaration.statisticalDistance).toBe(
      same.declaration.statisticalDistance + convertDistance(values, 16, 89),
    );
  });

  it("counts the validation data among what is checked and converted", async () => {
    const algorithm = findAlgorithm("logistic-regression");
    const parameters = parseParameters(algorithm, { epochs: 1 });
    const shape = shapeOf({ rows: 50, columns: 3, hasLabel: true });
    const without = await planJob(algorithm, shape, parameters);
    // As many rows as are trained on, so that the program itself costs the same.
    const validation = { rows: 100, columns: 3, hasLabel: true, weight: 100 };
    const wider = await planJob(algorithm, { ...shape, validation }, parameters);
    expect(wider.fieldBits).not.toBe(shape.fieldBits);
    expect(wider.declaration.openings["input consistency"]).toBe(3);
    const distance = wider.declaration.statisticalDistance - without.declaration.statisticalDistance;
    expect(distance / convertDistance(300, 16, 89)).toBeCloseTo(1, 6);
  });
});

describe("the format of a run", () => {
  const training = { rows: 300, columns: 5, hasLabel: true };

  it("has the fewest fractional bits with which a step is as accurate as its algorithm asks", async () => {
    const coarse = await plan("logistic-regression", training, { learningRate: 0.1 });
    expect(coarse.fracBits).toBe(16);
    const fine = await plan(
      "logistic-regression",
      { ...training, rows: 2000, columns: 80 },
      { learningRate: 2 },
    );
    expect(fine.fracBits).toBeGreaterThan(16);
    const stepError = ({ declaration }: Plan) =>
      declaration.steps.find(({ name }) => name === "training step")!.error;
    expect(stepError(coarse)).toBeLessThanOrEqual(2 ** -9);
  });

  it("is never coarser than the inputs, and theirs where the algorithm asks for none", async () => {
    for (const fracBits of [12, 16, 18, 21]) {
      const { fracBits: trained } = await plan(
        "logistic-regression",
        { ...training, fracBits },
        { epochs: 1 },
      );
      expect(trained).toBeGreaterThanOrEqual(Math.max(16, fracBits));
      expect((await plan("statistics", { rows: 10, columns: 2, fracBits })).fracBits).toBe(fracBits);
    }
  });

  it("is coarser than asked for rather than too wide for every field, and the error says so", async () => {
    const wide = await plan("logistic-regression", { rows: 10_000, columns: 101, hasLabel: true });
    expect(wide.fieldBits).toBe(127);
    const [step] = wide.declaration.steps.filter(({ name }) => name === "training step");
    expect(step!.error).toBeGreaterThan(2 ** -9);
  });
});

describe("the range report", () => {
  it("has a line for each named step, with the job's sums and worst cases", async () => {
    const { declaration } = await plan("logistic-regression", { rows: 100, columns: 4, hasLabel: true });
    const { steps, statisticalDistance, worstBits, worstStep } = declaration;
    expect(steps.map(({ name }) => name)).toEqual([
      "conversion of the inputs",
      "mean",
      "variance",
      "inverse deviation",
      "standardise",
      "training step",
      "trained weights",
      "weights in scaled units",
      "accuracy",
    ]);
    const sum = steps.reduce((total, step) => total + step.statisticalDistance, 0);
    expect(sum / statisticalDistance).toBeCloseTo(1, 9);
    expect(Math.max(...steps.map(({ bits }) => bits))).toBe(worstBits);
    expect(steps.find(({ name }) => name === worstStep)?.bits).toBe(worstBits);
  });

  it("bounds the error of training by the sum of its steps' where no step can spread an error", async () => {
    const sizes = { rows: 200, columns: 4, hasLabel: true };
    // One batch of all rows: rate * (l2 + 59/256 * (3 * 1.04 + 1)) is below 2.
    const parameters = { batchSize: 400, learningRate: 0.5, epochs: 10 };
    const { declaration } = await plan("logistic-regression", sizes, parameters);
    const step = declaration.steps.find(({ name }) => name === "training step")!;
    // Ten steps, and the 2-norm of four errors.
    const trained = declaration.steps.find(({ name }) => name === "trained weights")!;
    expect(trained.error / (10 * 2 * step.error)).toBeCloseTo(1, 6);
    const spreading = await plan("logistic-regression", sizes, {
      ...parameters,
      learningRate: 8,
      epochs: 500,
    });
    expect(spreading.parts.find(({ name }) => name === "weights")!.error).toBeGreaterThan(1e6);
  });
});

describe("a refusal", () => {
  it("comes when the masked openings add up to more than 2^-40 in the largest field", async () => {
    // 65 bits a value in the field of 127 bits: 2^(66 - 125) each.
    const update = { columns: 1, fieldBits: 127 as const, fracBits: 40 };
    const { declaration } = await plan("gradient-aggregation", { ...update, rows: 2 ** 19 });
    expect(declaration.statisticalDistance).toBe(2 ** -40);
    await expect(plan("gradient-aggregation", { ...update, rows: 2 ** 19 + 1 })).rejects.toMatchObject({
      code: "RANGE_EXCEEDED",
      message: expect.stringContaining("more than 2^-40"),
    });
  });

  it("comes when the data's own field has no room to mask it for conversion", async () => {
    const narrow = { rows: 1000, columns: 1, fieldBits: 61 as const };
    await expect(plan("gradient-aggregation", narrow)).rejects.toMatchObject({ code: "RANGE_EXCEEDED" });
  });
});
