import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { conform } from "../../../parties/data/conform.ts";
import { type DataSetSchema, parseSchema, schemaHash } from "../../../parties/data/schema.ts";
import {
  Extractor,
  type ExtractorDocument,
  extractorSchema,
  guardedWidth,
  HiddenLayer,
  requireGuarded,
} from "../../../parties/exchange/extractor.ts";
import {
  decodeFeatureBlock,
  encodeFeatureBlock,
  featureBlockBytes,
  sameFeatures,
} from "../../../parties/exchange/feature-block.ts";
import { fitHead, logit, scoreHead } from "../../../parties/exchange/logistic-head.ts";
import {
  dot,
  multiply,
  orthonormalise,
  product,
  randomNormal,
  solvePositive,
  transpose,
} from "../../../parties/exchange/matrix.ts";
import {
  decodeFeatures,
  labelAgreement,
  makeExtractor,
  splitRows,
} from "../../../parties/exchange/private-model.ts";
import type { LabelledRows } from "../../../parties/exchange/shards.ts";
import { noisySellers } from "./noisy-sellers.ts";

const code = (expected: string) => expect.objectContaining({ code: expected });

async function made(width?: number) {
  const { schema, validation } = await noisySellers([0]);
  const own = conform(validation, schema) as LabelledRows;
  const { fit, score } = splitRows(own);
  const { document, model } = makeExtractor(fit, schema, {
    hidden: 48,
    width: width ?? guardedWidth(schema),
  });
  return { schema, own, fit, score, document, model, extractor: new Extractor(document, schema) };
}

describe("an extractor", () => {
  test("computes the same bits each time, from the document alone", async () => {
    const { document, schema, own, extractor } = await made();
    const again = new Extractor(extractorSchema.parse(JSON.parse(JSON.stringify(document))), schema);
    expect(sameFeatures(again.extract(own), extractor.extract(own))).toBe(true);
  });

  test("computes what its definition says", async () => {
    const { document, schema, own, extractor } = await made(3);
    const layer = new HiddenLayer(document.seed, document.hidden, schema.columns.length);
    const { features, width, labels } = extractor.extract(own);
    expect(width).toBe(3);
    layer.ofRows(own.features, schema).forEach((hidden, row) => {
      const expected = multiply(
        document.lastLayer.map((weights) => Float64Array.from(weights)),
        hidden,
      );
      expected.forEach((value, i) => {
        expect(features[row * 3 + i]).toBe(Math.round(value * 256) + 0);
      });
      expect(labels[row]).toBe(own.label[row]);
    });
  });

  test("has a last layer of orthonormal rows, whatever the model", async () => {
    const { document } = await made();
    document.lastLayer.forEach((a, i) => {
      document.lastLayer.forEach((b, j) => {
        expect(dot(Float64Array.from(a), Float64Array.from(b))).toBeCloseTo(i === j ? 1 : 0, 10);
      });
    });
  });

  test("of other columns is refused", async () => {
    const { document, schema } = await made();
    const other = { ...schema, columns: [...schema.columns].reverse() };
    expect(() => new Extractor(document, other)).toThrow(code("SCHEMA_MISMATCH"));
  });

  test("that asks for more than half as many numbers as columns is refused", async () => {
    const { document, schema } = await made();
    expect(document.lastLayer).toHaveLength(15);
    expect(() => requireGuarded(document, schema)).not.toThrow();
    const wider = await made(16);
    expect(() => requireGuarded(wider.document, schema)).toThrow(code("TERMS_REFUSED"));
  });

  test.each([
    ["enlarges what it reads", (rows: number[][]) => rows.map((row) => row.map((value) => 1.01 * value))],
    ["reads the same twice", (rows: number[][]) => [rows[0]!, rows[0]!]],
    ["reads nothing", (rows: number[][]) => rows.map((row) => row.map(() => 0))],
  ])("whose last layer %s is refused by a seller", async (_, change) => {
    const { document, schema } = await made(2);
    const altered = { ...document, lastLayer: change(document.lastLayer) };
    expect(() => requireGuarded(altered, schema)).toThrow(code("TERMS_REFUSED"));
  });

  test("keeps features within their 16 bits", () => {
    const schema = parseSchema({
      ...{
        version: 1,
        outOfRange: "clip",
        fracBits: 16,
        fieldBits: 61,
        label: { name: "y", kind: "binary" },
      },
      columns: [{ name: "x", min: -1, max: 1 }],
    });
    const row = { rows: 1, features: Float64Array.of(1), label: Float64Array.of(1) };
    // The sum of 256 hidden units goes beyond 128 with some of these seeds, and not with others.
    const features = Array.from({ length: 40 }, (_, i) => {
      const seed = `0x${i.toString(16).padStart(64, "0")}`;
      const [hidden] = new HiddenLayer(seed, 256, 1).ofRows(row.features, schema);
      const sum = hidden!.reduce((total, value) => total + value, 0);
      const lastLayer = [Array<number>(256).fill(1)];
      const document = { version: 1 as const, schemaHash: schemaHash(schema), seed, hidden: 256, lastLayer };
      return { sum, feature: new Extractor(document, schema).extract(row).features[0] };
    });
    for (const { sum, feature } of features) expect(feature).toBe(Math.min(0x7fff, Math.round(sum * 256)));
    expect(features.filter(({ sum }) => sum > 128).length).toBeGreaterThan(0);
    expect(features.filter(({ sum }) => sum < 128).length).toBeGreaterThan(0);
  });

  test.each([
    ["a row that is too short", (d: ExtractorDocument) => ({ ...d, lastLayer: [[0.5]] })],
    [
      "numbers beyond any frame",
      (d: ExtractorDocument) => ({ ...d, lastLayer: [d.lastLayer[0]!.map(() => 1e300)] }),
    ],
    ["no last layer", (d: ExtractorDocument) => ({ ...d, lastLayer: [] })],
    ["too many hidden units", (d: ExtractorDocument) => ({ ...d, hidden: 257 })],
    ["anything else in it", (d: ExtractorDocument) => ({ ...d, more: 1 })],
  ])("document with %s is refused", async (_, change) => {
    const { document } = await made(2);
    expect(extractorSchema.safeParse(document).success).toBe(true);
    expect(extractorSchema.safeParse(change(document)).success).toBe(false);
  });
});

