/**
 * What the collector alone knows of its session's extractor: the model whose direction the published last layer hides,
 * and the rotation that hides it. See `extractor.ts`.
 */
import { z } from "zod";
import { SymbolonError } from "../../mpc/errors.ts";
import { randomBytes } from "../../mpc/random.ts";
import { type DataSetSchema, schemaHash } from "../data/schema.ts";
import { type ExtractorDocument, HiddenLayer } from "./extractor.ts";
import { type FeatureBlock, featureStep } from "./feature-block.ts";
import { fitHead } from "./logistic-head.ts";
import { multiply, orthonormalise, product, randomNormal, transpose, type Vector } from "./matrix.ts";
import type { LabelledRows } from "./shards.ts";

/** As it stands in the collector's journal. Secret. */
export const privateModelSchema = z.strictObject({
  /** The secret rotation R, k rows of k numbers. */
  rotation: z.array(z.array(z.number())),
  /** The private model on the first decoded feature: P(1) = 1 / (1 + exp(-(slope * z_1 + intercept))). */
  slope: z.number(),
  intercept: z.number(),
});
export type PrivateModel = z.infer<typeof privateModelSchema>;

/** Of the validation rows, every second one fits the private model and the others score: nothing is held against itself. */
export function splitRows(rows: LabelledRows): { fit: LabelledRows; score: LabelledRows } {
  const width = rows.features.length / rows.rows;
  const take = (parity: number): LabelledRows => {
    const taken = Array.from({ length: rows.rows }, (_, row) => row).filter((row) => row % 2 === parity);
    return {
      rows: taken.length,
      features: Float64Array.from(
        taken.flatMap((row) => [...rows.features.subarray(row * width, (row + 1) * width)]),
      ),
      label: Float64Array.from(taken, (row) => rows.label[row]!),
    };
  };
  return { fit: take(0), score: take(1) };
}

/**
 * Fits the private model, logistic regression on the hidden layer, and hides its direction in a last layer.
 * @param hidden units of the hidden layer, above `width`
 * @param width features a row
 * @throws PARAMETER_INVALID for a width that is not below `hidden`, and for rows of one class only
 */
export function makeExtractor(
  fit: LabelledRows,
  schema: DataSetSchema,
  { hidden, width }: { hidden: number; width: number },
): { document: ExtractorDocument; model: PrivateModel } {
  if (!(width >= 1 && width < hidden)) {
    throw new SymbolonError("PARAMETER_INVALID", `${width} features of ${hidden} hidden units`, {
      hint: `there is nothing to hide in unless features are fewer than the hidden units: give --hidden ${width + 1} or more, or a smaller --width`,
    });
  }
  if (!fit.label.includes(0) || !fit.label.includes(1)) {
    throw new SymbolonError("PARAMETER_INVALID", "the validation rows are all of one class", {
      hint: "rows of both classes are needed, in both halves of the file's odd and even rows",
    });
  }
  const seed = `0x${randomBytes(32).toString("hex")}`;
  const layer = new HiddenLayer(seed, hidden, schema.columns.length);
  const { weights, intercept } = fitHead(layer.ofRows(fit.features, schema), fit.label);
  const frame = orthonormalise([weights, ...randomNormal(width - 1, hidden)]);
  const rotation = orthonormalise(randomNormal(width, width));
  const lastLayer = product(rotation, frame).map((row) => [...row]);
  const document = { version: 1 as const, schemaHash: schemaHash(schema), seed, hidden, lastLayer };
  const slope = Math.sqrt(weights.reduce((sum, w) => sum + w * w, 0));
  return { document, model: { rotation: rotation.map((row) => [...row]), slope, intercept } };
}

/** Features with the secret rotation undone, a row each: Q hidden(x). */
export function decodeFeatures({ rotation }: PrivateModel, block: FeatureBlock): Vector[] {
  // The inverse of a rotation is its transpose.
  const inverse = transpose(rotation.map((row) => Float64Array.from(row)));
  const { rows, width, features } = block;
  return Array.from({ length: rows }, (_, row) =>
    multiply(
      inverse,
      Float64Array.from(features.subarray(row * width, (row + 1) * width), (steps) => steps * featureStep),
    ),
  );
}

/** Share of rows, 0 to 1, whose label is the one that the private model finds more likely. */
export function labelAgreement(model: PrivateModel, block: FeatureBlock): number {
  const right = decodeFeatures(model, block).filter(
    ([first], row) => model.slope * first! + model.intercept > 0 === (block.labels[row] === 1),
  );
  return right.length / block.rows;
}
