/**
 * The allocator of a kernel's linear memory.
 *
 * Small blocks come in sizes of a multiple of 64 bytes and are kept by size; they are cut from slabs that are
 * never given back. Large blocks are first-fit over a list sorted by address, neighbours merge. A block is
 * 64-byte aligned. Growing the memory detaches every view: take views from `bytes` and `words` each time.
 */
import { SymbolonError } from "../errors.ts";

const pageBytes = 65536;
const alignment = 64;
const smallLimit = 16384;
const slabBytes = 262144;
/** Kernels read up to one vector past the end of an array. */
const guardBytes = 64;
const growBytes = 4 << 20;

/** The part of WebAssembly.Memory that is used. TypeScript declares it in its browser library only. */
export interface WasmMemory {
  readonly buffer: ArrayBuffer;
  /** Throws RangeError when the memory cannot grow by so many pages. */
  grow(pages: number): number;
}

interface Block {
  ptr: number;
  size: number;
}

export class LinearMemory {
  readonly #memory: WasmMemory;
  #bytes: Uint8Array;
  #words: Uint32Array;
  /** Size of each block that is handed out. */
  readonly #sizes = new Map<number, number>();
  readonly #small = new Map<number, number[]>();
  /** Free large blocks, sorted by address, never adjacent. */
  readonly #large: Block[] = [];
  #slab: Block = { ptr: 0, size: 0 };

  /** Manages everything from `start` on. */
  constructor(memory: WasmMemory, start: number) {
    this.#memory = memory;
    this.#bytes = new Uint8Array(memory.buffer);
    this.#words = new Uint32Array(memory.buffer);
    const ptr = Math.ceil(start / alignment) * alignment;
    this.#large.push({ ptr, size: memory.buffer.byteLength - guardBytes - ptr });
  }

  /** All of memory as bytes; valid until the next allocation. */
  get bytes(): Uint8Array {
    if (this.#bytes.length === 0) this.#bytes = new Uint8Array(this.#memory.buffer);
    return this.#bytes;
  }

  /** All of memory as 32-bit words; valid until the next allocation. */
  get words(): Uint32Array {
    if (this.#words.length === 0) this.#words = new Uint32Array(this.#memory.buffer);
    return this.#words;
  }

  /** `length` doubles at `ptr`; valid until the next allocation. */
  doubles(ptr: number, length: number): Float64Array {
    return new Float64Array(this.#memory.buffer, ptr, length);
  }

  /** Bytes handed out. */
  get used(): number {
    let total = 0;
    for (const size of this.#sizes.values()) total += size;
    return total;
  }

  /** A block of at least `size` bytes with undefined content. */
  allocate(size: number): number {
    const rounded = Math.max(alignment, Math.ceil(size / alignment) * alignment);
    const ptr =
      rounded <= smallLimit
        ? (this.#small.get(rounded)?.pop() ?? this.#cut(rounded))
        : this.#takeLarge(rounded);
    this.#sizes.set(ptr, rounded);
    return ptr;
  }

  free(ptr: number): void {
    const size = this.#sizes.get(ptr);
    if (size === undefined) throw new SymbolonError("INTERNAL", "freed a block that was not allocated");
    this.#sizes.delete(ptr);
    if (size > smallLimit) {
      this.#giveLarge(ptr, size);
      return;
    }
    const blocks = this.#small.get(size);
    if (blocks === undefined) this.#small.set(size, [ptr]);
    else blocks.push(ptr);
  }

  #cut(size: number): number {
    if (this.#slab.size < size) this.#slab = { ptr: this.#takeLarge(slabBytes), size: slabBytes };
    const { ptr } = this.#slab;
    this.#slab.ptr += size;
    this.#slab.size -= size;
    return ptr;
  }

  #takeLarge(size: number): number {
    let at = this.#large.findIndex((block) => block.size >= size);
    if (at < 0) {
      this.#grow(size);
      at = this.#large.length - 1;
    }
    const block = this.#large[at]!;
    const { ptr } = block;
    block.ptr += size;
    block.size -= size;
    if (block.size === 0) this.#large.splice(at, 1);
    return ptr;
  }

  #giveLarge(ptr: number, size: number): void {
    let low = 0;
    let high = this.#large.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#large[middle]!.ptr < ptr) low = middle + 1;
      else high = middle;
    }
    const before = this.#large[low - 1];
    const after = this.#large[low];
    const joinsBefore = before !== undefined && before.ptr + before.size === ptr;
    const joinsAfter = after !== undefined && ptr + size === after.ptr;
    if (joinsBefore && joinsAfter) {
      before.size += size + after.size;
      this.#large.splice(low, 1);
    } else if (joinsBefore) before.size += size;
    else if (joinsAfter) {
      after.ptr = ptr;
      after.size += size;
    } else this.#large.splice(low, 0, { ptr, size });
  }

  /** Makes the last free block at least `size` bytes long. */
  #grow(size: number): void {
    const end = this.#memory.buffer.byteLength - guardBytes;
    const last = this.#large.at(-1);
    const tail = last !== undefined && last.ptr + last.size === end ? last.size : 0;
    const wanted = Math.ceil((size - tail) / pageBytes);
    const generous = Math.max(wanted, Math.ceil(Math.max(growBytes, end / 8) / pageBytes));
    const before = this.#memory.buffer.byteLength;
    try {
      this.#memory.grow(generous);
    } catch {
      try {
        this.#memory.grow(wanted);
      } catch (cause) {
        throw new SymbolonError("LIMIT_EXCEEDED", `${size} more bytes do not fit the kernel's memory`, {
          hint: "work in smaller batches, or free arrays that are no longer needed",
          cause,
        });
      }
    }
    this.#giveLarge(before - guardBytes, this.#memory.buffer.byteLength - before);
  }
}
