/**
 * Arithmetic of bytes modulo q = 127, for comparisons whose secret bits are shared additively between two
 * parties. Values are bytes 0 .. 126; rows of m bytes follow one another: position i of row e is byte e m + i.
 *
 * The masks s and the shares of zero that a comparison takes are drawn from streams that a pair of parties has
 * in common, by rejection: how much is drawn depends on the number of values and the stream alone, so both
 * parties of a pair draw the same.
 *
 * The work is done in slices in a WebAssembly memory of fixed size: buffers of any length pass through the
 * cache once. Nothing is kept between calls, so one instance serves a whole process.
 */
import { SymbolonError } from "../errors.ts";
import { checkBound, checkPrivateCompare, checkRows } from "./bytes127-checks.ts";
import { checkLength } from "./shapes.ts";
import { type Call, instantiate } from "./wasm-module.ts";

/** More bytes of a stream of uniform ones; valid until the next call. */
export type Draw = (length: number) => Uint8Array;

/** The modulus. */
export const byteModulus = 127;

/** The most bits that a row compares: sums of m + 1 bits must not wrap around. */
export const maxComparedBits = 124;

export interface PrivateCompareRequest {
  /** n m bits 0 or 1 that the caller knows, element after element, lowest bit first. */
  readonly aBits: Uint8Array;
  /** n m bytes: this party's additive shares modulo 127 of the bits of r. */
  readonly rShare: Uint8Array;
  /** One bit b an element, packed: ceil(n / 32) words. */
  readonly coins: Uint32Array;
  /** n (m + 1) bytes 1 .. 126 that both parties know and the reader of the result does not. */
  readonly multipliers: Uint8Array;
  /** n (m + 1) bytes that both parties know and the reader does not: the first adds, the second subtracts. */
  readonly zeros: Uint8Array;
  /** n bytes 0 .. m. */
  readonly rotations: Uint8Array;
  /** Elements. */
  readonly n: number;
  /** Bits of an element, 1 .. 124. */
  readonly m: number;
  /** Exactly one of the two parties adds the public constants. */
  readonly isFirst: boolean;
}

export interface Bytes127 {
  /** Fills `out` with uniform values 0 .. 126. */
  sampleUniform(out: Uint8Array, draw: Draw): void;
  /** Fills `out` with uniform values 1 .. 126. */
  sampleNonzero(out: Uint8Array, draw: Draw): void;
  /** Fills `out` with uniform values 0 .. bound - 1, 1 <= bound <= 128. */
  sampleBelow(out: Uint8Array, bound: number, draw: Draw): void;
  /** out = a + b mod 127; `out` may be an input. Operands at most 126. */
  add(out: Uint8Array, a: Uint8Array, b: Uint8Array): void;
  /** out = a - b mod 127; `out` may be an input. Operands at most 126. */
  subtract(out: Uint8Array, a: Uint8Array, b: Uint8Array): void;
  /** Whether every byte is at most 126: what a peer sent must be. */
  isCanonical(bytes: Uint8Array): boolean;
  /** Rows of planes.length bytes 0 or 1, one for each of n elements, from bit planes of ceil(n / 32) words. */
  bitsToBytes(out: Uint8Array, planes: readonly Uint32Array[], n: number): void;
  /**
   * One party's message of a private comparison; the bytes of both parties, added modulo 127, have a zero in
   * row e exactly when r_e > a_e (coin 0) or r_e <= a_e (coin 1). With sigma = 1 or -1, sums over all higher
   * positions j > i and t_j = a_j + (1 - 2 a_j) r_j, which is a_j xor r_j,
   *
   *     w_i = sigma (a_i - r_i) + 1 + sum t_j           for i < m,
   *     w_m = 1 (coin 0) or the sum over all t_j (coin 1),
   *
   * of which the party has additive shares. out = multipliers * w + or - zeros, each row of m + 1 bytes
   * rotated to the left: whoever adds both messages learns whether there is a zero, since everything else is
   * uniform and nonzero, in a random place. No sum reaches 127, for m <= 124.
   */
  privateCompare(out: Uint8Array, request: PrivateCompareRequest): void;
  /**
   * Packed bits, ceil(n / 32) words: bit e says whether row e of x + y mod 127 has a zero. x and y are n rows
   * of `width` bytes at most 126; 1 <= width <= 125.
   */
  zeroFlags(x: Uint8Array, y: Uint8Array, n: number, width: number): Uint32Array;
}

