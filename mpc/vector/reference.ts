/**
 * The kernel in bigint: each method is its definition. The WASM kernel is tested against it; it also serves
 * where WebAssembly with SIMD is missing.
 *
 * A FieldArray's `ptr` is an index into one array of canonical values in [0, p); `stride` is unused.
 */
import { createField, type Field } from "../field.ts";
import type { Bytes127 } from "./bytes127.ts";
import { createReferenceBytes127 } from "./bytes127-reference.ts";
import {
  type ColumnsOf,
  type FieldArray,
  type FieldBits,
  type FieldSpec,
  fieldSpecs,
  type Kernel,
  type Region,
  randomBlock,
} from "./kernel.ts";
import { RegionBook } from "./regions.ts";
import {
  checkBytes,
  checkCount,
  checkEncodedSlice,
  checkLength,
  checkMatrix,
  checkRange,
  checkRowCopy,
  checkSlice,
  notCanonical,
  notRepresentable,
  outsideArray,
} from "./shapes.ts";

/** What fresh arrays hold: anything but zero, so that nobody relies on zeros. */
const undefinedContent = 1_234_567n;

class ReferenceKernel implements Kernel {
  readonly spec: FieldSpec;
  readonly bytes127: Bytes127 = createReferenceBytes127();
  readonly #field: Field;
  readonly #heap: bigint[] = [];
  readonly #book = new RegionBook();
  /** Freed places by length, reused by the next allocation of the same length. */
  readonly #free = new Map<number, number[]>();

  constructor(bits: FieldBits) {
    this.spec = fieldSpecs[bits];
    this.#field = createField(bits);
  }

  allocate(length: number): FieldArray {
    checkCount("allocate", "length", length);
    // An array without elements takes a place as well, so that pointers differ.
    const units = Math.max(1, length);
    let ptr = this.#free.get(units)?.pop();
    if (ptr === undefined) {
      ptr = this.#heap.length;
      for (let i = 0; i < units; i++) this.#heap.push(undefinedContent);
    } else this.#heap.fill(undefinedContent, ptr, ptr + units);
    this.#book.allocated(ptr, units, units);
    return { length, ptr, stride: length };
  }

  allocateZeros(length: number): FieldArray {
    const a = this.allocate(length);
    this.fill(a, 0n);
    return a;
  }

  free(a: FieldArray): void {
    this.#release(a.ptr, this.#book.freed(a));
  }

  beginRegion(): Region {
    return this.#book.begin();
  }

  endRegion(region: Region, keep: readonly FieldArray[] = []): void {
    this.#book.end(region, keep, (ptr, units) => this.#release(ptr, units));
  }

  slice(a: FieldArray, start: number, length: number): FieldArray {
    checkSlice(a, start, length);
    return { length, ptr: a.ptr + start, stride: a.stride };
  }

  copy(out: FieldArray, a: FieldArray): void {
    this.#map("copy", out, a, (x) => x);
  }

  fill(out: FieldArray, value: bigint): void {
    const reduced = this.#field.reduce(value);
    this.#heap.fill(reduced, out.ptr, out.ptr + out.length);
  }

  add(out: FieldArray, a: FieldArray, b: FieldArray): void {
    this.#zip("add", out, a, b, this.#field.add);
  }

  subtract(out: FieldArray, a: FieldArray, b: FieldArray): void {
    this.#zip("subtract", out, a, b, this.#field.subtract);
  }

  negate(out: FieldArray, a: FieldArray): void {
    this.#map("negate", out, a, this.#field.negate);
  }

  multiply(out: FieldArray, a: FieldArray, b: FieldArray): void {
    this.#zip("multiply", out, a, b, this.#field.multiply);
  }

  addScalar(out: FieldArray, a: FieldArray, c: bigint): void {
    this.#map("addScalar", out, a, (x) => this.#field.add(x, c));
  }

