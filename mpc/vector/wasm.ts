/**
 * The kernel in WebAssembly with SIMD. `generator/` writes its arithmetic; the classes below one another check
 * shapes, keep the memory (`wasm-arrays.ts`), compute (`wasm-arithmetic.ts`) and, here, move integers, bits,
 * bytes and numbers in and out.
 */
import { loadBytes127 } from "./bytes127.ts";
import { type FieldArray, type FieldBits, type Kernel, randomBlock } from "./kernel.ts";
import {
  checkBytes,
  checkEncodedSlice,
  checkLength,
  checkRange,
  notCanonical,
  notRepresentable,
} from "./shapes.ts";
import { WasmArithmetic } from "./wasm-arithmetic.ts";
import { type Call, instantiate } from "./wasm-module.ts";

/** Numbers that are converted at a time: their doubles stay in the L1 cache. */
const numberBlock = 2048;

/** Integers that are converted to or from words at a time: their words stay in the cache. */
const wordBlock = 2048;

/** The most word planes of an integer that `fromWords` reads. */
const maxWordPlanes = 4;

/** A kernel in WebAssembly with its own memory, which lives as long as the kernel. */
export async function createKernel(bits: FieldBits): Promise<Kernel> {
  const [{ memory, functions }, bytes127] = await Promise.all([instantiate(`field${bits}`), loadBytes127()]);
  return new WasmKernel(bits, memory, functions, bytes127);
}

class WasmKernel extends WasmArithmetic implements Kernel {
  /** Shifts by a whole number of limbs and some bits. */
  readonly #shifts = Array.from({ length: this.spec.limbs }, (_, skip) => this.x[`shiftRight${skip}`]!);

  shiftRight(out: FieldArray, a: FieldArray, bits: number): void {
    checkRange("shiftRight", "bits", bits, 0, this.spec.bits);
    checkLength("shiftRight", "a", a, out.length);
    const { limbBits } = this.spec;
    const skip = Math.floor(bits / limbBits);
    this.#shifts[skip]!(out.ptr, 4 * out.stride, a.ptr, 4 * a.stride, bits - skip * limbBits, out.length);
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
    const work = this.memory.allocate(blockBytes);
    const memory = this.memory.bytes;
    for (let start = 0; start < out.length; start += randomBlock) {
      const n = Math.min(randomBlock, out.length - start);
      const from = 4 * limbs * start;
      memory.set(blockBytes === bytes.length ? bytes : bytes.subarray(from, from + 4 * limbs * n), work);
      for (let j = 0; j < limbs; j++) {
        const width = Math.min(limbBits, Math.max(0, bitLength - j * limbBits));
        this.x.maskPlane!(this.plane(out, j) + 4 * start, work + 4 * j * n, 2 ** width - 1, n);
      }
    }
    this.memory.free(work, blockBytes);
  }

  addRandom(out: FieldArray, a: FieldArray, bytes: Uint8Array): void {
    this.#withRandom("addRandom", this.x.addRandom!, out, a, bytes);
  }

  subtractRandom(out: FieldArray, a: FieldArray, bytes: Uint8Array): void {
    this.#withRandom("subtractRandom", this.x.subtractRandom!, out, a, bytes);
  }

  extractBits(a: FieldArray, from: number, count: number): Uint32Array[] {
    const { bits, limbBits } = this.spec;
    checkRange("extractBits", "from", from, 0, bits);
    checkRange("extractBits", "count", count, 0, bits - from);
    this.canonicalise(a);
    const words = Math.ceil(a.length / 32);
    const workBytes = 4 * words * Math.max(1, count);
    const work = this.memory.allocate(workBytes);
    // Runs of at most 8 bits inside one limb.
    for (let bit = from; bit < from + count; ) {
      const limb = Math.floor(bit / limbBits);
      const run = Math.min(8, from + count - bit, (limb + 1) * limbBits - bit);
      this.x.extractByte!(
        work + 4 * words * (bit - from),
        4 * words,
        this.plane(a, limb),
        bit - limb * limbBits,
        run,
        words,
      );
      bit += run;
    }
    const copy = this.memory.words.slice(work / 4, work / 4 + words * count);
    this.memory.free(work, workBytes);
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
    const packed = this.memory.allocate(4 * plane.length);
    this.memory.words.set(plane, packed / 4);
    this.x.expandBits!(out.ptr, packed, out.length);
    for (let j = 1; j < this.spec.limbs; j++) this.x.fillPlane!(this.plane(out, j), 0, out.length);
    this.memory.free(packed, 4 * plane.length);
  }

  toWords(a: FieldArray): Uint32Array {
    const planes = Math.ceil(this.spec.bits / 32);
    const words = new Uint32Array(planes * a.length);
    const stride = Math.ceil(Math.min(wordBlock, a.length) / 4) * 4;
    const workBytes = 4 * planes * stride;
    const work = this.memory.allocate(workBytes);
    const memory = this.memory.words;
    for (let start = 0; start < a.length; start += wordBlock) {
      const n = Math.min(wordBlock, a.length - start);
      this.x.toWords!(work, 4 * stride, a.ptr + 4 * start, 4 * a.stride, n);
      for (let q = 0; q < planes; q++) {
        const from = work / 4 + q * stride;
        words.set(memory.subarray(from, from + n), q * a.length + start);
      }
    }
    this.memory.free(work, workBytes);
    return words;
  }

