/** A content-addressed store in a folder, one file for each blob: on a disk that both sides reach. */
import { mkdir, open, rename, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { SymbolonError } from "../../mpc/errors.ts";
import { randomId } from "../../mpc/random.ts";
import {
  addressOf,
  type BlobStore,
  blobMissing,
  maxBlobBytes,
  requireAddress,
  requireBlobSize,
  requireContent,
} from "./blob-store.ts";

export class FolderStore implements BlobStore {
  readonly place: string;
  readonly #folder: string;
  readonly #mode: number;

  /** @param mode of the files: for all to read, since what others can read is public or sealed */
  constructor(folder: string, mode = 0o644) {
    this.#mode = mode;
    this.#folder = resolve(folder);
    this.place = `the store ${this.#folder}`;
  }

  async put(bytes: Uint8Array): Promise<string> {
    requireBlobSize(bytes.length, maxBlobBytes, this.place);
    const address = addressOf(bytes);
    const temporary = join(this.#folder, `.${randomId()}.part`);
    try {
      // A folder of private files is private too.
      await mkdir(this.#folder, { recursive: true, mode: this.#mode & 0o077 ? 0o755 : 0o700 });
      // Moved into place, so that a name never stands for half a blob.
      await writeFile(temporary, bytes, { flag: "wx", mode: this.#mode, flush: true });
      await rename(temporary, this.#file(address));
    } catch (cause) {
      await rm(temporary, { force: true }).catch(() => undefined);
      throw this.#failed("cannot be written", cause);
    }
    return address;
  }

  async get(address: string, maxBytes = maxBlobBytes): Promise<Uint8Array> {
    requireAddress(address);
    const bytes = await this.#read(address, maxBytes);
    requireContent(address, bytes, this.place);
    return bytes;
  }

  async #read(address: string, maxBytes: number): Promise<Uint8Array> {
    try {
      const file = await open(this.#file(address), "r");
      try {
        // Of a file that is too long, or no file at all, nothing is read.
        requireBlobSize((await file.stat()).size, maxBytes, this.place);
        const room = Buffer.alloc(maxBytes + 1);
        let length = 0;
        for (;;) {
          const { bytesRead } = await file.read(room, length, room.length - length, length);
          length += bytesRead;
          if (bytesRead === 0 || length === room.length) break;
        }
        requireBlobSize(length, maxBytes, this.place);
        return Uint8Array.from(room.subarray(0, length));
      } finally {
        await file.close();
      }
    } catch (cause) {
      if (cause instanceof SymbolonError) throw cause;
      if ((cause as NodeJS.ErrnoException).code === "ENOENT") throw blobMissing(address, this.place, cause);
      throw this.#failed("cannot be read", cause);
    }
  }

  #file(address: string): string {
    return join(this.#folder, address.slice(2));
  }

  #failed(what: string, cause: unknown): SymbolonError {
    return new SymbolonError("STORE_UNREACHABLE", `${this.place} ${what}`, {
      hint: "check that the folder is there and that this user may use it",
      cause,
    });
  }
}
