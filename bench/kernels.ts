/**
 * What the vector kernels cost: nanoseconds for each element or product, by field, beside the bigint
 * reference and, where a C compiler is found, a plain native loop over unsigned __int128.
 *
 *     node bench/kernels.ts [--json <file>] [--bits 61,89,107,127]
 *
 * Every figure is the median of several batches; the spread is the distance between the quartiles.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { randomBytes } from "../mpc/random.ts";
import {
  createKernel,
  createReferenceKernel,
  type FieldArray,
  type FieldBits,
  fieldBits,
  type Kernel,
} from "../mpc/vector/index.ts";

/** One line of the result. Times in nanoseconds for one element (or one product, where there are products). */
export interface KernelTiming {
  readonly work: string;
  readonly bits: FieldBits;
  readonly wasmNs: number;
  readonly wasmSpreadNs: number;
  readonly bigintNs?: number;
  readonly nativeNs?: number;
}

interface Work {
  readonly name: string;
  /** Elements or products in one run. */
  readonly count: number;
  /** Left out for bigint where one run would take seconds. */
  readonly large?: boolean;
  readonly native?: "multiply" | "matvec";
  prepare(kernel: Kernel): () => void;
}

const n = 4096;
const [rows, cols] = [128, 100];
const [manyRows, million] = [10_000, 1_000_000];

function uniform(kernel: Kernel, length: number): FieldArray {
  const a = kernel.allocate(length);
  const block = 65_536;
  for (let start = 0; start < length; start += block) {
    const slice = kernel.slice(a, start, Math.min(block, length - start));
    kernel.fromRandomBytes(slice, randomBytes(kernel.randomByteLength(slice.length)));
  }
  return a;
}

function elementwise(
  name: string,
  length: number,
  run: (k: Kernel, out: FieldArray, a: FieldArray, b: FieldArray) => void,
  extra: Partial<Work> = {},
): Work {
  return {
    name,
    count: length,
    prepare: (k) => {
      const [out, a, b] = [k.allocate(length), uniform(k, length), uniform(k, length)];
      return () => run(k, out, a, b);
    },
    ...extra,
  };
}

const scalar = 0x5a5a5a5a5a5a5a5a5a5an;

const works: Work[] = [
  elementwise("add", n, (k, out, a, b) => k.add(out, a, b)),
  elementwise("subtract", n, (k, out, a, b) => k.subtract(out, a, b)),
  elementwise("multiply", n, (k, out, a, b) => k.multiply(out, a, b), { native: "multiply" }),
  elementwise("multiplyScalar", n, (k, out, a) => k.multiplyScalar(out, a, scalar)),
  elementwise("multiplyAdd", n, (k, out, a, b) => k.multiplyAdd(out, a, scalar, b)),
  elementwise("multiplyAdd by -2", n, (k, out, a, b) => k.multiplyAdd(out, a, -2n, b)),
  elementwise("sum", n, (k, out, a) => k.sum(k.slice(out, 0, 1), a)),
  elementwise("dot", n, (k, out, a, b) => k.dot(k.slice(out, 0, 1), a, b)),
  elementwise("shiftRight", n, (k, out, a) => k.shiftRight(out, a, 16)),
  elementwise("extractBits, 32 bits", n, (k, _out, a) => void k.extractBits(a, 0, 32)),
  elementwise("encode", n, (k, _out, a) => void k.encode(a)),
  {
    name: "decode",
    count: n,
    prepare: (k) => {
      const a = uniform(k, n);
      const bytes = k.encode(a);
      return () => k.decode(a, bytes);
    },
  },
  {
    name: "fromRandomBytes",
    count: n,
    prepare: (k) => {
      const bytes = randomBytes(k.randomByteLength(n));
      const a = k.allocate(n);
      return () => k.fromRandomBytes(a, bytes);
    },
  },
  {
    name: "fromNumbers",
    count: n,
    prepare: (k) => {
      const values = Float64Array.from({ length: n }, (_, i) => (i - n / 2) / 7);
      const a = k.allocate(n);
      return () => k.fromNumbers(a, values, 16);
    },
  },
  {
    name: "toNumbers",
    count: n,
    prepare: (k) => {
      const a = k.allocate(n);
      k.fromNumbers(
        a,
        Float64Array.from({ length: n }, (_, i) => (i - n / 2) / 7),
        16,
      );
      return () => void k.toNumbers(a, 16);
    },
  },
  {
    name: `matvec ${rows} x ${cols}`,
    count: rows * cols,
    native: "matvec",
    prepare: (k) => {
      const [out, A, x] = [k.allocate(rows), uniform(k, rows * cols), uniform(k, cols)];
      return () => k.matvec(out, A, rows, cols, x);
    },
  },
  {
    name: `matvecTransposed ${rows} x ${cols}`,
    count: rows * cols,
    prepare: (k) => {
      const [out, A, v] = [k.allocate(cols), uniform(k, rows * cols), uniform(k, rows)];
      return () => k.matvecTransposed(out, A, rows, cols, v);
    },
  },
  {
    name: `transpose ${rows} x ${cols}`,
    count: rows * cols,
    prepare: (k) => {
      const [out, A] = [k.allocate(rows * cols), uniform(k, rows * cols)];
      return () => k.transpose(out, A, rows, cols);
    },
  },
  {
    name: "matmul 64 x 64 x 64",
    count: 64 ** 3,
    prepare: (k) => {
      const [out, A, B] = [k.allocate(4096), uniform(k, 4096), uniform(k, 4096)];
      return () => k.matmul(out, A, 64, 64, B, 64);
    },
  },
  {
    name: `matvec ${manyRows} x ${cols}`,
    count: manyRows * cols,
    large: true,
    prepare: (k) => {
      const [out, A, x] = [k.allocate(manyRows), uniform(k, manyRows * cols), uniform(k, cols)];
      return () => k.matvec(out, A, manyRows, cols, x);
    },
  },
  {
    name: `matvecTransposed ${manyRows} x ${cols}`,
    count: manyRows * cols,
    large: true,
    prepare: (k) => {
      const [out, A, v] = [k.allocate(cols), uniform(k, manyRows * cols), uniform(k, manyRows)];
      return () => k.matvecTransposed(out, A, manyRows, cols, v);
    },
  },
  elementwise("multiply, a million", million, (k, out, a, b) => k.multiply(out, a, b), { large: true }),
  elementwise("add, a million", million, (k, out, a, b) => k.add(out, a, b), { large: true }),
];

