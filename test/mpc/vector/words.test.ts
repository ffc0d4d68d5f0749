/** Integers as 32-bit words: between the fields, at the edges, and against the reference. */
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import {
  createKernel,
  createReferenceKernel,
  type FieldBits,
  fieldBits,
  fieldSpecs,
  type Kernel,
} from "../../../mpc/vector/index.ts";
import { deterministicBytes } from "./deterministic.ts";

const kernels = new Map<FieldBits, Kernel>();
beforeAll(async () => {
  for (const bits of fieldBits) kernels.set(bits, await createKernel(bits));
});

/** Words of integers, plane after plane. */
function wordsOf(values: readonly bigint[], planes: number): Uint32Array {
  const words = new Uint32Array(planes * values.length);
  for (let q = 0; q < planes; q++)
    values.forEach((value, i) => {
      words[q * values.length + i] = Number(BigInt.asUintN(32, value >> BigInt(32 * q)));
    });
  return words;
}

const powers = Array.from({ length: 129 }, (_, j) => 1n << BigInt(j));
const edges = [
  0n,
  ...powers.flatMap((power) => [power - 1n, power, power + 1n]),
  ...fieldBits.flatMap((bits) => {
    const p = fieldSpecs[bits].modulus;
    return [p - 1n, p, p + 1n, 2n * p - 1n, 2n * p, 2n * p + 1n];
  }),
].filter((value) => value < 1n << 128n);

describe.each(fieldBits)("words in the field of 2^%i - 1", (bits) => {
  const p = fieldSpecs[bits].modulus;
  const own = Math.ceil(bits / 32);

  it("are the canonical values, whatever form the elements are in", () => {
    const values = edges.filter((value) => value < p);
    const kernel = kernels.get(bits)!;
    for (const k of [kernel, createReferenceKernel(bits)])
      for (const n of [0, 1, 2, 3, 4, 5, 7, values.length]) {
        const a = k.allocate(n);
        const one = k.allocate(n);
        const some = values.slice(values.length - n);
        k.fromBigints(a, some);
        expect(k.toWords(a)).toEqual(wordsOf(some, own));
        k.fill(one, p - 1n);
        // p - 1 + 1 is p, a loose form of zero.
        k.addScalar(one, one, 1n);
        expect(k.toWords(one)).toEqual(new Uint32Array(own * n));
        k.free(a);
        k.free(one);
      }
  });

  it("of up to 128 bits are reduced, at every edge and by every number of planes", () => {
    for (const k of [kernels.get(bits)!, createReferenceKernel(bits)])
      for (const planes of [1, 2, 3, 4]) {
        const values = edges.filter((value) => value < 1n << BigInt(32 * planes));
        values.push((1n << BigInt(32 * planes)) - 1n);
        const out = k.allocate(values.length);
        k.fromWords(out, wordsOf(values, planes), planes);
        expect(k.toBigints(out)).toEqual(values.map((value) => value % p));
        k.free(out);
      }
  });

  it("agree with the reference over more than one block, and in slices", () => {
    const n = 4099;
    const bytes = deterministicBytes(16 * n, bits);
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset, 4 * n);
    const [fast, slow] = [kernels.get(bits)!, createReferenceKernel(bits)].map((k) => {
      const whole = k.allocate(n + 6);
      k.fill(whole, 7n);
      const out = k.slice(whole, 3, n);
      k.fromWords(out, words, 4);
      const result = { values: k.toBigints(whole), words: k.toWords(k.slice(out, 1, n - 1)) };
      k.free(whole);
      return result;
    });
    expect(fast).toEqual(slow);
  });

  it.each(fieldBits)("carry integers into the field of 2^%i - 1", (other) => {
    const [from, to] = [kernels.get(bits)!, kernels.get(other)!];
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            fc.bigInt({ min: 0n, max: p - 1n }),
            fc.constantFrom(...edges.filter((value) => value < p)),
          ),
          { maxLength: 9 },
        ),
        (values) => {
          const a = from.allocate(values.length);
          const b = to.allocate(values.length);
          from.fromBigints(a, values);
          to.fromWords(b, from.toWords(a), own);
          expect(to.toBigints(b)).toEqual(values.map((value) => value % fieldSpecs[other].modulus));
          from.free(a);
          to.free(b);
        },
      ),
      { numRuns: 30 },
    );
  });

  it("refuse lengths that do not fit", () => {
    for (const k of [kernels.get(bits)!, createReferenceKernel(bits)]) {
      const two = k.allocate(2);
      const mismatch = expect.objectContaining({ code: "SHAPE_MISMATCH" });
      expect(() => k.fromWords(two, new Uint32Array(3), 2)).toThrow(mismatch);
      expect(() => k.fromWords(two, new Uint32Array(10), 5)).toThrow(mismatch);
      expect(() => k.fromWords(two, new Uint32Array(0), 0)).toThrow(mismatch);
      k.free(two);
    }
  });
});