describe("what the last layer hides", () => {
  test("the collector undoes the rotation and has its model's own scores back", async () => {
    const { document, model, schema, fit, own, extractor } = await made();
    const layer = new HiddenLayer(document.seed, document.hidden, schema.columns.length);
    const head = fitHead(layer.ofRows(fit.features, schema), fit.label);
    const decoded = decodeFeatures(model, extractor.extract(own));
    layer.ofRows(own.features, schema).forEach((hidden, row) => {
      // What rounding takes: half a step in each of k features.
      const off = model.slope * decoded[row]![0]! + model.intercept - logit(head, hidden);
      expect(Math.abs(off)).toBeLessThan((model.slope * Math.sqrt(15)) / 512);
    });
    // Nobody else does: read as it comes, the first feature is not the model's.
    const raw = extractor.extract(own);
    const unlike = decoded.filter((row, i) => Math.abs(row[0]! - raw.features[i * raw.width]! / 256) > 0.02);
    expect(unlike.length).toBeGreaterThan(own.rows / 2);
  });

  test("two extractors of one model and the same decoys span the same space and differ in every row", () => {
    const frame = orthonormalise(randomNormal(5, 20));
    const [a, b] = [0, 1].map(() => product(orthonormalise(randomNormal(5, 5)), frame)) as [
      Float64Array[],
      Float64Array[],
    ];
    for (const row of a) {
      // Inside the span of b: nothing is left when its part along b is taken away.
      const along = multiply(transpose(b), multiply(b, row));
      row.forEach((value, i) => {
        expect(along[i]).toBeCloseTo(value, 10);
      });
      for (const other of b) expect(Math.abs(dot(row, other))).toBeLessThan(0.9999);
    }
  });

  // By symmetry each of k rows of L has the squared cosine 1/k with the model's direction, in the mean. 400 draws of k = 4
  // have a standard error below 0.013, so 0.19 to 0.31 is left by chance once in 10^5 at most.
  test("the model's direction leans to no row of it", () => {
    const k = 4;
    const direction = Float64Array.from({ length: 12 }, (_, i) => (i === 0 ? 1 : 0));
    const sums = new Float64Array(k);
    const draws = 400;
    for (let draw = 0; draw < draws; draw++) {
      const frame = orthonormalise([direction, ...randomNormal(k - 1, 12)]);
      product(orthonormalise(randomNormal(k, k)), frame).forEach((row, i) => {
        sums[i]! += dot(row, direction) ** 2 / draws;
      });
    }
    for (const mean of sums) {
      expect(mean).toBeGreaterThan(0.19);
      expect(mean).toBeLessThan(0.31);
    }
  });

  test("every extractor is another one", async () => {
    const [a, b] = [await made(2), await made(2)];
    expect(a.document.seed).not.toBe(b.document.seed);
    expect(a.document.lastLayer).not.toEqual(b.document.lastLayer);
  });

  test("the rows are split in two halves without a row in both", async () => {
    const { own, fit, score } = await made();
    expect(fit.rows + score.rows).toBe(own.rows);
    expect([...fit.label, ...score.label].sort()).toEqual([...own.label].sort());
    expect(fit.features.length + score.features.length).toBe(own.features.length);
  });

  test("a width that leaves nothing to hide in, and rows of one class, are refused", async () => {
    const { fit, schema } = await made();
    for (const width of [0, 48, 49]) {
      expect(() => makeExtractor(fit, schema, { hidden: 48, width })).toThrow(code("PARAMETER_INVALID"));
    }
    const sick = { ...fit, label: fit.label.map(() => 1) };
    expect(() => makeExtractor(sick, schema, { hidden: 48, width: 5 })).toThrow(code("PARAMETER_INVALID"));
  });

  test("right labels agree with the private model, turned ones do not", async () => {
    const { own, model, extractor } = await made();
    const block = extractor.extract(own);
    const share = labelAgreement(model, block);
    expect(share).toBeGreaterThan(0.85);
    const turned = { ...block, labels: block.labels.map((label) => 1 - label) };
    expect(labelAgreement(model, turned)).toBeCloseTo(1 - share, 12);
  });
});