/** Median and distance between the quartiles of the time of one run, in nanoseconds. */
function time(run: () => void, batches: number, batchMs: number): { median: number; spread: number } {
  // Long enough for the optimising compiler to have replaced the first code.
  for (const start = performance.now(); performance.now() - start < 2 * batchMs; ) run();
  const samples: number[] = [];
  for (let batch = 0; batch < batches; batch++) {
    const start = performance.now();
    let runs = 0;
    do {
      run();
      runs++;
    } while (performance.now() - start < batchMs);
    samples.push(((performance.now() - start) * 1e6) / runs);
  }
  samples.sort((a, b) => a - b);
  const at = (share: number) => samples[Math.round(share * (samples.length - 1))]!;
  return { median: at(0.5), spread: at(0.75) - at(0.25) };
}

/** The same products in C: two 64-bit words an element, reduced after each product. */
const nativeSource = `
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
typedef unsigned __int128 u128;
static const u128 P = (((u128)1) << BITS) - 1;
static inline u128 reduce(u128 x) { x = (x & P) + (x >> BITS); return x >= P ? x - P : x; }
static inline u128 multiply(u128 a, u128 b) {
#if BITS <= 64
  return reduce((u128)(uint64_t)a * (uint64_t)b);
#else
  uint64_t a0 = a, a1 = a >> 64, b0 = b, b1 = b >> 64;
  u128 low = (u128)a0 * b0, cross = (u128)a0 * b1 + (u128)a1 * b0, high = (u128)a1 * b1;
  u128 mid = cross + (low >> 64);
  u128 r0 = (mid << 64) | (uint64_t)low;
  high += mid >> 64;
  return reduce((r0 & P) + ((r0 >> BITS) | (high << (128 - BITS))));
#endif
}
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1e9 + t.tv_nsec; }
int main(void) {
  enum { N = 12800, COLS = 100 };
  u128 *a = aligned_alloc(64, N * sizeof *a), *b = aligned_alloc(64, N * sizeof *b), *c = aligned_alloc(64, N * sizeof *c);
  u128 s = 1;
  for (int i = 0; i < N; i++) { s = multiply(s + 12345, s ^ 0x9e3779b97f4a7c15ull); a[i] = s; s = multiply(s, s + 7); b[i] = s; }
  double best[2] = { 1e30, 1e30 };
  for (int round = 0; round < 60; round++) {
    double start = now();
    for (int k = 0; k < 10; k++) { for (int i = 0; i < N; i++) c[i] = multiply(a[i], b[i]); __asm__ volatile("" ::: "memory"); }
    double t = (now() - start) / 10 / N;
    if (t < best[0]) best[0] = t;
    start = now();
    for (int k = 0; k < 10; k++) {
      for (int r = 0; r < N / COLS; r++) {
        u128 sum = 0;
        for (int j = 0; j < COLS; j++) { sum += multiply(a[r * COLS + j], b[j]); sum = sum >= P ? sum - P : sum; }
        c[r] = sum;
      }
      __asm__ volatile("" ::: "memory");
    }
    t = (now() - start) / 10 / N;
    if (t < best[1]) best[1] = t;
  }
  printf("%f %f\\n", best[0], best[1]);
  return (int)(uint64_t)(c[5] & 0);
}
`;

