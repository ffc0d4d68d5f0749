/** The WASM kernel against the bigint reference, method by method, over all fields. */
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import {
  type ColumnsOf,
  createKernel,
  createReferenceKernel,
  type FieldArray,
  fieldBits,
  fieldSpecs,
  type Kernel,
} from "../../../mpc/vector/index.ts";
import { deterministicBytes } from "./deterministic.ts";

describe.each(fieldBits)("kernel of 2^%i - 1 against the reference", (bits) => {
  const { modulus: p, limbs, limbBits, elementBytes } = fieldSpecs[bits];
  let wasm: Kernel;
  let reference: Kernel;
  beforeAll(async () => {
    wasm = await createKernel(bits);
    reference = createReferenceKernel(bits);
  });

  const edges = [0n, 1n, 2n, p - 1n, p - 2n, p >> 1n, (p >> 1n) + 1n];
  for (let j = 1; j < bits; j++)
    if (j % limbBits < 2 || j % limbBits === limbBits - 1)
      edges.push((1n << BigInt(j)) - 1n, 1n << BigInt(j), (1n << BigInt(j)) + 1n);
  const element = fc.oneof(fc.bigInt({ min: 0n, max: p - 1n }), fc.constantFrom(...edges));
  const elements = (length: number) => fc.array(element, { minLength: length, maxLength: length });
  // Factors with a short way of their own, and those next to them.
  const half = (p + 1n) / 2n;
  const short = [0n, 1n, 2n, 3n, 4n, 8n, 14n, 15n, 16n, half, 2n * half, half + 1n, p].flatMap((c) => [
    c,
    -c,
  ]);
  const scalar = fc.oneof(element, fc.bigInt({ min: -(p * p), max: p * p }), fc.constantFrom(...short));

  /** Runs the same work on both kernels and returns both results as bigints. */
  function both(
    work: (kernel: Kernel, put: (values: bigint[]) => FieldArray) => FieldArray,
  ): [bigint[], bigint[]] {
    const results = [wasm, reference].map((kernel) => {
      const region = kernel.beginRegion();
      const put = (values: bigint[]) => {
        const a = kernel.allocate(values.length);
        kernel.fromBigints(a, values);
        return a;
      };
      const result = kernel.toBigints(work(kernel, put));
      kernel.endRegion(region);
      return result;
    });
    return results as [bigint[], bigint[]];
  }

  function agree(work: (kernel: Kernel, put: (values: bigint[]) => FieldArray) => FieldArray): void {
    const [fast, slow] = both(work);
    expect(fast).toEqual(slow);
  }

  const lengths = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 31, 32, 33, 130];

  describe("element-wise", () => {
    const binary = ["add", "subtract", "multiply"] as const;
    it.each(binary)("%s at all lengths, also in place", (name) => {
      for (const n of lengths)
        fc.assert(
          fc.property(elements(n), elements(n), (a, b) => {
            agree((k, put) => {
              const out = k.allocate(n);
              k[name](out, put(a), put(b));
              return out;
            });
            agree((k, put) => {
              const x = put(a);
              k[name](x, x, put(b));
              return x;
            });
            agree((k, put) => {
              const y = put(b);
              k[name](y, put(a), y);
              return y;
            });
            agree((k, put) => {
              const x = put(a);
              k[name](x, x, x);
              return x;
            });
          }),
          { numRuns: 8 },
        );
    });

    it("negate, copy, fill and the scalar operations", () => {
      for (const n of lengths)
        fc.assert(
          fc.property(elements(n), elements(n), scalar, (a, b, c) => {
            for (const inPlace of [false, true]) {
              const into = (k: Kernel, x: FieldArray) => (inPlace ? x : k.allocate(n));
              const one = (f: (k: Kernel, out: FieldArray, x: FieldArray, y: FieldArray) => void) =>
                agree((k, put) => {
                  const x = put(a);
                  const out = into(k, x);
                  f(k, out, x, put(b));
                  return out;
                });
              one((k, out, x) => k.negate(out, x));
              one((k, out, x) => k.copy(out, x));
              one((k, out) => k.fill(out, c));
              one((k, out, x) => k.addScalar(out, x, c));
              one((k, out, x) => k.multiplyScalar(out, x, c));
              one((k, out, x, y) => k.multiplyAdd(out, x, c, y));
              agree((k, put) => {
                const y = put(b);
                k.multiplyAdd(y, put(a), c, y);
                return y;
              });
            }
          }),
          { numRuns: 5 },
        );
    });

    it("every factor that has a short way of its own", () => {
      const n = 7;
      fc.assert(
        fc.property(elements(n), elements(n), (a, b) => {
          for (const c of short)
            agree((k, put) => {
              const [x, y, out] = [put(a), put(b), k.allocate(n)];
              k.multiplyAdd(out, x, c, y);
              k.multiplyScalar(x, x, c);
              k.multiplyAdd(y, x, c, y);
              k.add(out, out, y);
              return out;
            });
        }),
        { numRuns: 10 },
      );
    });

    it("stays right over a long chain of operations that never canonicalises", () => {
      fc.assert(
        fc.property(
          elements(9),
          elements(9),
          scalar,
          fc.array(fc.nat(6), { maxLength: 60 }),
          (a, b, c, steps) => {
            agree((k, put) => {
              const x = put(a);
              const y = put(b);
              for (const step of steps) {
                if (step === 0) k.add(x, x, y);
                else if (step === 1) k.subtract(x, y, x);
                else if (step === 2) k.multiply(x, x, x);
                else if (step === 3) k.negate(y, x);
                else if (step === 4) k.multiplyAdd(y, x, c, y);
                else if (step === 5) k.subtract(x, x, x);
                else k.add(x, x, x);
              }
              return x;
            });
          },
        ),
        { numRuns: 60 },
      );
    });
  });

  describe("reductions and matrices", () => {
    const shape = fc.tuple(fc.integer({ min: 0, max: 11 }), fc.integer({ min: 0, max: 13 }));
    const matrix = shape.chain(([rows, cols]) =>
      fc.record({
        rows: fc.constant(rows),
        cols: fc.constant(cols),
        A: elements(rows * cols),
        B: elements(rows * cols),
        x: elements(cols),
        v: elements(rows),
      }),
    );

    it("sum and dot", () => {
      for (const n of lengths)
        fc.assert(
          fc.property(elements(n), elements(n), (a, b) => {
            agree((k, put) => {
              const out = k.allocate(1);
              k.sum(out, put(a));
              return out;
            });
            agree((k, put) => {
              const out = k.allocate(1);
              k.dot(out, put(a), put(b));
              return out;
            });
          }),
          { numRuns: 8 },
        );
    });

    it("products along rows and down columns, broadcasts, transposition", () => {
      fc.assert(
        fc.property(matrix, ({ rows, cols, A, B, x, v }) => {
          const into = (
            length: number,
            f: (k: Kernel, out: FieldArray, put: (values: bigint[]) => FieldArray) => void,
          ) =>
            agree((k, put) => {
              const out = k.allocate(length);
              f(k, out, put);
              return out;
            });
          into(rows, (k, out, put) => k.matvec(out, put(A), rows, cols, put(x)));
          into(cols, (k, out, put) => k.matvecTransposed(out, put(A), rows, cols, put(v)));
          into(cols, (k, out, put) => k.sumColumns(out, put(A), rows, cols));
          into(cols, (k, out, put) => k.columnDots(out, put(A), put(B), rows, cols));
          into(rows * cols, (k, out, put) => k.addRow(out, put(A), rows, cols, put(x)));
          into(rows * cols, (k, out, put) => k.multiplyRow(out, put(A), rows, cols, put(x)));
          into(rows * cols, (k, out, put) => k.multiplyColumn(out, put(A), rows, cols, put(v)));
          into(rows * cols, (k, out, put) => k.transpose(out, put(A), rows, cols));
          agree((k, put) => {
            const inPlace = put(A);
            k.multiplyColumn(inPlace, inPlace, rows, cols, put(v));
            k.multiplyRow(inPlace, inPlace, rows, cols, put(x));
            k.addRow(inPlace, inPlace, rows, cols, put(x));
            return inPlace;
          });
        }),
        { numRuns: 120 },
      );
    });

    it("products of matrices", () => {
      fc.assert(
        fc.property(
          fc
            .tuple(
              fc.integer({ min: 0, max: 6 }),
              fc.integer({ min: 0, max: 9 }),
              fc.integer({ min: 0, max: 9 }),
            )
            .chain(([n, m, q]) =>
              fc.tuple(fc.constant([n, m, q] as const), elements(n * m), elements(m * q)),
            ),
          ([[n, m, q], A, B]) =>
            agree((k, put) => {
              const out = k.allocate(n * q);
              k.matmul(out, put(A), n, m, put(B), q);
              return out;
            }),
        ),
        { numRuns: 60 },
      );
    });

    it("more columns than one chunk and more rows than one block", () => {
      const [rows, cols] = [37, 1031];
      const A = deterministicElements(rows * cols, 1);
      const B = deterministicElements(rows * cols, 2);
      const v = deterministicElements(rows, 3);
      const x = deterministicElements(cols, 4);
      const into = (
        length: number,
        f: (k: Kernel, out: FieldArray, put: (v: bigint[]) => FieldArray) => void,
      ) =>
        agree((k, put) => {
          const out = k.allocate(length);
          f(k, out, put);
          return out;
        });
      into(rows, (k, out, put) => k.matvec(out, put(A), rows, cols, put(x)));
      into(cols, (k, out, put) => k.matvecTransposed(out, put(A), rows, cols, put(v)));
      into(cols, (k, out, put) => k.sumColumns(out, put(A), rows, cols));
      into(cols, (k, out, put) => k.columnDots(out, put(A), put(B), rows, cols));
      into(rows * cols, (k, out, put) => k.transpose(out, put(A), rows, cols));
    });

    it("copies columns of chosen rows, and leaves the other columns", () => {
      const shape = fc.record({
        cols: fc.integer({ min: 1, max: 11 }),
        toCols: fc.integer({ min: 1, max: 11 }),
      });
      fc.assert(
        fc.property(
          shape,
          fc.nat(99),
          fc.array(fc.nat(4), { maxLength: 9 }),
          ({ cols, toCols }, pick, order) => {
            const width = 1 + (pick % Math.min(cols, toCols));
            const from = pick % (cols - width + 1);
            const to = pick % (toCols - width + 1);
            const a = deterministicElements(5 * cols, 6);
            const before = deterministicElements(order.length * toCols, 7);
            agree((k, put) => {
              const out = put(before);
              k.copyRows(
                { array: out, cols: toCols, column: to },
                { array: put(a), cols, column: from },
                width,
                Uint32Array.from(order),
              );
              return out;
            });
          },
        ),
        { numRuns: 40 },
      );
    });

    it("gathers", () => {
      fc.assert(
        fc.property(elements(13), fc.array(fc.nat(12), { maxLength: 20 }), (a, indices) =>
          agree((k, put) => {
            const out = k.allocate(indices.length);
            k.gather(out, put(a), Uint32Array.from(indices));
            return out;
          }),
        ),
        { numRuns: 30 },
      );
    });
  });

  describe("integers, bits and bytes", () => {
    it("shifts right by every number of bits, also in place", () => {
      const values = [...edges.slice(0, 20), ...deterministicElements(9, 5)];
      for (let shift = 0; shift <= bits; shift++)
        for (const inPlace of [false, true])
          agree((k, put) => {
            const a = put(values);
            const out = inPlace ? a : k.allocate(a.length);
            k.shiftRight(out, a, shift);
            return out;
          });
    });

    it("reads the same pseudo-random integers, block by block as at once", () => {
      for (const n of [0, 1, 3, 4, 5, 4095, 4096, 4097, 9001]) {
        const bytes = deterministicBytes(elementBytes * n, n);
        for (const bitLength of [undefined, 1, limbBits - 1, limbBits, limbBits + 1, bits - 2, bits])
          agree((k) => {
            const out = k.allocate(n);
            k.fromRandomBytes(out, bytes, bitLength);
            return out;
          });
        const whole = wasm.allocate(n);
        wasm.fromRandomBytes(whole, bytes);
        const parts = wasm.allocate(n);
        for (let start = 0; start < n; start += 4096) {
          const length = Math.min(4096, n - start);
          const slice = bytes.subarray(elementBytes * start, elementBytes * (start + length));
          wasm.fromRandomBytes(wasm.slice(parts, start, length), slice);
        }
        expect(wasm.equal(whole, parts)).toBe(true);
        wasm.free(whole);
        wasm.free(parts);
      }
    });

    it("adds and subtracts pseudo-random elements as it would read them, also in place", () => {
      for (const n of [0, 1, 3, 5, 4095, 4096, 4097]) {
        const values = deterministicElements(n, 77);
        for (const bytes of [
          deterministicBytes(elementBytes * n, n),
          new Uint8Array(elementBytes * n).fill(255),
        ])
          for (const name of ["addRandom", "subtractRandom"] as const)
            for (const inPlace of [false, true])
              agree((k, put) => {
                const a = put(values);
                const out = inPlace ? a : k.allocate(n);
                k[name](out, a, bytes);
                return out;
              });
      }
    });

    it("interpolates at zero, and notices every value that is not on the line", () => {
      fc.assert(
        fc.property(
          fc
            .integer({ min: 1, max: 40 })
            .chain((n) => fc.tuple(elements(n), elements(n), fc.nat(n - 1), element)),
          ([values, slopes, at, wrong]) => {
            const n = values.length;
            for (const k of [wasm, reference])
              for (const altered of [undefined, 0, 1, 2]) {
                const region = k.beginRegion();
                const points = [1n, 2n, 3n].map((point, share) => {
                  const a = k.allocate(n);
                  k.fromBigints(
                    a,
                    values.map((value, i) => {
                      const y = value + point * slopes[i]!;
                      return altered === share && i === at ? y + wrong : y;
                    }),
                  );
                  return a;
                });
                const [one, two, three] = points as [FieldArray, FieldArray, FieldArray];
                const ending = (end: number) => [one, two, three].map((a) => k.slice(a, 0, end));
                // What lies behind a view does not count, even in the same vector.
                const [u, v, w] = ending(at);
                expect(k.interpolate(k.allocate(at), u!, v!, w!)).toBe(true);
                const [x, y, z] = ending(altered === undefined ? n : at + 1);
                const out = altered === 0 ? x! : k.allocate(x!.length);
                expect(k.interpolate(out, x!, y!, z!)).toBe(altered === undefined || wrong === 0n);
                if (altered === undefined) expect(k.toBigints(out)).toEqual(values);
                k.endRegion(region);
              }
          },
        ),
        { numRuns: 30 },
      );
    });

    it("reads all ones as zero, and integers below 2^bitLength", () => {
      const bytes = new Uint8Array(elementBytes * 6).fill(255);
      for (const k of [wasm, reference]) {
        const out = k.allocate(6);
        k.fromRandomBytes(out, bytes);
        expect(k.isZero(out)).toBe(true);
        k.fromRandomBytes(out, bytes, bits - 2);
        expect(k.toBigints(out)).toEqual(Array(6).fill((1n << BigInt(bits - 2)) - 1n));
        k.free(out);
      }
    });

    it("extracts bits and puts them back", () => {
      for (const n of [0, 1, 5, 31, 32, 33, 64, 100]) {
        const values = [...edges, ...deterministicElements(100, n)].slice(0, n);
        for (const [from, count] of [
          [0, bits],
          [0, 1],
          [bits - 1, 1],
          [limbBits - 1, 2],
          [5, 32],
          [bits, 0],
        ] as const) {
          const [fast, slow] = [wasm, reference].map((k) => {
            const a = k.allocate(n);
            k.fromBigints(a, values);
            const planes = k.extractBits(a, from, count);
            const out = k.allocate(n);
            const back = planes.map((plane) => {
              k.fromBits(out, plane);
              return k.toBigints(out);
            });
            back.forEach((column, j) => {
              expect(column).toEqual(values.map((value) => (value >> BigInt(from + j)) & 1n));
            });
            k.free(a);
            k.free(out);
            return planes;
          });
          expect(fast).toEqual(slow);
        }
      }
    });

    it("encodes to the same canonical bytes and decodes them", () => {
      for (const n of lengths)
        fc.assert(
          fc.property(elements(n), elements(n), (a, b) => {
            const encodings = [wasm, reference].map((k) => {
              const x = k.allocate(n);
              const y = k.allocate(n);
              k.fromBigints(x, a);
              k.fromBigints(y, b);
              k.subtract(x, x, y);
              const bytes = k.encode(x);
              expect(bytes.length).toBe(elementBytes * n);
              expect(Buffer.concat(k.wireParts(x))).toEqual(Buffer.from(bytes));
              k.decode(y, bytes);
              expect(k.equal(x, y)).toBe(true);
              k.free(x);
              k.free(y);
              return bytes;
            });
            expect(encodings[0]).toEqual(encodings[1]);
          }),
          { numRuns: 6 },
        );
    });

    it("refuses bytes that are not canonical", () => {
      const word = (k: number) => 4 * k;
      for (const k of [wasm, reference]) {
        const n = 5;
        const out = k.allocate(n);
        const good = k.encode(out);
        expect(() => k.decode(out, good.subarray(1))).toThrow(
          expect.objectContaining({ code: "FIELD_ENCODING" }),
        );
        expect(() => k.decode(out, new Uint8Array(good.length + elementBytes))).toThrow(
          expect.objectContaining({ code: "FIELD_ENCODING" }),
        );
        for (let limb = 0; limb < limbs; limb++)
          for (let i = 0; i < n; i++) {
            const bad = good.slice();
            const width = limb === limbs - 1 ? bits - limbBits * (limbs - 1) : limbBits;
            new DataView(bad.buffer).setUint32(word(limb * n + i), 2 ** width, true);
            expect(() => k.decode(out, bad)).toThrow(expect.objectContaining({ code: "FIELD_ENCODING" }));
          }
        for (let i = 0; i < n; i++) {
          // p itself.
          const bad = good.slice();
          const view = new DataView(bad.buffer);
          for (let limb = 0; limb < limbs; limb++) {
            const width = limb === limbs - 1 ? bits - limbBits * (limbs - 1) : limbBits;
            view.setUint32(word(limb * n + i), 2 ** width - 1, true);
          }
          expect(() => k.decode(out, bad)).toThrow(expect.objectContaining({ code: "FIELD_ENCODING" }));
          // p - 1 is the largest that is accepted.
          view.setUint32(word(i), 2 ** limbBits - 2, true);
          k.decode(out, bad);
          expect(k.toBigints(out)[i]).toBe(p - 1n);
        }
        k.free(out);
      }
    });

    it("decodes pieces of an encoding, and gives the planes of what it made canonical", () => {
      for (const k of [wasm, reference]) {
        const n = 23;
        const a = k.allocate(n);
        k.fromBigints(a, deterministicElements(n, 8));
        k.add(a, a, a);
        for (const [start, length] of [
          [0, 9],
          [9, 14],
        ] as const)
          k.canonicalise(k.slice(a, start, length));
        const bytes = k.encode(a);
        expect(Buffer.concat(k.planes(a))).toEqual(Buffer.from(bytes));
        for (const [start, length] of [
          [0, n],
          [0, 0],
          [n, 0],
          [3, 5],
          [n - 1, 1],
        ] as const) {
          const out = k.allocate(length);
          k.decodeSlice(out, bytes, start);
          expect(k.toBigints(out)).toEqual(k.toBigints(k.slice(a, start, length)));
          k.free(out);
        }
        const out = k.allocate(5);
        const encoding = expect.objectContaining({ code: "FIELD_ENCODING" });
        for (const start of [-1, 0.5, n - 4, n])
          expect(() => k.decodeSlice(out, bytes, start)).toThrow(encoding);
        expect(() => k.decodeSlice(out, bytes.subarray(1), 0)).toThrow(encoding);
        // Only what is read must be canonical, and nothing of what is not stays.
        bytes.fill(255, 4 * 7, 4 * 8);
        k.decodeSlice(out, bytes, 8);
        expect(() => k.decodeSlice(out, bytes, 3)).toThrow(encoding);
        expect(k.isZero(out)).toBe(true);
        k.free(out);
        k.free(a);
      }
    });

    it("tests for zero and equality on values, whatever their form", () => {
      for (const n of lengths)
        fc.assert(
          fc.property(elements(n), fc.nat(), (a, at) => {
            const x = wasm.allocate(n);
            const y = wasm.allocate(n);
            wasm.fromBigints(x, a);
            wasm.subtract(y, x, x);
            expect(wasm.isZero(y)).toBe(true);
            wasm.add(y, y, x);
            expect(wasm.equal(x, y)).toBe(true);
            if (n > 0) {
              const one = wasm.slice(y, at % n, 1);
              wasm.addScalar(one, one, 1n);
              expect(wasm.equal(x, y)).toBe(false);
              wasm.subtract(y, y, x);
              expect(wasm.isZero(y)).toBe(false);
            }
            wasm.free(x);
            wasm.free(y);
          }),
          { numRuns: 6 },
        );
    });
  });

  describe("numbers", () => {
    const number = fc.oneof(
      fc.double({ noNaN: true, min: -1e9, max: 1e9 }),
      fc.double({ noNaN: true, min: -1, max: 1 }),
      fc.constantFrom(0, -0, 0.5, -0.5, 1.5, -1.5, 2 ** -17, -(2 ** -17), 3 * 2 ** -18, 5e-324, -5e-324),
    );

    it("are rounded to fixed point exactly, and back to the nearest double", () => {
      fc.assert(
        fc.property(
          fc.array(number, { maxLength: 9 }),
          fc.integer({ min: 0, max: bits - 32 }),
          (values, fracBits) => {
            agree((k) => {
              const out = k.allocate(values.length);
              k.fromNumbers(out, values, fracBits);
              return out;
            });
            const [fast, slow] = [wasm, reference].map((k) => {
              const a = k.allocate(values.length);
              k.fromNumbers(a, Float64Array.from(values), fracBits);
              const numbers = k.toNumbers(a, fracBits);
              k.free(a);
              return [...numbers].map((x) => x + 0);
            });
            expect(fast).toEqual(slow);
            values.forEach((value, i) => {
              expect(Math.abs(fast![i]! - value)).toBeLessThanOrEqual(2 ** (-fracBits - 1));
            });
          },
        ),
        { numRuns: 150 },
      );
    });

    it("of every size become the nearest double once, not twice", () => {
      fc.assert(
        fc.property(elements(7), fc.integer({ min: 0, max: bits }), (values, fracBits) => {
          const [fast, slow] = [wasm, reference].map((k) => {
            const a = k.allocate(7);
            k.fromBigints(a, values);
            const numbers = k.toNumbers(a, fracBits);
            k.free(a);
            return numbers.map((x) => x + 0);
          });
          expect(fast).toEqual(slow);
        }),
        { numRuns: 100 },
      );
    });

    it("outside the range are refused, and nothing is written", () => {
      for (const k of [wasm, reference]) {
        const out = k.allocateZeros(2);
        const limit = 2 ** (bits - 2 - 16);
        for (const bad of [
          Number.NaN,
          Number.POSITIVE_INFINITY,
          Number.NEGATIVE_INFINITY,
          limit,
          -limit,
          1e300,
        ])
          expect(() => k.fromNumbers(out, [0, bad], 16)).toThrow(
            expect.objectContaining({ code: "FIELD_ENCODING" }),
          );
        expect(k.isZero(out)).toBe(true);
        k.fromNumbers(out, [limit * (1 - 2 ** -53), -limit * (1 - 2 ** -53)], 16);
        expect([...k.toNumbers(out, 16)]).toEqual([limit * (1 - 2 ** -53), -limit * (1 - 2 ** -53)]);
        k.free(out);
      }
    });
  });

  it("refuses shapes that do not fit, before it writes", () => {
    for (const k of [wasm, reference]) {
      const region = k.beginRegion();
      const two = k.allocate(2);
      const three = k.allocate(3);
      const six = k.allocate(6);
      const mismatch = expect.objectContaining({ code: "SHAPE_MISMATCH" });
      const refused: (() => void)[] = [
        () => k.copy(two, three),
        () => k.add(two, two, three),
        () => k.add(three, two, two),
        () => k.subtract(two, three, two),
        () => k.multiply(two, two, three),
        () => k.negate(two, three),
        () => k.addScalar(two, three, 1n),
        () => k.multiplyScalar(two, three, 1n),
        () => k.multiplyAdd(two, two, 1n, three),
        () => k.sum(two, three),
        () => k.dot(two, three, three),
        () => k.dot(k.slice(two, 0, 1), two, three),
        () => k.matvec(two, six, 2, 3, two),
        () => k.matvec(three, six, 2, 3, three),
        () => k.matvec(two, six, 2, 2, two),
        () => k.matvecTransposed(two, six, 2, 3, two),
        () => k.matmul(six, six, 2, 3, six, 3),
        () => k.sumColumns(two, six, 2, 3),
        () => k.columnDots(three, six, three, 2, 3),
        () => k.addRow(six, six, 2, 3, two),
        () => k.multiplyRow(six, six, 2, 3, two),
        () => k.multiplyColumn(six, six, 2, 3, three),
        () => k.transpose(two, six, 2, 3),
        () => k.gather(two, three, Uint32Array.of(0)),
        () => k.gather(two, three, Uint32Array.of(0, 3)),
        () => k.gather(two, three, Uint32Array.of(0xffffffff, 0)),
        () => k.gather(six, three, Uint32Array.of(0, 1, 0x80000000, 0, 0, 0)),
        () => k.gather(six, three, Uint32Array.of(0, 1, 2, 0, 0, 3)),
        ...[
          [three, 3, 1, six, 3, 0, 3, [0]],
          [three, 3, 0, six, 3, 1, 3, [0]],
          [three, 3, 0, six, 3, 0, 3, [2]],
          [three, 3, 0, six, 3, 0, 3, [0, 1]],
          [three, 3, 0, six, 4, 0, 3, [0]],
        ].map(
          ([to, toCols, toColumn, from, cols, column, width, order]) =>
            () =>
              k.copyRows(
                { array: to, cols: toCols, column: toColumn } as ColumnsOf,
                { array: from, cols, column } as ColumnsOf,
                width as number,
                Uint32Array.from(order as number[]),
              ),
        ),
        () => k.shiftRight(two, three, 1),
        () => k.interpolate(two, two, two, three),
        () => k.interpolate(two, three, two, two),
        () => k.shiftRight(two, two, -1),
        () => k.shiftRight(two, two, bits + 1),
        () => k.extractBits(two, 1, bits),
        () => k.fromBits(two, new Uint32Array(2)),
        () => k.fromBigints(two, [1n]),
        () => k.fromNumbers(two, [1], 0),
        () => k.slice(two, 1, 2),
        () => k.slice(two, -1, 1),
        () => k.allocate(-1),
        () => k.allocate(1.5),
        () => k.equal(two, three),
      ];
      refused.forEach((attempt) => {
        expect(attempt).toThrow(mismatch);
      });
      expect(() => k.fromRandomBytes(two, new Uint8Array(1))).toThrow(
        expect.objectContaining({ code: "FIELD_ENCODING" }),
      );
      k.endRegion(region);
    }
  });

  function deterministicElements(n: number, seed: number): bigint[] {
    const a = reference.allocate(n);
    reference.fromRandomBytes(a, deterministicBytes(elementBytes * n, seed));
    const values = reference.toBigints(a);
    reference.free(a);
    return values;
  }
});
