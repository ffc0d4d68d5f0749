import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  modelBeforeMap,
  rawModel,
  rawMoments,
  scaledModel,
  scaleMatrix,
  scalingOf,
  unscaleMatrix,
} from "../../../parties/data/scaling.ts";
import type { DataSetSchema } from "../../../parties/data/schema.ts";

function schemaOf(...bounds: [number, number][]): DataSetSchema {
  return {
    version: 1,
    columns: bounds.map(([min, max], index) => ({ name: `c${index}`, min, max })),
    outOfRange: "refuse",
    fracBits: 16,
    fieldBits: 127,
  };
}

/** Bounds and a value between them. */
const cell = fc
  .tuple(
    fc.double({ min: -1e6, max: 1e6, noNaN: true }),
    fc.double({ min: 1e-3, max: 1e6, noNaN: true }),
    fc.double({ min: 0, max: 1, noNaN: true }),
  )
  .map(([min, width, part]) => ({
    min,
    max: min + width,
    value: Math.min(min + width, Math.max(min, min + part * width)),
  }));

const dot = (x: ArrayLike<number>, model: { weights: ArrayLike<number>; intercept: number }) =>
  Array.from(x).reduce((sum, value, index) => sum + value * model.weights[index]!, model.intercept);

describe("scaling to [-1, 1]", () => {
  it("takes the bounds to -1 and 1 and the middle to 0", () => {
    const scaling = scalingOf(schemaOf([0, 10], [-3, -1]));
    expect([...scaleMatrix(new Float64Array([0, -3, 10, -1, 5, -2, 7.5, -1.5]), scaling)]).toEqual([
      -1, -1, 1, 1, 0, 0, 0.5, 0.5,
    ]);
  });

  it("stays within [-1, 1] and comes back", () => {
    fc.assert(
      fc.property(fc.array(cell, { minLength: 1, maxLength: 5 }), (cells) => {
        const scaling = scalingOf(schemaOf(...cells.map(({ min, max }): [number, number] => [min, max])));
        const raw = Float64Array.from(cells, ({ value }) => value);
        const scaled = scaleMatrix(raw, scaling);
        for (const value of scaled) expect(Math.abs(value)).toBeLessThanOrEqual(1);
        unscaleMatrix(scaled, scaling).forEach((value, index) => {
          const { min, max } = cells[index]!;
          const tolerance = 1e-14 * (Math.abs(min) + Math.abs(max));
          expect(Math.abs(value - raw[index]!)).toBeLessThanOrEqual(tolerance);
        });
      }),
    );
  });

  it("works in place, and does not overflow at the widest bounds", () => {
    const scaling = scalingOf(schemaOf([-1e100, 1e100]));
    const matrix = new Float64Array([-1e100, 0, 1e100]);
    expect(scaleMatrix(matrix, scaling, matrix)).toBe(matrix);
    expect([...matrix]).toEqual([-1, 0, 1]);
  });

  it("refuses matrices of another width", () => {
    const scaling = scalingOf(schemaOf([0, 1], [0, 1]));
    expect(() => scaleMatrix(new Float64Array(3), scaling)).toThrow(
      expect.objectContaining({ code: "SHAPE_MISMATCH" }),
    );
    expect(() => scaleMatrix(new Float64Array(4), scaling, new Float64Array(2))).toThrow(
      expect.objectContaining({ code: "SHAPE_MISMATCH" }),
    );
  });
});

describe("models in raw units", () => {
  it("have w / halfRange as weights", () => {
    const scaling = scalingOf(schemaOf([0, 10], [2, 6]));
    expect(rawModel({ weights: [5, 4], intercept: 1 }, scaling)).toEqual({
      weights: [1, 2],
      intercept: 1 - 5 - 8,
    });
  });

  it("predict on raw rows what the scaled ones predict on scaled rows", () => {
    const weighted = fc.tuple(cell, fc.double({ min: -10, max: 10, noNaN: true }));
    fc.assert(
      fc.property(fc.array(weighted, { minLength: 1, maxLength: 6 }), (columns) => {
        const scaling = scalingOf(schemaOf(...columns.map(([{ min, max }]): [number, number] => [min, max])));
        const raw = Float64Array.from(columns, ([{ value }]) => value);
        const model = { weights: columns.map(([, weight]) => weight), intercept: 0.25 };
        const expected = dot(scaleMatrix(raw, scaling), model);
        const back = rawModel(model, scaling);
        // Cancellation between w x and the intercept grows with center / halfRange.
        const conditioning = columns.reduce(
          (sum, [{ min, max }, weight]) =>
            sum + Math.abs(weight) * (1 + (Math.abs(min) + Math.abs(max)) / (max - min)),
          1,
        );
        expect(Math.abs(dot(raw, back) - expected)).toBeLessThanOrEqual(1e-14 * conditioning * 4);
        const there = scaledModel(back, scaling);
        there.weights.forEach((weight, index) => {
          expect(weight).toBeCloseTo(model.weights[index]!, 10);
        });
      }),
    );
  });

  it("undo a standardisation on top of the scaling", () => {
    const scaling = scalingOf(schemaOf([0, 4], [10, 30]));
    const mean = [0.25, -0.5];
    const deviation = [0.5, 2];
    const model = { weights: [3, -2], intercept: 0.5 };
    const raw = new Float64Array([3, 28]);
    const standardised = scaleMatrix(raw, scaling).map(
      (value, index) => (value - mean[index]!) / deviation[index]!,
    );
    const back = rawModel(modelBeforeMap(model, mean, deviation), scaling);
    expect(dot(raw, back)).toBeCloseTo(dot(standardised, model), 12);
  });

  it("need positive scales and matching lengths", () => {
    const bad = expect.objectContaining({ code: "SHAPE_MISMATCH" });
    expect(() => modelBeforeMap({ weights: [1], intercept: 0 }, [0], [0])).toThrow(bad);
    expect(() => modelBeforeMap({ weights: [1], intercept: 0 }, [0], [Number.NaN])).toThrow(bad);
    expect(() => modelBeforeMap({ weights: [1, 2], intercept: 0 }, [0], [1])).toThrow(bad);
  });
});

describe("moments in raw units", () => {
  it("are those of the raw column", () => {
    const raw = [3, 5, 10, 2];
    const scaling = scalingOf(schemaOf([0, 1], [0, 20]));
    const moments = (values: number[]) => {
      const mean = values.reduce((sum, value) => sum + value) / values.length;
      const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
      return { mean, variance };
    };
    const { mean, sum, variance } = rawMoments(moments(raw.map((value) => (value - 10) / 10)), 4, 1, scaling);
    expect(mean).toBeCloseTo(5, 12);
    expect(sum).toBeCloseTo(20, 12);
    expect(variance).toBeCloseTo(moments(raw).variance, 12);
  });
});
