import { describe, expect, it } from "vitest";
import { floor, floorCost } from "../../../mpc/protocols/floor.ts";
import { type FieldBits, fieldBits, fieldSpecs } from "../../../mpc/vector/index.ts";
import { costOf } from "../measured-cost.ts";
import { deal, randomSigned, reveal, threeParties, together } from "../three-parties.ts";

describe.each(fieldBits)("exact truncation over p = 2^%i - 1", (field: FieldBits) => {
  it.each([
    [1, 8],
    [12, 30],
    [20, 20],
    [16, field - 4],
  ])(
    "drops %i bits of values of %i bits towards minus infinity, at the declared cost",
    async (shift, bitLength) => {
      const parties = await threeParties(field);
      const [unit, limit] = [1n << BigInt(shift), 1n << BigInt(bitLength)];
      const edges = [0n, 1n, -1n, unit, -unit, unit - 1n, 1n - unit, unit + 1n, limit - 1n, 1n - limit];
      const x = [
        ...edges.filter((v) => v < limit && v > -limit),
        ...Array.from({ length: 400 }, () => randomSigned(bitLength - 1)),
        // Multiples of the unit, where the truncation is most often wrong.
        ...Array.from({ length: 200 }, (_, i) => (BigInt(i - 100) * unit) % limit),
      ];
      const shares = deal(parties, x);
      const out = await together(parties, (party, i) => floor(party, shares[i], { shift, bitLength }));
      expect(reveal(parties, out)).toEqual(x.map((v) => v >> BigInt(shift)));
      const measured = costOf(parties.map((p) => p.meter.measurement()));
      expect(measured).toEqual(floorCost(x.length, shift, fieldSpecs[field].elementBytes));
      expect(measured.rounds).toBe(5);
    },
  );
});
