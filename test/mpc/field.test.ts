import { isProbablyPrime } from "bigint-crypto-utils";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createField } from "../../mpc/field.ts";
import { fieldBits, fieldSpecs } from "../../mpc/vector/index.ts";

describe.each(fieldBits)("field of 2^%i - 1", (bits) => {
  const field = createField(bits);
  const p = fieldSpecs[bits].modulus;
  const element = fc.oneof(
    fc.bigInt({ min: 0n, max: p - 1n }),
    fc.constantFrom(0n, 1n, 2n, p - 1n, p - 2n, p >> 1n, (p >> 1n) + 1n),
  );

  it("has the prime modulus of the table, and limbs that hold it", async () => {
    expect(field.modulus).toBe(p);
    expect(await isProbablyPrime(p)).toBe(true);
    const { limbs, limbBits, elementBytes } = fieldSpecs[bits];
    expect(limbs * limbBits).toBeGreaterThanOrEqual(bits);
    expect((limbs - 1) * limbBits).toBeLessThan(bits);
    expect(elementBytes).toBe(4 * limbs);
  });

  it("obeys the field laws", () => {
    fc.assert(
      fc.property(element, element, element, (a, b, c) => {
        expect(field.add(a, b)).toBe((a + b) % p);
        expect(field.subtract(field.add(a, b), b)).toBe(a);
        expect(field.add(a, field.negate(a))).toBe(0n);
        expect(field.multiply(a, field.add(b, c))).toBe(
          field.add(field.multiply(a, b), field.multiply(a, c)),
        );
        expect(field.multiply(field.multiply(a, b), c)).toBe(field.multiply(a, field.multiply(b, c)));
        if (a !== 0n) expect(field.multiply(a, field.inverse(a))).toBe(1n);
        expect(field.power(a, 3n)).toBe(field.multiply(a, field.multiply(a, a)));
        expect(field.reduce(field.toSigned(a))).toBe(a);
      }),
    );
  });

  it("reduces any integer and keeps the sign of the signed one", () => {
    expect(field.reduce(-1n)).toBe(p - 1n);
    expect(field.reduce(p)).toBe(0n);
    expect(field.reduce(-p)).toBe(0n);
    expect(field.toSigned(p - 1n)).toBe(-1n);
    expect(field.toSigned(p >> 1n)).toBe(p >> 1n);
    expect(field.toSigned((p >> 1n) + 1n)).toBe(-(p >> 1n));
    expect([0n, p - 1n, -1n, p].map((x) => field.isElement(x))).toEqual([true, true, false, false]);
  });

  it("refuses to invert zero", () => {
    expect(() => field.inverse(0n)).toThrow(/zero has no inverse/);
    expect(() => field.inverse(p)).toThrow(/zero has no inverse/);
  });
});
