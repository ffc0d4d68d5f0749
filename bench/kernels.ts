/**
 * What the vector kernels cost: nanoseconds for each element, product or call, by field, beside the bigint
 * reference and, where a C compiler is found, a plain native loop over unsigned __int128.
 *
 *     node bench/kernels.ts [--json FILE] [--bits 61,89,107,127] [--headline]
 *
 * Every figure is the median of several batches, with the smallest and largest beside in the JSON.
 */
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import {
  createKernel,
  createReferenceKernel,
  type FieldBits,
  fieldBits,
  type Kernel,
} from "../mpc/vector/index.ts";
import { byteWorks, type KernelWork, kernelWorks } from "./kernel-works.ts";
import { timeNative } from "./kernels-native.ts";

/** One line of the result. Times in nanoseconds for one unit. */
export interface KernelResult {
  readonly name: string;
  /** k of the field; absent for bytes modulo 127. */
  readonly field?: FieldBits;
  readonly unit: KernelWork["unit"];
  readonly ns: number;
  readonly nsMin: number;
  readonly nsMax: number;
  readonly batches: number;
  /** The reference that the kernel is tested against. */
  readonly bigintNs?: number;
  /** A loop in C, where a compiler was found. */
  readonly nativeNs?: number;
}

export interface KernelOptions {
  readonly fields?: readonly FieldBits[];
  /** The short list, in some ten seconds; otherwise everything, in about a minute. */
  readonly headline?: boolean;
}

interface Timing {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** Times of one run, in nanoseconds. */
function time(run: () => void, batches: number, batchMs: number): Timing {
  // Long enough for the optimising compiler to have replaced the first code.
  for (const start = performance.now(); performance.now() - start < 2 * batchMs; ) run();
  const samples: number[] = [];
  for (let batch = 0; batch < batches; batch++) {
    const start = performance.now();
    let runs = 0;
    // The clock is read every 16 runs: reading it takes as long as a short call.
    do {
      const many = runs === 0 ? 1 : 16;
      for (let i = 0; i < many; i++) run();
      runs += many;
    } while (performance.now() - start < batchMs);
    samples.push(((performance.now() - start) * 1e6) / runs);
  }
  samples.sort((a, b) => a - b);
  return { median: samples[batches >> 1]!, min: samples[0]!, max: samples.at(-1)! };
}

/** Measures the kernels in the given fields, and the arithmetic of bytes. */
export async function kernelResults(options: KernelOptions = {}): Promise<KernelResult[]> {
  const { fields = fieldBits, headline = false } = options;
  const wanted = (work: KernelWork) => !headline || work.headline === true;
  const [batches, batchMs] = headline ? [9, 4] : [15, 10];
  const measure = (work: KernelWork, fast: Kernel, slow: Kernel, field?: FieldBits): KernelResult => {
    const { median, min, max } = time(work.prepare(fast), batches, batchMs);
    const bigint = work.large ? undefined : time(work.prepare(slow), 3, 2 * batchMs).median / work.count;
    return {
      name: work.name,
      ...(field === undefined ? {} : { field }),
      unit: work.unit,
      ns: median / work.count,
      nsMin: min / work.count,
      nsMax: max / work.count,
      batches,
      ...(bigint === undefined ? {} : { bigintNs: bigint }),
    };
  };
  const results: KernelResult[] = [];
  for (const field of fields) {
    const native = timeNative(field);
    for (const work of kernelWorks.filter(wanted)) {
      // A fresh kernel for each work: what the one before left in memory does not count.
      const result = measure(work, await createKernel(field), createReferenceKernel(field), field);
      const nativeNs = work.native === undefined ? undefined : native?.[work.native];
      results.push(nativeNs === undefined ? result : { ...result, nativeNs });
    }
  }
  const [fast, slow] = [await createKernel(61), createReferenceKernel(61)];
  for (const work of byteWorks.filter(wanted)) results.push(measure(work, fast, slow));
  return results;
}

/** A table of the results: a column for each field, times with the factor to bigint in brackets. */
export function kernelTable(results: readonly KernelResult[]): string {
  const fields = [...new Set(results.flatMap(({ field }) => field ?? []))];
  const names = [...new Set(results.map(({ name }) => name))];
  const width = Math.max(...names.map((name) => name.length)) + 10;
  const cell = (result: KernelResult | undefined) => {
    if (result === undefined) return "".padStart(16);
    const digits = result.ns < 100 ? 2 : 0;
    const factor = result.bigintNs === undefined ? "" : ` (${Math.round(result.bigintNs / result.ns)})`;
    return `${result.ns.toFixed(digits)}${factor}`.padStart(16);
  };
  const lines = ["nanoseconds for one unit (bigint takes so many times longer)"];
  lines.push("".padEnd(width) + fields.map((field) => `2^${field} - 1`.padStart(16)).join(""));
  for (const name of names) {
    const found = results.filter((result) => result.name === name);
    const columns = found[0]!.field === undefined ? [undefined] : fields;
    const at = (field: FieldBits | undefined) => found.find((result) => result.field === field);
    lines.push(
      `${name.padEnd(width - 9)}${found[0]!.unit.padEnd(9)}${columns.map((f) => cell(at(f))).join("")}`,
    );
    if (found.some(({ nativeNs }) => nativeNs !== undefined)) {
      const native = fields.map((field) => (at(field)?.nativeNs?.toFixed(2) ?? "").padStart(16));
      lines.push(`${"  the same in C".padEnd(width)}${native.join("")}`);
    }
  }
  return lines.join("\n");
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { json: { type: "string" }, bits: { type: "string" }, headline: { type: "boolean" } },
  });
  const wanted = values.bits?.split(",").map(Number);
  const fields = fieldBits.filter((bits) => wanted?.includes(bits) ?? true);
  const results = await kernelResults({ fields, headline: values.headline });
  const machine = `${cpus()[0]?.model ?? "unknown processor"}, ${cpus().length} cores, Node ${process.versions.node}`;
  console.log(`${machine}\n${kernelTable(results)}`);
  if (values.json !== undefined)
    writeFileSync(values.json, `${JSON.stringify({ machine, kernels: results }, null, 2)}\n`);
}
