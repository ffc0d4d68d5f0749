/**
 * The interface of the vector kernels: arrays of elements of F_p, p = 2^k - 1, and the arithmetic on them.
 *
 * Two implementations answer to it: `reference.ts` (bigint, slow, obviously right) and `wasm.ts` (SIMD over
 * planar 32-bit limbs). Everything is synchronous, local and deterministic; no method draws randomness.
 *
 * Rules that hold for every method:
 * - Lengths that do not fit throw SHAPE_MISMATCH before anything is written.
 * - For element-wise methods `out` may be the same array as an input. Otherwise `out` must not overlap an
 *   input; two views that overlap shifted against each other are never allowed.
 * - A method that takes a `bigint` scalar reduces it mod p, negative ones included.
 */

import type { Bytes127 } from "./bytes127.ts";

/** The exponent k of the field's modulus p = 2^k - 1, a Mersenne prime. */
export type FieldBits = 61 | 89 | 107 | 127;

/** A field and how its elements lie in memory and on the wire. */
export interface FieldSpec {
  readonly bits: FieldBits;
  /** p = 2^bits - 1. */
  readonly modulus: bigint;
  /** Number of limbs of an element; each limb takes a 32-bit word. */
  readonly limbs: number;
  /** Bits in a limb; the top limb of a canonical element holds bits - limbBits * (limbs - 1). */
  readonly limbBits: number;
  /** Bytes of an element on the wire: 4 * limbs. */
  readonly elementBytes: number;
}

function spec(bits: FieldBits, limbs: number, limbBits: number): FieldSpec {
  return { bits, modulus: (1n << BigInt(bits)) - 1n, limbs, limbBits, elementBytes: 4 * limbs };
}

/** The four fields. Limb widths leave the head-room that the lazy reductions in `assembly/` need. */
export const fieldSpecs: Record<FieldBits, FieldSpec> = {
  61: spec(61, 2, 31),
  89: spec(89, 3, 30),
  107: spec(107, 4, 27),
  127: spec(127, 5, 26),
};

/** All fields, smallest first. */
export const fieldBits: readonly FieldBits[] = [61, 89, 107, 127];

/**
 * `length` field elements somewhere in one kernel's memory. Opaque but for its length: `ptr` and `stride`
 * mean something to the kernel alone, and an array of one kernel is meaningless to another.
 */
export interface FieldArray {
  readonly length: number;
  readonly ptr: number;
  readonly stride: number;
}

/** A matrix, row-major, and a column of it. */
export interface ColumnsOf {
  readonly array: FieldArray;
  readonly cols: number;
  readonly column: number;
}

/** A mark in the order of allocations; see `Kernel.beginRegion`. */
export interface Region {
  readonly id: number;
}

/**
 * Elements in a block of pseudo-random bytes. `fromRandomBytes` reads its bytes block by block, so that
 * filling an array at once and filling its slices of `randomBlock` elements one after another give the same
 * values; the second way keeps the key stream in the cache.
 */
export const randomBlock = 4096;

export interface Kernel {
  readonly spec: FieldSpec;
  /** Bytes modulo 127, for comparisons; on ordinary buffers, not in the kernel's memory. */
  readonly bytes127: Bytes127;

  // Memory.

  /**
   * An array of `length` >= 0 elements with undefined content: write before you read. Throws LIMIT_EXCEEDED
   * when the kernel's memory (4 GB) is used up.
   */
  allocate(length: number): FieldArray;
  /** `length` zeros. */
  allocateZeros(length: number): FieldArray;
  /** Frees a whole allocation; a slice or an array that is already free throws INTERNAL. */
  free(a: FieldArray): void;
  /**
   * Begins a region. Regions nest and end in the reverse order. Do not hold one across an `await` while
   * another task uses the same kernel: its arrays would belong to this region.
   */
  beginRegion(): Region;
  /** Frees what was allocated since the region began, except the allocations (or slices of them) in `keep`. */
  endRegion(region: Region, keep?: readonly FieldArray[]): void;
  /** A view of `length` elements from `start`; no copy, valid as long as the whole is. */
  slice(a: FieldArray, start: number, length: number): FieldArray;