  fromWords(out: FieldArray, words: Uint32Array, wordPlanes: number): void {
    checkRange("fromWords", "wordPlanes", wordPlanes, 1, maxWordPlanes);
    checkLength("fromWords", "words", words, wordPlanes * out.length);
    const stride = Math.ceil(Math.min(wordBlock, out.length) / 4) * 4;
    const workBytes = 4 * maxWordPlanes * stride;
    const work = this.memory.allocate(workBytes);
    const memory = this.memory.words;
    memory.fill(0, work / 4 + wordPlanes * stride, work / 4 + maxWordPlanes * stride);
    for (let start = 0; start < out.length; start += wordBlock) {
      const n = Math.min(wordBlock, out.length - start);
      for (let q = 0; q < wordPlanes; q++) {
        const from = q * out.length + start;
        memory.set(words.subarray(from, from + n), work / 4 + q * stride);
      }
      this.x.fromWords!(out.ptr + 4 * start, 4 * out.stride, work, 4 * stride, n);
    }
    this.memory.free(work, workBytes);
  }

  encode(a: FieldArray): Uint8Array {
    this.canonicalise(a);
    const { limbs, elementBytes } = this.spec;
    const planeBytes = 4 * a.length;
    if (a.stride === a.length) return this.memory.bytes.slice(a.ptr, a.ptr + limbs * planeBytes);
    const workBytes = elementBytes * a.length;
    const work = this.memory.allocate(workBytes);
    for (let j = 0; j < limbs; j++) this.x.copyPlane!(work + j * planeBytes, this.plane(a, j), a.length);
    const bytes = this.memory.bytes.slice(work, work + limbs * planeBytes);
    this.memory.free(work, workBytes);
    return bytes;
  }

  wireParts(a: FieldArray): Uint8Array[] {
    this.canonicalise(a);
    return this.planes(a);
  }

  planes(a: FieldArray): Uint8Array[] {
    const memory = this.memory.bytes;
    const parts: Uint8Array[] = [];
    for (let j = 0; j < this.spec.limbs; j++) {
      const plane = this.plane(a, j);
      parts.push(memory.subarray(plane, plane + 4 * a.length));
    }
    return parts;
  }

  decode(out: FieldArray, bytes: Uint8Array): void {
    checkBytes("decode", bytes, this.spec.elementBytes * out.length);
    this.#read(out, bytes, 0, out.length);
  }

  decodeSlice(out: FieldArray, bytes: Uint8Array, start: number): void {
    const total = bytes.length / this.spec.elementBytes;
    checkEncodedSlice(total, start, out.length);
    this.#read(out, bytes, start, total);
  }

  /** Elements start, start + 1, ... of the encoding of `total` elements. */
  #read(out: FieldArray, bytes: Uint8Array, start: number, total: number): void {
    const memory = this.memory.bytes;
    for (let j = 0; j < this.spec.limbs; j++) {
      const from = 4 * (j * total + start);
      memory.set(bytes.subarray(from, from + 4 * out.length), this.plane(out, j));
    }
    if (this.x.isCanonical!(out.ptr, 4 * out.stride, out.length) === 0) {
      // Nothing out of range may stay in memory: the arithmetic is proved for loose limbs only.
      this.fill(out, 0n);
      throw notCanonical();
    }
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
    const workBytes = 8 * Math.min(numberBlock, out.length);
    const work = this.memory.allocate(workBytes);
    for (let start = 0; start < out.length; start += numberBlock) {
      const n = Math.min(numberBlock, out.length - start);
      const block = this.memory.doubles(work, n);
      if (values instanceof Float64Array) block.set(values.subarray(start, start + n));
      else for (let i = 0; i < n; i++) block[i] = values[start + i]!;
      this.x.fromNumbers!(out.ptr + 4 * start, 4 * out.stride, work, scale, n);
    }
    this.memory.free(work, workBytes);
  }

  toNumbers(a: FieldArray, fracBits: number): Float64Array {
    checkRange("toNumbers", "fracBits", fracBits, 0, this.spec.bits);
    this.canonicalise(a);
    const scale = 2 ** -fracBits;
    const result = new Float64Array(a.length);
    const workBytes = 8 * Math.min(numberBlock, a.length);
    const work = this.memory.allocate(workBytes);
    let wide = 0;
    for (let start = 0; start < a.length; start += numberBlock) {
      const n = Math.min(numberBlock, a.length - start);
      wide += this.x.toNumbers!(work, a.ptr + 4 * start, 4 * a.stride, scale, n);
      result.set(this.memory.doubles(work, n), start);
    }
    this.memory.free(work, workBytes);
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

  #withRandom(name: string, call: Call, out: FieldArray, a: FieldArray, bytes: Uint8Array): void {
    checkLength(name, "a", a, out.length);
    checkBytes(name, bytes, this.randomByteLength(out.length));
    const { limbs } = this.spec;
    const workBytes = 4 * limbs * Math.min(randomBlock, out.length);
    const work = this.memory.allocate(workBytes);
    const memory = this.memory.bytes;
    for (let start = 0; start < out.length; start += randomBlock) {
      const n = Math.min(randomBlock, out.length - start);
      const from = 4 * limbs * start;
      memory.set(workBytes === bytes.length ? bytes : bytes.subarray(from, from + 4 * limbs * n), work);
      call(out.ptr + 4 * start, 4 * out.stride, a.ptr + 4 * start, 4 * a.stride, work, 4 * n, n);
    }
    this.memory.free(work, workBytes);
  }
}
