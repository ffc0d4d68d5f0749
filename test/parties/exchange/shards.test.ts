import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { shardKey } from "../../../contracts/exchange-commitments.ts";
import { conform } from "../../../parties/data/conform.ts";
import { parseTable } from "../../../parties/data/csv.ts";
import { parseSchema } from "../../../parties/data/schema.ts";
import { maxBlobBytes } from "../../../parties/exchange/blob-store.ts";
import { rowsCsv } from "../../../parties/exchange/rows-file.ts";
import {
  ciphertextBytes,
  cutShards,
  decryptShard,
  encryptShard,
  type LabelledRows,
  maxShards,
  mostRowsPerShard,
} from "../../../parties/exchange/shards.ts";
import { sealedBytes } from "../../../parties/sealing.ts";

const schema = parseSchema({
  ...{ version: 1, outOfRange: "refuse", fracBits: 16, fieldBits: 61 },
  columns: [
    { name: "height, cm", min: 0, max: 250 },
    { name: 'said "weight"', min: -1e100, max: 1e100 },
  ],
  label: { name: "ill", kind: "binary" },
});
const masterKey = Buffer.alloc(32, 5);
const place = { session: `0x${"12".repeat(32)}`, seat: (7n << 64n) | 3n, index: 1, shardCount: 3 };
const key = shardKey(masterKey, 1);

const rowsArbitrary = fc
  .array(
    fc.tuple(
      fc.double({ min: 0, max: 250, noNaN: true }),
      fc.double({ min: -1e100, max: 1e100, noNaN: true }),
      fc.constantFrom(0, 1),
    ),
    { minLength: 1, maxLength: 20 },
  )
  .map(
    (rows): LabelledRows => ({
      rows: rows.length,
      features: Float64Array.from(rows.flatMap((row) => row.slice(0, 2))),
      label: Float64Array.from(rows, ([, , label]) => label),
    }),
  );
const one: LabelledRows = { rows: 1, features: Float64Array.of(180, -3.25), label: Float64Array.of(1) };
const code = (expected: string) => expect.objectContaining({ code: expected });

describe("a shard", () => {
  test("decrypts to the very rows, and has the length that its rows have", () => {
    fc.assert(
      fc.property(rowsArbitrary, (rows) => {
        const ciphertext = encryptShard(masterKey, place, rows);
        expect(ciphertext).toHaveLength(ciphertextBytes(rows.rows, schema));
        expect(decryptShard(key, place, ciphertext, schema)).toEqual(rows);
      }),
    );
  });

  test("does not look the same twice", () => {
    expect(encryptShard(masterKey, place, one)).not.toEqual(encryptShard(masterKey, place, one));
  });

  test.each([
    ["another index", { index: 2 }],
    ["another number of shards", { shardCount: 4 }],
    ["another seat", { seat: (7n << 64n) | 4n }],
    ["another session", { session: `0x${"13".repeat(32)}` }],
  ])("does not decrypt as one of %s", (_, change) => {
    const ciphertext = encryptShard(masterKey, place, one);
    expect(() => decryptShard(key, { ...place, ...change }, ciphertext, schema)).toThrow(
      code("SEAL_INVALID"),
    );
  });

  test("does not decrypt with another key, cut, or with a bit turned anywhere", () => {
    const ciphertext = encryptShard(masterKey, place, one);
    expect(() => decryptShard(shardKey(masterKey, 2), place, ciphertext, schema)).toThrow(
      code("SEAL_INVALID"),
    );
    for (let at = 0; at < ciphertext.length; at++) {
      const altered = Uint8Array.from(ciphertext);
      altered[at]! ^= 1;
      expect(() => decryptShard(key, place, altered, schema)).toThrow(code("SEAL_INVALID"));
    }
    for (const length of [0, 5, 27, 28, ciphertext.length - 1]) {
      expect(() => decryptShard(key, place, ciphertext.subarray(0, length), schema)).toThrow(
        code("SEAL_INVALID"),
      );
    }
  });

  test.each([
    ["a value outside its range", { features: Float64Array.of(250.5, 0) }, "CSV_OUT_OF_RANGE"],
    ["what is no number", { features: Float64Array.of(Number.NaN, 0) }, "CSV_OUT_OF_RANGE"],
    ["a label that is neither 0 nor 1", { label: Float64Array.of(0.5) }, "CSV_LABEL_INVALID"],
    ["other columns", { features: Float64Array.of(1, 2, 3) }, "CSV_MALFORMED"],
  ])("of %s is refused without showing it", (_, change, expected) => {
    const ciphertext = encryptShard(masterKey, place, { ...one, ...change });
    const error = (() => {
      try {
        return decryptShard(key, place, ciphertext, schema);
      } catch (thrown) {
        return thrown as Error;
      }
    })();
    expect(error).toEqual(code(expected));
    expect((error as Error).message).not.toMatch(/250\.5|0\.5|NaN/);
  });
});

describe("a data set", () => {
  test("is cut in order, the last shard shorter, nothing lost", () => {
    fc.assert(
      fc.property(rowsArbitrary, fc.integer({ min: 1, max: 25 }), (rows, rowsPerShard) => {
        const shards = cutShards(rows, schema, rowsPerShard);
        expect(shards).toHaveLength(Math.ceil(rows.rows / rowsPerShard));
        for (const shard of shards.slice(0, -1)) expect(shard.rows).toBe(rowsPerShard);
        expect(shards.flatMap(({ features }) => [...features])).toEqual([...rows.features]);
        expect(shards.flatMap(({ label }) => [...label])).toEqual([...rows.label]);
      }),
    );
  });

  test("of too many shards is refused, and one without labels", () => {
    const rows = maxShards + 1;
    const many = { rows, features: new Float64Array(2 * rows), label: new Float64Array(rows) };
    expect(() => cutShards(many, schema, 1)).toThrow(code("LIMIT_EXCEEDED"));
    expect(cutShards(many, schema, 2)).toHaveLength(Math.ceil(rows / 2));
    expect(() => cutShards({ rows: 1, features: one.features }, schema, 1)).toThrow(code("SCHEMA_INVALID"));
  });

  test("has shards that fit a blob when they are sealed", () => {
    const rows = mostRowsPerShard(schema);
    expect(sealedBytes(ciphertextBytes(rows, schema))).toBeLessThanOrEqual(maxBlobBytes);
    expect(sealedBytes(ciphertextBytes(rows + 1000, schema))).toBeGreaterThan(maxBlobBytes);
  });

  test("is written as a CSV that reads back to the same numbers, whatever its columns are called", async () => {
    await fc.assert(
      fc.asyncProperty(rowsArbitrary, async (rows) => {
        const table = await parseTable(rowsCsv(cutShards(rows, schema, 3), schema));
        const back = conform(table, schema);
        // Adding 0 makes one of the two zeros, which decimal numbers do not tell apart.
        expect([...back.features].map((v) => v + 0)).toEqual([...rows.features].map((v) => v + 0));
        expect(back.label).toEqual(rows.label);
      }),
      { numRuns: 30 },
    );
  });
});
