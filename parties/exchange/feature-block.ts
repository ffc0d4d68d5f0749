/**
 * The features of one shard as bytes: version (1 byte, 1), rows (4, big-endian), width (2, big-endian), then rows x
 * width features of 16 bits, row-major, big-endian, two's complement, then a byte 0 or 1 for each label.
 *
 * A feature counts steps of 1/256. The few bits are a guard, not an economy: whoever chooses the extractor can pack as
 * much about a row into a number as the number has bits.
 */
import { SymbolonError } from "../../mpc/errors.ts";

export interface FeatureBlock {
  rows: number;
  /** Numbers a row. */
  width: number;
  /** Row-major, rows x width, in units of `featureStep`. */
  features: Int16Array;
  /** 0 or 1 a row. */
  labels: Uint8Array;
}

const version = 1;
const headerBytes = 7;
const featureBytes = 2;

/** What one unit of a feature stands for. */
export const featureStep = 2 ** -8;

export function encodeFeatureBlock({ rows, width, features, labels }: FeatureBlock): Uint8Array {
  const bytes = new Uint8Array(featureBlockBytes(rows, width));
  const view = new DataView(bytes.buffer);
  view.setUint8(0, version);
  view.setUint32(1, rows);
  view.setUint16(5, width);
  features.forEach((value, i) => {
    view.setInt16(headerBytes + featureBytes * i, value);
  });
  bytes.set(labels, headerBytes + featureBytes * rows * width);
  return bytes;
}

export function featureBlockBytes(rows: number, width: number): number {
  return headerBytes + rows * (featureBytes * width + 1);
}

/**
 * Reads a block of the expected shape. @throws SHAPE_MISMATCH for any other bytes, and labels that are not 0 or 1
 */
export function decodeFeatureBlock(bytes: Uint8Array, rows: number, width: number): FeatureBlock {
  const refuse = (why: string) =>
    new SymbolonError("SHAPE_MISMATCH", `a block of features ${why}, expected ${rows} x ${width}`);
  if (bytes.length !== featureBlockBytes(rows, width)) throw refuse(`has ${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint8(0) !== version || view.getUint32(1) !== rows || view.getUint16(5) !== width) {
    throw refuse("has another header");
  }
  const features = new Int16Array(rows * width);
  for (let i = 0; i < features.length; i++) {
    features[i] = view.getInt16(headerBytes + featureBytes * i);
  }
  const labels = bytes.slice(headerBytes + featureBytes * rows * width);
  if (labels.some((label) => label > 1)) throw refuse("holds a label that is not 0 or 1");
  return { rows, width, features, labels };
}

/** Whether two blocks are the same. */
export function sameFeatures(a: FeatureBlock, b: FeatureBlock): boolean {
  return (
    a.rows === b.rows &&
    a.width === b.width &&
    a.features.every((value, i) => value === b.features[i]) &&
    a.labels.every((value, i) => value === b.labels[i])
  );
}