  // Element-wise. `out` may be an input.

  copy(out: FieldArray, a: FieldArray): void;
  fill(out: FieldArray, value: bigint): void;
  add(out: FieldArray, a: FieldArray, b: FieldArray): void;
  subtract(out: FieldArray, a: FieldArray, b: FieldArray): void;
  negate(out: FieldArray, a: FieldArray): void;
  multiply(out: FieldArray, a: FieldArray, b: FieldArray): void;
  addScalar(out: FieldArray, a: FieldArray, c: bigint): void;
  multiplyScalar(out: FieldArray, a: FieldArray, c: bigint): void;
  /** out = a * c + b. */
  multiplyAdd(out: FieldArray, a: FieldArray, c: bigint, b: FieldArray): void;

  /**
   * out = 2 a - b, the value at 0 of the line through a at 1 and b at 2; returns whether every c is that line's
   * value at 3.
   */
  interpolate(out: FieldArray, a: FieldArray, b: FieldArray, c: FieldArray): boolean;

  // Reductions and linear algebra. Matrices are row-major arrays of rows * cols elements.

  /** out[0] = sum_i a_i. */
  sum(out: FieldArray, a: FieldArray): void;
  /** out[0] = sum_i a_i b_i. */
  dot(out: FieldArray, a: FieldArray, b: FieldArray): void;
  /** out[rows] = A x, with x[cols]. */
  matvec(out: FieldArray, A: FieldArray, rows: number, cols: number, x: FieldArray): void;
  /** out[cols] = A' v, with v[rows]. */
  matvecTransposed(out: FieldArray, A: FieldArray, rows: number, cols: number, v: FieldArray): void;
  /** out[n * q] = A B, with A[n * m] and B[m * q]. */
  matmul(out: FieldArray, A: FieldArray, n: number, m: number, B: FieldArray, q: number): void;
  /** out[j] = sum_i A_ij. */
  sumColumns(out: FieldArray, A: FieldArray, rows: number, cols: number): void;
  /** out[j] = sum_i A_ij B_ij. */
  columnDots(out: FieldArray, A: FieldArray, B: FieldArray, rows: number, cols: number): void;
  /** out_ij = A_ij + row_j. `out` may be A. */
  addRow(out: FieldArray, A: FieldArray, rows: number, cols: number, row: FieldArray): void;
  /** out_ij = A_ij row_j. `out` may be A. */
  multiplyRow(out: FieldArray, A: FieldArray, rows: number, cols: number, row: FieldArray): void;
  /** out_ij = A_ij column_i. `out` may be A. */
  multiplyColumn(out: FieldArray, A: FieldArray, rows: number, cols: number, column: FieldArray): void;
  /** out[cols * rows] = A'. */
  transpose(out: FieldArray, A: FieldArray, rows: number, cols: number): void;
  /** out[i] = a[indices[i]]. An index outside `a` throws SHAPE_MISMATCH. */
  gather(out: FieldArray, a: FieldArray, indices: Uint32Array): void;
  /**
   * Copies `width` columns of whole rows: columns `to.column` on of row i of the matrix `to` become columns
   * `from.column` on of row order[i] of the matrix `from`. `to.array` has order.length rows; its other columns
   * stay. The arrays must not overlap. A row outside `from` throws SHAPE_MISMATCH.
   */
  copyRows(to: ColumnsOf, from: ColumnsOf, width: number, order: Uint32Array): void;

  // Integers and bits.

