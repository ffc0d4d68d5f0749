/**
 * The kernel in WebAssembly with SIMD. `generator/` writes its arithmetic; this file checks shapes, keeps the
 * memory and moves numbers in and out.
 *
 * A FieldArray's `ptr` is the byte address of its lowest limb plane, `stride` the elements from one plane to
 * the next. Elements rest in the loose form of `generator/layout.ts` and are made canonical, in place, before
 * anything but a kernel reads them.
 */
import {
  type FieldArray,
  type FieldBits,
  type FieldSpec,
  fieldSpecs,
  type Kernel,
  type Region,
  randomBlock,
} from "./kernel.ts";
import { LinearMemory, type WasmMemory } from "./memory.ts";
import { RegionBook } from "./regions.ts";
import {
  checkBytes,
  checkCount,
  checkIndices,
  checkLength,
  checkMatrix,
  checkRange,
  checkSlice,
  notCanonical,
  notRepresentable,
} from "./shapes.ts";
import { type Call, instantiate } from "./wasm-module.ts";

interface Scalar {
  readonly limbs: readonly number[];
  /** The scalar as a signed integer where a short product exists for it, otherwise (and for 0) 0. */
  readonly small: number;
  /** 1 for 1/2, -1 for -1/2, otherwise 0. */
  readonly half: number;
}

/** Numbers that are converted at a time: their doubles stay in the L1 cache. */
const numberBlock = 2048;

/** Scalars whose limbs are remembered: turning a bigint into limbs takes 300 ns. */
const scalarCacheSize = 256;

/** Columns of a matrix that are worked on at a time when sums run down the columns: their sums stay in L1. */
const columnChunk = 512;

/** A matrix above this size does not stay in the L2 cache. */
const cacheBytes = 512 * 1024;

/** Bytes at the start of memory that hold the kernel's constants. */
const constantBytes = 1024;

/** A kernel in WebAssembly with its own memory, which lives as long as the kernel. */
export async function createKernel(bits: FieldBits): Promise<Kernel> {
  const { memory, functions } = await instantiate(bits);
  return new WasmKernel(bits, memory, functions);
}

class WasmKernel implements Kernel {
  readonly spec: FieldSpec;
  readonly #x: Record<string, Call>;
  readonly #memory: LinearMemory;
  readonly #book = new RegionBook();
  readonly #preparedPlanes: number;
  readonly #rowsPerCarry: number;
  readonly #smallFactor: number;
  readonly #scalars = new Map<bigint, Scalar>();

  constructor(bits: FieldBits, memory: WasmMemory, functions: Record<string, Call>) {
    this.spec = fieldSpecs[bits];
    this.#x = functions;
    this.#x.init!();
    this.#preparedPlanes = this.#x.preparedPlanes!();
    this.#rowsPerCarry = this.#x.rowsPerCarry!();
    this.#smallFactor = this.#x.smallFactor!();
    this.#memory = new LinearMemory(memory, constantBytes);
  }

  allocate(length: number): FieldArray {
    checkCount("allocate", "length", length);
    const a = this.#take(length);
    this.#memory.bytes.fill(0, a.ptr, a.ptr + 4 * a.stride * this.spec.limbs);
    this.#book.allocated(a.ptr, 4 * Math.max(1, length));
    return a;
  }

  free(a: FieldArray): void {
    this.#book.freed(a);
    this.#memory.free(a.ptr);
  }

  beginRegion(): Region {
    return this.#book.begin();
  }

