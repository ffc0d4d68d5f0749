import { mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { BridgeClient } from "../../../bridge/client.ts";
import { SymbolonError } from "../../../mpc/errors.ts";
import { randomBytes } from "../../../mpc/random.ts";
import { SealedStore } from "../../../parties/compute/sealed-store.ts";
import { ciphertextHash } from "../../../parties/data-set.ts";
import { watchSyncs } from "./watch-syncs.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "symbolon-test-"));
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true, force: true });
});

const bytes = randomBytes(700_000);
const hash = ciphertextHash(bytes);
const parts = [bytes.subarray(0, 1), bytes.subarray(1, 300_000), bytes.subarray(300_000)];

/** A store whose bridge sends these parts, and after them throws `error` if there is one. */
async function storeOver(sent: readonly Uint8Array[], error?: Error) {
  let downloads = 0;
  const bridge = {
    async *streamBlob() {
      downloads += 1;
      yield* sent;
      if (error !== undefined) throw error;
    },
  } as unknown as BridgeClient;
  return { store: await SealedStore.open(folder, bridge), downloads: () => downloads };
}

async function readAll(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const part of source) all.push(part);
  return Buffer.concat(all);
}

describe("a node's sealed blobs", () => {
  it("are downloaded once and read in parts", async () => {
    const { store, downloads } = await storeOver(parts);
    await store.fetch(hash, bytes.length);
    await store.fetch(hash.toUpperCase().replace("0X", "0x"), bytes.length);
    expect(downloads()).toBe(1);
    expect((await readAll(store.read(hash, bytes.length))).equals(bytes)).toBe(true);
    expect(await readdir(folder)).toEqual([hash]);
  });

  it("are on the disk when they were kept, under their name: the file is flushed, then the folder that names it", async () => {
    const { store } = await storeOver([]);
    const syncs = await watchSyncs(folder);
    await store.keep(bytes);
    expect(syncs).toEqual([
      { ofFolder: false, names: [expect.stringContaining("incoming")] },
      { ofFolder: true, names: [hash] },
    ]);
  });

  it("are downloaded again when the disk altered them", async () => {
    const { store, downloads } = await storeOver(parts);
    await store.fetch(hash, bytes.length);
    await writeFile(join(folder, hash), bytes.subarray(0, -1));
    expect(await store.kept(hash)).toBeUndefined();
    await store.fetch(hash, bytes.length);
    expect(downloads()).toBe(2);
    expect(bytes.equals((await store.kept(hash))!)).toBe(true);
  });

  it.each<[string, string, Uint8Array[], Error | undefined]>([
    ["a part is missing", "COMMITMENT_MISMATCH", [parts[0]!, parts[2]!], undefined],
    ["parts are exchanged", "COMMITMENT_MISMATCH", [parts[1]!, parts[0]!, parts[2]!], undefined],
    ["a part comes twice", "COMMITMENT_MISMATCH", [...parts, parts[0]!], undefined],
    [
      "the connection breaks",
      "BRIDGE_UNREACHABLE",
      [parts[0]!],
      new SymbolonError("BRIDGE_UNREACHABLE", "gone"),
    ],
    [
      "the disk is full",
      "STORAGE_FULL",
      [parts[0]!],
      Object.assign(new Error("no space"), { code: "ENOSPC" }),
    ],
  ])("leave nothing behind when %s", async (_, code, sent, error) => {
    const { store } = await storeOver(sent, error);
    await expect(store.fetch(hash, bytes.length)).rejects.toMatchObject({ code });
    expect(await readdir(folder)).toEqual([]);
  });
});

describe("the room for sealed blobs", () => {
  const blobs = { a: randomBytes(300), b: randomBytes(300), c: randomBytes(300) };
  type Name = keyof typeof blobs;
  const hashOf = (name: Name): string => ciphertextHash(blobs[name]);

  /** A store with room for two of the three blobs. */
  async function storeFor(pinned: Name[] = []) {
    const bridge = {
      async *streamBlob(hash: string) {
        yield Object.values(blobs).find((blob) => ciphertextHash(blob) === hash)!;
      },
    } as unknown as BridgeClient;
    const options = { maxBytes: 700, pinned: () => pinned.map(hashOf) };
    return SealedStore.open(folder, bridge, options);
  }
  /** With the times at which they were used in this order. */
  async function fetchAll(store: SealedStore, names: Name[]) {
    for (const [i, name] of names.entries()) {
      await store.fetch(hashOf(name), 300);
      await utimes(join(folder, hashOf(name)), 1000 + i, 1000 + i);
    }
  }
  const onDisk = async () => (await readdir(folder)).sort();
  const hashes = (...names: Name[]) => names.map(hashOf).sort();

  it("is made by deleting what was not used for longest", async () => {
    const store = await storeFor();
    await fetchAll(store, ["a", "b"]);
    await store.fetch(hashOf("a"), 300);
    await store.fetch(hashOf("c"), 300);
    expect(await onDisk()).toEqual(hashes("a", "c"));
  });

  it("is not made of what is pinned, or read", async () => {
    const store = await storeFor(["a"]);
    await fetchAll(store, ["a", "b"]);
    const reading = store.read(hashOf("b"), 300);
    expect((await reading.next()).value).toHaveLength(300);
    await expect(store.fetch(hashOf("c"), 300)).rejects.toMatchObject({
      code: "STORAGE_FULL",
      hint: expect.stringContaining("limits.sealedBytes"),
    });
    expect(await onDisk()).toEqual(hashes("a", "b"));
    await reading.return(undefined);
    await store.fetch(hashOf("c"), 300);
    expect(await onDisk()).toEqual(hashes("a", "c"));
  });

  it("is promised once: downloads that are under way count with all that they may bring", async () => {
    const store = await storeFor(["a"]);
    await fetchAll(store, ["a"]);
    const ends = await Promise.allSettled([store.fetch(hashOf("b"), 300), store.fetch(hashOf("c"), 300)]);
    expect(ends.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
    expect(await onDisk()).toEqual(hashes("a", "b"));
  });

  it("is given back when a download fails", async () => {
    const store = await storeFor();
    await expect(store.fetch(`0x${"ab".repeat(32)}`, 600)).rejects.toThrow();
    await fetchAll(store, ["a", "b"]);
    expect(await onDisk()).toEqual(hashes("a", "b"));
  });

  it("is not made for more than there is at all, and nothing is deleted in vain", async () => {
    const store = await storeFor();
    await fetchAll(store, ["a"]);
    await expect(store.fetch(hashOf("b"), 701)).rejects.toMatchObject({ code: "STORAGE_FULL" });
    expect(await onDisk()).toEqual(hashes("a"));
  });
});
