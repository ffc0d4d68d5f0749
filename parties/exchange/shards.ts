/**
 * A data set cut into shards, each encrypted under a key of its own that the registration's master key derives
 * (`shardKey` of the contract): opening one key shows one shard.
 *
 * Plaintext: version (1 byte, 1), rows and columns (4 bytes each, big-endian), then rows x columns doubles, row-major,
 * little-endian; columns in the schema's order and the label last. Ciphertext: nonce (12), AES-256-GCM of that, tag
 * (16). The associated data names session, seat, index and number of shards, so that a shard is of one place only.
 * AES-GCM does not commit to its key: that is done by the hash of the key, which stands beside the ciphertext's hash in
 * the registration's tree.
 */
import { createCipheriv, createDecipheriv } from "node:crypto";
import { shardKey } from "../../contracts/exchange-commitments.ts";
import { SymbolonError } from "../../mpc/errors.ts";
import { randomBytes } from "../../mpc/random.ts";
import type { ConformedRows } from "../data/conform.ts";
import type { DataSetSchema } from "../data/schema.ts";
import { maxBlobBytes } from "./blob-store.ts";

/** Most shards of a data set: what describes their delivery has to fit one blob. */
export const maxShards = 2048;

const version = 1;
const headerBytes = 9;
const nonceBytes = 12;
const tagBytes = 16;
/** What sealing a blob to its reader adds, with room to spare. */
const sealRoomBytes = 4096;

/** Rows with their labels in the clear. Secret: never log them. */
export interface LabelledRows {
  rows: number;
  /** Row-major, rows x columns of the schema, in the units of the file. */
  features: Float64Array;
  /** One 0 or 1 a row. */
  label: Float64Array;
}

/** Where a shard belongs. */
export interface ShardPlace {
  session: string;
  seat: bigint;
  index: number;
  shardCount: number;
}

/** Most rows that a shard of a schema can hold. */
export function mostRowsPerShard(schema: DataSetSchema): number {
  return Math.floor((maxBlobBytes - sealRoomBytes) / (8 * (schema.columns.length + 1)));
}

/** Bytes of the ciphertext of `rows` rows. */
export function ciphertextBytes(rows: number, schema: DataSetSchema): number {
  return nonceBytes + headerBytes + 8 * rows * (schema.columns.length + 1) + tagBytes;
}

/**
 * Cuts conformed rows, in their order, into shards of `rowsPerShard` rows; the last may be shorter.
 * @throws SCHEMA_INVALID without a label; LIMIT_EXCEEDED beyond `maxShards`
 */
export function cutShards(table: ConformedRows, schema: DataSetSchema, rowsPerShard: number): LabelledRows[] {
  const { rows, features, label } = table;
  if (label === undefined) {
    throw new SymbolonError("SCHEMA_INVALID", "the schema of an exchange has a label");
  }
  const width = schema.columns.length;
  const count = Math.ceil(rows / rowsPerShard);
  if (count > maxShards) {
    throw new SymbolonError(
      "LIMIT_EXCEEDED",
      `${rows} rows make ${count} shards of ${rowsPerShard} rows, and ${maxShards} is the most`,
      { hint: "offer fewer rows, or as several data sets" },
    );
  }
  return Array.from({ length: count }, (_, index) => {
    const from = index * rowsPerShard;
    const to = Math.min(rows, from + rowsPerShard);
    return {
      rows: to - from,
      features: features.subarray(from * width, to * width),
      label: label.subarray(from, to),
    };
  });
}

/** Encrypts one shard. @throws KEY_INVALID */
export function encryptShard(masterKey: Uint8Array, place: ShardPlace, shard: LabelledRows): Uint8Array {
  const { rows, features, label } = shard;
  const width = features.length / rows;
  const plaintext = Buffer.alloc(headerBytes + 8 * rows * (width + 1));
  plaintext.writeUInt8(version, 0);
  plaintext.writeUInt32BE(rows, 1);
  plaintext.writeUInt32BE(width + 1, 5);
  let at = headerBytes;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < width; column++) {
      at = plaintext.writeDoubleLE(features[row * width + column]!, at);
    }
    at = plaintext.writeDoubleLE(label[row]!, at);
  }
  // A key is used once; a fresh nonce costs nothing and keeps a repetition from being fatal.
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv("aes-256-gcm", shardKey(masterKey, place.index), nonce);
  cipher.setAAD(associatedData(place));
  const body = Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
  plaintext.fill(0);
  return Uint8Array.from(body);
}

/**
 * Decrypts one shard with its key (32 bytes) and checks that its rows fit the schema.
 * @throws SEAL_INVALID for another key, place or bytes; CSV_OUT_OF_RANGE, CSV_LABEL_INVALID and CSV_MALFORMED for rows
 * that are not of the schema, without the value
 */
export function decryptShard(
  key: Uint8Array,
  place: ShardPlace,
  ciphertext: Uint8Array,
  schema: DataSetSchema,
): LabelledRows {
  const plaintext = open(key, place, ciphertext);
  const what = `shard ${place.index}`;
  const width = schema.columns.length;
  const rows = plaintext.length < headerBytes ? 0 : plaintext.readUInt32BE(1);
  const whole = headerBytes + 8 * rows * (width + 1);
  if (
    rows === 0 ||
    plaintext.length !== whole ||
    plaintext.readUInt8(0) !== version ||
    plaintext.readUInt32BE(5) !== width + 1
  ) {
    throw new SymbolonError("CSV_MALFORMED", `${what} does not hold rows of the session's columns`);
  }
  const features = new Float64Array(rows * width);
  const label = new Float64Array(rows);
  let at = headerBytes;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < width; column++, at += 8) {
      const { name, min, max } = schema.columns[column]!;
      const value = plaintext.readDoubleLE(at);
      if (!(value >= min && value <= max)) {
        throw new SymbolonError("CSV_OUT_OF_RANGE", `${what}, row ${row}: ${name} is outside its range`);
      }
      features[row * width + column] = value;
    }
    label[row] = plaintext.readDoubleLE(at);
    at += 8;
    if (label[row] !== 0 && label[row] !== 1) {
      throw new SymbolonError("CSV_LABEL_INVALID", `${what}, row ${row}: the label is not 0 or 1`);
    }
  }
  plaintext.fill(0);
  return { rows, features, label };
}

function open(key: Uint8Array, place: ShardPlace, ciphertext: Uint8Array): Buffer {
  const sealInvalid = () =>
    new SymbolonError("SEAL_INVALID", `shard ${place.index} does not decrypt with its key`);
  if (ciphertext.length < nonceBytes + tagBytes) throw sealInvalid();
  const decipher = createDecipheriv("aes-256-gcm", key, ciphertext.subarray(0, nonceBytes), {
    authTagLength: tagBytes,
  });
  decipher.setAAD(associatedData(place)).setAuthTag(ciphertext.subarray(-tagBytes));
  const deciphered = decipher.update(ciphertext.subarray(nonceBytes, -tagBytes));
  try {
    decipher.final();
  } catch {
    deciphered.fill(0);
    throw sealInvalid();
  }
  return deciphered;
}

function associatedData({ session, seat, index, shardCount }: ShardPlace): Buffer {
  const numbers = Buffer.alloc(8);
  numbers.writeUInt32BE(index, 0);
  numbers.writeUInt32BE(shardCount, 4);
  const words = `${session.slice(2)}${seat.toString(16).padStart(64, "0")}`;
  return Buffer.concat([Buffer.from("symbolon/v1/exchange-data"), Buffer.from(words, "hex"), numbers]);
}
