/**
 * Error bounds of tensors: `runEverywhere` holds every secure run against exact arithmetic and the bound that the
 * program's result carries. Here are programs and data that come near it.
 */
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { fit } from "../../../algorithms/logistic-regression.ts";
import { PlanBackend } from "../../../mpc/session/plan.ts";
import { Session, type Tensor } from "../../../mpc/session/session.ts";
import { tableOf } from "../../../mpc/session/table.ts";
import { createKernel } from "../../../mpc/vector/index.ts";
import { type Program, runEverywhere, type Secret } from "./three-sessions.ts";

type Step = <D>(a: Tensor<D>, b: Tensor<D>) => Promise<Tensor<D>> | Tensor<D>;

/** Operations on two 3 x 2 matrices of values up to 2, whose results have that shape again. */
const operations: Record<string, Step> = {
  add: (a, b) => a.add(b),
  subtract: (a, b) => a.subtract(b),
  "add a constant that is not exact": (a) => a.add(0.1),
  multiply: (a, b) => a.multiply(b),
  "multiply by a third": (a) => a.multiplyPublic(1 / 3),
  "a scaled product": (a, b) => a.multiply(b, { scale: 0.7, scaleBits: 9 }),
  "a product and a sum": (a, b) => a.multiply(b, { plus: [{ tensor: a, scale: -0.3 }] }),
  "a matrix product": async (a, b) => (await a.matmul(b.transpose())).sliceColumns(0, 2),
  "column dots": async (a, b) => (await a.columnDots(b)).broadcastTo(3, 2),
  "fewer bits and back": async (a) => (await a.truncate(7)).widen(12),
  mean: async (a) => (await a.meanRows()).broadcastTo(3, 2),
  hinge: (a) =>
    a.piecewise({
      pieces: [
        { from: -0.5, slope: 0.7, constant: 0.35 },
        { from: 0.25, slope: -1.3, constant: 0.325 },
      ],
      bound: 1e4,
    }),
  "a steep function of a product": async (a, b) =>
    (await a.multiply(b)).piecewise({ pieces: [{ from: -1, slope: 50, constant: 50 }], bound: 1e9 }),
  "a coarse hinge": (a) =>
    a.piecewise({ pieces: [{ from: 0.5, slope: 1, constant: -0.5 }], bound: 1e4, resolutionBits: 6 }),
};

const value = fc.oneof(
  fc.constantFrom(-2, 2, 0, 2 ** -12, -(2 ** -12), 0.5, 0.25, -0.5, 0.4375, 1.9998),
  fc.integer({ min: -8192, max: 8192 }).map((raw) => raw / 4096),
);
const matrix = fc.array(value, { minLength: 6, maxLength: 6 });

const secret = (values: number[], rows = 3, cols = 2, fracBits = 12, bound = 2): Secret => ({
  ...{ rows, cols, values, fracBits, bound },
});

