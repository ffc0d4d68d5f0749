import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { BlobStore } from "../../../bridge/store/blobs.ts";
import { randomBytes } from "../../../mpc/random.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "symbolon-blobs-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const open = (maxBytes = 1000, quotaBytes = 10_000) => BlobStore.open({ folder, maxBytes, quotaBytes });
const sha256 = (bytes: Uint8Array) => `0x${createHash("sha256").update(bytes).digest("hex")}`;
const pathOf = (hash: string) => join(folder, hash.slice(2, 4), hash.slice(4));

async function* chunks(...parts: Uint8Array[]) {
  yield* parts;
}

async function readAll(store: BlobStore, hash: string): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of (await store.read(hash)).stream) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

test("gives back the bytes under their sha256, however they were cut", async () => {
  const store = await open(100_000, 10_000_000);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 3000 }), { maxLength: 5 }), async (parts) => {
      const whole = Buffer.concat(parts);
      const { hash, bytes } = await store.put(chunks(...parts));
      expect(hash).toBe(sha256(whole));
      expect(bytes).toBe(whole.length);
      expect(await readAll(store, hash)).toEqual(whole);
    }),
    { numRuns: 25 },
  );
});

test("stores the same bytes once, also when they arrive twice at a time", async () => {
  const store = await open();
  const bytes = randomBytes(500);
  const receipts = await Promise.all([1, 2, 3].map(() => store.put(chunks(bytes))));
  expect(receipts.filter(({ created }) => created)).toHaveLength(1);
  expect((await store.put(chunks(bytes))).created).toBe(false);
  expect([store.count, store.totalBytes]).toEqual([1, 500]);
  const reopened = await open();
  expect([reopened.count, reopened.totalBytes]).toEqual([1, 500]);
});

test("refuses a blob over the limit and leaves nothing behind", async () => {
  const store = await open(1000);
  await expect(store.put(chunks(randomBytes(600), randomBytes(401)))).rejects.toMatchObject({
    code: "LIMIT_EXCEEDED",
    httpStatus: 413,
  });
  expect(await readdir(join(folder, "incoming"))).toEqual([]);
  expect((await store.put(chunks(randomBytes(1000)))).bytes).toBe(1000);
});

test("refuses what would overfill the store, counting uploads under way", async () => {
  const store = await open(1000, 1500);
  const outcomes = await Promise.allSettled(
    [0, 1, 2].map(() => store.put(chunks(randomBytes(400), randomBytes(400)))),
  );
  expect(outcomes.filter(({ status }) => status === "fulfilled").length).toBeLessThanOrEqual(1);
  expect(store.totalBytes).toBeLessThanOrEqual(1500);
  const refused = outcomes.find(({ status }) => status === "rejected") as PromiseRejectedResult;
  expect(refused.reason).toMatchObject({ code: "LIMIT_EXCEEDED", httpStatus: 507 });
});

test("never serves an altered blob, and takes the true bytes again", async () => {
  const store = await open();
  const bytes = randomBytes(300);
  const { hash } = await store.put(chunks(bytes));
  const altered = Buffer.from(bytes);
  altered[17]! ^= 1;
  await writeFile(pathOf(hash), altered);
  await expect(store.read(hash)).rejects.toMatchObject({ code: "COMMITMENT_MISMATCH" });
  await expect(store.verify(hash)).rejects.toMatchObject({ code: "COMMITMENT_MISMATCH" });
  await writeFile(pathOf(hash), bytes.subarray(0, 299));
  await expect(store.read(hash)).rejects.toMatchObject({ code: "COMMITMENT_MISMATCH" });
  expect((await store.put(chunks(bytes))).created).toBe(true);
  expect(await readAll(store, hash)).toEqual(bytes);
  expect(store.count).toBe(1);
});

test("knows what it does not hold", async () => {
  const store = await open();
  await expect(store.read(sha256(Buffer.from("absent")))).rejects.toMatchObject({ code: "NOT_FOUND" });
  expect(await store.has(sha256(Buffer.from("absent")))).toBe(false);
});

test("does not follow a name out of its folder", async () => {
  const store = await open();
  for (const name of ["../../etc/passwd", "0x../../", `0x${"A".repeat(64)}`, ""]) {
    await expect(store.read(name)).rejects.toMatchObject({ code: "USAGE" });
  }
});

test("removes what a killed upload left", async () => {
  await mkdir(join(folder, "incoming"), { recursive: true });
  await writeFile(join(folder, "incoming", "half"), randomBytes(100));
  const store = await open();
  expect(await readdir(join(folder, "incoming"))).toEqual([]);
  expect(store.count).toBe(0);
});

test("a source that breaks off stores nothing", async () => {
  const store = await open();
  async function* broken() {
    yield randomBytes(10);
    throw new Error("connection lost");
  }
  await expect(store.put(broken())).rejects.toThrow("connection lost");
  expect(store.count).toBe(0);
  expect(await readdir(join(folder, "incoming"))).toEqual([]);
});

test("makes room by what nobody needs, the oldest first, and never by what somebody does", async () => {
  const needed = new Set<string>();
  const options = { folder, maxBytes: 1000, quotaBytes: 1000, isNeeded: (hash: string) => needed.has(hash) };
  const store = await BlobStore.open({ ...options, keepUnneededSec: 0 });
  const [first, second, third] = [randomBytes(300), randomBytes(300), randomBytes(300)];
  for (const [age, bytes] of [first, second, third].entries()) {
    const { hash } = await store.put(chunks(bytes));
    const timeSec = Date.now() / 1000 - 1000 + age;
    await utimes(pathOf(hash), timeSec, timeSec);
  }
  needed.add(sha256(first));
  const { hash } = await store.put(chunks(randomBytes(200), randomBytes(200)));
  const kept = await Promise.all(
    [sha256(first), sha256(second), sha256(third), hash].map((name) => store.has(name)),
  );
  expect(kept).toEqual([true, false, true, true]);
  expect([store.count, store.totalBytes]).toEqual([3, 1000]);
  needed.add(sha256(third)).add(hash);
  await expect(store.put(chunks(randomBytes(1)))).rejects.toMatchObject({ httpStatus: 507 });
});

test("keeps what was uploaded a short time ago, for its offer may be under way", async () => {
  const store = await BlobStore.open({
    folder,
    maxBytes: 1000,
    quotaBytes: 1000,
    isNeeded: () => false,
    keepUnneededSec: 3600,
  });
  await store.put(chunks(randomBytes(800)));
  await expect(store.put(chunks(randomBytes(300)))).rejects.toMatchObject({ httpStatus: 507 });
});