  /** out = floor(v / 2^bits), v the canonical value in [0, p); 0 <= bits <= k. `out` may be a. */
  shiftRight(out: FieldArray, a: FieldArray, bits: number): void;
  /** Bytes that `fromRandomBytes` needs for n elements: elementBytes * n. */
  randomByteLength(n: number): number;
  /**
   * Sets `out` to integers below 2^bitLength (1 <= bitLength <= k, default k) from pseudo-random bytes.
   * With uniform bytes and bitLength < k the result is uniform; with bitLength = k the string of all ones
   * becomes 0, which is within 2^-k of uniform on F_p. `bytes.length` must be randomByteLength(out.length),
   * otherwise FIELD_ENCODING. Layout: blocks of `randomBlock` elements, in each one plane of little-endian
   * u32 per limb, lowest limb first, unused high bits of a word ignored.
   */
  fromRandomBytes(out: FieldArray, bytes: Uint8Array, bitLength?: number): void;
  /** out = a + u, with the u that `fromRandomBytes` would read over the whole field. `out` may be a. */
  addRandom(out: FieldArray, a: FieldArray, bytes: Uint8Array): void;
  /** out = a - u, likewise. */
  subtractRandom(out: FieldArray, a: FieldArray, bytes: Uint8Array): void;
  /**
   * Bits from, ..., from + count - 1 of the canonical values, bit-sliced: result[j] is the plane of bit
   * from + j, 32 elements a word, element 32 w + b in bit b of word w; unused bits of the last word are 0.
   * from + count <= k.
   */
  extractBits(a: FieldArray, from: number, count: number): Uint32Array[];
  /** out[i] = bit i of a packed plane, 0 or 1. plane.length must be ceil(out.length / 32). */
  fromBits(out: FieldArray, plane: Uint32Array): void;
  /**
   * The canonical values as little-endian 32-bit words, a fresh copy: ceil(k / 32) planes of n words each,
   * lowest plane first. The same form for every field, so that an integer passes from one field to another.
   */
  toWords(a: FieldArray): Uint32Array;
  /**
   * Reads integers below 2^(32 wordPlanes) from planes of words as `toWords` writes them, 1 <= wordPlanes <= 4,
   * and reduces them mod p. words.length must be wordPlanes * out.length.
   */
  fromWords(out: FieldArray, words: Uint32Array, wordPlanes: number): void;

  // Wire and numbers.

  /**
   * Canonical bytes, a fresh copy: one plane of little-endian u32 per limb, lowest limb first, every limb
   * below 2^limbBits and every element below p; elementBytes * length bytes.
   */
  encode(a: FieldArray): Uint8Array;
  /** The planes of `encode` one by one, as views of kernel memory: valid until the next kernel call. */
  wireParts(a: FieldArray): Uint8Array[];
  /** Makes the elements canonical in place; their values stay. For `planes`. */
  canonicalise(a: FieldArray): void;
  /** `wireParts` of an array that `canonicalise` was called on since it was written, in pieces or as a whole. */
  planes(a: FieldArray): Uint8Array[];
  /** Reads what `encode` wrote. Throws FIELD_ENCODING unless the bytes are canonical; `out` is then zero. */
  decode(out: FieldArray, bytes: Uint8Array): void;
  /** Reads elements start, start + 1, ... of an encoding. Throws as `decode`. */
  decodeSlice(out: FieldArray, bytes: Uint8Array, start: number): void;
  /** Canonical values in [0, p). */
  toBigints(a: FieldArray): bigint[];
  /** Reduces mod p; negatives allowed. */
  fromBigints(out: FieldArray, values: readonly bigint[]): void;
  /**
   * out[i] = round(values[i] * 2^fracBits), ties away from zero, negatives as p - |v|; 0 <= fracBits <= k.
   * Exact for every double. Throws FIELD_ENCODING for NaN, infinities and |values[i] * 2^fracBits| >= 2^(k-2).
   */
  fromNumbers(out: FieldArray, values: Float64Array | readonly number[], fracBits: number): void;
  /** v / 2^fracBits rounded to the nearest double, v the signed value in (-p/2, p/2). */
  toNumbers(a: FieldArray, fracBits: number): Float64Array;
  isZero(a: FieldArray): boolean;
  /** Whether the values are equal; different lengths throw SHAPE_MISMATCH. Not constant-time. */
  equal(a: FieldArray, b: FieldArray): boolean;
}
