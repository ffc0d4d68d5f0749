import { beforeAll, describe, expect, it } from "vitest";
import { findAlgorithm } from "../../algorithms/catalog.ts";
import type { DecodeContext } from "../../algorithms/manifest.ts";
import { planJob } from "../../algorithms/planner.ts";
import { batchOrder } from "../../algorithms/public-permutation.ts";
import { breastCancer, type SplitData } from "./breast-cancer.ts";
import { runTwice, type Twin } from "./run.ts";

/** The same optimiser over the same batches in doubles, with the true sigmoid: rows it gets right. */
function correctWithExactSigmoid({ train, held }: SplitData): number {
  const { epochs, batchSize, learningRate, l2, seed } = findAlgorithm("logistic-regression").parameters.parse(
    {},
  );
  const d = held.columns - 1;
  const rows = train.flatMap((m) =>
    Array.from({ length: m.rows }, (_, i) => Array.from(m.values.slice(i * m.columns, (i + 1) * m.columns))),
  );
  const n = rows.length;
  const mean = Array.from({ length: d }, (_, j) => rows.reduce((s, r) => s + r[j], 0) / n);
  const deviation = mean.map((m, j) => Math.sqrt(rows.reduce((s, r) => s + (r[j] - m) ** 2, 0) / n));
  const X = rows.map((r) => [...mean.map((m, j) => (r[j] - m) / deviation[j]), 1]);
  const perEpoch = Math.ceil(n / batchSize);
  const order = batchOrder(n, batchSize, perEpoch, seed);
  const w = new Array(d + 1).fill(0);
  for (let step = 0; step < epochs * perEpoch; step++) {
    const start = (step % perEpoch) * batchSize;
    const gradient = new Array(d + 1).fill(0);
    for (const i of order.subarray(start, start + batchSize)) {
      const z = X[i].reduce((s, v, j) => s + v * w[j], 0);
      const e = 1 / (1 + Math.exp(-z)) - rows[i][d];
      for (let j = 0; j <= d; j++) gradient[j] += (e * X[i][j]) / batchSize;
    }
    for (let j = 0; j <= d; j++) w[j] -= learningRate * (gradient[j] + (j < d ? l2 * w[j] : 0));
  }
  let correct = 0;
  for (let i = 0; i < held.rows; i++) {
    const z = mean.reduce((s, m, j) => s + (w[j] * (held.values[i * (d + 1) + j] - m)) / deviation[j], w[d]);
    if (z >= 0 === (held.values[i * (d + 1) + d] === 1)) correct += 1;
  }
  return correct;
}

