/** Arithmetic of the WASM kernel against the bigint reference, method by method, over all fields. */
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import {
  type ColumnsOf,
  type FieldArray,
  fieldBits,
  fieldSpecs,
  type Kernel,
} from "../../../mpc/vector/index.ts";
import { kernelPair, lengths } from "./kernel-pair.ts";

describe.each(fieldBits)("kernel of 2^%i - 1 against the reference", (bits) => {
  const { modulus: p } = fieldSpecs[bits];
  const { kernels, element, elements, agree, deterministicElements } = kernelPair(bits);
  let wasm: Kernel;
  let reference: Kernel;
  beforeAll(() => {
    ({ wasm, reference } = kernels);
  });
  // Factors with a short way of their own, and those next to them.
  const half = (p + 1n) / 2n;
  const short = [0n, 1n, 2n, 3n, 4n, 8n, 14n, 15n, 16n, half, 2n * half, half + 1n, p].flatMap((c) => [
    c,
    -c,
  ]);
  const scalar = fc.oneof(element, fc.bigInt({ min: -(p * p), max: p * p }), fc.constantFrom(...short));

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
});
