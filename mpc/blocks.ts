/** Long vectors a block at a time: what is done to a block in several steps finds it in the cache. */
import { type FieldArray, type Kernel, randomBlock } from "./vector/index.ts";

/** Calls `work` for 0 .. n - 1 in runs of `randomBlock` elements, in order; the last may be shorter. */
export function inBlocks(n: number, work: (start: number, length: number) => void): void {
  for (let start = 0; start < n; start += randomBlock) work(start, Math.min(randomBlock, n - start));
}

/**
 * The elements of a pseudo-random stream, a block at a time: pieces of `inBlocks`, in order. Each call takes
 * what follows in the stream, so every piece is drawn once.
 */
export class ElementStream {
  readonly #kernel: Kernel;
  readonly #next: (byteLength: number) => Uint8Array;

  /** @param next gives the stream's next bytes, valid until the next call. */
  constructor(kernel: Kernel, next: (byteLength: number) => Uint8Array) {
    this.#kernel = kernel;
    this.#next = next;
  }

  /** piece = uniform elements, or integers below 2^bitLength. */
  fill(piece: FieldArray, bitLength?: number): void {
    this.#kernel.fromRandomBytes(piece, this.#bytes(piece), bitLength);
  }

  /** piece += uniform elements. */
  addTo(piece: FieldArray): void {
    this.#kernel.addRandom(piece, piece, this.#bytes(piece));
  }

  /** piece -= uniform elements. */
  subtractFrom(piece: FieldArray): void {
    this.#kernel.subtractRandom(piece, piece, this.#bytes(piece));
  }

  #bytes(piece: FieldArray): Uint8Array {
    return this.#next(this.#kernel.randomByteLength(piece.length));
  }
}
