import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseTable } from "../../../parties/data/csv.ts";
import { deriveSchema } from "../../../parties/data/schema.ts";
import { ciphertextHash } from "../../../parties/data-set.ts";
import { createKeys } from "../../../parties/keys.ts";
import { withSealedFiles } from "../../../parties/seller/sealed-files.ts";

let scratch: string;
beforeEach(async () => {
  scratch = await mkdtemp(join(tmpdir(), "symbolon-test-"));
});
afterEach(() => rm(scratch, { recursive: true, force: true }));

async function options() {
  const table = await parseTable("x,y\n1,0\n2,1\n3,0\n");
  const operators = ([1, 2, 3] as const).map((point) => {
    const keys = createKeys("operator");
    return { address: keys.owner.address, sealKey: keys.sealKey.publicKey, point };
  });
  return {
    ...{ table, schema: deriveSchema([table]), operators, chainId: 1 },
    seller: createKeys("seller").account.address,
    registry: `0x${"1".repeat(40)}`,
  };
}

describe("sealed shares in files", () => {
  it("are there for their upload, with the hashes that go on chain, and gone afterwards", async () => {
    const seen = await withSealedFiles(await options(), scratch, async (shared, sealed) => {
      const [folder] = await readdir(scratch);
      expect(await readdir(join(scratch, folder!))).toHaveLength(3);
      expect(sealed.map(({ hash }) => hash)).toEqual(shared.ciphertextHashes);
      for (const { blob, hash } of sealed) {
        expect(ciphertextHash(new Uint8Array(await blob.arrayBuffer()))).toBe(hash);
      }
      expect(shared.preview.sealedBytes).toBe(sealed.reduce((sum, { blob }) => sum + blob.size, 0));
      return shared.rows;
    });
    expect(seen).toBe(3);
    expect(await readdir(scratch)).toEqual([]);
  });

  it("are gone after a failure too, which a full disk calls by its name", async () => {
    const given = await options();
    const full = Object.assign(new Error("no space left"), { code: "ENOSPC" });
    const failures: [Error, object][] = [
      [full, { code: "STORAGE_FULL", exitCode: 3 }],
      [new Error("the bridge is gone"), { message: "the bridge is gone" }],
    ];
    for (const [error, expected] of failures) {
      await expect(withSealedFiles(given, scratch, () => Promise.reject(error))).rejects.toMatchObject(
        expected,
      );
    }
    const narrow = {
      ...given.schema,
      columns: given.schema.columns.map((c) => ({ ...c, max: c.min + 0.5 })),
    };
    const outside = withSealedFiles({ ...given, schema: narrow }, scratch, async () => {});
    await expect(outside).rejects.toMatchObject({ code: "CSV_OUT_OF_RANGE" });
    expect(await readdir(scratch)).toEqual([]);
  });
});
