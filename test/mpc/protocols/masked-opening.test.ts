/** The masks that hide values statistically: as wide as the declared distance rests on, and never used twice. */
import { describe, expect, it } from "vitest";
import { openMasked } from "../../../mpc/protocols/masked-opening.ts";
import { createKernel, type FieldBits, fieldBits } from "../../../mpc/vector/index.ts";
import { deal, threeParties, together } from "../three-parties.ts";

const n = 400;

describe.each(fieldBits.map((bits) => [bits]))("masks over p = 2^%i - 1", (bits: FieldBits) => {
  it.each([1, 2] as const)("of degree %i are uniform below 2^(k-2)", async (degree) => {
    const parties = await threeParties(bits, { kernel: createKernel });
    const shares = deal(
      parties,
      Array.from({ length: n }, () => 0n),
    );
    const openings = await together(parties, (party, i) =>
      party.openingRound("test", (operation) =>
        openMasked(party, operation, { values: shares[i], degree, mask: "statistical", offset: 0n }),
      ),
    );
    const read = (name: "opened" | "firstMask" | "secondMask"): bigint[] => {
      const known = openings.flatMap((opening, i) =>
        opening[name] === undefined ? [] : [parties[i].kernel.toBigints(opening[name])],
      );
      expect(known).toHaveLength(2);
      expect(known[0]).toEqual(known[1]);
      return known[0];
    };
    const [first, second, opened] = (["firstMask", "secondMask", "opened"] as const).map(read);
    // The sum of both, without reduction: what an opener does not know hides the value.
    expect(opened).toEqual(first.map((r, i) => r + second[i]));
    for (const mask of [first, second]) {
      expect(mask.every((r) => r >= 0n && r < 1n << BigInt(bits - 2))).toBe(true);
      // Of 400 uniform values the uppermost bits are 1 in 200 +- 10; 8 deviations, once in 10^14 runs of a bit.
      for (let bit = bits - 3; bit > bits - 13; bit--) {
        const ones = mask.filter((r) => (r >> BigInt(bit)) & 1n).length;
        expect(Math.abs(ones - n / 2)).toBeLessThan(80);
      }
      expect(new Set(mask).size).toBe(n);
    }
    // Another round's are others.
    const again = await together(parties, (party, i) =>
      party.openingRound("test", (operation) =>
        openMasked(party, operation, { values: shares[i], degree, mask: "statistical", offset: 0n }),
      ),
    );
    const others = again.flatMap(({ firstMask, secondMask }, i) =>
      [firstMask, secondMask].flatMap((a) => (a === undefined ? [] : parties[i].kernel.toBigints(a))),
    );
    const old = new Set([...first, ...second]);
    expect(others.some((r) => old.has(r))).toBe(false);
  });
});