/** Bytes of a scratch array that are worked on at a time; seven of them stay in the L2 cache. */
const sliceBytes = 65536;

/** Scratch arrays lie apart by more than what is written behind the end of one: eight rows and a vector. */
const scratchStride = sliceBytes + 2048;
const scratch = (index: number) => 1024 + index * scratchStride;

let instance: Promise<Bytes127> | undefined;

/** The instance of this process. */
export function loadBytes127(): Promise<Bytes127> {
  if (instance === undefined) {
    const loading = instantiate("bytes127").then(
      ({ memory, functions }): Bytes127 => new WasmBytes127(new Uint8Array(memory.buffer), functions),
    );
    // A failed build may be repaired: do not keep the failure.
    loading.catch(() => {
      instance = undefined;
    });
    instance = loading;
  }
  return instance;
}

class WasmBytes127 implements Bytes127 {
  readonly #memory: Uint8Array;
  readonly #words: Uint32Array;
  readonly #x: Record<string, Call>;

  constructor(memory: Uint8Array, functions: Record<string, Call>) {
    this.#memory = memory;
    this.#words = new Uint32Array(memory.buffer);
    this.#x = functions;
    functions.init!();
  }

  sampleUniform(out: Uint8Array, draw: Draw): void {
    this.#sample(out, draw, 1 / 128, (length) => this.#x.sample!(scratch(1), scratch(0), length, 0));
  }

  sampleNonzero(out: Uint8Array, draw: Draw): void {
    this.#sample(out, draw, 2 / 128, (length) => this.#x.sample!(scratch(1), scratch(0), length, 1));
  }

