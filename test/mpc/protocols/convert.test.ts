/** Changing the field: three parties, every pair of fields, values at the edge of the range. */
import { beforeAll, describe, expect, it } from "vitest";
import { costSince } from "../../../mpc/cost.ts";
import { SymbolonError } from "../../../mpc/errors.ts";
import type { Party } from "../../../mpc/party.ts";
import { convert, convertCost, convertDistance } from "../../../mpc/protocols/convert.ts";
import { open } from "../../../mpc/protocols/open.ts";
import { partyIndices } from "../../../mpc/transport/transport.ts";
import {
  createKernel,
  createReferenceKernel,
  type FieldBits,
  fieldBits,
  fieldSpecs,
  type Kernel,
} from "../../../mpc/vector/index.ts";
import { expectDeclared } from "../measured-cost.ts";
import { deal, type Parties, randomSigned, reveal, threeParties, together } from "../three-parties.ts";

const pairs = fieldBits.flatMap((from) => fieldBits.map((to) => [from, to] as [FieldBits, FieldBits]));
const kernels = new Map<FieldBits, Kernel>();

beforeAll(async () => {
  for (const bits of fieldBits) kernels.set(bits, await createKernel(bits));
});

const inField = (parties: Parties, kernel: (bits: FieldBits) => Kernel, bits: FieldBits): Parties =>
  parties.map((party) => party.inField(kernel(bits))) as Parties;

describe.each(pairs)("from 2^%i - 1 to 2^%i - 1", (from, to) => {
  const bitLength = Math.min(from, to) - 4;
  const edge = 1n << BigInt(bitLength);
  const x = [
    ...[0n, 1n, -1n, edge, -edge, edge - 1n, 1n - edge],
    ...Array.from({ length: 70 }, () => randomSigned(bitLength - 1)),
    ...Array.from({ length: 10 }, () => randomSigned(17)),
  ];

  it.each([
    ["reference", createReferenceKernel],
    ["WebAssembly", (bits: FieldBits) => kernels.get(bits)!],
  ] as const)("keeps every value with the %s kernel, at the declared cost", async (_, kernel) => {
    for (let rotation = 0; rotation < 3; rotation++) {
      const parties = await threeParties(from, { kernel });
      const targets = inField(parties, kernel, to);
      const shares = deal(parties, x);
      for (let i = 0; i < rotation; i++) await together(parties, (p) => p.round("nothing", async () => {}));
      const before = parties.map(({ meter }) => meter.measurement());
      const out = await together(parties, (party, i) =>
        convert(party, targets[i]!, { values: shares[i]!, bitLength }),
      );
      expect(reveal(targets, out)).toEqual(x);
      const after = targets.map(({ meter }, i) => costSince(before[i]!, meter.measurement()));
      const declared = convertCost(x.length, fieldSpecs[from].elementBytes);
      expectDeclared(after, { ...declared, protocols: { convert: declared } });
    }
  });

  it("refuses values that one of the fields has no room for", async () => {
    const parties = await threeParties(from);
    const targets = inField(parties, createReferenceKernel, to);
    const shares = deal(parties, [0n]);
    for (const wrong of [bitLength + 1, -1, 1.5]) {
      for (const [i, party] of parties.entries()) {
        const refused = convert(party, targets[i]!, { values: shares[i]!, bitLength: wrong });
        await expect(refused).rejects.toMatchObject({ code: "RANGE_EXCEEDED" });
      }
    }
  });
});

describe("a party in two fields", () => {
  it("numbers the rounds of both in one sequence and counts them together", async () => {
    const parties = await threeParties(89);
    const wide = inField(parties, createReferenceKernel, 127);
    const narrow = deal(parties, [-5n]);
    const converted = await together(parties, (party, i) =>
      convert(party, wide[i]!, { values: narrow[i]!, bitLength: 20 }),
    );
    const opened = await together(wide, (party, i) => open(party, converted[i]!, "value"));
    const again = await together(parties, (party, i) => open(party, narrow[i]!, "value"));
    expect(wide[0].kernel.toBigints(opened[0])).toEqual([fieldSpecs[127].modulus - 5n]);
    expect(parties[0].kernel.toBigints(again[0])).toEqual([fieldSpecs[89].modulus - 5n]);
    for (const [i] of partyIndices.entries()) {
      expect(parties[i]!.nextOperation).toBe(4);
      expect(wide[i]!.nextOperation).toBe(4);
      expect(wide[i]!.meter).toBe(parties[i]!.meter);
      expect(wide[i]!.meter.rounds).toBe(3);
    }
  });

  it("does not run a round in each at once", async () => {
    const [party] = await threeParties(89);
    const other: Party = party.inField(createReferenceKernel(107));
    await party.round("nothing", async () => {
      await expect(other.round("nothing", async () => {})).rejects.toBeInstanceOf(SymbolonError);
    });
  });
});

describe("the distance of a conversion", () => {
  it("is two values' worth of range over the mask's, for each value", () => {
    // A value of 16 fractional bits in [-1, 1] spans 2^17; masks in the field of 89 bits span 2^87.
    expect(convertDistance(1, 16, 89)).toBe(2 ** -70);
    expect(convertDistance(2 ** 20, 16, 89)).toBe(2 ** -50);
    expect(convertDistance(1, 16, 61)).toBe(2 ** -42);
  });
});