describe("the error of a tensor", () => {
  beforeAll(() => createKernel(127));

  it.each(Object.keys(operations))("holds at the extremes: %s", async (name) => {
    const program: Program = async (_, [a, b]) => operations[name]!(a!, b!);
    for (const [a, b] of [
      [
        [2, -2, 2, -2, 2, -2],
        [2, 2, -2, -2, 2, 2],
      ],
      [
        [0.5, 0.4999, 0.485, -0.5, -0.5001, 0.25],
        [2 ** -12, -(2 ** -12), 1.9998, 1, -1, 0],
      ],
    ] as const) {
      await runEverywhere([secret([...a]), secret([...b])], program);
    }
  });

  it("holds for any program of three operations on any data", async () => {
    const names = fc.array(fc.constantFrom(...Object.keys(operations)), { minLength: 3, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(names, matrix, matrix, async (chosen, a, b) => {
        const program: Program = async (_, [first, second]) => {
          let [x, y] = [first!, second!];
          for (const name of chosen) [x, y] = [await operations[name]!(x, y), x];
          return x;
        };
        await runEverywhere([secret(a), secret(b)], program);
      }),
      { numRuns: 25 },
    );
  });

  it("covers the encoding of public numbers, which the clear run shares", async () => {
    const values = [2, -2, 1.9998, 2 ** -12, 0, -0.5];
    const exact: [Program, (x: number) => number][] = [
      [async (_, [a]) => a!.add(0.1), (x) => x + 0.1],
      [async (_, [a]) => a!.multiplyPublic(1 / 3, 12, 5), (x) => x / 3],
      [async (_, [a]) => a!.multiply(a!, { scale: 0.7, scaleBits: 6 }), (x) => 0.7 * x * x],
      [async (_, [a]) => a!.multiply(a!, { plus: [{ tensor: a!, scale: -0.3 }] }), (x) => x * x - 0.3 * x],
      [async (s, [a]) => a!.subtract(s.constant(0.3, 3, 2, 12)), (x) => x - 0.3],
    ];
    for (const [program, truth] of exact) {
      const { secure, error } = await runEverywhere([secret(values)], program);
      secure.forEach((y, i) => {
        const shared = Math.round(values[i]! * 4096) / 4096;
        expect(Math.abs(y - truth(shared))).toBeLessThanOrEqual(error + 1e-12);
      });
    }
  });

  it("is what theory says where theory is simple, and no more", async () => {
    const session = new Session(new PlanBackend(), 127);
    const a = session.input(null, 4, 1, 10, 3);
    const ulp = 2 ** -10;
    expect(a.error).toBe(0);
    expect(a.add(a).error).toBe(0);
    expect((await a.multiply(a)).error).toBe(1.5 * ulp);
    expect((await a.multiply(a, { fracBits: 20 })).error).toBe(0);
    const rounded = await a.truncate(5);
    expect(rounded.error).toBe(1.5 * 2 ** -5);
    expect(rounded.sumRows().error).toBe(6 * 2 ** -5);
    // |a| <= 3, and the other factor is off by 1.5 * 2^-5.
    expect((await a.multiply(rounded.widen(10))).error).toBe(4.5 * 2 ** -5 + 1.5 * ulp);
    expect((await a.atLeast(0)).error).toBe(0);
    expect((await rounded.atLeast(0)).error).toBe(1);
    expect(rounded.assumeError(0).error).toBe(0);
  });
});

describe("training", () => {
  const rows = 60;
  const columns = 3;
  // Standardised, with a label that follows the first column.
  const column = (j: number): number[] => {
    const raw = Array.from({ length: rows }, (_, i) => Math.sin((i + 1) * (j + 1.3)));
    const mean = raw.reduce((sum, x) => sum + x, 0) / rows;
    const deviation = Math.sqrt(raw.reduce((sum, x) => sum + (x - mean) ** 2, 0) / rows);
    return raw.map((x) => (x - mean) / deviation);
  };
  const data = Array.from({ length: columns }, (_, j) => column(j));
  const X = Array.from({ length: rows * columns }, (_, at) => data[at % columns]![Math.floor(at / columns)]!);
  const y = Array.from({ length: rows }, (_, i) => (data[0]![i]! > 0.2 ? 1 : 0));

  it.each([
    ["of all rows at a small rate", { batchSize: rows, learningRate: 0.25, epochs: 6, momentum: 0 }],
    ["in batches", { batchSize: 20, learningRate: 0.5, epochs: 2, momentum: 0 }],
    ["with momentum", { batchSize: rows, learningRate: 0.25, epochs: 4, momentum: 0.5 }],
  ])("%s stays within its stated error", async (_, given) => {
    const p = { l2: 0.01, sigmoid: "clamped-7" as const, seed: 3, ...given };
    const program: Program = (_session, [x, labels]) => fit(tableOf(x!), labels!, p);
    const bound = Math.max(...X.map(Math.abs));
    const inputs = [secret(X, rows, columns, 16, bound), secret(y, rows, 1, 16, 1)];
    const { secure, plain } = await runEverywhere(inputs, program);
    // The bound is a worst case: what really happens is far below it.
    secure.forEach((w, i) => {
      expect(Math.abs(w - plain[i]!)).toBeLessThan(2 ** -9);
    });
  });
});
