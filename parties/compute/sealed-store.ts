/**
 * Sealed blobs on this node's disk, by the hash of their bytes: inputs, so that a data set that is used in many
 * jobs is fetched once, and this node's shares of results until they are delivered. They are kept as they came,
 * sealed to this operator. What was not used for the retention time is deleted, for a key that leaks later
 * opens all that was kept; and what was not used for longest, when there is no room: anybody who funds jobs over large
 * data sets of its own could fill the disk, at the price of their gas.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, readdir, readFile, rename, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import type { BridgeClient } from "../../bridge/client.ts";
import { SymbolonError } from "../../mpc/errors.ts";
import { randomId } from "../../mpc/random.ts";
import { asStorageError } from "../../mpc/storage-error.ts";
import { makeFolder, syncFolder } from "../durable-folder.ts";

const hashPattern = /^0x[0-9a-f]{64}$/;
/** Bytes that are read at once. */
const readBytes = 1 << 18;

interface StoredFile {
  name: string;
  size: number;
  /** When it was used last. */
  usedMs: number;
}

export interface SealedStoreOptions {
  /** Room for all of it; without a limit by default. */
  maxBytes?: number;
  /** Hashes of what stays, whatever its age, such as results that are not delivered yet. */
  pinned?: () => readonly string[];
}

export class SealedStore {
  readonly #folder: string;
  readonly #bridge: BridgeClient;
  readonly #maxBytes: number;
  readonly #pinned: () => readonly string[];
  /** Who reads which file now. */
  readonly #readers = new Map<string, number>();
  /** What downloads that are under way may still bring. */
  #reservedBytes = 0;
  #makingRoom: Promise<void> = Promise.resolve();

  private constructor(folder: string, bridge: BridgeClient, options: SealedStoreOptions) {
    this.#folder = folder;
    this.#bridge = bridge;
    this.#maxBytes = options.maxBytes ?? Number.POSITIVE_INFINITY;
    this.#pinned = options.pinned ?? (() => []);
  }

  static async open(
    folder: string,
    bridge: BridgeClient,
    options: SealedStoreOptions = {},
  ): Promise<SealedStore> {
    await makeFolder(folder);
    for (const name of await readdir(folder)) {
      // What an interrupted download left.
      if (!hashPattern.test(name)) await rm(join(folder, name), { force: true });
    }
    return new SealedStore(folder, bridge, options);
  }

