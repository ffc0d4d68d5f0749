/** The memory and the disk that the rows of one run may occupy. */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { randomId } from "../random.ts";
import type { FieldArray, Kernel } from "../vector/index.ts";
import { DiskRows } from "./disk-rows.ts";
import { MemoryRows, type RowStore } from "./row-store.ts";

export interface ScratchOptions {
  /** A folder of its own for rows that do not fit the budget; without it, all stay in memory. */
  folder?: string;
  /** Bytes of rows that stay in memory. */
  memoryBytes?: number;
}

export class Scratch {
  readonly #folder: string | undefined;
  readonly #budget: number;
  readonly #onDisk = new Set<DiskRows>();
  /** Bytes of rows in each kernel's memory, now and at most: a kernel gives freed memory to nobody else. */
  readonly #kernels = new Map<Kernel, { now: number; most: number }>();

  private constructor(folder: string | undefined, budget: number) {
    this.#folder = folder;
    this.#budget = folder === undefined ? Number.POSITIVE_INFINITY : budget;
  }

  static async open({ folder, memoryBytes = 0 }: ScratchOptions): Promise<Scratch> {
    if (folder !== undefined) await mkdir(folder, { recursive: true, mode: 0o700 });
    return new Scratch(folder, memoryBytes);
  }

  /** Everything in memory. */
  static inMemory(): Scratch {
    return new Scratch(undefined, 0);
  }

  /** Bytes that rows have taken of the budget. */
  get memoryUsed(): number {
    let sum = 0;
    for (const { most } of this.#kernels.values()) sum += most;
    return sum;
  }

  /** Room for a matrix, in memory while the budget lasts. `recordRows`: rows that will be read together. */
  async rows(kernel: Kernel, rows: number, cols: number, recordRows: number): Promise<RowStore<FieldArray>> {
    const bytes = rows * cols * kernel.spec.elementBytes;
    const taken = this.#kernels.get(kernel) ?? { now: 0, most: 0 };
    const more = Math.max(0, taken.now + bytes - taken.most);
    if (this.#folder === undefined || this.memoryUsed + more <= this.#budget) {
      this.#kernels.set(kernel, taken);
      taken.now += bytes;
      taken.most = Math.max(taken.most, taken.now);
      return new MemoryRows(kernel, rows, cols, () => {
        taken.now -= bytes;
      });
    }
    const path = join(this.#folder, `rows-${randomId()}`);
    const store = await DiskRows.create(kernel, { rows, cols, recordRows }, path);
    this.#onDisk.add(store);
    return store;
  }

  /** Removes the folder. What its rows were is gone with their keys. */
  async close(): Promise<void> {
    for (const store of this.#onDisk) await store.free();
    this.#onDisk.clear();
    if (this.#folder !== undefined) await rm(this.#folder, { recursive: true, force: true });
  }
}