  multiplyScalar(out: FieldArray, a: FieldArray, c: bigint): void {
    this.#map("multiplyScalar", out, a, (x) => this.#field.multiply(x, c));
  }

  multiplyAdd(out: FieldArray, a: FieldArray, c: bigint, b: FieldArray): void {
    this.#zip("multiplyAdd", out, a, b, (x, y) => this.#field.reduce(x * c + y));
  }

  interpolate(out: FieldArray, a: FieldArray, b: FieldArray, c: FieldArray): boolean {
    checkLength("interpolate", "a", a, out.length);
    checkLength("interpolate", "b", b, out.length);
    checkLength("interpolate", "c", c, out.length);
    const onLine = this.toBigints(a).every((x, i) => {
      const [y, z] = [this.#get(b, i), this.#get(c, i)];
      return this.#field.reduce(x - 2n * y + z) === 0n;
    });
    this.#zip("interpolate", out, a, b, (x, y) => this.#field.reduce(2n * x - y));
    return onLine;
  }

  sum(out: FieldArray, a: FieldArray): void {
    checkLength("sum", "out", out, 1);
    this.#set(
      out,
      0,
      this.#total(a.length, (i) => this.#get(a, i)),
    );
  }

  dot(out: FieldArray, a: FieldArray, b: FieldArray): void {
    checkLength("dot", "out", out, 1);
    checkLength("dot", "b", b, a.length);
    this.#set(
      out,
      0,
      this.#total(a.length, (i) => this.#get(a, i) * this.#get(b, i)),
    );
  }

  matvec(out: FieldArray, A: FieldArray, rows: number, cols: number, x: FieldArray): void {
    checkMatrix("matvec", "A", A, rows, cols);
    checkLength("matvec", "x", x, cols);
    checkLength("matvec", "out", out, rows);
    for (let i = 0; i < rows; i++)
      this.#set(
        out,
        i,
        this.#total(cols, (j) => this.#get(A, i * cols + j) * this.#get(x, j)),
      );
  }

  matvecTransposed(out: FieldArray, A: FieldArray, rows: number, cols: number, v: FieldArray): void {
    checkMatrix("matvecTransposed", "A", A, rows, cols);
    checkLength("matvecTransposed", "v", v, rows);
    checkLength("matvecTransposed", "out", out, cols);
    for (let j = 0; j < cols; j++)
      this.#set(
        out,
        j,
        this.#total(rows, (i) => this.#get(A, i * cols + j) * this.#get(v, i)),
      );
  }

  matmul(out: FieldArray, A: FieldArray, n: number, m: number, B: FieldArray, q: number): void {
    checkMatrix("matmul", "A", A, n, m);
    checkMatrix("matmul", "B", B, m, q);
    checkMatrix("matmul", "out", out, n, q);
    for (let i = 0; i < n; i++)
      for (let j = 0; j < q; j++)
        this.#set(
          out,
          i * q + j,
          this.#total(m, (l) => this.#get(A, i * m + l) * this.#get(B, l * q + j)),
        );
  }

  sumColumns(out: FieldArray, A: FieldArray, rows: number, cols: number): void {
    checkMatrix("sumColumns", "A", A, rows, cols);
    checkLength("sumColumns", "out", out, cols);
    for (let j = 0; j < cols; j++)
      this.#set(
        out,
        j,
        this.#total(rows, (i) => this.#get(A, i * cols + j)),
      );
  }

  columnDots(out: FieldArray, A: FieldArray, B: FieldArray, rows: number, cols: number): void {
    checkMatrix("columnDots", "A", A, rows, cols);
    checkMatrix("columnDots", "B", B, rows, cols);
    checkLength("columnDots", "out", out, cols);
    for (let j = 0; j < cols; j++)
      this.#set(
        out,
        j,
        this.#total(rows, (i) => this.#get(A, i * cols + j) * this.#get(B, i * cols + j)),
      );
  }

  addRow(out: FieldArray, A: FieldArray, rows: number, cols: number, row: FieldArray): void {
    checkLength("addRow", "row", row, cols);
    this.#broadcast("addRow", out, A, rows, cols, (x, _i, j) => this.#field.add(x, this.#get(row, j)));
  }

  multiplyRow(out: FieldArray, A: FieldArray, rows: number, cols: number, row: FieldArray): void {
    checkLength("multiplyRow", "row", row, cols);
    this.#broadcast("multiplyRow", out, A, rows, cols, (x, _i, j) =>
      this.#field.multiply(x, this.#get(row, j)),
    );
  }

  multiplyColumn(out: FieldArray, A: FieldArray, rows: number, cols: number, column: FieldArray): void {
    checkLength("multiplyColumn", "column", column, rows);
    this.#broadcast("multiplyColumn", out, A, rows, cols, (x, i) =>
      this.#field.multiply(x, this.#get(column, i)),
    );
  }

  transpose(out: FieldArray, A: FieldArray, rows: number, cols: number): void {
    checkMatrix("transpose", "A", A, rows, cols);
    checkLength("transpose", "out", out, A.length);
    for (let i = 0; i < rows; i++)
      for (let j = 0; j < cols; j++) this.#set(out, j * rows + i, this.#get(A, i * cols + j));
  }

  gather(out: FieldArray, a: FieldArray, indices: Uint32Array): void {
    checkLength("gather", "indices", indices, out.length);
    for (const index of indices) if (index >= a.length) throw outsideArray(index, a.length);
    for (let i = 0; i < out.length; i++) this.#set(out, i, this.#get(a, indices[i]!));
  }

  copyRows(to: ColumnsOf, from: ColumnsOf, width: number, order: Uint32Array): void {
    checkRowCopy(to, from, width, order);
    order.forEach((row, i) => {
      for (let j = 0; j < width; j++)
        this.#set(
          to.array,
          i * to.cols + to.column + j,
          this.#get(from.array, row * from.cols + from.column + j),
        );
    });
  }

  shiftRight(out: FieldArray, a: FieldArray, bits: number): void {
    checkRange("shiftRight", "bits", bits, 0, this.spec.bits);
    this.#map("shiftRight", out, a, (x) => x >> BigInt(bits));
  }

  randomByteLength(n: number): number {
    return this.spec.elementBytes * n;
  }

  fromRandomBytes(out: FieldArray, bytes: Uint8Array, bitLength: number = this.spec.bits): void {
    const { bits, modulus, limbs, limbBits } = this.spec;
    checkRange("fromRandomBytes", "bitLength", bitLength, 1, bits);
    checkBytes("fromRandomBytes", bytes, this.randomByteLength(out.length));
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const mask = (1n << BigInt(bitLength)) - 1n;
    for (let i = 0; i < out.length; i++) {
      const blockStart = i - (i % randomBlock);
      const inBlock = Math.min(randomBlock, out.length - blockStart);
      let value = 0n;
      for (let l = limbs - 1; l >= 0; l--) {
        const word = view.getUint32(4 * (blockStart * limbs + l * inBlock + (i - blockStart)), true);
        value = (value << BigInt(limbBits)) | BigInt.asUintN(limbBits, BigInt(word));
      }
      value &= mask;
      this.#set(out, i, value === modulus ? 0n : value);
    }
  }

  addRandom(out: FieldArray, a: FieldArray, bytes: Uint8Array): void {
    this.#withRandom("addRandom", out, a, bytes, this.#field.add);
  }

  subtractRandom(out: FieldArray, a: FieldArray, bytes: Uint8Array): void {
    this.#withRandom("subtractRandom", out, a, bytes, this.#field.subtract);
  }

  extractBits(a: FieldArray, from: number, count: number): Uint32Array[] {
    checkRange("extractBits", "from", from, 0, this.spec.bits);
    checkRange("extractBits", "count", count, 0, this.spec.bits - from);
    return Array.from({ length: count }, (_, bit) => {
      const plane = new Uint32Array(Math.ceil(a.length / 32));
      for (let i = 0; i < a.length; i++)
        if ((this.#get(a, i) >> BigInt(from + bit)) & 1n) plane[i >>> 5]! |= 1 << (i & 31);
      return plane;
    });
  }

  fromBits(out: FieldArray, plane: Uint32Array): void {
    checkLength("fromBits", "plane", plane, Math.ceil(out.length / 32));
    for (let i = 0; i < out.length; i++) this.#set(out, i, BigInt((plane[i >>> 5]! >>> (i & 31)) & 1));
  }

  toWords(a: FieldArray): Uint32Array {
    const planes = Math.ceil(this.spec.bits / 32);
    const words = new Uint32Array(planes * a.length);
    for (let q = 0; q < planes; q++)
      for (let i = 0; i < a.length; i++)
        words[q * a.length + i] = Number(BigInt.asUintN(32, this.#get(a, i) >> BigInt(32 * q)));
    return words;
  }

  fromWords(out: FieldArray, words: Uint32Array, wordPlanes: number): void {
    checkRange("fromWords", "wordPlanes", wordPlanes, 1, 4);
    checkLength("fromWords", "words", words, wordPlanes * out.length);
    for (let i = 0; i < out.length; i++) {
      let value = 0n;
      for (let q = wordPlanes - 1; q >= 0; q--) value = (value << 32n) | BigInt(words[q * out.length + i]!);
      this.#set(out, i, this.#field.reduce(value));
    }
  }

  encode(a: FieldArray): Uint8Array {
    const { limbs, limbBits, elementBytes } = this.spec;
    const bytes = new Uint8Array(elementBytes * a.length);
    const view = new DataView(bytes.buffer);
    for (let l = 0; l < limbs; l++)
      for (let i = 0; i < a.length; i++) {
        const limb = BigInt.asUintN(limbBits, this.#get(a, i) >> BigInt(l * limbBits));
        view.setUint32(4 * (l * a.length + i), Number(limb), true);
      }
    return bytes;
  }

  wireParts(a: FieldArray): Uint8Array[] {
    const bytes = this.encode(a);
    return Array.from({ length: this.spec.limbs }, (_, l) =>
      bytes.subarray(4 * l * a.length, 4 * (l + 1) * a.length),
    );
  }

  canonicalise(): void {
    // Every value is canonical.
  }

  planes(a: FieldArray): Uint8Array[] {
    return this.wireParts(a);
  }

  decodeSlice(out: FieldArray, bytes: Uint8Array, start: number): void {
    const total = bytes.length / this.spec.elementBytes;
    checkEncodedSlice(total, start, out.length);
    const part = new Uint8Array(this.spec.elementBytes * out.length);
    for (let l = 0; l < this.spec.limbs; l++) {
      const from = 4 * (l * total + start);
      part.set(bytes.subarray(from, from + 4 * out.length), 4 * l * out.length);
    }
    this.decode(out, part);
  }

  decode(out: FieldArray, bytes: Uint8Array): void {
    const { limbs, limbBits, modulus, elementBytes } = this.spec;
    checkBytes("decode", bytes, elementBytes * out.length);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const values: bigint[] = [];
    for (let i = 0; i < out.length; i++) {
      let value = 0n;
      let canonical = true;
      for (let l = limbs - 1; l >= 0; l--) {
        const limb = view.getUint32(4 * (l * out.length + i), true);
        if (limb >= 2 ** limbBits) canonical = false;
        value = (value << BigInt(limbBits)) | BigInt(limb);
      }
      if (!canonical || value >= modulus) {
        this.fill(out, 0n);
        throw notCanonical();
      }
      values.push(value);
    }
    this.fromBigints(out, values);
  }

  toBigints(a: FieldArray): bigint[] {
    return this.#heap.slice(a.ptr, a.ptr + a.length);
  }

  fromBigints(out: FieldArray, values: readonly bigint[]): void {
    checkLength("fromBigints", "values", values, out.length);
    values.forEach((value, i) => {
      this.#set(out, i, this.#field.reduce(value));
    });
  }

  fromNumbers(out: FieldArray, values: Float64Array | readonly number[], fracBits: number): void {
    const { bits } = this.spec;
    checkLength("fromNumbers", "values", values, out.length);
    checkRange("fromNumbers", "fracBits", fracBits, 0, bits);
    for (let i = 0; i < out.length; i++) {
      // Scaling a double by a power of two is exact here: what would overflow is refused, what is subnormal grows.
      const scaled = Math.abs(values[i]!) * 2 ** fracBits;
      if (!(scaled < 2 ** (bits - 2))) throw notRepresentable(i, bits, fracBits);
      const magnitude = BigInt(Math.round(scaled));
      this.#set(out, i, this.#field.reduce(values[i]! < 0 ? -magnitude : magnitude));
    }
  }

  toNumbers(a: FieldArray, fracBits: number): Float64Array {
    checkRange("toNumbers", "fracBits", fracBits, 0, this.spec.bits);
    return Float64Array.from(this.toBigints(a), (x) => Number(this.#field.toSigned(x)) / 2 ** fracBits);
  }

  isZero(a: FieldArray): boolean {
    return this.toBigints(a).every((x) => x === 0n);
  }

  equal(a: FieldArray, b: FieldArray): boolean {
    checkLength("equal", "b", b, a.length);
    for (let i = 0; i < a.length; i++) if (this.#get(a, i) !== this.#get(b, i)) return false;
    return true;
  }

  #release(ptr: number, units: number): void {
    const places = this.#free.get(units);
    if (places === undefined) this.#free.set(units, [ptr]);
    else places.push(ptr);
  }

  #get(a: FieldArray, i: number): bigint {
    return this.#heap[a.ptr + i]!;
  }

  #set(a: FieldArray, i: number, value: bigint): void {
    this.#heap[a.ptr + i] = value;
  }

  #withRandom(
    name: string,
    out: FieldArray,
    a: FieldArray,
    bytes: Uint8Array,
    f: (x: bigint, y: bigint) => bigint,
  ): void {
    const u = this.allocate(out.length);
    try {
      this.fromRandomBytes(u, bytes);
      this.#zip(name, out, a, u, f);
    } finally {
      this.free(u);
    }
  }

  #map(name: string, out: FieldArray, a: FieldArray, f: (x: bigint) => bigint): void {
    checkLength(name, "a", a, out.length);
    for (let i = 0; i < out.length; i++) this.#set(out, i, f(this.#get(a, i)));
  }

  #zip(
    name: string,
    out: FieldArray,
    a: FieldArray,
    b: FieldArray,
    f: (x: bigint, y: bigint) => bigint,
  ): void {
    checkLength(name, "a", a, out.length);
    checkLength(name, "b", b, out.length);
    for (let i = 0; i < out.length; i++) this.#set(out, i, f(this.#get(a, i), this.#get(b, i)));
  }

  #broadcast(
    name: string,
    out: FieldArray,
    A: FieldArray,
    rows: number,
    cols: number,
    f: (x: bigint, i: number, j: number) => bigint,
  ): void {
    checkMatrix(name, "A", A, rows, cols);
    checkLength(name, "out", out, A.length);
    for (let i = 0; i < rows; i++)
      for (let j = 0; j < cols; j++) this.#set(out, i * cols + j, f(this.#get(A, i * cols + j), i, j));
  }

  /** sum of n terms, reduced once at the end. */
  #total(n: number, term: (i: number) => bigint): bigint {
    let total = 0n;
    for (let i = 0; i < n; i++) total += term(i);
    return this.#field.reduce(total);
  }
}

/** A kernel in bigint, with its own memory. */
export function createReferenceKernel(bits: FieldBits): Kernel {
  return new ReferenceKernel(bits);
}
