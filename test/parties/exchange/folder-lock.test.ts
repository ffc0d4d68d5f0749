import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { aloneIn } from "../../../parties/exchange/folder-lock.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "symbolon-lock-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const taken = expect.objectContaining({
  code: "USAGE",
  message: expect.stringContaining("another command is at work"),
});

test("a folder is one call's at a time, also after one that failed", async () => {
  const outcome = await aloneIn(folder, async () => {
    await expect(aloneIn(folder, async () => 1)).rejects.toEqual(taken);
    return 2;
  });
  expect(outcome).toBe(2);
  const failure = new Error("failed");
  await expect(aloneIn(folder, () => Promise.reject(failure))).rejects.toBe(failure);
  expect(await aloneIn(folder, async () => 3)).toBe(3);
});

test("a folder of its own is free, and one that is not there stays so", async () => {
  const other = join(folder, "other");
  await mkdir(other);
  const missing = join(folder, "missing");
  expect(await aloneIn(other, () => aloneIn(folder, () => aloneIn(missing, async () => 4)))).toBe(4);
  expect(await readdir(folder)).not.toContain("missing");
});

test("another process keeps it out, and no longer once it was killed", async () => {
  const script = `
    import { aloneIn } from ${JSON.stringify(join(import.meta.dirname, "../../../parties/exchange/folder-lock.ts"))};
    await aloneIn(${JSON.stringify(folder)}, () => new Promise(() => {
      console.log("taken");
      setInterval(() => {}, 1000);
    }));`;
  const child = spawn(process.execPath, ["--input-type=module-typescript", "--eval", script]);
  try {
    await once(child.stdout, "data");
    await expect(aloneIn(folder, async () => 5)).rejects.toEqual(taken);
  } finally {
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  }
  expect(await aloneIn(folder, async () => 6)).toBe(6);
});

test("a folder that cannot be locked is refused", async () => {
  const shut = join(folder, "shut");
  // In the place of the lock, for what root may not write there is little of.
  await mkdir(join(shut, "lock.sqlite"), { recursive: true });
  await expect(aloneIn(shut, async () => 7)).rejects.toMatchObject({
    code: "USAGE",
    message: expect.stringContaining("cannot be written"),
  });
});