  sampleBelow(out: Uint8Array, bound: number, draw: Draw): void {
    checkBound(bound);
    const limit = 256 - (256 % bound);
    const factor = Math.floor(65536 / bound) + 1;
    this.#sample(out, draw, 1 - limit / 256, (length) =>
      this.#x.sampleBelow!(scratch(1), scratch(0), length, bound, limit, factor),
    );
  }

  add(out: Uint8Array, a: Uint8Array, b: Uint8Array): void {
    this.#binary("add", out, a, b);
  }

  subtract(out: Uint8Array, a: Uint8Array, b: Uint8Array): void {
    this.#binary("subtract", out, a, b);
  }

  isCanonical(bytes: Uint8Array): boolean {
    for (let start = 0; start < bytes.length; start += sliceBytes) {
      const length = Math.min(sliceBytes, bytes.length - start);
      this.#put(0, bytes, start, length);
      if (this.#x.largest!(scratch(0), length) >= byteModulus) return false;
    }
    return true;
  }

  bitsToBytes(out: Uint8Array, planes: readonly Uint32Array[], n: number): void {
    const m = planes.length;
    checkRows("bitsToBytes", n, m, maxComparedBits);
    checkLength("bitsToBytes", "out", out, n * m);
    for (const plane of planes) checkLength("bitsToBytes", "plane", plane, Math.ceil(n / 32));
    const perSlice = rowsOf(m);
    for (let start = 0; start < n; start += perSlice) {
      const rows = Math.min(perSlice, n - start);
      const words = Math.ceil(rows / 32);
      for (let j = 0; j < m; j++) {
        const plane = planes[j]!;
        this.#putWords(scratch(0) + 4 * words * j, plane, start / 32, words);
      }
      this.#x.bitsToBytes!(scratch(1), scratch(0), 4 * words, rows, m);
      this.#take(out, start * m, scratch(1), rows * m);
    }
  }

  privateCompare(out: Uint8Array, request: PrivateCompareRequest): void {
    const { aBits, rShare, coins, multipliers, zeros, rotations, n, m, isFirst } = request;
    checkPrivateCompare(out, request, maxComparedBits);
    const width = m + 1;
    const [a, r, w, s, z, rotation, coin] = [0, 1, 2, 3, 4, 5, 6];
    const perSlice = rowsOf(width);
    for (let start = 0; start < n; start += perSlice) {
      const rows = Math.min(perSlice, n - start);
      this.#put(a, aBits, start * m, rows * m);
      this.#put(r, rShare, start * m, rows * m);
      this.#put(s, multipliers, start * width, rows * width);
      this.#put(z, zeros, start * width, rows * width);
      this.#put(rotation, rotations, start, rows);
      this.#putWords(scratch(coin), coins, start / 32, Math.ceil(rows / 32));
      if (this.#x.largest!(scratch(rotation), rows) > m)
        throw new SymbolonError("SHAPE_MISMATCH", `privateCompare: a rotation exceeds ${m}`);
      this.#x.weights!(scratch(w), scratch(a), scratch(r), scratch(coin), rows, m, isFirst ? 1 : 0);
      this.#x.scaleAndMask!(scratch(w), scratch(w), scratch(s), scratch(z), isFirst ? 0 : 1, rows * width);
      // Each row twice takes the places of a and r together.
      this.#x.rotate!(scratch(s), scratch(w), scratch(rotation), scratch(a), rows, width);
      this.#take(out, start * width, scratch(s), rows * width);
    }
  }

  zeroFlags(x: Uint8Array, y: Uint8Array, n: number, width: number): Uint32Array {
    checkRows("zeroFlags", n, width, maxComparedBits + 1);
    checkLength("zeroFlags", "x", x, n * width);
    checkLength("zeroFlags", "y", y, n * width);
    const flags = new Uint32Array(Math.ceil(n / 32));
    const bytes = new Uint8Array(flags.buffer);
    const perSlice = rowsOf(width);
    for (let start = 0; start < n; start += perSlice) {
      const rows = Math.min(perSlice, n - start);
      this.#put(0, x, start * width, rows * width);
      this.#put(1, y, start * width, rows * width);
      this.#x.zeroFlags!(scratch(2), scratch(0), scratch(1), rows, width);
      this.#take(bytes, start / 8, scratch(2), 4 * Math.ceil(rows / 32));
    }
    return flags;
  }

  /** Draws until `out` is full; `refused` is the share of bytes that the sampler leaves out. */
  #sample(out: Uint8Array, draw: Draw, refused: number, sampler: (length: number) => number): void {
    for (let done = 0; done < out.length; ) {
      const length = drawLength(out.length - done, refused);
      const bytes = draw(length);
      checkLength("sample", "drawn", bytes, length);
      this.#put(0, bytes, 0, length);
      const taken = Math.min(sampler(length), out.length - done);
      this.#take(out, done, scratch(1), taken);
      done += taken;
    }
  }

  #binary(name: "add" | "subtract", out: Uint8Array, a: Uint8Array, b: Uint8Array): void {
    checkLength(name, "a", a, out.length);
    checkLength(name, "b", b, out.length);
    for (let start = 0; start < out.length; start += sliceBytes) {
      const length = Math.min(sliceBytes, out.length - start);
      this.#put(0, a, start, length);
      this.#put(1, b, start, length);
      this.#x[name]!(scratch(0), scratch(0), scratch(1), length);
      this.#take(out, start, scratch(0), length);
    }
  }

  /** Copies a piece of a buffer to a scratch array. */
  #put(index: number, source: Uint8Array, start: number, length: number): void {
    this.#memory.set(
      length === source.length ? source : source.subarray(start, start + length),
      scratch(index),
    );
  }

  #putWords(at: number, words: Uint32Array, start: number, length: number): void {
    this.#words.set(length === words.length ? words : words.subarray(start, start + length), at / 4);
  }

  #take(out: Uint8Array, start: number, from: number, length: number): void {
    out.set(this.#memory.subarray(from, from + length), start);
  }
}

/** Rows that are worked on at a time: a multiple of 32, so that packed bits split between words. */
function rowsOf(width: number): number {
  return Math.max(32, Math.floor(sliceBytes / width / 32) * 32);
}

/** How many bytes to draw for `missing` values: enough but for six standard deviations. */
export function drawLength(missing: number, refused: number): number {
  const margin = Math.ceil((1.25 * missing * refused) / (1 - refused)) + 32;
  return Math.min(sliceBytes, missing + margin);
}
