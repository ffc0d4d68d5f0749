/**
 * Arrays of field elements in a WebAssembly memory: allocation, views, movement, comparison.
 *
 * A FieldArray's `ptr` is the byte address of its lowest limb plane, `stride` the elements from one plane to
 * the next. Elements rest in the loose form of `generator/layout.ts` and are made canonical, in place, before
 * anything but a kernel reads them.
 */
import type { Bytes127 } from "./bytes127.ts";
import {
  type ColumnsOf,
  type FieldArray,
  type FieldBits,
  type FieldSpec,
  fieldSpecs,
  type Region,
} from "./kernel.ts";
import { LinearMemory, type WasmMemory } from "./memory.ts";
import { RegionBook } from "./regions.ts";
import { checkCount, checkLength, checkRowCopy, checkSlice, outsideArray } from "./shapes.ts";
import type { Call } from "./wasm-module.ts";

/** A public factor, ready to be passed to a kernel. */
export interface Scalar {
  readonly limbs: readonly number[];
  /** The scalar as a signed integer where a short product exists for it, otherwise (and for 0) 0. */
  readonly small: number;
  /** 1 for 1/2, -1 for -1/2, otherwise 0. */
  readonly half: number;
}

/** Scalars whose limbs are remembered: turning a bigint into limbs takes 300 ns. */
const scalarCacheSize = 256;

/** Bytes at the start of memory that hold the kernel's constants. */
const constantBytes = 1024;

/**
 * Fresh arrays hold what was there before, often zeros by luck. In tests they are filled with this limb, which
 * is in range in every field, so that a program that takes them for zeros fails there.
 */
const poison = process.env.SYMBOLON_POISON_MEMORY === "1";
const poisonLimb = 0x15a5a5;

/** Elements from one plane to the next. */
function strideFor(length: number): number {
  const stride = Math.max(4, Math.ceil(length / 4) * 4);
  // Planes whose distance is a multiple of 4096 bytes fall into the same sets of the L1 cache; with three
  // arrays of five planes each they would evict one another.
  return (4 * stride) % 4096 < 64 && length >= 512 ? stride + 16 : stride;
}

export class WasmArrays {
  readonly spec: FieldSpec;
  readonly bytes127: Bytes127;
  protected readonly x: Record<string, Call>;
  protected readonly memory: LinearMemory;
  readonly #book = new RegionBook();
  readonly #smallFactor: number;
  readonly #scalars = new Map<bigint, Scalar>();

  constructor(bits: FieldBits, memory: WasmMemory, functions: Record<string, Call>, bytes127: Bytes127) {
    this.spec = fieldSpecs[bits];
    this.bytes127 = bytes127;
    this.x = functions;
    this.x.init!();
    this.#smallFactor = this.x.smallFactor!();
    this.memory = new LinearMemory(memory, constantBytes);
  }

  allocate(length: number): FieldArray {
    checkCount("allocate", "length", length);
    const stride = strideFor(length);
    const size = 4 * stride * this.spec.limbs;
    const ptr = this.memory.allocate(size);
    this.#book.allocated(ptr, 4 * Math.max(1, length), size);
    if (poison) this.memory.words.fill(poisonLimb, ptr / 4, (ptr + size) / 4);
    return { length, ptr, stride };
  }

  allocateZeros(length: number): FieldArray {
    const a = this.allocate(length);
    this.memory.bytes.fill(0, a.ptr, a.ptr + 4 * a.stride * this.spec.limbs);
    return a;
  }

