/**
 * The content-addressed store of ciphertexts: one file per blob, named by the sha256 of its bytes.
 *
 * A blob is streamed to a temporary file, hashed on the way, flushed, and moved into place by a rename, so
 * that a name never stands for half a blob. Bytes are checked against the name again before they are read, unless
 * the file is as it was when it was last checked; what does not match is refused. The store cannot judge
 * contents: to it they are noise.
 */
import { createHash } from "node:crypto";
import { createReadStream, type Stats } from "node:fs";
import { type FileHandle, link, mkdir, open, readdir, rename, stat, unlink, utimes } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { SymbolonError } from "../../mpc/errors.ts";
import { randomId } from "../../mpc/random.ts";
import { HttpProblem } from "../problem.ts";

export interface BlobStoreOptions {
  folder: string;
  /** Largest blob in bytes. */
  maxBytes: number;
  /** Bytes of all blobs together. */
  quotaBytes: number;
  /**
   * Whether a blob must stay. When the quota is reached, others of at least `keepUnneededSec` go, the oldest
   * first. Without it nothing ever goes.
   */
  isNeeded?: (hash: string) => boolean;
  keepUnneededSec?: number;
}

export interface StoredBlob {
  /** 0x and the sha256 of the bytes. */
  hash: string;
  bytes: number;
  /** False when the store held it before. */
  created: boolean;
}

export interface OpenBlob {
  bytes: number;
  stream: Readable;
}

const hashPattern = /^0x[0-9a-f]{64}$/;
/** Files whose last check is remembered. */
const maxRemembered = 65_536;

export class BlobStore {
  readonly options: BlobStoreOptions;
  #count = 0;
  #totalBytes = 0;
  /** Bytes of uploads that are under way; they count against the quota before they are in place. */
  #pendingBytes = 0;
  #evicting: Promise<void> | null = null;
  /** What the file of a name was when its bytes were found right. Gigabytes are not hashed for every question. */
  readonly #checked = new Map<string, string>();

  private constructor(options: BlobStoreOptions) {
    this.options = options;
  }

  /** Opens or creates the folder, removes what interrupted uploads left, and counts what is there. */
  static async open(options: BlobStoreOptions): Promise<BlobStore> {
    const store = new BlobStore(options);
    const incoming = store.#incoming();
    await mkdir(incoming, { recursive: true });
    for (const name of await readdir(incoming)) await unlink(join(incoming, name));
    for await (const { path } of store.#files()) {
      store.#count += 1;
      store.#totalBytes += (await stat(path)).size;
    }
    return store;
  }

  get count(): number {
    return this.#count;
  }

  get totalBytes(): number {
    return this.#totalBytes;
  }

  /**
   * Stores the bytes of `source` under their hash. Storing the same bytes again changes nothing.
   * @throws LIMIT_EXCEEDED (413) beyond `maxBytes`, LIMIT_EXCEEDED (507) beyond the quota
   */
  async put(source: AsyncIterable<Uint8Array>): Promise<StoredBlob> {
    const temporary = join(this.#incoming(), randomId());
    const hasher = createHash("sha256");
    let bytes = 0;
    const file = await open(temporary, "wx", 0o600);
    try {
      try {
        for await (const chunk of source) {
          bytes += chunk.byteLength;
          this.#pendingBytes += chunk.byteLength;
          if (bytes > this.options.maxBytes) throw this.#tooLarge();
          if (this.#overQuota()) await this.#makeRoom();
          if (this.#overQuota()) {
            throw new HttpProblem(507, "LIMIT_EXCEEDED", "the bridge's store is full", "use another bridge");
          }
          hasher.update(chunk);
          await writeAll(file, chunk);
        }
        await file.sync();
      } finally {
        await file.close();
      }
      const hash = `0x${hasher.digest("hex")}`;
      const created = await this.#moveIntoPlace(temporary, hash, bytes);
      return { hash, bytes, created };
    } catch (error) {
      await unlink(temporary).catch(() => undefined);
      throw error;
    } finally {
      this.#pendingBytes -= bytes;
    }
  }

  /** True when a blob of this name exists; its bytes are not looked at. */
  async has(hash: string): Promise<boolean> {
    return stat(this.#path(hash)).then(
      () => true,
      () => false,
    );
  }

  /**
   * Checks the whole blob against its name, then opens it for streaming from the same file handle.
   * @throws NOT_FOUND; COMMITMENT_MISMATCH when the bytes changed on disk
   */
  async read(hash: string): Promise<OpenBlob> {
    const file = await this.#openChecked(hash);
    const { size } = await file.stat();
    return { bytes: size, stream: file.createReadStream({ start: 0, autoClose: true }) };
  }

  /** The size of a blob whose bytes match its name. @throws like `read` */
  async verify(hash: string): Promise<number> {
    const file = await this.#openChecked(hash);
    try {
      return (await file.stat()).size;
    } finally {
      await file.close();
    }
  }

  /** Refuses a declared length before a byte of the body is read. @throws LIMIT_EXCEEDED (413) */
  refuseLength(declaredBytes: number): void {
    if (declaredBytes > this.options.maxBytes) throw this.#tooLarge();
  }

  async #openChecked(hash: string, again = false): Promise<FileHandle> {
    const file = await open(this.#path(hash), "r").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") throw new SymbolonError("NOT_FOUND", `the store holds no blob ${hash}`);
      throw error;
    });
    try {
      const state = stateOf(await file.stat());
      if (!again && this.#checked.get(hash) === state) return file;
      this.#checked.delete(hash);
      const hasher = createHash("sha256");
      const stream = createReadStream("", { fd: file, start: 0, autoClose: false });
      for await (const chunk of stream) hasher.update(chunk as Buffer);
      if (`0x${hasher.digest("hex")}` !== hash) {
        throw new SymbolonError("COMMITMENT_MISMATCH", `blob ${hash} was altered in the store`, {
          hint: "upload it again: the original bytes replace the altered ones",
        });
      }
      this.#remember(hash, state);
      return file;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Returns whether the blob is new. An altered file of the same name is replaced by the true bytes. */
  async #moveIntoPlace(temporary: string, hash: string, bytes: number): Promise<boolean> {
    const path = this.#path(hash);
    const folder = dirname(path);
    await mkdir(folder, { recursive: true });
    // A hard link fails when the name exists, so two uploads of the same bytes count once.
    const linked = await link(temporary, path).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code === "EEXIST") return false;
        throw error;
      },
    );
    if (linked) {
      this.#count += 1;
      this.#totalBytes += bytes;
    } else if (!(await this.#intact(hash))) {
      const before = await stat(path);
      await rename(temporary, path);
      this.#totalBytes += bytes - before.size;
      return true;
    }
    await unlink(temporary);
    // Somebody wants it again: it counts as new when room is made.
    if (!linked) await utimes(path, new Date(), new Date());
    if (linked) await syncFolder(folder);
    // The bytes were hashed on their way here.
    if (linked) this.#remember(hash, stateOf(await stat(path)));
    return linked;
  }

