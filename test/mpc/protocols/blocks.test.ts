/** Protocols on vectors of several blocks, with the kernels that run them: pieces must fit together. */
import { describe, expect, it } from "vitest";
import { reduceDegree } from "../../../mpc/protocols/multiply.ts";
import { open } from "../../../mpc/protocols/open.ts";
import { truncate } from "../../../mpc/protocols/truncate.ts";
import { createKernel, type FieldBits, fieldBits, randomBlock } from "../../../mpc/vector/index.ts";
import { deal, randomSigned, reveal, threeParties, together } from "../three-parties.ts";

const sizes = [1, randomBlock - 1, randomBlock, randomBlock + 1, 2 * randomBlock + 3];

describe.each(fieldBits.map((bits) => [bits]))("blocks over p = 2^%i - 1", (bits: FieldBits) => {
  const half = Math.floor((bits - 24) / 2);

  it("products, truncated products and openings of every number of blocks", async () => {
    const parties = await threeParties(bits, { kernel: createKernel });
    for (const n of sizes) {
      const a = Array.from({ length: n }, () => randomSigned(half));
      const b = Array.from({ length: n }, () => randomSigned(half));
      const [as, bs] = [deal(parties, a), deal(parties, b)];
      const local = parties.map((party, i) => {
        const out = party.kernel.allocate(n);
        party.kernel.multiply(out, as[i], bs[i]);
        return out;
      });
      const products = await together(parties, (party, i) => reduceDegree(party, local[i]));
      const exact = a.map((x, j) => x * b[j]);
      expect(reveal(parties, products)).toEqual(exact);
      const opened = await together(parties, (party, i) => open(party, products[i], "test"));
      parties.forEach((party, i) => {
        const { modulus } = party.kernel.spec;
        expect(party.kernel.toBigints(opened[i])).toEqual(exact.map((x) => (x + modulus) % modulus));
      });
      const [shift, bitLength] = [12, 2 * half + 2];
      for (const degree of [1, 2] as const) {
        const values = degree === 1 ? products : local;
        const truncated = await together(parties, (party, i) =>
          truncate(party, { values: values[i], degree, shift, bitLength }),
        );
        const errors = reveal(parties, truncated).map((x, j) => Math.abs(Number((x << 12n) - exact[j])));
        expect(Math.max(...errors)).toBeLessThan(1.5 * 2 ** shift);
      }
    }
  });

  it("an altered share in the last block is noticed by every party that sees it", async () => {
    const parties = await threeParties(bits, { kernel: createKernel });
    const n = 2 * randomBlock + 5;
    const shares = deal(
      parties,
      Array.from({ length: n }, () => randomSigned(20)),
    );
    const { kernel } = parties[1];
    const last = kernel.slice(shares[1], n - 1, 1);
    kernel.addScalar(last, last, 1n);
    const outcomes = await Promise.allSettled(parties.map((party, i) => open(party, shares[i], "test")));
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({ status: "rejected", reason: { code: "SHARES_INCONSISTENT" } });
    }
  });

  it("rounds that free what they made leave memory as it was", async () => {
    const parties = await threeParties(bits, { kernel: createKernel });
    const n = 3 * randomBlock;
    const shares = deal(parties, new Array(n).fill(5n));
    const step = () =>
      together(parties, async (party, i) => {
        const { kernel } = party;
        const local = kernel.allocate(n);
        kernel.multiply(local, shares[i], shares[i]);
        const product = await reduceDegree(party, local);
        const value = await truncate(party, { values: local, degree: 2, shift: 1, bitLength: 20 });
        const opened = await open(party, product, "test");
        for (const a of [local, product, value, opened]) kernel.free(a);
      });
    // The roles rotate with three rounds.
    for (let i = 0; i < 3; i++) await step();
    const buffers = parties.map(({ kernel }, i) => kernel.planes(shares[i])[0]!.buffer);
    for (let i = 0; i < 12; i++) await step();
    // Growing the memory would have put another buffer in its place.
    parties.forEach(({ kernel }, i) => {
      expect(kernel.planes(shares[i])[0]!.buffer).toBe(buffers[i]);
    });
  });
});