  free(a: FieldArray): void {
    this.memory.free(a.ptr, this.#book.freed(a));
  }

  beginRegion(): Region {
    return this.#book.begin();
  }

  endRegion(region: Region, keep: readonly FieldArray[] = []): void {
    this.#book.end(region, keep, (ptr, size) => this.memory.free(ptr, size));
  }

  slice(a: FieldArray, start: number, length: number): FieldArray {
    checkSlice(a, start, length);
    return { length, ptr: a.ptr + 4 * start, stride: a.stride };
  }

  copy(out: FieldArray, a: FieldArray): void {
    checkLength("copy", "a", a, out.length);
    for (let j = 0; j < this.spec.limbs; j++)
      this.x.copyPlane!(this.plane(out, j), this.plane(a, j), out.length);
  }

  fill(out: FieldArray, value: bigint): void {
    const { limbs } = this.scalar(value);
    for (let j = 0; j < limbs.length; j++) this.x.fillPlane!(this.plane(out, j), limbs[j]!, out.length);
  }

  gather(out: FieldArray, a: FieldArray, indices: Uint32Array): void {
    checkLength("gather", "indices", indices, out.length);
    const table = this.memory.allocate(4 * indices.length);
    this.memory.words.set(indices, table / 4);
    const largest = this.x.maxIndex!(table, indices.length) >>> 0;
    if (indices.length > 0 && largest >= a.length) {
      this.memory.free(table, 4 * indices.length);
      throw outsideArray(largest, a.length);
    }
    for (let j = 0; j < this.spec.limbs; j++)
      this.x.gatherPlane!(this.plane(out, j), this.plane(a, j), table, out.length);
    this.memory.free(table, 4 * indices.length);
  }

  copyRows(to: ColumnsOf, from: ColumnsOf, width: number, order: Uint32Array): void {
    checkRowCopy(to, from, width, order);
    const table = this.memory.allocate(4 * order.length);
    this.memory.words.set(order, table / 4);
    for (let j = 0; j < this.spec.limbs; j++)
      this.x.copyRowsOfPlane!(
        this.plane(to.array, j) + 4 * to.column,
        4 * to.cols,
        this.plane(from.array, j) + 4 * from.column,
        4 * from.cols,
        width,
        table,
        order.length,
      );
    this.memory.free(table, 4 * order.length);
  }

  toBigints(a: FieldArray): bigint[] {
    this.canonicalise(a);
    const { limbs, limbBits } = this.spec;
    const words = this.memory.words;
    const result = new Array<bigint>(a.length);
    const width = BigInt(limbBits);
    for (let i = 0; i < a.length; i++) {
      let value = 0n;
      for (let j = limbs - 1; j >= 0; j--)
        value = (value << width) | BigInt(words[this.plane(a, j) / 4 + i]!);
      result[i] = value;
    }
    return result;
  }

  fromBigints(out: FieldArray, values: readonly bigint[]): void {
    checkLength("fromBigints", "values", values, out.length);
    const words = this.memory.words;
    values.forEach((value, i) => {
      this.limbsOf(value).forEach((limb, j) => {
        words[out.ptr / 4 + out.stride * j + i] = limb;
      });
    });
  }

  isZero(a: FieldArray): boolean {
    this.canonicalise(a);
    for (let j = 0; j < this.spec.limbs; j++)
      if (this.x.isZeroPlane!(this.plane(a, j), a.length) === 0) return false;
    return true;
  }

  equal(a: FieldArray, b: FieldArray): boolean {
    checkLength("equal", "b", b, a.length);
    this.canonicalise(a);
    this.canonicalise(b);
    for (let j = 0; j < this.spec.limbs; j++)
      if (this.x.isEqualPlane!(this.plane(a, j), this.plane(b, j), a.length) === 0) return false;
    return true;
  }

  /** An array outside the book of regions, with undefined content; given back through `release`. */
  protected take(length: number, planes: number): FieldArray {
    const stride = strideFor(length);
    return { length, ptr: this.memory.allocate(4 * stride * planes), stride };
  }

  protected release(a: FieldArray, planes: number): void {
    this.memory.free(a.ptr, 4 * a.stride * planes);
  }

  protected plane(a: FieldArray, j: number): number {
    return a.ptr + 4 * a.stride * j;
  }

  protected limbsOf(value: bigint): number[] {
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
  protected scalar(value: bigint): Scalar {
    let scalar = this.#scalars.get(value);
    if (scalar === undefined) {
      const { modulus } = this.spec;
      const element = ((value % modulus) + modulus) % modulus;
      const near = element > modulus >> 1n ? element - modulus : element;
      const inverse = (modulus + 1n) >> 1n;
      scalar = {
        limbs: this.limbsOf(element),
        small: near >= -this.#smallFactor && near <= this.#smallFactor ? Number(near) : 0,
        half: element === inverse ? 1 : element === modulus - inverse ? -1 : 0,
      };
      if (this.#scalars.size >= scalarCacheSize) this.#scalars.clear();
      this.#scalars.set(value, scalar);
    }
    return scalar;
  }

  canonicalise(a: FieldArray): void {
    this.x.canonicalise!(a.ptr, 4 * a.stride, a.length);
  }
}
