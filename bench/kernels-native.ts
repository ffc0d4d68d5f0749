/** The kernels' work as a plain loop in C over unsigned __int128, where a compiler is found. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FieldBits } from "../mpc/vector/index.ts";

/** Nanoseconds for one element or product; medians. */
export interface NativeTimes {
  readonly add: number;
  readonly multiply: number;
  readonly matvec: number;
}

export type NativeLoop = keyof NativeTimes;

/** Two 64-bit words an element, reduced after each operation. 12800 elements; rows of 100 for `matvec`. */
const source = `
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
typedef unsigned __int128 u128;
static const u128 P = (((u128)1) << BITS) - 1;
static inline u128 reduce(u128 x) { x = (x & P) + (x >> BITS); return x >= P ? x - P : x; }
static inline u128 add(u128 a, u128 b) { u128 s = a + b; return s >= P ? s - P : s; }
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
enum { N = 12800, COLS = 100, ROUNDS = 41, REPEAT = 10 };
static u128 *a, *b, *c;
static void run_add(void) { for (int i = 0; i < N; i++) c[i] = add(a[i], b[i]); }
static void run_multiply(void) { for (int i = 0; i < N; i++) c[i] = multiply(a[i], b[i]); }
static void run_matvec(void) {
  for (int r = 0; r < N / COLS; r++) {
    u128 sum = 0;
    for (int j = 0; j < COLS; j++) sum = add(sum, multiply(a[r * COLS + j], b[j]));
    c[r] = sum;
  }
}
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1e9 + t.tv_nsec; }
static int ascending(const void *x, const void *y) { double d = *(const double *)x - *(const double *)y; return (d > 0) - (d < 0); }
static double median(void (*loop)(void)) {
  double times[ROUNDS];
  for (int i = 0; i < ROUNDS; i++) {
    double start = now();
    for (int k = 0; k < REPEAT; k++) { loop(); __asm__ volatile("" ::: "memory"); }
    times[i] = (now() - start) / REPEAT / N;
  }
  qsort(times, ROUNDS, sizeof *times, ascending);
  return times[ROUNDS / 2];
}
int main(void) {
  a = aligned_alloc(64, N * sizeof *a), b = aligned_alloc(64, N * sizeof *b), c = aligned_alloc(64, N * sizeof *c);
  u128 s = 1;
  for (int i = 0; i < N; i++) { s = multiply(reduce(s + 12345), s ^ 0x5bd1e995); a[i] = s; s = multiply(s, reduce(s + 7)); b[i] = s; }
  printf("%f %f %f\\n", median(run_add), median(run_multiply), median(run_matvec));
  return 0;
}
`;

/** Times of the native loops, or nothing where no compiler is found. */
export function timeNative(bits: FieldBits): NativeTimes | undefined {
  const directory = mkdtempSync(join(tmpdir(), "symbolon-bench-"));
  try {
    writeFileSync(join(directory, "loop.c"), source);
    const flags = ["-O3", "-march=native", `-DBITS=${bits}`];
    execFileSync("cc", [...flags, "loop.c", "-o", "loop"], { cwd: directory, stdio: "ignore" });
    const output = execFileSync(join(directory, "loop"), { encoding: "utf8" });
    const [add, multiply, matvec] = output.trim().split(" ").map(Number);
    return { add: add!, multiply: multiply!, matvec: matvec! };
  } catch {
    return undefined;
  } finally {
    rmSync(directory, { recursive: true });
  }
}
