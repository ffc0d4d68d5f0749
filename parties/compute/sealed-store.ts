/**
 * Sealed blobs on this node's disk, by the hash of their bytes: inputs, so that a data set that is used in many
 * jobs is fetched once, and this node's shares of results until they are delivered. They are kept as they came: sealed to this operator, who opens them in memory only. What
 * was not used for the retention time is deleted, for a key that leaks later opens all that was kept.
 */
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { BridgeClient } from "../../bridge/client.ts";
import { randomId } from "../../mpc/random.ts";
import { ciphertextHash } from "../data-set.ts";

const hashPattern = /^0x[0-9a-f]{64}$/;

export class SealedStore {
  readonly #folder: string;
  readonly #bridge: BridgeClient;

  private constructor(folder: string, bridge: BridgeClient) {
    this.#folder = folder;
    this.#bridge = bridge;
  }

  static async open(folder: string, bridge: BridgeClient): Promise<SealedStore> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    for (const name of await readdir(folder)) {
      // What an interrupted download left.
      if (!hashPattern.test(name)) await rm(join(folder, name), { force: true });
    }
    return new SealedStore(folder, bridge);
  }

  /**
   * The bytes with this hash, from the disk or else from the bridge.
   * @throws NOT_FOUND, COMMITMENT_MISMATCH, LIMIT_EXCEEDED (more than `maxBytes`), BRIDGE_UNREACHABLE
   */
  async fetch(hash: string, maxBytes: number, signal?: AbortSignal): Promise<Uint8Array> {
    const kept = await this.kept(hash);
    if (kept !== undefined) return kept;
    const bytes = await this.#bridge.downloadBlob(hash, maxBytes, { signal });
    await this.keep(bytes);
    return bytes;
  }

  /** The bytes with this hash if they are on the disk and sound. */
  async kept(hash: string): Promise<Uint8Array | undefined> {
    const file = join(this.#folder, hash.toLowerCase());
    const bytes = await readFile(file).catch(() => undefined);
    if (bytes === undefined) return undefined;
    // A disk forgets too.
    if (ciphertextHash(bytes) !== hash.toLowerCase()) {
      await rm(file, { force: true });
      return undefined;
    }
    const now = new Date();
    await utimes(file, now, now).catch(() => undefined);
    return bytes;
  }

  /** Writes the bytes to the disk. @returns their hash */
  async keep(bytes: Uint8Array): Promise<string> {
    const hash = ciphertextHash(bytes);
    const temporary = join(this.#folder, `incoming-${randomId()}`);
    await writeFile(temporary, bytes, { mode: 0o600, flush: true });
    await rename(temporary, join(this.#folder, hash));
    return hash;
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
