/**
 * Sealed blobs on this node's disk, by the hash of their bytes: inputs, so that a data set that is used in many
 * jobs is fetched once, and this node's shares of results until they are delivered. They are kept as they came,
 * sealed to this operator. What was not used for the retention time is deleted, for a key that leaks later
 * opens all that was kept.
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

export class SealedStore {
  readonly #folder: string;
  readonly #bridge: BridgeClient;

  private constructor(folder: string, bridge: BridgeClient) {
    this.#folder = folder;
    this.#bridge = bridge;
  }

  static async open(folder: string, bridge: BridgeClient): Promise<SealedStore> {
    await makeFolder(folder);
    for (const name of await readdir(folder)) {
      // What an interrupted download left.
      if (!hashPattern.test(name)) await rm(join(folder, name), { force: true });
    }
    return new SealedStore(folder, bridge);
  }

  /**
   * Makes sure that the bytes with this hash are on the disk and sound, from the bridge if need be. They are
   * streamed: a blob may be larger than the memory.
   * @throws NOT_FOUND, COMMITMENT_MISMATCH, LIMIT_EXCEEDED (more than `maxBytes`), BRIDGE_UNREACHABLE,
   * STORAGE_FULL
   */
  async fetch(hash: string, maxBytes: number, signal?: AbortSignal): Promise<void> {
    if (await this.#isSound(hash)) return;
    const parts = this.#bridge.streamBlob(hash, maxBytes, { signal });
    await this.#write(parts, (received) => {
      if (received !== hash.toLowerCase()) {
        throw new SymbolonError("COMMITMENT_MISMATCH", `the bridge sent other bytes for blob ${hash}`);
      }
    });
  }

  /** The bytes with this hash, which `fetch` found sound, in parts. */
  read(hash: string): AsyncIterable<Uint8Array> {
    return createReadStream(this.#path(hash), { highWaterMark: readBytes });
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

  /** Deletes what was not used for `retentionSec`, but for the hashes in `keep`. @returns how many */
  async sweep(retentionSec: number, keep: readonly string[] = []): Promise<number> {
    const kept = new Set(keep.map((hash) => hash.toLowerCase()));
    const oldest = Date.now() - retentionSec * 1000;
    let deleted = 0;
    for (const name of await readdir(this.#folder)) {
      if (kept.has(name)) continue;
      const file = join(this.#folder, name);
      const { mtimeMs } = await stat(file).catch(() => ({ mtimeMs: Number.POSITIVE_INFINITY }));
      if (mtimeMs >= oldest) continue;
      await rm(file, { force: true });
      deleted += 1;
    }
    return deleted;
  }
}
