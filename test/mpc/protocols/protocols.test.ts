import { describe, expect, it } from "vitest";
import { addCost, type Cost } from "../../../mpc/cost.ts";
import {
  compare,
  compareCost,
  compareOpened,
  gateOpened,
  gateOpenedCost,
  openForComparison,
} from "../../../mpc/protocols/compare.ts";
import {
  type CompareRequest,
  comparisonDealing,
  comparisonDealtBytes,
} from "../../../mpc/protocols/comparison-dealing.ts";
import { openMaskedCost } from "../../../mpc/protocols/masked-opening.ts";
import { reduceDegree, reduceDegreeCost } from "../../../mpc/protocols/multiply.ts";
import { open, openCost } from "../../../mpc/protocols/open.ts";
import { truncate, truncateKeepingOpening, truncationOffset } from "../../../mpc/protocols/truncate.ts";
import { type FieldBits, fieldBits, fieldSpecs } from "../../../mpc/vector/index.ts";
import { costOf, protocolCostsOf } from "../measured-cost.ts";
import { deal, type Parties, randomSigned, reveal, threeParties, together } from "../three-parties.ts";

const measured = (parties: Parties): Cost => costOf(parties.map((p) => p.meter.measurement()));
const measuredByProtocol = (parties: Parties): Record<string, Cost> =>
  protocolCostsOf(parties.map((p) => p.meter.measurement()));

