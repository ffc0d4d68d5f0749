/**
 * The benchmark's data: values that every party process can make for itself, so that a result can be checked
 * against the same computation in the clear. Nothing here is secret, and none of it is randomness of the product.
 */
import { createCipheriv, createHash } from "node:crypto";
import { join } from "node:path";
import { conform } from "../parties/data/conform.ts";
import { readTable } from "../parties/data/csv.ts";
import { deriveSchema } from "../parties/data/schema.ts";

/** Key stream of AES-128-CTR under a key that follows from the label: the same bytes in every process. */
export function stream(label: string, length: number): Buffer {
  const digest = createHash("sha256").update(label).digest();
  const cipher = createCipheriv("aes-128-ctr", digest.subarray(0, 16), digest.subarray(16));
  return cipher.update(Buffer.alloc(length));
}

/** Uniform integers in [-bound, bound], as raw fixed-point values. */
export function uniform(label: string, length: number, bound: number): Float64Array {
  const bytes = stream(label, 4 * length);
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, length);
  return Float64Array.from(words, (word) => Math.floor((word / 2 ** 32) * (2 * bound + 1)) - bound);
}

/** A table of standardised features, row-major, and labels that are 0 or 1. */
export interface LabelledData {
  readonly rows: number;
  readonly columns: number;
  readonly X: Float64Array;
  readonly labels: Float64Array;
}

/** The breast-cancer data of the demo: 569 rows, 30 features. */
export async function breastCancer(): Promise<LabelledData> {
  const table = await readTable(join(import.meta.dirname, "../parties/data/examples/breast-cancer.csv"));
  const schema = deriveSchema([table], { label: "benign" });
  const { features, label, rows } = conform(table, schema);
  const columns = schema.columns.length;
  return { rows, columns, X: standardise(features, rows, columns), labels: Float64Array.from(label!) };
}

/**
 * Correlated features and labels of a logistic model with random weights. A feature is a sum of four uniform
 * values, a quarter of which it shares with its neighbour.
 */
export function syntheticData(rows: number, columns: number): LabelledData {
  const width = columns + 1;
  const parts = uniform(`features ${rows}x${columns}`, rows * width * 2, 2 ** 20);
  const weights = uniform(`weights ${columns}`, columns, 2 ** 20);
  const coins = uniform(`coins ${rows}`, rows, 2 ** 20);
  const part = (i: number, j: number, k: number): number => parts[(i * width + j) * 2 + k] / 2 ** 20;
  const X = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      X[i * columns + j] = part(i, j, 0) + part(i, j, 1) + part(i, j + 1, 0);
    }
  }
  standardise(X, rows, columns);
  const labels = Float64Array.from(coins, (coin, i) => {
    let z = 0;
    for (let j = 0; j < columns; j++) z += (X[i * columns + j] * weights[j]) / 2 ** 20;
    return (coin / 2 ** 20 + 1) / 2 < 1 / (1 + Math.exp(-z)) ? 1 : 0;
  });
  return { rows, columns, X, labels };
}

/** Mean 0 and variance 1 in every column, in place; the columns must not be constant. */
function standardise(X: Float64Array, rows: number, columns: number): Float64Array {
  for (let j = 0; j < columns; j++) {
    let sum = 0;
    for (let i = 0; i < rows; i++) sum += X[i * columns + j];
    const mean = sum / rows;
    let squares = 0;
    for (let i = 0; i < rows; i++) squares += (X[i * columns + j] - mean) ** 2;
    const deviation = Math.sqrt(squares / rows);
    for (let i = 0; i < rows; i++) X[i * columns + j] = (X[i * columns + j] - mean) / deviation;
  }
  return X;
}
