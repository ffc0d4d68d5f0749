/**
 * The allocator of a kernel's linear memory.
 *
 * Small blocks come in sizes of a multiple of 64 bytes and are kept by size; they are cut from slabs that are
 * never given back. A large block that is freed waits in a short list, newest last, and the next allocation of
 * the same size takes the newest: protocols work on vectors of a few lengths again and again, and what was used
 * last is most likely still in the cache. Blocks that wait too long, and all of them before memory grows, go
 * back to a list sorted by address, where neighbours merge and the smallest block that fits is taken.
 *
 * Blocks are 64-byte aligned and keep what was in them. Growing the memory detaches every view: take views
 * from `bytes` and `words` each time.
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

/** Large blocks that may wait to be used again. */
const recentLimit = 24;

/** The size of the block that `size` bytes are given. */
const blockSize = (size: number) => Math.max(alignment, Math.ceil(size / alignment) * alignment);

export class LinearMemory {
  readonly #memory: WasmMemory;
  #bytes: Uint8Array;
  #words: Uint32Array;
  /** Free small blocks by size / 64. */
  readonly #small: number[][] = Array.from({ length: smallLimit / alignment + 1 }, () => []);
  /** Large blocks that were freed last, newest last. */
  readonly #recent: Block[] = [];
  /** Free large blocks, sorted by address, never adjacent. */
  readonly #large: Block[] = [];
  #slab: Block = { ptr: 0, size: 0 };
  #used = 0;

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
    return this.#used;
  }

  /** A block of at least `size` bytes with undefined content. */
  allocate(size: number): number {
    const block = blockSize(size);
    const ptr =
      block <= smallLimit
        ? (this.#small[block / alignment]!.pop() ?? this.#cut(block))
        : this.#takeLarge(block);
    this.#used += block;
    return ptr;
  }

  /** Gives back a block; `size` is what it was allocated with. Nothing is checked: callers keep the books. */
  free(ptr: number, size: number): void {
    const block = blockSize(size);
    this.#used -= block;
    if (block <= smallLimit) {
      this.#small[block / alignment]!.push(ptr);
      return;
    }
    this.#recent.push({ ptr, size: block });
    if (this.#recent.length > recentLimit) {
      const oldest = this.#recent.shift()!;
      this.#merge(oldest.ptr, oldest.size);
    }
  }

  #cut(size: number): number {
    if (this.#slab.size < size) this.#slab = { ptr: this.#takeLarge(slabBytes), size: slabBytes };
    const { ptr } = this.#slab;
    this.#slab.ptr += size;
    this.#slab.size -= size;
    return ptr;
  }

  #takeLarge(size: number): number {
    const recent = this.#recent.findLastIndex((block) => block.size === size);
    if (recent >= 0) return this.#recent.splice(recent, 1)[0]!.ptr;
    let at = this.#smallestThatFits(size);
    if (at < 0) {
      for (const block of this.#recent.splice(0)) this.#merge(block.ptr, block.size);
      at = this.#smallestThatFits(size);
    }
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

  #smallestThatFits(size: number): number {
    let best = -1;
    for (let i = 0; i < this.#large.length; i++) {
      const here = this.#large[i]!.size;
      if (here >= size && (best < 0 || here < this.#large[best]!.size)) best = i;
    }
    return best;
  }

  /** Puts a free block into the list by address. */
  #merge(ptr: number, size: number): void {
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
    this.#merge(before - guardBytes, this.#memory.buffer.byteLength - before);
  }
}
