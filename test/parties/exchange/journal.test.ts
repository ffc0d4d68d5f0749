import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { Journal, journalBlobs } from "../../../parties/exchange/journal.ts";

const schema = z.strictObject({ side: z.literal("this"), secret: z.string(), count: z.int() });
const content = { side: "this" as const, secret: "0x1234", count: 0 };
const code = (expected: string) => expect.objectContaining({ code: expected });

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "symbolon-journal-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("a journal", () => {
  test("is read back as it was last written, and leaves no half of it", async () => {
    const here = join(folder, "kept");
    const journal = await Journal.create(here, schema, content);
    for (let count = 1; count <= 5; count++) await journal.update({ count });
    expect((await Journal.load(here, schema)).content).toEqual({ ...content, count: 5 });
    expect(await readdir(here)).toEqual(["journal.json"]);
  });

  test("is for its owner alone, and so are its blobs", async () => {
    const here = join(folder, "private");
    // Blobs come first: a folder that they make is private as well.
    const address = await journalBlobs(here).put(Buffer.from("blob"));
    const journal = await Journal.create(here, schema, content);
    await journal.update({ count: 1 });
    for (const [path, mode] of [
      [here, 0o700],
      [join(here, "journal.json"), 0o600],
      [join(here, "blobs", address.slice(2)), 0o600],
    ] as const) {
      expect((await stat(path)).mode & 0o777).toBe(mode);
    }
    await chmod(join(here, "journal.json"), 0o640);
    await expect(Journal.load(here, schema)).rejects.toEqual(code("CONFIG_INVALID"));
  });

  test("is not begun twice in one folder", async () => {
    const here = join(folder, "twice");
    await Journal.create(here, schema, content);
    const again = Journal.create(here, schema, { ...content, secret: "0x5678" });
    await expect(again).rejects.toEqual(code("USAGE"));
    expect((await Journal.load(here, schema)).content.secret).toBe("0x1234");
  });

  test("that is missing, of the other side, or no JSON is refused without showing it", async () => {
    await expect(Journal.load(join(folder, "none"), schema)).rejects.toEqual(code("USAGE"));
    const here = join(folder, "other");
    await Journal.create(here, z.object({ side: z.string() }), { side: "provider" });
    await expect(Journal.load(here, schema)).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      hint: expect.stringMatching(/^it is a seller's; --folder names/),
    });
    await writeFile(join(here, "journal.json"), '{"secret":"0xsecret', { mode: 0o600 });
    const error = await Journal.load(here, schema).catch((thrown: Error) => thrown);
    expect(error).toEqual(code("CONFIG_INVALID"));
    expect(String(error)).not.toContain("0xsecret");
    expect((error as Error).cause).toBeUndefined();
  });

  test("takes no entry that does not fit it", async () => {
    const here = join(folder, "entries");
    const journal = await Journal.create(here, schema, content);
    await expect(journal.update({ count: 0.5 })).rejects.toThrow();
    expect(JSON.parse(await readFile(join(here, "journal.json"), "utf8"))).toEqual(content);
  });
});
