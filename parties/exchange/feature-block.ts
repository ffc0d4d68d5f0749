/**
 * The features of one shard as bytes: version (1 byte, 1), rows (4, big-endian), width (2, big-endian), then rows x
 * width single-precision numbers, row-major, little-endian, then a byte 0 or 1 for each label.
 */
import { SymbolonError } from "../../mpc/errors.ts";

export interface FeatureBlock {
  rows: number;
  /** Numbers a row. */
  width: number;
  /** Row-major, rows x width. */
  features: Float32Array;
  /** 0 or 1 a row. */
  labels: Uint8Array;
}

const version = 1;
const headerBytes = 7;

export function encodeFeatureBlock({ rows, width, features, labels }: FeatureBlock): Uint8Array {
  const bytes = new Uint8Array(featureBlockBytes(rows, width));
  const view = new DataView(bytes.buffer);
  view.setUint8(0, version);
  view.setUint32(1, rows);
  view.setUint16(5, width);
  features.forEach((value, i) => {
    view.setFloat32(headerBytes + 4 * i, value, true);
  });
  bytes.set(labels, headerBytes + 4 * rows * width);
  return bytes;
}

export function featureBlockBytes(rows: number, width: number): number {
  return headerBytes + rows * (4 * width + 1);
}

/**
 * Reads a block of the expected shape. @throws SHAPE_MISMATCH for any other bytes, numbers that are not finite, and
 * labels that are not 0 or 1
 */
export function decodeFeatureBlock(bytes: Uint8Array, rows: number, width: number): FeatureBlock {
  const refuse = (why: string) =>
    new SymbolonError("SHAPE_MISMATCH", `a block of features ${why}, expected ${rows} x ${width}`);
  if (bytes.length !== featureBlockBytes(rows, width)) throw refuse(`has ${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint8(0) !== version || view.getUint32(1) !== rows || view.getUint16(5) !== width) {
    throw refuse("has another header");
  }
  const features = new Float32Array(rows * width);
  for (let i = 0; i < features.length; i++) {
    features[i] = view.getFloat32(headerBytes + 4 * i, true);
    if (!Number.isFinite(features[i]!)) throw refuse("holds what is no number");
  }
  const labels = bytes.slice(headerBytes + 4 * rows * width);
  if (labels.some((label) => label > 1)) throw refuse("holds a label that is not 0 or 1");
  return { rows, width, features, labels };
}

/** Whether two blocks are the same, bit for bit in value. */
export function sameFeatures(a: FeatureBlock, b: FeatureBlock): boolean {
  return (
    a.rows === b.rows &&
    a.width === b.width &&
    a.features.every((value, i) => value === b.features[i]) &&
    a.labels.every((value, i) => value === b.labels[i])
  );
}
