/** Bookkeeping of live allocations and nested regions, the same for every kernel. */
import { SymbolonError } from "../errors.ts";
import type { FieldArray, Region } from "./kernel.ts";

interface OpenRegion extends Region {
  readonly allocations: Set<number>;
}

/** Knows which pointers are live and which region each belongs to. Memory itself is the kernel's. */
export class RegionBook {
  /** Pointer of each live allocation to the number of address units it spans. */
  readonly #live = new Map<number, { span: number; region: OpenRegion | undefined }>();
  readonly #stack: OpenRegion[] = [];
  #nextId = 1;

  /** Number of live allocations. */
  get size(): number {
    return this.#live.size;
  }

  /** Notes an allocation of `span` units that views of its first plane may start in. */
  allocated(ptr: number, span: number): void {
    const region = this.#stack.at(-1);
    region?.allocations.add(ptr);
    this.#live.set(ptr, { span, region });
  }

  /** Notes that an allocation is given back; anything but a live whole allocation throws INTERNAL. */
  freed(a: FieldArray): void {
    const entry = this.#live.get(a.ptr);
    if (entry === undefined)
      throw new SymbolonError("INTERNAL", "free: not a live whole allocation (a slice, or freed before)");
    entry.region?.allocations.delete(a.ptr);
    this.#live.delete(a.ptr);
  }

  begin(): Region {
    const region: OpenRegion = { id: this.#nextId++, allocations: new Set() };
    this.#stack.push(region);
    return region;
  }

  /**
   * Ends the innermost region and returns the pointers to free. What is kept passes to the region outside.
   * Throws INTERNAL when another region is innermost or something kept is not live.
   */
  end(region: Region, keep: readonly FieldArray[]): number[] {
    const top = this.#stack.at(-1);
    if (top === undefined || top.id !== region.id)
      throw new SymbolonError("INTERNAL", "endRegion: regions end in the reverse order of their beginning");
    const kept = new Set(keep.map((a) => this.#owner(top, a)));
    this.#stack.pop();
    const outer = this.#stack.at(-1);
    const dead: number[] = [];
    for (const ptr of top.allocations) {
      const entry = this.#live.get(ptr)!;
      if (kept.has(ptr)) {
        entry.region = outer;
        outer?.allocations.add(ptr);
      } else {
        this.#live.delete(ptr);
        dead.push(ptr);
      }
    }
    return dead;
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
