import { beforeAll, describe, expect, it } from "vitest";
import { findAlgorithm } from "../../algorithms/catalog.ts";
import { batchOrder } from "../../algorithms/public-permutation.ts";
import { breastCancer, syntheticData, uniform } from "../../bench/data.ts";
import { checkOutputs, knownShares } from "../../bench/engine/measure.ts";
import { smallestField } from "../../bench/field-choice.ts";
import { findWorkload, type Workload, workloadNames } from "../../bench/workloads.ts";
import { sigmoidPlain } from "../../mpc/functions/sigmoid.ts";
import type { Party } from "../../mpc/party.ts";
import { reconstructScalar } from "../../mpc/shamir.ts";
import { createKernel, type Kernel } from "../../mpc/vector/index.ts";

const small: Workload = {
  name: "small",
  about: "three products",
  inputs: ["a", "b"].map((label) => ({
    rows: 3,
    cols: 1,
    fracBits: 16,
    bound: 32,
    raw: () => uniform(label, 3, 32 * 2 ** 16),
  })),
  run: async (_session, [a, b]) => [await a.multiply(b)],
  steps: 1,
  tolerance: 1.5 * 2 ** -16,
};

describe("the check of a benchmark's result", () => {
  const [a, b] = ["a", "b"].map((label) => uniform(label, 3, 32 * 2 ** 16));
  const right = a.map((x, i) => (x * b[i]) / 2 ** 32);

  it("gives the largest error of a right one", async () => {
    const rounded = right.map((x) => Math.floor(x * 2 ** 16) / 2 ** 16);
    const error = await checkOutputs(small, [rounded]);
    expect(error).toBe(Math.max(...right.map((x, i) => x - rounded[i])));
  });

  it.each([
    ["a wrong element", [right[0], right[1] + 2 ** -15, right[2]]],
    ["no number", [right[0], Number.NaN, right[2]]],
    ["too few elements", [right[0], right[1]]],
  ])("refuses %s", async (_what, wrong) => {
    await expect(checkOutputs(small, [Float64Array.from(wrong)])).rejects.toThrow("small: ");
  });
});

describe("the benchmark's inputs", () => {
  let kernel: Kernel;
  beforeAll(async () => {
    kernel = await createKernel(107);
  });

  it("are sharings of the values, on lines that are not level", async () => {
    const shares: bigint[][][] = [];
    for (const index of [1, 2, 3]) {
      const mine = await knownShares(small, { kernel, index } as Party);
      shares.push(mine.map((share) => kernel.toBigints(share)));
    }
    const { modulus } = kernel.spec;
    for (const [i, input] of small.inputs.entries()) {
      const raw = await input.raw();
      raw.forEach((value, j) => {
        const [one, two, three] = shares.map((of) => of[i][j]);
        const secret = reconstructScalar([one, two, three], modulus);
        expect(secret > modulus / 2n ? secret - modulus : secret).toBe(BigInt(value));
        expect(two).not.toBe(one);
      });
    }
  });

  it("lie in the range that they state", async () => {
    for (const name of workloadNames.filter((n) => !n.startsWith("aggregate"))) {
      for (const { raw, bound, fracBits, rows, cols } of findWorkload(name).inputs) {
        const values = await raw();
        expect(values.length).toBe(rows * cols);
        const outside = values.findIndex((x) => !(Math.abs(x) <= bound * 2 ** fracBits));
        expect([name, outside]).toEqual([name, -1]);
      }
    }
  });

  it("are standardised tables with both labels", async () => {
    for (const { rows, columns, X, labels } of [await breastCancer(), syntheticData(1000, 10)]) {
      for (let j = 0; j < columns; j++) {
        let [sum, squares] = [0, 0];
        for (let i = 0; i < rows; i++) {
          sum += X[i * columns + j];
          squares += X[i * columns + j] ** 2;
        }
        expect(sum / rows).toBeCloseTo(0, 9);
        expect(squares / rows).toBeCloseTo(1, 9);
      }
      const ones = labels.filter((y) => y === 1).length;
      expect(ones).toBeGreaterThan(rows / 4);
      expect(ones).toBeLessThan((3 * rows) / 4);
    }
  });
});

describe("the field of a benchmark", () => {
  it("is the smallest for plain products and sums", async () => {
    expect(await smallestField(findWorkload("multiply-1e6"))).toEqual({ field: 61 });
    expect(await smallestField(findWorkload("aggregate-10x1e6"))).toEqual({ field: 61 });
  });

  it("grows with the bits that a masked value needs", async () => {
    const wide = { ...small, inputs: small.inputs.map((input) => ({ ...input, bound: 2 ** 20 })) };
    const [narrowField, wideField] = [await smallestField(small), await smallestField(wide)];
    expect(narrowField.field).toBeLessThan(wideField.field);
  });

  it("is the largest, with the reason, where a job would be refused", async () => {
    const huge = { ...small, inputs: small.inputs.map((input) => ({ ...input, bound: 2 ** 60 })) };
    const { field, refused } = await smallestField(huge);
    expect(field).toBe(127);
    expect(refused).toContain("bits");
  });
});

describe("the training that benchmarks are checked against", () => {
  it("is that of a plain loop, to a thousandth", async () => {
    const [rows, columns, batch, epochs] = [300, 7, 100, 3];
    const { X, labels } = syntheticData(rows, columns);
    const { learningRate, l2, seed } = findAlgorithm("logistic-regression").parameters.parse({});
    const order = batchOrder(rows, batch, rows / batch, seed);
    const w = new Float64Array(columns + 1);
    for (let step = 0; step < (epochs * rows) / batch; step++) {
      const gradient = new Float64Array(columns + 1);
      const start = (step % (rows / batch)) * batch;
      for (const i of order.subarray(start, start + batch)) {
        const x = [...X.subarray(i * columns, (i + 1) * columns), 1];
        const z = x.reduce((sum, xj, j) => sum + xj * w[j], 0);
        const error = sigmoidPlain(z, "clamped-5") - labels[i];
        x.forEach((xj, j) => {
          gradient[j] += (error * xj) / batch;
        });
      }
      for (let j = 0; j <= columns; j++) w[j] -= learningRate * (gradient[j] + (j < columns ? l2 * w[j] : 0));
    }
    const workload = { ...findWorkload(`lr-${rows}x${columns}-b${batch}`), tolerance: 0.001 };
    expect(await checkOutputs(workload, [w])).toBeGreaterThan(0);
    w[0] += 0.002;
    await expect(checkOutputs(workload, [w])).rejects.toThrow("output 0 is off");
  });
});

describe("a benchmark's name", () => {
  it("may state a size", () => {
    const { steps, inputs, about } = findWorkload("lr-300x7-b100");
    expect([steps, inputs[0].rows, inputs[0].cols]).toEqual([9, 300, 7]);
    expect(about).toContain("batch 100");
  });

  it("must be known", () => {
    expect(() => findWorkload("lr-x")).toThrow('no benchmark "lr-x"');
  });
});
