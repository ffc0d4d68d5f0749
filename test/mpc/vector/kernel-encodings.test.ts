/** Integers, bits, bytes and numbers of the WASM kernel against the bigint reference, over all fields. */
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { type FieldArray, fieldBits, fieldSpecs, type Kernel } from "../../../mpc/vector/index.ts";
import { deterministicBytes } from "./deterministic.ts";
import { kernelPair, lengths } from "./kernel-pair.ts";

describe.each(fieldBits)("encodings of the kernel of 2^%i - 1", (bits) => {
  const { modulus: p, limbs, limbBits, elementBytes } = fieldSpecs[bits];
  const { kernels, edges, element, elements, agree, deterministicElements } = kernelPair(bits);
  let wasm: Kernel;
  let reference: Kernel;
  beforeAll(() => {
    ({ wasm, reference } = kernels);
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
});