  /**
   * Makes sure that the bytes with this hash are on the disk and sound, from the bridge if need be. They are
   * streamed: a blob may be larger than the memory.
   * @throws NOT_FOUND, COMMITMENT_MISMATCH, LIMIT_EXCEEDED (more than `maxBytes`), BRIDGE_UNREACHABLE,
   * STORAGE_FULL
   */
  async fetch(hash: string, maxBytes: number, signal?: AbortSignal): Promise<void> {
    if (await this.#isSound(hash)) return;
    await this.#reserve(maxBytes);
    try {
      const parts = this.#bridge.streamBlob(hash, maxBytes, { signal });
      await this.#write(parts, (received) => {
        if (received !== hash.toLowerCase()) {
          throw new SymbolonError("COMMITMENT_MISMATCH", `the bridge sent other bytes for blob ${hash}`);
        }
      });
    } finally {
      this.#reservedBytes -= maxBytes;
    }
  }

  /** The same bytes in parts, fetched if need be, and not deleted as long as they are read. @throws as `fetch` */
  async *read(hash: string, maxBytes: number, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    const name = hash.toLowerCase();
    this.#readers.set(name, (this.#readers.get(name) ?? 0) + 1);
    try {
      await this.fetch(hash, maxBytes, signal);
      yield* createReadStream(this.#path(hash), { highWaterMark: readBytes });
    } finally {
      const others = this.#readers.get(name)! - 1;
      if (others === 0) this.#readers.delete(name);
      else this.#readers.set(name, others);
    }
  }

  /** The bytes with this hash if they are on the disk and sound: for small blobs. */
  async kept(hash: string): Promise<Uint8Array | undefined> {
    return (await this.#isSound(hash)) ? readFile(this.#path(hash)) : undefined;
  }

  /** On the disk, whatever happens, when it resolves. @returns the hash of the bytes @throws STORAGE_FULL */
  async keep(bytes: Uint8Array): Promise<string> {
    return this.#write([bytes], () => {});
  }

  /** Whether the bytes are on the disk: a disk forgets too, so what it altered is deleted. */
  async #isSound(hash: string): Promise<boolean> {
    const path = this.#path(hash);
    const hasher = createHash("sha256");
    try {
      for await (const part of createReadStream(path, { highWaterMark: readBytes })) hasher.update(part);
    } catch {
      return false;
    }
    if (`0x${hasher.digest("hex")}` !== hash.toLowerCase()) {
      await rm(path, { force: true });
      return false;
    }
    const now = new Date();
    await utimes(path, now, now).catch(() => undefined);
    return true;
  }

  async #write(
    parts: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    check: (hash: string) => void,
  ): Promise<string> {
    const temporary = join(this.#folder, `incoming-${randomId()}`);
    const hasher = createHash("sha256");
    try {
      const file = await open(temporary, "wx", 0o600);
      try {
        for await (const part of parts) {
          hasher.update(part);
          await file.writeFile(part);
        }
        await file.sync();
      } finally {
        await file.close();
      }
      const hash = `0x${hasher.digest("hex")}`;
      check(hash);
      await rename(temporary, this.#path(hash));
      await syncFolder(this.#folder);
      return hash;
    } catch (error) {
      await rm(temporary, { force: true });
      throw asStorageError(error);
    }
  }

  #path(hash: string): string {
    return join(this.#folder, hash.toLowerCase());
  }

  /** Deletes what was not used for `retentionSec` and is not pinned. @returns how many */
  async sweep(retentionSec: number): Promise<number> {
    const oldest = Date.now() - retentionSec * 1000;
    const old = this.#unpinned(await this.#files()).filter(({ usedMs }) => usedMs < oldest);
    for (const { name } of old) await rm(join(this.#folder, name), { force: true });
    return old.length;
  }

  /** One after the other, or two would count on the same room. @throws STORAGE_FULL */
  async #reserve(bytes: number): Promise<void> {
    const made = this.#makingRoom.then(() => this.#makeRoom(bytes));
    this.#makingRoom = made.catch(() => undefined);
    await made;
  }

  async #makeRoom(bytes: number): Promise<void> {
    const files = await this.#files();
    let taken = files.reduce((sum, { size }) => sum + size, this.#reservedBytes);
    const goes: string[] = [];
    for (const { name, size } of this.#unpinned(files).sort((a, b) => a.usedMs - b.usedMs)) {
      if (taken + bytes <= this.#maxBytes) break;
      goes.push(name);
      taken -= size;
    }
    if (taken + bytes > this.#maxBytes) {
      throw new SymbolonError("STORAGE_FULL", "there is no room for the sealed inputs of so many jobs", {
        hint: "limits.sealedBytes of the node's configuration sets it",
      });
    }
    for (const name of goes) await rm(join(this.#folder, name), { force: true });
    this.#reservedBytes += bytes;
  }

  /** Whole files, not downloads under way. */
  async #files(): Promise<StoredFile[]> {
    const names = (await readdir(this.#folder)).filter((name) => hashPattern.test(name));
    const found = names.map((name) =>
      stat(join(this.#folder, name)).then(
        ({ size, mtimeMs }): StoredFile[] => [{ name, size, usedMs: mtimeMs }],
        () => [],
      ),
    );
    return (await Promise.all(found)).flat();
  }

  #unpinned(files: readonly StoredFile[]): StoredFile[] {
    const pinned = new Set([...this.#pinned().map((hash) => hash.toLowerCase()), ...this.#readers.keys()]);
    return files.filter(({ name }) => !pinned.has(name));
  }
}