describe("logistic regression on real data", () => {
  let data: SplitData;
  let twin: Twin;

  beforeAll(async () => {
    data = await breastCancer();
    twin = await runTwice("logistic-regression", data.train, { validation: data.held });
  });

  it("agrees with its plaintext twin within 0.01 in every weight, in standardised units", () => {
    const { secure, plain } = twin;
    const rows = data.train.flatMap((m) =>
      Array.from({ length: m.rows }, (_, i) => m.values.slice(i * m.columns, (i + 1) * m.columns)),
    );
    secure.weights.forEach((w, j) => {
      const column = rows.map((r) => r[j]);
      const mean = column.reduce((s, x) => s + x, 0) / column.length;
      const deviation = Math.sqrt(column.reduce((s, x) => s + (x - mean) ** 2, 0) / column.length);
      expect(Math.abs(w - plain.weights[j]) * deviation).toBeLessThan(0.01);
    });
    expect(Math.abs(secure.intercept[0] - plain.intercept[0])).toBeLessThan(0.01);
  });

  it("is as accurate as the true sigmoid, to half a point", () => {
    const exact = correctWithExactSigmoid(data) / data.held.rows;
    const accuracy = Math.round(twin.secure.correct[0]) / data.held.rows;
    expect(Math.abs(accuracy - exact)).toBeLessThanOrEqual(0.005);
    expect(exact).toBeGreaterThan(0.9);
  });

  it("takes at most 10 rounds a step and stays within the statistical limit", async () => {
    const algorithm = findAlgorithm("logistic-regression");
    const one = await planJob(algorithm, twin.shape, { ...algorithm.parameters.parse({}), epochs: 1 });
    const two = await planJob(algorithm, twin.shape, { ...algorithm.parameters.parse({}), epochs: 2 });
    const steps = Math.ceil(data.rows / 128);
    expect((two.declaration.rounds - one.declaration.rounds) / steps).toBeLessThanOrEqual(10);
    expect(twin.plan.declaration.statisticalDistance).toBeLessThan(2 ** -40);
  });

  it("decodes to weights for raw features", () => {
    const context: DecodeContext = { shape: twin.shape, parameters: {}, columns: data.columns };
    const values = Object.fromEntries(Object.entries(twin.secure).map(([k, v]) => [k, Float64Array.from(v)]));
    const { model, metrics } = findAlgorithm("logistic-regression").decode(values, context);
    const weights = model.weights as number[];
    let correct = 0;
    for (let i = 0; i < data.held.rows; i++) {
      const row = data.held.values.slice(i * data.held.columns, (i + 1) * data.held.columns);
      const z = weights.reduce(
        (s, w, j) => s + w * (data.columns[j].center + data.columns[j].halfRange * row[j]),
        model.intercept as number,
      );
      if (z >= 0 === (row[weights.length] === 1)) correct += 1;
    }
    expect(correct).toBe(Math.round(twin.secure.correct[0]));
    expect(metrics).toEqual({ accuracy: correct / data.held.rows, rows: data.held.rows, over: "validation" });
  });

  it.each([1, 2])("does so when the roles are rotated by %i", async (roundsBefore) => {
    const { secure, plain } = await runTwice("logistic-regression", data.train, {
      validation: data.held,
      roundsBefore,
      parameters: { epochs: 3 },
    });
    secure.weights.forEach((w, j) => {
      expect(Math.abs(w - plain.weights[j])).toBeLessThan(0.01 * Math.max(1, Math.abs(w)));
    });
  });

  it.each([
    { sigmoid: "clamped-3", momentum: 0.9, batchSize: 64, epochs: 2 },
    { sigmoid: "clamped-7", l2: 0.1, batchSize: 65536, epochs: 3, learningRate: 1 },
  ])("agrees with its twin with %o, training rows as validation", async (parameters) => {
    const { secure, plain } = await runTwice("logistic-regression", data.train, { parameters });
    secure.weights.forEach((w, j) => {
      expect(Math.abs(w - plain.weights[j])).toBeLessThan(0.01 * Math.max(1, Math.abs(w)));
    });
    expect(Math.abs(secure.correct[0] - plain.correct[0])).toBeLessThanOrEqual(2);
  });

  it("gives a constant column the weight 0 and never divides by it", async () => {
    const values = Array.from({ length: 40 }, (_, i) => [Math.sin(i), 0.25, i % 2]).flatMap(([a, b, y]) => [
      y * 0.5 + a * 0.4,
      b,
      y,
    ]);
    const { secure } = await runTwice("logistic-regression", [
      { rows: 40, columns: 3, values, hasLabel: true },
    ]);
    // One unit in the last of the 16 places that this job gets is rounding.
    expect(Math.abs(secure.weights[1])).toBeLessThanOrEqual(2 ** -16);
    expect(Math.abs(secure.weights[0])).toBeGreaterThan(0.1);
  });

  it("keeps its weights within the bounds that the ranges rest on, whatever the labels", async () => {
    // All labels 1: the intercept, which has no penalty, runs to the sigmoid's last knot.
    for (const rows of [1, 2, 100]) {
      const values = Array.from({ length: rows }, (_, i) => [Math.sin(i), 1]).flat();
      const parameters = { l2: 1, learningRate: 1, epochs: 60 };
      const { secure, plain } = await runTwice(
        "logistic-regression",
        [{ rows, columns: 2, values, hasLabel: true }],
        { parameters },
      );
      expect(Math.abs(secure.intercept[0] - plain.intercept[0])).toBeLessThan(0.001);
      expect(secure.intercept[0]).toBeGreaterThan(4);
    }
  });

  it("refuses more steps than a plan may take", async () => {
    const algorithm = findAlgorithm("logistic-regression");
    const shape = { ...twin.shape, inputs: [{ rows: 1e6, columns: 3, hasLabel: true, weight: 1 }] };
    const parameters = algorithm.parameters.parse({ batchSize: 1 });
    await expect(planJob(algorithm, { ...shape, validation: undefined }, parameters)).rejects.toMatchObject({
      code: "PARAMETER_INVALID",
    });
  });

  it("refuses before the run what would overrun the field", async () => {
    const algorithm = findAlgorithm("logistic-regression");
    const parameters = { ...algorithm.parameters.parse({}), learningRate: 8, epochs: 200, momentum: 0.9 };
    await expect(planJob(algorithm, { ...twin.shape, fieldBits: 89 }, parameters)).rejects.toMatchObject({
      code: "RANGE_EXCEEDED",
    });
  });
});