  /** Reads the bytes whatever is remembered: whoever has them again can mend what a disk has lost. */
  async #intact(hash: string): Promise<boolean> {
    try {
      await (await this.#openChecked(hash, true)).close();
      return true;
    } catch {
      return false;
    }
  }

  #remember(hash: string, state: string): void {
    if (this.#checked.size >= maxRemembered) this.#checked.clear();
    this.#checked.set(hash, state);
  }

  #overQuota(): boolean {
    return this.#totalBytes + this.#pendingBytes > this.options.quotaBytes;
  }

  /** Removes blobs that nobody needs until the uploads under way fit. One sweep at a time. */
  #makeRoom(): Promise<void> {
    this.#evicting ??= this.#evict().finally(() => {
      this.#evicting = null;
    });
    return this.#evicting;
  }

  async #evict(): Promise<void> {
    const { isNeeded, keepUnneededSec = 0 } = this.options;
    if (isNeeded === undefined) return;
    const newestMs = Date.now() - keepUnneededSec * 1000;
    const unneeded: { path: string; size: number; mtimeMs: number }[] = [];
    for await (const { hash, path } of this.#files()) {
      const { size, mtimeMs } = await stat(path);
      if (mtimeMs <= newestMs && !isNeeded(hash)) unneeded.push({ path, size, mtimeMs });
    }
    unneeded.sort((left, right) => left.mtimeMs - right.mtimeMs);
    for (const { path, size } of unneeded) {
      if (!this.#overQuota()) return;
      await unlink(path);
      this.#count -= 1;
      this.#totalBytes -= size;
    }
  }

  async *#files(): AsyncGenerator<{ hash: string; path: string }> {
    for (const prefix of await readdir(this.options.folder)) {
      if (!/^[0-9a-f]{2}$/.test(prefix)) continue;
      for (const name of await readdir(join(this.options.folder, prefix))) {
        yield { hash: `0x${prefix}${name}`, path: join(this.options.folder, prefix, name) };
      }
    }
  }

  #tooLarge(): HttpProblem {
    return new HttpProblem(
      413,
      "LIMIT_EXCEEDED",
      `a blob may have at most ${this.options.maxBytes} bytes`,
      "split the data set",
    );
  }

  #incoming(): string {
    return join(this.options.folder, "incoming");
  }

  #path(hash: string): string {
    if (!hashPattern.test(hash))
      throw new SymbolonError("USAGE", "a blob is named by 0x and 64 hexadecimal digits");
    return join(this.options.folder, hash.slice(2, 4), hash.slice(4));
  }
}

/** Changes with every change of the file or its data, at the resolution of the file system's clock. */
function stateOf({ ino, size, mtimeMs, ctimeMs }: Stats): string {
  return `${ino} ${size} ${mtimeMs} ${ctimeMs}`;
}

async function writeAll(file: FileHandle, chunk: Uint8Array): Promise<void> {
  let offset = 0;
  while (offset < chunk.byteLength) {
    const { bytesWritten } = await file.write(chunk, offset, chunk.byteLength - offset);
    offset += bytesWritten;
  }
}

/** A new name survives a power cut only when its folder is flushed too. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
