/** Lazy reduction at its edge: operands in the largest form that the proof in generator/layout.ts allows. */
import { beforeAll, describe, expect, it } from "vitest";
import { columnMax, layoutOf, looseMax } from "../../../mpc/vector/generator/layout.ts";
import {
  createKernel,
  type FieldArray,
  fieldBits,
  fieldSpecs,
  type Kernel,
} from "../../../mpc/vector/index.ts";

describe.each(fieldBits)("lazy reduction in the field of 2^%i - 1", (bits) => {
  const { modulus: p, limbs, limbBits } = fieldSpecs[bits];
  const layout = layoutOf(fieldSpecs[bits]);
  const largest = Array.from({ length: limbs }, (_, j) => looseMax(layout.widths, j));
  const value = largest.reduce((sum, limb, j) => sum + (limb << BigInt(j * limbBits)), 0n);
  let kernel: Kernel;
  beforeAll(async () => {
    kernel = await createKernel(bits);
  });

  /** Writes limbs straight into kernel memory: no method makes elements as loose as these. */
  function looseArray(n: number, limbsOf: readonly bigint[] = largest): FieldArray {
    const a = kernel.allocate(n);
    kernel.wireParts(a).forEach((plane, j) => {
      new Uint32Array(plane.buffer, plane.byteOffset, n).fill(Number(limbsOf[j]!));
    });
    return a;
  }

  function expectAll(a: FieldArray, expected: bigint): void {
    expect(new Set(kernel.toBigints(a))).toEqual(new Set([((expected % p) + p) % p]));
  }

  function inRegion(work: () => void): void {
    const region = kernel.beginRegion();
    work();
    kernel.endRegion(region);
  }

  it("sums as many products as the layout says, and one more would overflow a column", () => {
    const columns = Array.from({ length: limbs }, (_, t) => columnMax(layout.widths, layout.fold, t));
    let worst = 0n;
    for (const column of columns) if (column > worst) worst = column;
    expect(worst * BigInt(layout.termsPerCarry)).toBeLessThan(1n << 64n);
    expect(worst * BigInt(layout.termsPerCarry + 1) + (1n << 41n)).toBeGreaterThan((1n << 64n) - (1n << 40n));
    // Column 0 in full, against the products written out.
    let product = 0n;
    for (let i = 0; i < limbs; i++) product += largest[i]! << BigInt(i * limbBits);
    let columnsTotal = 0n;
    columns.forEach((column, t) => {
      columnsTotal += column << BigInt(t * limbBits);
    });
    expect(columnsTotal % p).toBe((product * product) % p);
  });

  it.each([1, 3, 4, 6, 9])("element-wise on %i elements", (n) =>
    inRegion(() => {
      const a = looseArray(n);
      const b = looseArray(n);
      const zero = kernel.allocateZeros(n);
      const out = kernel.allocate(n);
      kernel.add(out, a, b);
      expectAll(out, 2n * value);
      kernel.subtract(out, a, b);
      expectAll(out, 0n);
      kernel.subtract(out, a, zero);
      expectAll(out, value);
      kernel.subtract(out, zero, a);
      expectAll(out, -value);
      kernel.negate(out, a);
      expectAll(out, -value);
      kernel.multiply(out, a, b);
      expectAll(out, value * value);
      kernel.addScalar(out, a, p - 1n);
      expectAll(out, value - 1n);
      kernel.multiplyScalar(out, a, p - 1n);
      expectAll(out, -value);
      kernel.multiplyAdd(out, a, p - 1n, b);
      expectAll(out, 0n);
      kernel.multiplyAdd(out, a, p, b);
      expectAll(out, value);
      for (const c of [1n, 2n, 3n, 14n, 15n, 16n, (p + 1n) / 2n].flatMap((c) => [c, -c])) {
        kernel.multiplyAdd(out, a, c, b);
        expectLoose(out);
        expectAll(out, value * c + value);
        kernel.multiplyScalar(out, a, c);
        expectLoose(out);
        expectAll(out, value * c);
      }
      expect(kernel.interpolate(out, a, b, a)).toBe(true);
      expectAll(out, value);
      expect(kernel.interpolate(out, zero, a, zero)).toBe(value % p === 0n);
      expectAll(out, -value);
      expect(kernel.interpolate(out, a, zero, zero)).toBe(value % p === 0n);
      expectAll(out, 2n * value);
      expect(kernel.interpolate(out, zero, zero, a)).toBe(value % p === 0n);
      const ones = new Uint8Array(kernel.randomByteLength(n)).fill(255);
      const zeros = new Uint8Array(kernel.randomByteLength(n));
      for (const bytes of [ones, zeros])
        for (const name of ["addRandom", "subtractRandom"] as const) {
          kernel[name](out, a, bytes);
          expectLoose(out);
          expectAll(out, value);
        }
      expect(kernel.interpolate(out, a, b, zero)).toBe(value % p === 0n);
      expectLoose(out);
      for (let shift = 0; shift <= bits; shift += 7) {
        kernel.shiftRight(out, a, shift);
        expectAll(out, (value % p) >> BigInt(shift));
      }
      const words = kernel.toWords(a);
      for (let q = 0; q < words.length / n; q++)
        for (let i = 0; i < n; i++)
          expect(words[q * n + i]).toBe(Number(BigInt.asUintN(32, (value % p) >> BigInt(32 * q))));
      // All ones: every piece of k bits is as large as it can be.
      kernel.fromWords(out, new Uint32Array(4 * n).fill(0xffffffff), 4);
      expectLoose(out);
      expectAll(out, (1n << 128n) - 1n);
      expect(kernel.equal(a, b)).toBe(true);
      expectAll(a, value);
    }),
  );

  it("every operation leaves the loose form it promises", () =>
    inRegion(() => {
      const n = 4;
      const results = ["add", "subtract", "multiply"] as const;
      const forms = [largest, largest.map(() => 0n), largest.map((limb, j) => (j === 0 ? limb : 0n))];
      for (const name of results)
        for (const left of forms)
          for (const right of forms) {
            const out = kernel.allocate(n);
            kernel[name](out, looseArray(n, left), looseArray(n, right));
            expectLoose(out);
          }
    }));

  /** Whether every limb keeps the bound (1) of generator/layout.ts, before anything makes it canonical. */
  function expectLoose(a: FieldArray): void {
    for (let j = 0; j < limbs; j++)
      for (const word of rawPlane(a, j)) expect(BigInt(word)).toBeLessThanOrEqual(largest[j]!);
  }

  /** The words of a plane as they lie in memory. wireParts would make the array canonical first. */
  function rawPlane(a: FieldArray, j: number): Uint32Array {
    const probe = kernel.wireParts(kernel.slice(a, 0, 0))[0]!;
    return new Uint32Array(probe.buffer, a.ptr + 4 * a.stride * j, a.length);
  }

  it("sums and dots of 100,000 terms", () =>
    inRegion(() => {
      const n = 100_003;
      const one = kernel.allocate(1);
      const a = looseArray(n);
      const b = looseArray(n);
      kernel.dot(one, a, b);
      expectAll(one, BigInt(n) * value * value);
      kernel.sum(one, looseArray(n));
      expectAll(one, BigInt(n) * value);
      kernel.fill(a, p - 1n);
      kernel.dot(one, a, a);
      expectAll(one, BigInt(n));
      kernel.fill(b, 1n);
      kernel.dot(one, a, b);
      expectAll(one, -BigInt(n));
    }));

  it.each([
    [3, 5003],
    [5003, 3],
    [2501, 7],
    [9, 1030],
    // Larger than the cache: blocks of rows are touched ahead.
    [1501, 100],
  ])("matrix products of %i x %i", (rows, cols) =>
    inRegion(() => {
      const A = looseArray(rows * cols);
      const x = looseArray(cols);
      const v = looseArray(rows);
      const byRow = kernel.allocate(rows);
      const byColumn = kernel.allocate(cols);
      kernel.matvec(byRow, A, rows, cols, x);
      expectAll(byRow, BigInt(cols) * value * value);
      kernel.matvecTransposed(byColumn, A, rows, cols, v);
      expectAll(byColumn, BigInt(rows) * value * value);
      kernel.columnDots(byColumn, A, A, rows, cols);
      expectAll(byColumn, BigInt(rows) * value * value);
      kernel.sumColumns(byColumn, looseArray(rows * cols), rows, cols);
      expectAll(byColumn, BigInt(rows) * value);
      const square = kernel.allocate(rows * 5);
      kernel.matmul(square, A, rows, cols, looseArray(cols * 5), 5);
      expectAll(square, BigInt(cols) * value * value);
      const narrow = kernel.allocate(rows * 2);
      kernel.matmul(narrow, A, rows, cols, looseArray(cols * 2), 2);
      expectAll(narrow, BigInt(cols) * value * value);
    }),
  );
});
