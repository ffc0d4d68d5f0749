import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fewRoundsPay } from "../../../mpc/functions/rank.ts";
import { exchange, exchangeRows, median, sort, sortBy, topK } from "../../../mpc/functions/sort.ts";
import { mergeExchange, pruned } from "../../../mpc/functions/sorting-network.ts";
import { PlanBackend } from "../../../mpc/session/plan.ts";
import { Session } from "../../../mpc/session/session.ts";
import { stackColumns } from "../../../mpc/session/stack.ts";
import type { Tensor } from "../../../mpc/session/tensor.ts";
import { runEverywhere } from "../session/three-sessions.ts";
import { column, fixedPoint, matrix, someFields } from "./values.ts";

const ascending = (values: readonly number[]): number[] => [...values].sort((a, b) => a - b);

describe("merge exchange", () => {
  const apply = (layers: ReturnType<typeof mergeExchange>, values: readonly number[]): number[] => {
    const out = [...values];
    for (const [i, j] of layers.flat()) if (out[i] > out[j]) [out[i], out[j]] = [out[j], out[i]];
    return out;
  };

  it("sorts every sequence of 0 and 1, hence every sequence, for up to 12 places", () => {
    for (let n = 0; n <= 12; n++) {
      const layers = mergeExchange(n);
      for (let bits = 0; bits < 1 << n; bits++) {
        const values = Array.from({ length: n }, (_, i) => (bits >> i) & 1);
        expect(apply(layers, values)).toEqual(ascending(values));
      }
    }
  });

  it("sorts many places, and touches none twice in a layer", () => {
    for (const n of [100, 127, 128, 129]) {
      const layers = mergeExchange(n);
      const t = Math.ceil(Math.log2(n));
      expect(layers.length).toBe((t * (t + 1)) / 2);
      for (const layer of layers) expect(new Set(layer.flat()).size).toBe(2 * layer.length);
      const values = Array.from({ length: n }, (_, i) => (i * 37) % 101);
      expect(apply(layers, values)).toEqual(ascending(values));
    }
  });

  it("still decides the wanted places when it is pruned", () => {
    const values = Array.from({ length: 40 }, (_, i) => (i * 17) % 41);
    const sorted = ascending(values);
    for (const wanted of [[0], [39], [19, 20], [37, 38, 39]]) {
      const layers = pruned(mergeExchange(40), wanted);
      expect(layers.flat().length).toBeLessThan(mergeExchange(40).flat().length);
      const out = apply(layers, values);
      for (const place of wanted) expect(out[place]).toBe(sorted[place]);
    }
    expect(pruned(mergeExchange(40), [])).toEqual([]);
  });
});

describe.each(someFields)("sorting over p = 2^%i - 1", (field) => {
  const fracBits = 8;
  const bound = 1000;
  const elements = fc.oneof(fixedPoint(fracBits, bound), fc.constantFrom(0, 1));
  const lists = fc.array(elements, { minLength: 1, maxLength: 9 });

  it("orders values as in the clear, at the declared cost", async () => {
    await fc.assert(
      fc.asyncProperty(lists, async (values) => {
        const x = [column(values, fracBits, bound)];
        const sorted = ascending(values);
        expect((await runEverywhere(x, (_, [a]) => sort(a), field)).secure).toEqual(sorted);
        const k = Math.ceil(values.length / 2);
        const largest = await runEverywhere(x, (_, [a]) => topK(a, k), field);
        expect(largest.secure).toEqual([...sorted].reverse().slice(0, k));
        const middle = await runEverywhere(x, (_, [a]) => median(a), field);
        const [low, high] = [sorted[(values.length - 1) >> 1], sorted[values.length >> 1]];
        expect(middle.secure).toEqual([(low + high) / 2]);
      }),
      { numRuns: 6 },
    );
  });

  it("sorts the columns of a matrix each by itself", async () => {
    const x = matrix(3, 2, [3, -1, 1, 5, 2, 0], fracBits);
    const { secure, declaration } = await runEverywhere([x], (_, [a]) => sort(a), field);
    expect(secure).toEqual([1, -1, 2, 0, 3, 5]);
    expect(declaration.rounds).toBe(9);
  });

  it("sorts by a network what has many columns", async () => {
    await fc.assert(
      fc.asyncProperty(lists, async (values) => {
        const x = column(values, fracBits, bound);
        const layers = mergeExchange(values.length);
        const { secure, declaration } = await runEverywhere([x], (_, [a]) => exchange(a, layers), field);
        expect(secure).toEqual(ascending(values));
        expect(declaration.rounds).toBe(4 * layers.length);
      }),
      { numRuns: 4 },
    );
    const wide = matrix(
      3,
      200,
      Array.from({ length: 600 }, (_, i) => (i * 7) % 13),
      fracBits,
    );
    const { secure, plain, declaration } = await runEverywhere([wide], (_, [a]) => sort(a), field);
    expect(secure).toEqual(plain);
    expect(declaration.rounds).toBe(4 * mergeExchange(3).length);
  });

  const keys = [5, -2, 5, 0, 3];
  const rowsOf = (sorted: readonly number[]): number[][] =>
    Array.from({ length: 5 }, (_, i) => sorted.slice(3 * i, 3 * i + 3));

  it.each([
    ["ranks", 9, sortBy],
    [
      "a network",
      5 * mergeExchange(5).length,
      async <D>(k: Tensor<D>, p: Tensor<D>) => {
        const [first, second] = await exchangeRows(k, p, mergeExchange(k.rows));
        return { keys: first, payload: second };
      },
    ],
  ] as const)("moves the payload along with its key, by %s", async (_, rounds, by) => {
    const payload = keys.map((key, i) => [10 * key, i]);
    const inputs = [column(keys, fracBits), matrix(5, 2, payload.flat(), 4)];
    const { secure, declaration } = await runEverywhere(
      inputs,
      async (_, [k, p]) => {
        const sorted = await by(k, p);
        return stackColumns([sorted.keys, sorted.payload.widen(fracBits)]);
      },
      field,
    );
    const rows = rowsOf(secure);
    expect(rows.map(([key]) => key)).toEqual(ascending(keys));
    for (const [key, ten, i] of rows) expect([ten, keys[i]]).toEqual([10 * key, key]);
    expect(new Set(rows.map(([, , i]) => i)).size).toBe(5);
    expect(declaration.rounds).toBe(rounds);
  });
});

it("ranks are taken while their bytes cost less than the rounds that they save", () => {
  const network = (n: number) => {
    const layers = mergeExchange(n);
    return { rounds: 4 * layers.length, comparisons: layers.flat().length };
  };
  const taken = (n: number, m: number) => fewRoundsPay([n, m], n, network(n));
  expect([2, 3, 10, 100].map((n) => taken(n, 1))).toEqual([false, true, true, true]);
  expect([300, 1000].map((n) => taken(n, 1))).toEqual([false, false]);
  expect([1, 5, 1000].map((m) => taken(30, m))).toEqual([true, true, false]);
});

it("what cannot be sorted is refused", async () => {
  const session = new Session(new PlanBackend(), 127);
  const x = session.input(null, 4, 1, 8, 1);
  for (const k of [0, 5, Number.NaN]) {
    await expect(topK(x, k)).rejects.toMatchObject({ code: "PARAMETER_INVALID" });
  }
  await expect(sortBy(x, x.sliceRows(0, 3))).rejects.toMatchObject({ code: "SHAPE_MISMATCH" });
  await expect(sortBy(x.reshape(2, 2), x)).rejects.toMatchObject({ code: "SHAPE_MISMATCH" });
});