  endRegion(region: Region, keep: readonly FieldArray[] = []): void {
    for (const ptr of this.#book.end(region, keep)) this.#memory.free(ptr);
  }

  slice(a: FieldArray, start: number, length: number): FieldArray {
    checkSlice(a, start, length);
    return { length, ptr: a.ptr + 4 * start, stride: a.stride };
  }

  copy(out: FieldArray, a: FieldArray): void {
    checkLength("copy", "a", a, out.length);
    for (let j = 0; j < this.spec.limbs; j++)
      this.#x.copyPlane!(this.#plane(out, j), this.#plane(a, j), out.length);
  }

  fill(out: FieldArray, value: bigint): void {
    const { limbs } = this.#scalar(value);
    for (let j = 0; j < limbs.length; j++) this.#x.fillPlane!(this.#plane(out, j), limbs[j]!, out.length);
  }

  add(out: FieldArray, a: FieldArray, b: FieldArray): void {
    checkLength("add", "a", a, out.length);
    checkLength("add", "b", b, out.length);
    this.#x.add!(out.ptr, 4 * out.stride, a.ptr, 4 * a.stride, b.ptr, 4 * b.stride, out.length);
  }

  subtract(out: FieldArray, a: FieldArray, b: FieldArray): void {
    checkLength("subtract", "a", a, out.length);
    checkLength("subtract", "b", b, out.length);
    this.#x.subtract!(out.ptr, 4 * out.stride, a.ptr, 4 * a.stride, b.ptr, 4 * b.stride, out.length);
  }

  negate(out: FieldArray, a: FieldArray): void {
    checkLength("negate", "a", a, out.length);
    this.#x.negate!(out.ptr, 4 * out.stride, a.ptr, 4 * a.stride, out.length);
  }

  multiply(out: FieldArray, a: FieldArray, b: FieldArray): void {
    checkLength("multiply", "a", a, out.length);
    checkLength("multiply", "b", b, out.length);
    this.#x.multiply!(out.ptr, 4 * out.stride, a.ptr, 4 * a.stride, b.ptr, 4 * b.stride, out.length);
  }

  addScalar(out: FieldArray, a: FieldArray, c: bigint): void {
    checkLength("addScalar", "a", a, out.length);
    this.#x.addScalar!(out.ptr, 4 * out.stride, a.ptr, 4 * a.stride, ...this.#scalar(c).limbs, out.length);
  }

  multiplyScalar(out: FieldArray, a: FieldArray, c: bigint): void {
    checkLength("multiplyScalar", "a", a, out.length);
    const { limbs, small, half } = this.#scalar(c);
    const [o, oStride, x, xStride, n] = [out.ptr, 4 * out.stride, a.ptr, 4 * a.stride, out.length];
    if (small === 1) this.copy(out, a);
    else if (small === -1) this.negate(out, a);
    else if (small > 0) this.#x.multiplySmall!(o, oStride, x, xStride, small, n);
    else if (small < 0) this.#x.multiplySmallNegative!(o, oStride, x, xStride, -small, n);
    else if (half !== 0) {
      this.#x.halve!(o, oStride, x, xStride, n);
      if (half < 0) this.negate(out, out);
    } else this.#x.multiplyScalar!(o, oStride, x, xStride, ...limbs, n);
  }

  multiplyAdd(out: FieldArray, a: FieldArray, c: bigint, b: FieldArray): void {
    checkLength("multiplyAdd", "a", a, out.length);
    checkLength("multiplyAdd", "b", b, out.length);
    const { limbs, small, half } = this.#scalar(c);
    const [o, oStride, n] = [out.ptr, 4 * out.stride, out.length];
    const [x, xStride, y, yStride] = [a.ptr, 4 * a.stride, b.ptr, 4 * b.stride];
    if (small === 1) this.#x.add!(o, oStride, x, xStride, y, yStride, n);
    else if (small === -1) this.#x.subtract!(o, oStride, y, yStride, x, xStride, n);
    else if (half === 1) this.#x.addHalf!(o, oStride, x, xStride, y, yStride, n);
    else if (half === -1) this.#x.subtractHalf!(o, oStride, x, xStride, y, yStride, n);
    else if (small > 0) this.#x.multiplyAddSmall!(o, oStride, x, xStride, y, yStride, small, n);
    else if (small < 0) this.#x.multiplySubtractSmall!(o, oStride, x, xStride, y, yStride, -small, n);
    else this.#x.multiplyAdd!(o, oStride, x, xStride, y, yStride, ...limbs, n);
  }

  sum(out: FieldArray, a: FieldArray): void {
    checkLength("sum", "out", out, 1);
    this.#x.sum!(out.ptr, 4 * out.stride, a.ptr, 4 * a.stride, a.length);
  }

  dot(out: FieldArray, a: FieldArray, b: FieldArray): void {
    checkLength("dot", "out", out, 1);
    checkLength("dot", "b", b, a.length);
    this.#x.dot!(out.ptr, 4 * out.stride, a.ptr, 4 * a.stride, b.ptr, 4 * b.stride, a.length);
  }

  matvec(out: FieldArray, A: FieldArray, rows: number, cols: number, x: FieldArray): void {
    checkMatrix("matvec", "A", A, rows, cols);
    checkLength("matvec", "x", x, cols);
    checkLength("matvec", "out", out, rows);
    const prepared = this.#prepare(x);
    this.#rowSums(out, 1, A, rows, cols, prepared);
    this.#memory.free(prepared.ptr);
  }

  matvecTransposed(out: FieldArray, A: FieldArray, rows: number, cols: number, v: FieldArray): void {
    checkMatrix("matvecTransposed", "A", A, rows, cols);
    checkLength("matvecTransposed", "v", v, rows);
    checkLength("matvecTransposed", "out", out, cols);
    const prepared = this.#prepare(v);
    this.#columnSums(out, A, rows, cols, this.#rowsPerCarry, (work, a, row, block, width, ahead) =>
      this.#x.accumulateRows!(
        a,
        4 * A.stride,
        prepared.ptr + 4 * row,
        4 * prepared.stride,
        work,
        block,
        width,
        4 * cols,
        ahead,
      ),
    );
    this.#memory.free(prepared.ptr);
  }

  matmul(out: FieldArray, A: FieldArray, n: number, m: number, B: FieldArray, q: number): void {
    checkMatrix("matmul", "A", A, n, m);
    checkMatrix("matmul", "B", B, m, q);
    checkMatrix("matmul", "out", out, n, q);
    if (out.length === 0) return;
    if (q >= 4) {
      // Row i of the result is B' times row i of A.
      for (let i = 0; i < n; i++)
        this.matvecTransposed(this.slice(out, i * q, q), B, m, q, this.slice(A, i * m, m));
      return;
    }
    // Too narrow for vectors along q: column j of the result is A times column j of B.
    const columns = this.#take(m * q);
    this.transpose(columns, B, m, q);
    for (let j = 0; j < q; j++) {
      const prepared = this.#prepare(this.slice(columns, j * m, m));
      this.#rowSums(this.slice(out, j, out.length - j), q, A, n, m, prepared);
      this.#memory.free(prepared.ptr);
    }
    this.#memory.free(columns.ptr);
  }

  sumColumns(out: FieldArray, A: FieldArray, rows: number, cols: number): void {
    checkMatrix("sumColumns", "A", A, rows, cols);
    checkLength("sumColumns", "out", out, cols);
    // A billion limbs fit a 64-bit column; the block only has to stay in the cache.
    this.#columnSums(out, A, rows, cols, 16, (work, a, _row, block, width) =>
      this.#x.sumDown!(a, 4 * A.stride, work, block, width, 4 * cols),
    );
  }

  columnDots(out: FieldArray, A: FieldArray, B: FieldArray, rows: number, cols: number): void {
    checkMatrix("columnDots", "A", A, rows, cols);
    checkMatrix("columnDots", "B", B, rows, cols);
    checkLength("columnDots", "out", out, cols);
    this.#columnSums(out, A, rows, cols, this.#rowsPerCarry, (work, a, _row, block, width) =>
      this.#x.accumulateProducts!(
        a,
        4 * A.stride,
        B.ptr + a - A.ptr,
        4 * B.stride,
        work,
        block,
        width,
        4 * cols,
      ),
    );
  }

  addRow(out: FieldArray, A: FieldArray, rows: number, cols: number, row: FieldArray): void {
    checkLength("addRow", "row", row, cols);
    this.#broadcast("addRow", out, A, rows, cols, row);
  }

  multiplyRow(out: FieldArray, A: FieldArray, rows: number, cols: number, row: FieldArray): void {
    checkLength("multiplyRow", "row", row, cols);
    this.#broadcast("multiplyRow", out, A, rows, cols, row);
  }

  multiplyColumn(out: FieldArray, A: FieldArray, rows: number, cols: number, column: FieldArray): void {
    checkLength("multiplyColumn", "column", column, rows);
    this.#broadcast("multiplyColumn", out, A, rows, cols, column);
  }

  transpose(out: FieldArray, A: FieldArray, rows: number, cols: number): void {
    checkMatrix("transpose", "A", A, rows, cols);
    checkLength("transpose", "out", out, A.length);
    for (let j = 0; j < this.spec.limbs; j++)
      this.#x.transposePlane!(this.#plane(out, j), this.#plane(A, j), rows, cols);
  }

  gather(out: FieldArray, a: FieldArray, indices: Uint32Array): void {
    checkLength("gather", "indices", indices, out.length);
    checkIndices(a, indices);
    const table = this.#memory.allocate(4 * indices.length);
    this.#memory.words.set(indices, table / 4);
    for (let j = 0; j < this.spec.limbs; j++)
      this.#x.gatherPlane!(this.#plane(out, j), this.#plane(a, j), table, out.length);
    this.#memory.free(table);
  }

  shiftRight(out: FieldArray, a: FieldArray, bits: number): void {
    checkRange("shiftRight", "bits", bits, 0, this.spec.bits);
    checkLength("shiftRight", "a", a, out.length);
    this.#canonicalise(a);
    const { limbs, limbBits } = this.spec;
    const skip = Math.floor(bits / limbBits);
    for (let j = 0; j < limbs; j++) {
      if (j + skip >= limbs) this.#x.fillPlane!(this.#plane(out, j), 0, out.length);
      else {
        const above = j + skip + 1 < limbs ? this.#plane(a, j + skip + 1) : 0;
        this.#x.shiftPlane!(
          this.#plane(out, j),
          this.#plane(a, j + skip),
          above,
          bits % limbBits,
          out.length,
        );
      }
    }
  }

  randomByteLength(n: number): number {
    return this.spec.elementBytes * n;
  }

  fromRandomBytes(out: FieldArray, bytes: Uint8Array, bitLength: number = this.spec.bits): void {
    const { bits, limbs, limbBits } = this.spec;
    checkRange("fromRandomBytes", "bitLength", bitLength, 1, bits);
    checkBytes("fromRandomBytes", bytes, this.randomByteLength(out.length));
    // p itself, all ones, is a loose form of 0 and needs no replacing here.
    const blockBytes = 4 * limbs * Math.min(randomBlock, out.length);
    const work = this.#memory.allocate(blockBytes);
    const memory = this.#memory.bytes;
    for (let start = 0; start < out.length; start += randomBlock) {
      const n = Math.min(randomBlock, out.length - start);
      const from = 4 * limbs * start;
      memory.set(blockBytes === bytes.length ? bytes : bytes.subarray(from, from + 4 * limbs * n), work);
      for (let j = 0; j < limbs; j++) {
        const width = Math.min(limbBits, Math.max(0, bitLength - j * limbBits));
        this.#x.maskPlane!(this.#plane(out, j) + 4 * start, work + 4 * j * n, 2 ** width - 1, n);
      }
    }
    this.#memory.free(work);
  }

  extractBits(a: FieldArray, from: number, count: number): Uint32Array[] {
    const { bits, limbBits } = this.spec;
    checkRange("extractBits", "from", from, 0, bits);
    checkRange("extractBits", "count", count, 0, bits - from);
    this.#canonicalise(a);
    const words = Math.ceil(a.length / 32);
    const work = this.#memory.allocate(4 * words * Math.max(1, count));
    // Runs of at most 8 bits inside one limb.
    for (let bit = from; bit < from + count; ) {
      const limb = Math.floor(bit / limbBits);
      const run = Math.min(8, from + count - bit, (limb + 1) * limbBits - bit);
      this.#x.extractByte!(
        work + 4 * words * (bit - from),
        4 * words,
        this.#plane(a, limb),
        bit - limb * limbBits,
        run,
        words,
      );
      bit += run;
    }
    const copy = this.#memory.words.slice(work / 4, work / 4 + words * count);
    this.#memory.free(work);
    const unused = a.length % 32 === 0 ? -1 : (1 << (a.length % 32)) - 1;
    const result = new Array<Uint32Array>(count);
    for (let j = 0; j < count; j++) {
      if (words > 0) copy[words * (j + 1) - 1]! &= unused;
      result[j] = new Uint32Array(copy.buffer, 4 * words * j, words);
    }
    return result;
  }

  fromBits(out: FieldArray, plane: Uint32Array): void {
    checkLength("fromBits", "plane", plane, Math.ceil(out.length / 32));
    const packed = this.#memory.allocate(4 * plane.length);
    this.#memory.words.set(plane, packed / 4);
    this.#x.expandBits!(out.ptr, packed, out.length);
    for (let j = 1; j < this.spec.limbs; j++) this.#x.fillPlane!(this.#plane(out, j), 0, out.length);
    this.#memory.free(packed);
  }

  encode(a: FieldArray): Uint8Array {
    this.#canonicalise(a);
    const { limbs, elementBytes } = this.spec;
    const planeBytes = 4 * a.length;
    if (a.stride === a.length) return this.#memory.bytes.slice(a.ptr, a.ptr + limbs * planeBytes);
    const work = this.#memory.allocate(elementBytes * a.length);
    for (let j = 0; j < limbs; j++) this.#x.copyPlane!(work + j * planeBytes, this.#plane(a, j), a.length);
    const bytes = this.#memory.bytes.slice(work, work + limbs * planeBytes);
    this.#memory.free(work);
    return bytes;
  }

  wireParts(a: FieldArray): Uint8Array[] {
    this.#canonicalise(a);
    const memory = this.#memory.bytes;
    return Array.from({ length: this.spec.limbs }, (_, j) => {
      const plane = this.#plane(a, j);
      return memory.subarray(plane, plane + 4 * a.length);
    });
  }

  decode(out: FieldArray, bytes: Uint8Array): void {
    checkBytes("decode", bytes, this.spec.elementBytes * out.length);
    const planeBytes = 4 * out.length;
    const memory = this.#memory.bytes;
    for (let j = 0; j < this.spec.limbs; j++)
      memory.set(bytes.subarray(j * planeBytes, (j + 1) * planeBytes), this.#plane(out, j));
    if (this.#x.isCanonical!(out.ptr, 4 * out.stride, out.length) === 0) {
      // Nothing out of range may stay in memory: the arithmetic is proved for loose limbs only.
      this.fill(out, 0n);
      throw notCanonical();
    }
  }

  toBigints(a: FieldArray): bigint[] {
    this.#canonicalise(a);
    const { limbs, limbBits } = this.spec;
    const words = this.#memory.words;
    const result = new Array<bigint>(a.length);
    const width = BigInt(limbBits);
    for (let i = 0; i < a.length; i++) {
      let value = 0n;
      for (let j = limbs - 1; j >= 0; j--)
        value = (value << width) | BigInt(words[this.#plane(a, j) / 4 + i]!);
      result[i] = value;
    }
    return result;
  }

  fromBigints(out: FieldArray, values: readonly bigint[]): void {
    checkLength("fromBigints", "values", values, out.length);
    const words = this.#memory.words;
    values.forEach((value, i) => {
      this.#limbsOf(value).forEach((limb, j) => {
        words[out.ptr / 4 + out.stride * j + i] = limb;
      });
    });
  }

  fromNumbers(out: FieldArray, values: Float64Array | readonly number[], fracBits: number): void {
    const { bits } = this.spec;
    checkLength("fromNumbers", "values", values, out.length);
    checkRange("fromNumbers", "fracBits", fracBits, 0, bits);
    const scale = 2 ** fracBits;
    const limit = 2 ** (bits - 2);
    // All values are checked before any is written.
    for (let i = 0; i < values.length; i++)
      if (!(Math.abs(values[i]!) * scale < limit)) throw notRepresentable(i, bits, fracBits);
    const work = this.#memory.allocate(8 * Math.min(numberBlock, out.length));
    for (let start = 0; start < out.length; start += numberBlock) {
      const n = Math.min(numberBlock, out.length - start);
      const block = this.#memory.doubles(work, n);
      for (let i = 0; i < n; i++) block[i] = values[start + i]!;
      this.#x.fromNumbers!(out.ptr + 4 * start, 4 * out.stride, work, scale, n);
    }
    this.#memory.free(work);
  }

  toNumbers(a: FieldArray, fracBits: number): Float64Array {
    checkRange("toNumbers", "fracBits", fracBits, 0, this.spec.bits);
    this.#canonicalise(a);
    const scale = 2 ** -fracBits;
    const result = new Float64Array(a.length);
    const work = this.#memory.allocate(8 * Math.min(numberBlock, a.length));
    let wide = 0;
    for (let start = 0; start < a.length; start += numberBlock) {
      const n = Math.min(numberBlock, a.length - start);
      wide += this.#x.toNumbers!(work, a.ptr + 4 * start, 4 * a.stride, scale, n);
      result.set(this.#memory.doubles(work, n), start);
    }
    this.#memory.free(work);
    if (wide > 0) {
      // Magnitudes of more than 63 bits come back as NaN; rounding them once needs all their bits.
      const { modulus } = this.spec;
      for (let i = 0; i < result.length; i++)
        if (Number.isNaN(result[i])) {
          const value = this.toBigints(this.slice(a, i, 1))[0]!;
          result[i] = Number(value > modulus >> 1n ? value - modulus : value) * scale;
        }
    }
    return result;
  }

  isZero(a: FieldArray): boolean {
    this.#canonicalise(a);
    for (let j = 0; j < this.spec.limbs; j++)
      if (this.#x.isZeroPlane!(this.#plane(a, j), a.length) === 0) return false;
    return true;
  }

  equal(a: FieldArray, b: FieldArray): boolean {
    checkLength("equal", "b", b, a.length);
    this.#canonicalise(a);
    this.#canonicalise(b);
    for (let j = 0; j < this.spec.limbs; j++)
      if (this.#x.isEqualPlane!(this.#plane(a, j), this.#plane(b, j), a.length) === 0) return false;
    return true;
  }

  /** An array outside the book of regions, with undefined content; given back through #memory.free. */
  #take(length: number, planes: number = this.spec.limbs): FieldArray {
    let stride = Math.max(4, Math.ceil(length / 4) * 4);
    // Planes whose distance is a multiple of 4096 bytes fall into the same sets of the L1 cache; with three
    // arrays of five planes each they would evict one another.
    if ((4 * stride) % 4096 < 64 && length >= 512) stride += 16;
    return { length, ptr: this.#memory.allocate(4 * stride * planes), stride };
  }

  #plane(a: FieldArray, j: number): number {
    return a.ptr + 4 * a.stride * j;
  }

  #limbsOf(value: bigint): number[] {
    const { bits, limbs, limbBits, modulus } = this.spec;
    // Below 2^k is enough: p is a loose form of 0. Only what lies outside needs the division.
    let rest = value >= 0n && value >> BigInt(bits) === 0n ? value : ((value % modulus) + modulus) % modulus;
    const result: number[] = [];
    for (let j = 0; j < limbs; j++) {
      result.push(Number(BigInt.asUintN(limbBits, rest)));
      rest >>= BigInt(limbBits);
    }
    return result;
  }

  /** Limbs of a scalar, and whether there is a short way to multiply by it. Protocols use a few over and over. */
  #scalar(value: bigint): Scalar {
    let scalar = this.#scalars.get(value);
    if (scalar === undefined) {
      const { modulus } = this.spec;
      const element = ((value % modulus) + modulus) % modulus;
      const near = element > modulus >> 1n ? element - modulus : element;
      const inverse = (modulus + 1n) >> 1n;
      scalar = {
        limbs: this.#limbsOf(element),
        small: near >= -this.#smallFactor && near <= this.#smallFactor ? Number(near) : 0,
        half: element === inverse ? 1 : element === modulus - inverse ? -1 : 0,
      };
      if (this.#scalars.size >= scalarCacheSize) this.#scalars.clear();
      this.#scalars.set(value, scalar);
    }
    return scalar;
  }

  #canonicalise(a: FieldArray): void {
    this.#x.canonicalise!(a.ptr, 4 * a.stride, a.length);
  }

  #broadcast(name: string, out: FieldArray, A: FieldArray, rows: number, cols: number, b: FieldArray): void {
    checkMatrix(name, "A", A, rows, cols);
    checkLength(name, "out", out, A.length);
    this.#x[name]!(out.ptr, 4 * out.stride, A.ptr, 4 * A.stride, b.ptr, 4 * b.stride, rows, cols);
  }

  /** The table of a vector's limbs and pair sums that products read (see generator/products.ts). */
  #prepare(x: FieldArray): FieldArray {
    const prepared = this.#take(x.length, this.#preparedPlanes);
    this.#x.prepare!(prepared.ptr, 4 * prepared.stride, x.ptr, 4 * x.stride, x.length);
    return prepared;
  }

  /** out[i * step] = row i of A times the prepared vector. */
  #rowSums(out: FieldArray, step: number, A: FieldArray, rows: number, cols: number, x: FieldArray): void {
    this.#x.matvec!(out.ptr, 4 * out.stride, 4 * step, A.ptr, 4 * A.stride, x.ptr, 4 * x.stride, rows, cols);
  }

  /**
   * Sums down the columns of A, a chunk of columns and a block of at most `blockRows` rows at a time.
   * `accumulate(work, a, row, block, width, ahead)` adds the rows row .. row + block - 1 of the columns at a to
   * work, and touches what lies `ahead` bytes further, unless that is 0.
   */
  #columnSums(
    out: FieldArray,
    A: FieldArray,
    rows: number,
    cols: number,
    blockRows: number,
    accumulate: (work: number, a: number, row: number, block: number, width: number, ahead: number) => void,
  ): void {
    const widest = Math.min(columnChunk, cols);
    const workBytes = 32 * this.spec.limbs * Math.ceil(widest / 4);
    const work = this.#memory.allocate(workBytes);
    // The next block is touched line after line only where its rows are next to one another.
    const outOfCache = cols <= columnChunk && this.spec.elementBytes * rows * cols > cacheBytes;
    for (let col = 0; col < cols; col += columnChunk) {
      const width = Math.min(columnChunk, cols - col);
      this.#memory.bytes.fill(0, work, work + workBytes);
      for (let row = 0; row < rows; row += blockRows) {
        const ahead = outOfCache && row + 2 * blockRows <= rows ? 4 * blockRows * cols : 0;
        accumulate(work, A.ptr + 4 * (row * cols + col), row, Math.min(blockRows, rows - row), width, ahead);
      }
      this.#x.finishColumns!(out.ptr + 4 * col, 4 * out.stride, work, width);
    }
    this.#memory.free(work);
  }
}