describe("a block of features", () => {
  const blockArbitrary = fc
    .tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 5 }))
    .chain(([rows, width]) =>
      fc.record({
        rows: fc.constant(rows),
        width: fc.constant(width),
        features: fc
          .array(fc.integer({ min: -0x8000, max: 0x7fff }), {
            minLength: rows * width,
            maxLength: rows * width,
          })
          .map((values) => Int16Array.from(values)),
        labels: fc
          .array(fc.constantFrom(0, 1), { minLength: rows, maxLength: rows })
          .map((values) => Uint8Array.from(values)),
      }),
    );

  test("is read as it was written, and no other shape is", () => {
    fc.assert(
      fc.property(blockArbitrary, (block) => {
        const bytes = encodeFeatureBlock(block);
        expect(bytes).toHaveLength(featureBlockBytes(block.rows, block.width));
        expect(sameFeatures(decodeFeatureBlock(bytes, block.rows, block.width), block)).toBe(true);
        expect(() => decodeFeatureBlock(bytes, block.rows + 1, block.width)).toThrow(code("SHAPE_MISMATCH"));
        expect(() => decodeFeatureBlock(bytes, block.rows, block.width + 1)).toThrow(code("SHAPE_MISMATCH"));
        expect(() => decodeFeatureBlock(bytes.subarray(1), block.rows, block.width)).toThrow(
          code("SHAPE_MISMATCH"),
        );
      }),
    );
  });

  test.each([["a label of 2", { labels: Uint8Array.of(2) }]])("with %s is refused", (_, change) => {
    const block = { rows: 1, width: 1, features: Int16Array.of(1), ...change };
    expect(() => decodeFeatureBlock(encodeFeatureBlock(block), 1, 1)).toThrow(code("SHAPE_MISMATCH"));
  });

  test("differs when one number or label does", () => {
    const block = { rows: 1, width: 2, features: Int16Array.of(1, 2), labels: Uint8Array.of(1) };
    expect(sameFeatures(block, { ...block, features: Int16Array.of(1, 3) })).toBe(false);
    expect(sameFeatures(block, { ...block, labels: Uint8Array.of(0) })).toBe(false);
    expect(sameFeatures(block, { ...block, width: 1, features: Int16Array.of(1) })).toBe(false);
  });
});

