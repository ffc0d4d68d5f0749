/** Bookkeeping of live allocations and nested regions, the same for every kernel. */
import { SymbolonError } from "../errors.ts";
import type { FieldArray, Region } from "./kernel.ts";

interface OpenRegion extends Region {
  /** Pointers that were allocated in it, in order; those that were freed since may be among them. */
  allocations: number[];
  /** Length of `allocations` at which what was freed is left out. */
  compactAt: number;
}

/** A region that frees what it allocates would otherwise grow a long list. */
const compactFrom = 1024;

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
    this.#live.set(ptr, { span, size, region });
    if (region !== undefined) this.#join(region, ptr);
  }

  /** Notes that an allocation is given back, and returns its size; anything else throws INTERNAL. */
  freed(a: FieldArray): number {
    const entry = this.#live.get(a.ptr);
    if (entry === undefined)
      throw new SymbolonError("INTERNAL", "free: not a live whole allocation (a slice, or freed before)");
    this.#live.delete(a.ptr);
    return entry.size;
  }

  begin(): Region {
    const region: OpenRegion = { id: this.#nextId++, allocations: [], compactAt: compactFrom };
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
      const entry = this.#live.get(ptr);
      // Freed since, or already passed on: a pointer is listed again when it is allocated again.
      if (entry?.region !== top) continue;
      if (kept.includes(ptr)) {
        entry.region = outer;
        if (outer !== undefined) this.#join(outer, ptr);
      } else {
        this.#live.delete(ptr);
        release(ptr, entry.size);
      }
    }
  }

  #join(region: OpenRegion, ptr: number): void {
    region.allocations.push(ptr);
    if (region.allocations.length < region.compactAt) return;
    const live = new Set(region.allocations.filter((p) => this.#live.get(p)?.region === region));
    region.allocations = [...live];
    region.compactAt = Math.max(compactFrom, 2 * live.size);
  }

  /** The allocation that an array is, or is a slice of. */
  #owner(region: OpenRegion, a: FieldArray): number {
    if (this.#live.has(a.ptr)) return a.ptr;
    for (const ptr of region.allocations)
      if (a.ptr > ptr && a.ptr < ptr + (this.#live.get(ptr)?.span ?? 0)) return ptr;
    for (const [ptr, { span }] of this.#live) if (a.ptr > ptr && a.ptr < ptr + span) return ptr;
    throw new SymbolonError("INTERNAL", "endRegion: something to keep is not live");
  }
}
