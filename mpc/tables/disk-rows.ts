/**
 * Rows in a scratch file, which no one can read without the key that this process holds in memory only: after
 * a crash the file is noise.
 *
 * A record holds consecutive rows as `Kernel.encode` writes them, encrypted by AES-256-GCM with its 16-byte tag
 * behind it. The nonce is the record's number under a key of the file's own; each number is used once, since
 * records are never rewritten. A record that was altered or exchanged does not decrypt.
 */
import { createCipheriv, createDecipheriv } from "node:crypto";
import { type FileHandle, open, rm } from "node:fs/promises";
import { SymbolonError } from "../errors.ts";
import { randomBytes } from "../random.ts";
import { asStorageError } from "../storage-error.ts";
import type { FieldArray, Kernel } from "../vector/index.ts";
import { checkRows, type RowStore } from "./row-store.ts";

const tagBytes = 16;
const nonceBytes = 12;

interface FileRecord {
  readonly number: number;
  readonly first: number;
  readonly rows: number;
  readonly offset: number;
  readonly bytes: number;
}

export class DiskRows implements RowStore<FieldArray> {
  readonly rows: number;
  readonly cols: number;
  readonly whole = undefined;
  readonly #kernel: Kernel;
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #recordRows: number;
  readonly #key = randomBytes(32);
  readonly #records: FileRecord[] = [];
  #written = 0;
  #freed = false;
  #end = 0;
  /** The record that was read last, in the clear. */
  #last: { readonly number: number; readonly plain: Buffer } | undefined;
  /** A record on its way from the disk before anyone asked for it, while the network is waited for. */
  #ahead: { readonly number: number; readonly sealed: Promise<Buffer> } | undefined;

  private constructor(
    kernel: Kernel,
    shape: { rows: number; cols: number; recordRows: number },
    path: string,
    file: FileHandle,
  ) {
    this.#kernel = kernel;
    this.rows = shape.rows;
    this.cols = shape.cols;
    this.#recordRows = shape.recordRows;
    this.#path = path;
    this.#file = file;
  }

  /**
   * Makes the file, which must not exist.
   * @param recordRows rows that will be read together; a record has no more
   */
  static async create(
    kernel: Kernel,
    shape: { rows: number; cols: number; recordRows: number },
    path: string,
  ): Promise<DiskRows> {
    return new DiskRows(kernel, shape, path, await open(path, "wx+", 0o600));
  }

  async append(data: FieldArray, rows: number): Promise<void> {
    checkRows(this.#written, rows, this.rows);
    for (let at = 0; at < rows; at += this.#recordRows) {
      const count = Math.min(this.#recordRows, rows - at);
      const plain = this.#kernel.encode(this.#kernel.slice(data, at * this.cols, count * this.cols));
      await this.#appendRecord(plain, count);
      plain.fill(0);
    }
  }

  async read(first: number, count: number): Promise<FieldArray> {
    checkRows(first, count, this.#written);
    const kernel = this.#kernel;
    const out = kernel.allocate(count * this.cols);
    let done = 0;
    for (let number = this.#recordOf(first); done < count; number++) {
      const record = this.#records[number]!;
      const plain = await this.#open(record);
      const from = first + done - record.first;
      const rows = Math.min(record.rows - from, count - done);
      kernel.decodeSlice(kernel.slice(out, done * this.cols, rows * this.cols), plain, from * this.cols);
      done += rows;
    }
    return out;
  }

  release(data: FieldArray): void {
    this.#kernel.free(data);
  }

  /** Does nothing the second time. */
  async free(): Promise<void> {
    if (this.#freed) return;
    this.#freed = true;
    this.#last?.plain.fill(0);
    this.#last = undefined;
    await this.#ahead?.sealed.catch(() => undefined);
    this.#key.fill(0);
    await this.#file.close();
    await rm(this.#path, { force: true });
  }

  async #appendRecord(plain: Uint8Array, rows: number): Promise<void> {
    const number = this.#records.length;
    const cipher = createCipheriv("aes-256-gcm", this.#key, nonceOf(number));
    const sealed = Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
    const record = { number, first: this.#written, rows, offset: this.#end, bytes: sealed.length };
    try {
      for (let at = 0; at < sealed.length; ) {
        const { bytesWritten } = await this.#file.write(sealed, at, sealed.length - at, this.#end + at);
        at += bytesWritten;
      }
    } catch (error) {
      throw asStorageError(error);
    }
    this.#records.push(record);
    this.#written += rows;
    this.#end += sealed.length;
  }

  /** The number of the record that holds a row. */
  #recordOf(row: number): number {
    let low = 0;
    let high = this.#records.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.#records[middle]!.first <= row) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  async #open(record: FileRecord): Promise<Buffer> {
    const { number } = record;
    if (this.#last?.number === number) return this.#last.plain;
    const sealed = await (this.#ahead?.number === number ? this.#ahead.sealed : this.#load(record));
    // Readers go on where they stopped, or begin again.
    const next = this.#records[number + 1] ?? this.#records[0]!;
    this.#ahead = { number: next.number, sealed: this.#load(next) };
    this.#ahead.sealed.catch(() => undefined);
    const split = sealed.length - tagBytes;
    const decipher = createDecipheriv("aes-256-gcm", this.#key, nonceOf(number));
    decipher.setAuthTag(sealed.subarray(split));
    const plain = decipher.update(sealed.subarray(0, split));
    try {
      decipher.final();
    } catch {
      plain.fill(0);
      throw new SymbolonError("INTERNAL", "a scratch file is not as this process wrote it");
    }
    this.#last?.plain.fill(0);
    this.#last = { number, plain };
    return plain;
  }

  async #load({ offset, bytes }: FileRecord): Promise<Buffer> {
    const sealed = Buffer.allocUnsafe(bytes);
    for (let at = 0; at < bytes; ) {
      const { bytesRead } = await this.#file.read(sealed, at, bytes - at, offset + at);
      if (bytesRead === 0) throw new SymbolonError("INTERNAL", "a scratch file was cut");
      at += bytesRead;
    }
    return sealed;
  }
}

function nonceOf(record: number): Buffer {
  const nonce = Buffer.alloc(nonceBytes);
  nonce.writeUIntBE(record, nonceBytes - 6, 6);
  return nonce;
}