/** Times of the native loops, or nothing where no compiler is found. */
function timeNative(bits: FieldBits): { multiply: number; matvec: number } | undefined {
  const directory = mkdtempSync(join(tmpdir(), "symbolon-bench-"));
  try {
    writeFileSync(join(directory, "loop.c"), nativeSource);
    execFileSync("cc", ["-O3", "-march=native", `-DBITS=${bits}`, "loop.c", "-o", "loop"], {
      cwd: directory,
      stdio: "ignore",
    });
    const [multiply, matvec] = execFileSync(join(directory, "loop"), { encoding: "utf8" })
      .trim()
      .split(" ")
      .map(Number);
    return { multiply: multiply!, matvec: matvec! };
  } catch {
    return undefined;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Measures every kernel in the given fields. */
export async function benchmarkKernels(fields: readonly FieldBits[] = fieldBits): Promise<KernelTiming[]> {
  const timings: KernelTiming[] = [];
  for (const bits of fields) {
    const native = timeNative(bits);
    for (const work of works) {
      const wasm = time(work.prepare(await createKernel(bits)), 15, 10);
      const bigint = work.large ? undefined : time(work.prepare(createReferenceKernel(bits)), 3, 20);
      timings.push({
        work: work.name,
        bits,
        wasmNs: wasm.median / work.count,
        wasmSpreadNs: wasm.spread / work.count,
        ...(bigint === undefined ? {} : { bigintNs: bigint.median / work.count }),
        ...(work.native === undefined || native === undefined ? {} : { nativeNs: native[work.native] }),
      });
    }
  }
  return timings;
}

/** The machine on which the figures hold. */
export function machine(): string {
  return `${cpus()[0]?.model ?? "unknown processor"}, ${cpus().length} cores, Node ${process.versions.node}`;
}

function print(timings: readonly KernelTiming[]): void {
  const fields = [...new Set(timings.map(({ bits }) => bits))];
  console.log(`${machine()}\nnanoseconds an element or product: WASM (bigint / WASM)`);
  const width = Math.max(...works.map(({ name }) => name.length)) + 2;
  console.log("".padEnd(width) + fields.map((bits) => `2^${bits} - 1`.padStart(16)).join(""));
  for (const { name } of works) {
    const cells = fields.map((bits) => {
      const { wasmNs, bigintNs } = timings.find((timing) => timing.work === name && timing.bits === bits)!;
      const ratio = bigintNs === undefined ? "" : ` (${Math.round(bigintNs / wasmNs)})`;
      return `${wasmNs.toFixed(2)}${ratio}`.padStart(16);
    });
    console.log(name.padEnd(width) + cells.join(""));
  }
  for (const { name } of works.filter(({ native }) => native !== undefined)) {
    const cells = fields.map((bits) => {
      const { nativeNs } = timings.find((timing) => timing.work === name && timing.bits === bits)!;
      return (nativeNs?.toFixed(2) ?? "no compiler").padStart(16);
    });
    console.log(`${name}, in C`.padEnd(width) + cells.join(""));
  }
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { json: { type: "string" }, bits: { type: "string" } } });
  const wanted = values.bits?.split(",").map(Number);
  const timings = await benchmarkKernels(fieldBits.filter((bits) => wanted?.includes(bits) ?? true));
  print(timings);
  if (values.json !== undefined)
    writeFileSync(values.json, `${JSON.stringify({ machine: machine(), timings }, null, 2)}\n`);
}