describe.each(fieldBits.map((bits) => [bits]))("protocols over p = 2^%i - 1", (bits: FieldBits) => {
  const { modulus, elementBytes } = fieldSpecs[bits];
  const edges = [0n, 1n, -1n, 2n, (modulus - 1n) / 2n, -(modulus - 1n) / 2n];

  it("opens what was shared, at the declared cost", async () => {
    const parties = await threeParties(bits);
    const shares = deal(parties, edges);
    const opened = await together(parties, (party, i) => open(party, shares[i], "test"));
    parties.forEach((party, i) => {
      const values = party.kernel.toBigints(opened[i]);
      expect(values).toEqual(edges.map((v) => ((v % modulus) + modulus) % modulus));
    });
    expect(measured(parties)).toEqual(openCost(edges.length, elementBytes, "test"));
  });

  it("multiplies any field elements, at the declared cost", async () => {
    const parties = await threeParties(bits);
    const a = edges.flatMap((x) => edges.map(() => x));
    const b = edges.flatMap(() => edges);
    const as = deal(parties, a);
    const bs = deal(parties, b);
    const products = await together(parties, (party, i) => {
      const local = party.kernel.allocate(a.length);
      party.kernel.multiply(local, as[i], bs[i]);
      return reduceDegree(party, local);
    });
    const expected = a.map((x, j) => (((x * b[j]) % modulus) + modulus) % modulus);
    const got = reveal(parties, products).map((x) => ((x % modulus) + modulus) % modulus);
    expect(got).toEqual(expected);
    expect(measured(parties)).toEqual(reduceDegreeCost(a.length, elementBytes));
  });

  it.each([1, 2] as const)("truncates degree %i within 1.5 units, mean error 0", async (degree) => {
    const parties = await threeParties(bits);
    const bitLength = bits - 24;
    const shift = 14;
    const limit = 1n << BigInt(bitLength);
    const x = [
      0n,
      1n,
      -1n,
      limit - 1n,
      -(limit - (1n << 14n)),
      ...Array.from({ length: 3000 }, () => randomSigned(bitLength - 1)),
    ];
    const shares = deal(parties, x);
    const ones = deal(
      parties,
      x.map(() => 1n),
    );
    const out = await together(parties, (party, i) => {
      const values = party.kernel.allocate(x.length);
      if (degree === 2) party.kernel.multiply(values, shares[i], ones[i]);
      else party.kernel.copy(values, shares[i]);
      return truncate(party, { values, degree, shift, bitLength });
    });
    const errors = reveal(parties, out).map((v, j) => Number((v << 14n) - x[j]) / 2 ** 14);
    expect(Math.max(...errors.map(Math.abs))).toBeLessThan(1.5);
    const mean = errors.reduce((s, e) => s + e, 0) / errors.length;
    // Standard error 0.5 / sqrt(3005) = 0.009; six of them: one false alarm in 10^9 runs.
    expect(Math.abs(mean)).toBeLessThan(0.055);
    expect(measured(parties)).toEqual(openMaskedCost(x.length, degree, elementBytes));
  });

  it("compares exactly with several thresholds, at the declared cost", async () => {
    const bitLength = bits - 26;
    const top = 1n << BigInt(bitLength);
    const thresholds = [0n, 5n, -top / 3n, top / 2n];
    const x = [
      ...thresholds.flatMap((t) => [t - 1n, t, t + 1n]),
      top - 1n,
      1n - top,
      ...Array.from({ length: 60 }, () => randomSigned(bitLength - 1)),
      ...Array.from({ length: 60 }, () => randomSigned(3)),
    ];
    const request: CompareRequest = { thresholds, bitLength, coarseBits: 0 };
    for (let round = 0; round < 3; round++) {
      const parties = await threeParties(bits);
      const shares = deal(parties, x);
      // Every rotation of the roles.
      for (let i = 0; i < round; i++) await together(parties, (party, j) => open(party, shares[j], "rotate"));
      const out = await together(parties, (party, i) => compare(party, shares[i], request));
      const expected = thresholds.flatMap((t) => x.map((v) => (v >= t ? 1n : 0n)));
      expect(reveal(parties, out)).toEqual(expected);
      const declared = compareCost(x.length, request, elementBytes);
      expect(measuredByProtocol(parties).compare).toEqual(declared);
    }
  });

  it("gates values by comparisons in two rounds after the opening, at the declared cost", async () => {
    const bitLength = 30;
    const thresholds = [-7n, 0n, 1n << 20n];
    const request: CompareRequest = { thresholds, bitLength, coarseBits: 0 };
    const x = [-8n, -7n, -6n, -1n, 0n, 1n, ...Array.from({ length: 50 }, () => randomSigned(21))];
    const y = Array.from({ length: x.length * thresholds.length }, (_, j) => edges[j % edges.length]);
    for (let round = 0; round < 3; round++) {
      const parties = await threeParties(bits);
      const xs = deal(parties, x);
      const ys = deal(parties, y);
      for (let i = 0; i < round; i++) await together(parties, (party, j) => open(party, xs[j], "rotate"));
      const out = await together(parties, async (party, i) => {
        const { opening, offset } = await openForComparison(party, xs[i], request);
        return reduceDegree(party, await gateOpened(party, opening, offset, request, ys[i]));
      });
      const expected = y.map((v, j) => {
        const open_ = x[j % x.length] >= thresholds[Math.floor(j / x.length)];
        return open_ ? ((v % modulus) + modulus) % modulus : 0n;
      });
      expect(reveal(parties, out).map((v) => ((v % modulus) + modulus) % modulus)).toEqual(expected);
      const dealt = comparisonDealtBytes(x.length, request);
      const declared = addCost(
        openMaskedCost(x.length, 1, elementBytes, dealt),
        gateOpenedCost(x.length, request, elementBytes),
      );
      expect(declared).toMatchObject({
        rounds: 3,
        openings: { "masked values": x.length, "masked bits": y.length },
      });
      expect(measuredByProtocol(parties)).toMatchObject({
        compare: declared,
        multiply: reduceDegreeCost(y.length, elementBytes),
      });
    }
  });

  it("compares with the opening of a truncation, coarsely near the thresholds", async () => {
    const parties = await threeParties(bits);
    const bitLength = bits - 26;
    const request: CompareRequest = { thresholds: [0n, 1n << 20n], bitLength, coarseBits: 8 };
    const x = Array.from({ length: 200 }, (_, j) => (j % 2 ? randomSigned(bitLength - 1) : randomSigned(21)));
    const shares = deal(parties, x);
    const ones = deal(
      parties,
      x.map(() => 1n),
    );
    const out = await together(parties, async (party, i) => {
      const values = party.kernel.allocate(x.length);
      party.kernel.multiply(values, shares[i], ones[i]);
      const { value, opening } = await truncateKeepingOpening(
        party,
        { values, degree: 2, shift: 12, bitLength },
        await comparisonDealing(request),
      );
      const bits_ = await compareOpened(party, opening, truncationOffset(12, bitLength), request);
      return { value, bits: bits_ };
    });
    reveal(
      parties,
      out.map((o) => o.value),
    ).forEach((v, j) => {
      expect(Math.abs(Number((v << 12n) - x[j])) / 4096).toBeLessThan(1.5);
    });
    const got = reveal(
      parties,
      out.map((o) => o.bits),
    );
    request.thresholds.forEach((t, k) => {
      x.forEach((v, j) => {
        const bit = got[k * x.length + j];
        if (v >= t + 512n) expect(bit).toBe(1n);
        else if (v < t - 512n) expect(bit).toBe(0n);
        else expect([0n, 1n]).toContain(bit);
      });
    });
  });
});
