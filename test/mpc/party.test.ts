import { describe, expect, it } from "vitest";
import { compare } from "../../mpc/protocols/compare.ts";
import { deal, randomSigned, reveal, threeParties, together } from "./three-parties.ts";

describe("kept buffers", () => {
  it("are copies, and no two of them overlap", async () => {
    const [party] = await threeParties();
    const received = Uint8Array.of(1, 2, 3);
    const [one, two] = [party.keep(received), party.keep(received)];
    received.fill(9);
    two[0] = 7;
    expect([...one]).toEqual([1, 2, 3]);
    expect([...two]).toEqual([7, 2, 3]);
  });

  it("are filled again once they are given back, where they are large enough", async () => {
    const [party] = await threeParties();
    const kept = party.keep(new Uint8Array(100).fill(1));
    party.discard(kept);
    const shorter = party.keep(Uint8Array.of(5, 6));
    expect(shorter.buffer).toBe(kept.buffer);
    expect([...shorter]).toEqual([5, 6]);
    party.discard(shorter);
    expect(party.keep(new Uint8Array(100)).buffer).toBe(kept.buffer);
  });

  it("make way for larger ones", async () => {
    const [party] = await threeParties();
    const small = party.keep(new Uint8Array(10));
    party.discard(small);
    const larger = party.keep(new Uint8Array(11));
    expect(larger.buffer).not.toBe(small.buffer);
    expect(party.keep(new Uint8Array(10)).buffer).not.toBe(small.buffer);
  });

  it("do not mix comparisons of several sizes, in turn and in shared rounds", async () => {
    const parties = await threeParties();
    const request = { thresholds: [0n], bitLength: 20, coarseBits: 0 };
    for (const sizes of [[40], [3, 70, 40], [70, 1]]) {
      const values = sizes.map((n) => Array.from({ length: n }, () => randomSigned(19)));
      const shares = values.map((list) => deal(parties, list));
      const bits = await together(parties, (party, i) =>
        party.together(sizes.map((_, task) => () => compare(party, shares[task][i], request))),
      );
      for (const [task, list] of values.entries()) {
        const found = reveal(parties, [bits[0][task], bits[1][task], bits[2][task]]);
        expect(found).toEqual(list.map((x) => (x >= 0n ? 1n : 0n)));
      }
    }
  });
});
