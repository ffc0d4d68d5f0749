/**
 * The feature extractor of a session. After [HyperX], providers compute features of their rows with a public extractor
 * whose last layer the collector has obfuscated. The idea is the paper's, the construction our own:
 *
 *     hidden(x)   = max(0, A s(x) + b)       h numbers; A and b from a public seed, s scales by the schema to [-1, 1]
 *     features(x) = R Q hidden(x)            k numbers; the last layer L = R Q [k, h] is what is published
 *
 * Q has k orthonormal rows: the first is the direction of the collector's private model (`private-model.ts`), the
 * others are decoys, random and orthogonal to it. R is a secret rotation, uniform among all of R^k (Haar).
 *
 * What L tells: R being uniform, L's distribution depends on the space that Q's rows span and on nothing else. So L
 * tells that space, in which the direction of the private model is one of all; not the direction, nor its scale,
 * intercept or quality. It is one direction out of k dimensions, no more: with k = 1 it would stand there.
 *
 * What features tell the collector, before it has paid anything: k numbers of 16 bits about each row, k at most half the
 * number of columns (`requireGuarded`). That is 8 bits a column on average and no more, whatever extractor it chooses. A
 * hostile one can choose which bits: L can be made so that a feature is very nearly a column of its choice. Columns that
 * say the same follow from each other, and a row that the collector can guess it can test. The labels come along in the
 * clear.
 *
 * Only additions, multiplications and maxima in a fixed order and one rounding to a multiple of 1/256: every machine
 * computes the same bits, so a reviewed shard's features are compared exactly.
 */
import { z } from "zod";
import { SymbolonError } from "../../mpc/errors.ts";
import { seededStream } from "../../mpc/random.ts";
import { scaleMatrix, scalingOf } from "../data/scaling.ts";
import { type DataSetSchema, schemaHash } from "../data/schema.ts";
import { type FeatureBlock, featureStep } from "./feature-block.ts";
import { dot, type Vector } from "./matrix.ts";
import type { LabelledRows } from "./shards.ts";

export const maxHidden = 256;
export const maxWidth = 64;

const hex32 = z.string().regex(/^0x[0-9a-f]{64}$/);

/** What the collector publishes; its sha256 is the session's extractorHash. */
export const extractorSchema = z
  .strictObject({
    version: z.literal(1),
    /** Hash of the schema whose columns it reads. */
    schemaHash: hex32,
    /** Seed of the hidden layer. */
    seed: hex32,
    hidden: z.int().min(1).max(maxHidden),
    /** k rows of h numbers. Orthonormal, so none is larger than 1. */
    lastLayer: z
      .array(z.array(z.number().min(-1.001).max(1.001)))
      .min(1)
      .max(maxWidth),
  })
  .refine(({ hidden, lastLayer }) => lastLayer.every((row) => row.length === hidden), {
    message: "every row of the last layer has one number for each hidden unit",
  });
export type ExtractorDocument = z.infer<typeof extractorSchema>;

/** The widest features that leave at least half of a row's dimensions open: half the columns. */
export function guardedWidth(schema: DataSetSchema): number {
  return Math.min(maxWidth, Math.floor(schema.columns.length / 2));
}

/**
 * A provider's protection: refuses an extractor that asks for more numbers a row than half of its columns, and one whose
 * last layer is no frame, for it has no honest reason to be another thing.
 * @throws TERMS_REFUSED
 */
export function requireGuarded({ lastLayer }: ExtractorDocument, schema: DataSetSchema): void {
  if (!isFrame(lastLayer.map((row) => Float64Array.from(row)))) {
    throw new SymbolonError("TERMS_REFUSED", "the rows of the extractor's last layer are not orthonormal");
  }
  if (lastLayer.length <= guardedWidth(schema)) return;
  throw new SymbolonError(
    "TERMS_REFUSED",
    `the extractor asks for ${lastLayer.length} numbers about each row of ${schema.columns.length} columns`,
    { hint: "more than half as many as columns could give the rows away before they are paid" },
  );
}

/** Whether rows are orthonormal, but for rounding. */
function isFrame(rows: readonly Vector[]): boolean {
  return rows.every((row, i) =>
    rows.slice(0, i + 1).every((other, j) => Math.abs(dot(row, other) - (i === j ? 1 : 0)) < 1e-6),
  );
}

/** The hidden layer of a seed for rows of `columns` columns. */
export class HiddenLayer {
  readonly units: number;
  readonly #weights: Float64Array;
  readonly #biases: Float64Array;
  readonly #columns: number;

  constructor(seed: string, units: number, columns: number) {
    this.units = units;
    this.#columns = columns;
    const next = seededStream(Buffer.from(seed.slice(2), "hex"));
    // Multiples of 2^-31 in [-1, 1); weights then have variance 1 / columns.
    const uniform = (): number => next(4).readUInt32BE() / 2 ** 31 - 1;
    const scale = Math.sqrt(3 / columns);
    this.#weights = Float64Array.from({ length: units * columns }, () => uniform() * scale);
    this.#biases = Float64Array.from({ length: units }, uniform);
  }

  /** hidden(x) of one row that is scaled to [-1, 1]. */
  of(scaled: Float64Array): Vector {
    const out = new Float64Array(this.units);
    for (let unit = 0; unit < this.units; unit++) {
      let sum = this.#biases[unit]!;
      const at = unit * this.#columns;
      for (let column = 0; column < this.#columns; column++) {
        sum += this.#weights[at + column]! * scaled[column]!;
      }
      out[unit] = Math.max(0, sum);
    }
    return out;
  }

  /** hidden(x) of rows in the units of the file, row-major. */
  ofRows(features: Float64Array, schema: DataSetSchema): Vector[] {
    const scaled = scaleMatrix(features, scalingOf(schema));
    const width = schema.columns.length;
    return Array.from({ length: features.length / width }, (_, row) =>
      this.of(scaled.subarray(row * width, (row + 1) * width)),
    );
  }
}

export class Extractor {
  readonly width: number;
  readonly #schema: DataSetSchema;
  readonly #hidden: HiddenLayer;
  readonly #lastLayer: readonly Float64Array[];

  /** @throws SCHEMA_MISMATCH when the extractor is for other columns */
  constructor(document: ExtractorDocument, schema: DataSetSchema) {
    if (document.schemaHash !== schemaHash(schema)) {
      throw new SymbolonError("SCHEMA_MISMATCH", "the extractor is for another schema than the session's");
    }
    this.width = document.lastLayer.length;
    this.#schema = schema;
    this.#hidden = new HiddenLayer(document.seed, document.hidden, schema.columns.length);
    this.#lastLayer = document.lastLayer.map((row) => Float64Array.from(row));
  }

  /** The features of rows that fit the schema, with their labels. */
  extract(shard: LabelledRows): FeatureBlock {
    const features = new Int16Array(shard.rows * this.width);
    this.#hidden.ofRows(shard.features, this.#schema).forEach((hidden, row) => {
      this.#lastLayer.forEach((weights, i) => {
        let sum = 0;
        for (let unit = 0; unit < hidden.length; unit++) sum += weights[unit]! * hidden[unit]!;
        features[row * this.width + i] = inSteps(sum);
      });
    });
    return { rows: shard.rows, width: this.width, features, labels: Uint8Array.from(shard.label) };
  }
}

/** A feature in steps, held within 16 bits: beyond 128 there is nothing that scores could use. */
function inSteps(value: number): number {
  return Math.min(0x7fff, Math.max(-0x8000, Math.round(value / featureStep)));
}
