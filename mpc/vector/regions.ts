/** Bookkeeping of live allocations and nested regions, the same for every kernel. */
import { SymbolonError } from "../errors.ts";
import type { FieldArray, Region } from "./kernel.ts";

interface OpenRegion extends Region {
  readonly allocations: Set<number>;
}

interface Live {
  readonly span: number;
  readonly size: number;
  region: OpenRegion | undefined;
}

/** Knows which pointers are live and which region each belongs to. Memory itself is the kernel's. */
export class RegionBook {
  readonly #live = new Map<number, Live>();
  readonly #stack: OpenRegion[] = [];
  #innermost: OpenRegion | undefined;
  #nextId = 1;

  /** Notes an allocation of `size` units, the first `span` of which views may start in. */
  allocated(ptr: number, span: number, size: number): void {
    const region = this.#innermost;
    region?.allocations.add(ptr);
    this.#live.set(ptr, { span, size, region });
  }

  /** Notes that an allocation is given back, and returns its size; anything else throws INTERNAL. */
  freed(a: FieldArray): number {
    const entry = this.#live.get(a.ptr);
    if (entry === undefined)
      throw new SymbolonError("INTERNAL", "free: not a live whole allocation (a slice, or freed before)");
    entry.region?.allocations.delete(a.ptr);
    this.#live.delete(a.ptr);
    return entry.size;
  }

  begin(): Region {
    const region: OpenRegion = { id: this.#nextId++, allocations: new Set() };
    this.#stack.push(region);
    this.#innermost = region;
    return region;
  }

  /**
   * Ends the innermost region and calls `release` for what is to be freed. What is kept passes to the region
   * outside. Throws INTERNAL when another region is innermost or something kept is not live.
   */
  end(region: Region, keep: readonly FieldArray[], release: (ptr: number, size: number) => void): void {
    const top = this.#innermost;
    if (top === undefined || top.id !== region.id)
      throw new SymbolonError("INTERNAL", "endRegion: regions end in the reverse order of their beginning");
    const kept = keep.map((a) => this.#owner(top, a));
    this.#stack.pop();
    const outer = this.#stack.at(-1);
    this.#innermost = outer;
    for (const ptr of top.allocations) {
      const entry = this.#live.get(ptr)!;
      if (kept.includes(ptr)) {
        entry.region = outer;
        outer?.allocations.add(ptr);
      } else {
        this.#live.delete(ptr);
        release(ptr, entry.size);
      }
    }
  }

  /** The allocation that an array is, or is a slice of. */
  #owner(region: OpenRegion, a: FieldArray): number {
    if (this.#live.has(a.ptr)) return a.ptr;
    for (const ptr of region.allocations)
      if (a.ptr > ptr && a.ptr < ptr + this.#live.get(ptr)!.span) return ptr;
    for (const [ptr, { span }] of this.#live) if (a.ptr > ptr && a.ptr < ptr + span) return ptr;
    throw new SymbolonError("INTERNAL", "endRegion: something to keep is not live");
  }
}
