import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { exp } from "../../../mpc/functions/exp.ts";
import { log } from "../../../mpc/functions/log.ts";
import { polynomial } from "../../../mpc/functions/polynomial.ts";
import { softmax } from "../../../mpc/functions/softmax.ts";
import type { FieldBits } from "../../../mpc/vector/index.ts";
import { runEverywhere } from "../session/three-sessions.ts";
import { column, fixedPoint, geometric, matrix } from "./values.ts";

const round = (values: readonly number[], places: number): number[] =>
  values.map((x) => Math.round(x * 2 ** places) / 2 ** places);

describe("a polynomial", () => {
  it.each([1, 2, 3, 4, 5, 7, 8, 11])(
    "of %i coefficients takes the rounds of their logarithm",
    async (count) => {
      const coefficients = Array.from({ length: count }, (_, i) => Math.sin(3 * i + 1));
      const values = round([-1, -0.3, 0, 0.125, 0.77, 1], 24);
      const { secure, declaration, error } = await runEverywhere([column(values, 24)], (_, [x]) =>
        polynomial(x, coefficients),
      );
      secure.forEach((y, i) => {
        const exact = coefficients.reduceRight((sum, c) => sum * values[i] + c, 0);
        expect(Math.abs(y - exact)).toBeLessThan(2 ** -20);
        expect(Math.abs(y - exact)).toBeLessThanOrEqual(error);
      });
      expect(declaration.rounds).toBe(Math.max(1, Math.ceil(Math.log2(count))));
    },
  );

  it("works on each element of a matrix", async () => {
    const x = matrix(2, 3, [0.5, -0.5, 0.25, 1, -1, 0], 20);
    const { secure } = await runEverywhere([x], (_, [a]) => polynomial(a, [1, 2, 3], 16));
    x.values.forEach((v, i) => {
      expect(Math.abs(secure[i] - (1 + 2 * v + 3 * v * v))).toBeLessThan(2 ** -14);
    });
  });
});

const fields: [FieldBits, places: number, out: number][] = [
  [127, 20, 20],
  [107, 16, 16],
  [89, 12, 14],
];

describe.each(fields)("over p = 2^%i - 1 with %i and %i places", (field, places, out) => {
  it("exp keeps its error from where it vanishes to its largest value, at the knots and around 0", async () => {
    const [low, high] = [-20, 3];
    const knots = Array.from({ length: 20 }, (_, i) => (i - 16) * Math.LN2);
    const values = round(
      [
        ...knots.flatMap((k) => [k, k + 0.01, k - 0.01, k - 0.03]),
        ...Array.from({ length: 80 }, (_, i) => low + ((high - low) * i) / 79),
        ...fc.sample(fc.double({ min: low, max: high, noNaN: true }), 60),
      ].filter((x) => x >= low && x <= high),
      places,
    );
    const range = { min: Number.NEGATIVE_INFINITY, max: Number.POSITIVE_INFINITY };
    const run = await runEverywhere(
      [column(values, places, 20)],
      (_, [x]) => exp(x, { ...range, max: high }, out),
      field,
    );
    run.secure.forEach((y, i) => {
      const allowed = 2 ** -20 * Math.exp(values[i]) + 2 * 2 ** -out;
      expect(Math.abs(y - Math.exp(values[i])), `at ${values[i]}`).toBeLessThan(allowed);
      expect(Math.abs(y - Math.exp(values[i]))).toBeLessThanOrEqual(run.error);
    });
    expect(run.declaration.rounds).toBe(9);
    const inside = await runEverywhere([column([-2, 1.5, 2], places)], (_, [x]) => exp(x, range, out), field);
    expect(inside.declaration.rounds).toBe(places > 28 ? 9 : 8);
  });

  it("exp cuts off what leaves its range", async () => {
    const values = [-2.1, -3, -100, 1.1, 2, 100];
    const { secure, error } = await runEverywhere(
      [column(values, places, 100)],
      (_, [x]) => exp(x, { min: -2, max: 1 }, out),
      field,
    );
    for (const y of secure.slice(0, 3)) expect(Math.abs(y)).toBeLessThan(2 * 2 ** -out);
    for (const y of secure.slice(3)) {
      expect(y).toBeGreaterThan(Math.E - 2 ** -10);
      expect(y).toBeLessThan(Math.exp(1 + 3 / 128) + 2 ** -10);
    }
    // The bound on the error counts what is cut off.
    secure.forEach((y, i) => {
      expect(Math.abs(y - Math.exp(Math.min(values[i], 1)))).toBeLessThanOrEqual(error);
    });
  });

  it("log keeps its error over its range, and counts smaller values as its end", async () => {
    const range = { minExponent: -8, maxExponent: 6 };
    const powers = Array.from({ length: 15 }, (_, i) => 2 ** (i - 8));
    const values = round(
      [
        ...powers,
        ...powers.slice(1).map((p) => p - 2 ** -places),
        ...geometric(2 ** -8, 64, 60),
        ...fc.sample(fc.double({ min: 2 ** -8, max: 64, noNaN: true }), 60),
        ...[0, -1, -64, 2 ** -places, 2 ** -8 - 2 ** -places],
      ],
      places,
    );
    const { secure, declaration, error } = await runEverywhere(
      [column(values, places, 64)],
      (_, [v]) => log(v, range, out),
      field,
    );
    secure.forEach((y, i) => {
      const exact = Math.log(Math.max(values[i], 2 ** -8));
      expect(Math.abs(y - exact), `at ${values[i]}`).toBeLessThan(2 ** -20 + 2 * 2 ** -out);
      expect(Math.abs(y - exact)).toBeLessThanOrEqual(error);
    });
    expect(declaration.rounds).toBe(8);
  });

  it("softmax keeps its error, on rows that agree and on rows that are far apart", async () => {
    const m = 5;
    const rows = [
      [0, 0, 0, 0, 0],
      [30, -30, 0, 1, 30],
      [-30, -30, -30, -30, -29],
      ...fc.sample(fc.array(fixedPoint(places, 30), { minLength: m, maxLength: m }), 10),
      ...fc.sample(fc.array(fixedPoint(places, 2), { minLength: m, maxLength: m }), 10),
    ];
    const x = matrix(rows.length, m, rows.flat(), places, 30);
    const { secure, declaration, error } = await runEverywhere([x], (_, [a]) => softmax(a, out), field);
    rows.forEach((row, i) => {
      const largest = Math.max(...row);
      const weights = row.map((v) => Math.exp(v - largest));
      const sum = weights.reduce((a, b) => a + b);
      row.forEach((_, j) => {
        const allowed = (m + 2) * 2 ** -20 + (2 * m + 8) * 2 ** -out;
        const difference = Math.abs(secure[i * m + j] - weights[j] / sum);
        expect(difference).toBeLessThan(allowed);
        expect(difference).toBeLessThanOrEqual(error);
      });
    });
    expect(declaration.rounds).toBe(9 + 9 + 9 + 1);
  });
});