describe("the head", () => {
  test("stands where the gradient of its objective is zero", () => {
    const z = randomNormal(60, 3);
    const y = z.map((row) => (row[0]! + row[1]! > 0.3 ? 1 : 0));
    const { weights, intercept } = fitHead(z, y, 2);
    const gradient = [...weights.map((w) => 2 * w), 0.002 * intercept];
    z.forEach((row, i) => {
      const slope = 1 / (1 + Math.exp(-logit({ weights, intercept }, row))) - y[i]!;
      [...row, 1].forEach((value, j) => {
        gradient[j]! += slope * value;
      });
    });
    for (const part of gradient) expect(part).toBeCloseTo(0, 4);
  });

  test("that knows nothing has a coin's loss", () => {
    const head = { weights: new Float64Array(2), intercept: 0 };
    expect(scoreHead(head, randomNormal(8, 2), [0, 1, 0, 1, 0, 1, 0, 1]).logLoss).toBeCloseTo(
      Math.log(2),
      12,
    );
  });

  test("has finite losses for scores of any size", () => {
    const head = { weights: Float64Array.of(1), intercept: 0 };
    const z = [Float64Array.of(1e6), Float64Array.of(-1e6)];
    expect(scoreHead(head, z, [1, 0])).toEqual({ accuracy: 1, logLoss: 0 });
    expect(scoreHead(head, z, [0, 1])).toEqual({ accuracy: 0, logLoss: 1e6 });
  });

  test("needs rows, and a label for each", () => {
    expect(() => fitHead([], [])).toThrow(code("SHAPE_MISMATCH"));
    expect(() => fitHead([Float64Array.of(1)], [1, 0])).toThrow(code("SHAPE_MISMATCH"));
  });
});

describe("matrices", () => {
  test("a positive system is solved", () => {
    const root = randomNormal(6, 6);
    const a = product(root, transpose(root)).map((row, i) =>
      row.map((value, j) => value + (i === j ? 1 : 0)),
    );
    const x = randomNormal(1, 6)[0]!;
    solvePositive(a, multiply(a, x)).forEach((value, i) => {
      expect(value).toBeCloseTo(x[i]!, 8);
    });
    const indefinite = [Float64Array.of(0, 1), Float64Array.of(1, 0)];
    expect(() => solvePositive(indefinite, Float64Array.of(1, 1))).toThrow(code("PARAMETER_INVALID"));
  });

  test("the first row of a frame keeps its direction, and dependent rows make none", () => {
    const [first] = orthonormalise([Float64Array.of(3, 4), Float64Array.of(1, 0)]);
    expect(first).toEqual(Float64Array.of(0.6, 0.8));
    const dependent = [Float64Array.of(1, 2), Float64Array.of(2, 4)];
    expect(() => orthonormalise(dependent)).toThrow(code("PARAMETER_INVALID"));
  });

  // Mean and variance of 20 000 numbers: standard errors 0.0071 and 0.01, five of them once in 10^6.
  test("normal numbers have mean 0 and variance 1", () => {
    const values = randomNormal(200, 100).flatMap((row) => [...row]);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
    expect(Math.abs(mean)).toBeLessThan(0.036);
    expect(Math.abs(variance - 1)).toBeLessThan(0.05);
  });
});

test("the guard is half the columns, and at most 64", () => {
  const columns = (count: number): DataSetSchema =>
    parseSchema({
      ...{
        version: 1,
        outOfRange: "clip",
        fracBits: 16,
        fieldBits: 61,
        label: { name: "y", kind: "binary" },
      },
      columns: Array.from({ length: count }, (_, i) => ({ name: `x${i}`, min: 0, max: 1 })),
    });
  expect([1, 2, 3, 30, 500].map((count) => guardedWidth(columns(count)))).toEqual([0, 1, 1, 15, 64]);
});
