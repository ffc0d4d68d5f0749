import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { convertDistance } from "../../../mpc/protocols/convert.ts";
import { dataDistance, dataFieldBits } from "../../../parties/data/field.ts";

describe("the field of a data set", () => {
  it.each([
    [1, 16, 89],
    [2 ** 20, 16, 89],
    [2 ** 20 + 1, 16, 107],
    [2 ** 16, 20, 89],
    [1e8, 16, 107],
    [1, 37, 107],
    [2 ** 30, 40, 127],
  ])("for %i values with %i fractional bits is of %i bits", (values, fracBits, expected) => {
    expect(dataFieldBits(values, fracBits)).toBe(expected);
  });

  it("keeps the conversion of the whole data set below 2^-50, and is never that of 61 bits", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 2 ** 30 }),
        fc.integer({ min: 1, max: 40 }),
        (values, fracBits) => {
          const field = dataFieldBits(values, fracBits);
          expect(field).toBeGreaterThan(61);
          expect(convertDistance(values, fracBits, field)).toBeLessThanOrEqual(dataDistance);
          if (field > 89) {
            const smaller = field === 127 ? 107 : 89;
            expect(convertDistance(values, fracBits, smaller)).toBeGreaterThan(dataDistance);
          }
        },
      ),
    );
  });
});
