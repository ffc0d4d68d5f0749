/**
 * What one party sees must not depend on the secrets. Each protocol runs many times on two different secrets.
 * The observed party has the same share, 0, of both, and the same two pair keys in all runs, so that its own
 * part of the view is fixed; fresh is only the key that it does not know. For every bit of every frame that
 * it receives, and of the sum of the two elements that its peers send it in one round, the frequencies of 1
 * are compared.
 *
 * False alarms: about 60,000 comparisons in all; a normal deviate beyond 7 has probability 2.6e-12, so one
 * run in five million fails by chance.
 */
import { modPow } from "bigint-crypto-utils";
import { describe, expect, it } from "vitest";
import type { SymbolonError } from "../../../mpc/errors.ts";
import type { Party } from "../../../mpc/party.ts";
import { and } from "../../../mpc/protocols/bits.ts";
import { compare, gateOpened, openForComparison } from "../../../mpc/protocols/compare.ts";
import { comparedBits } from "../../../mpc/protocols/comparison-dealing.ts";
import { convert } from "../../../mpc/protocols/convert.ts";
import { checkInputs, checkRange } from "../../../mpc/protocols/input-check.ts";
import { reduceDegree } from "../../../mpc/protocols/multiply.ts";
import { truncate } from "../../../mpc/protocols/truncate.ts";
import { embedCoefficient } from "../../../mpc/shamir.ts";
import { storeOf } from "../../../mpc/tables/row-store.ts";
import { type PartyIndex, partyIndices } from "../../../mpc/transport/transport.ts";
import { createReferenceKernel, type FieldArray } from "../../../mpc/vector/index.ts";
import { threeParties, together } from "../three-parties.ts";

const kernel = createReferenceKernel(61);
const otherKernel = createReferenceKernel(89);

type Protocol = (party: Party, x: FieldArray) => Promise<unknown>;

/** For each bit of each frame to the observer: how often it was 1. */
async function frequencies(
  protocol: Protocol,
  secret: bigint,
  observer: PartyIndex,
  runs: number,
): Promise<Map<string, number>> {
  const ones = new Map<string, number>();
  const count = (name: string, bytes: Uint8Array): void => {
    bytes.forEach((byte, i) => {
      for (let bit = 0; bit < 8; bit++) {
        const key = `${name} bit ${8 * i + bit}`;
        ones.set(key, (ones.get(key) ?? 0) + ((byte >> bit) & 1));
      }
    });
  };
  const known = new Map(partyIndices.map((peer) => [peer, new Uint8Array(32).fill(16 + peer)]));
  for (let run = 0; run < runs; run++) {
    const firstElement = new Map<number, bigint>();
    const parties = await threeParties(61, {
      kernel: () => kernel,
      pairSecret: (i, j) => (i === observer ? known.get(j) : j === observer ? known.get(i) : undefined),
      tap: (from, to, operation, bytes) => {
        if (to !== observer) return undefined;
        count(`${from}>${to} round ${operation}`, bytes);
        if (bytes.length >= 8) {
          const element = new DataView(bytes.buffer, bytes.byteOffset);
          const value = BigInt(element.getUint32(0, true)) + (BigInt(element.getUint32(4, true)) << 31n);
          const other = firstElement.get(operation);
          firstElement.set(operation, value);
          if (other !== undefined) {
            const sum = (value + other) % kernel.spec.modulus;
            const sumBytes = new Uint8Array(8);
            new DataView(sumBytes.buffer).setBigUint64(0, sum, true);
            count(`sum of round ${operation}`, sumBytes);
          }
        }
        return undefined;
      },
    });
    const shares = parties.map((party) => {
      const share = party.kernel.allocate(1);
      party.kernel.fromBigints(share, [
        secret * embedCoefficient(party.index, observer, kernel.spec.modulus),
      ]);
      return share;
    });
    await together(parties, (party, i) => protocol(party, shares[i]));
  }
  return ones;
}

const square: Protocol = async (party, x) => {
  const local = party.kernel.allocate(1);
  party.kernel.multiply(local, x, x);
  return reduceDegree(party, local);
};

const squareAndTruncate: Protocol = async (party, x) => {
  const values = party.kernel.allocate(1);
  party.kernel.multiply(values, x, x);
  return truncate(party, { values, degree: 2, shift: 8, bitLength: 24 });
};

const gate: Protocol = async (party, x) => {
  const request = { thresholds: [0n], bitLength: 12, coarseBits: 0 };
  const { opening, offset } = await openForComparison(party, x, request);
  return reduceDegree(party, await gateOpened(party, opening, offset, request, x));
};

/** One value of one seller. */
const inputs: Protocol = (party, x) => {
  const shares = storeOf(x, 1, 1, (start, length) => party.kernel.slice(x, start, length));
  return checkInputs(party, [{ name: "data set", shares, hasLabel: false, fracBits: 16 }]);
};

const nonsense: Protocol = (party, x) =>
  checkRange(party, x, -128n, 128n, coefficients).catch((error: SymbolonError) => {
    expect(error.code).toBe("INPUT_OUT_OF_RANGE");
  });

const coefficients = (bytes: number): Uint8Array => new Uint8Array(bytes).fill(0xa5);

const protocols: [string, Protocol, bigint, bigint, runs: number][] = [
  ["multiply", square, 0n, 1n, 200],
  ["multiply and truncate", squareAndTruncate, 0n, 4095n, 200],
  ["truncate", (p, x) => truncate(p, { values: x, degree: 1, shift: 8, bitLength: 24 }), -1n, 1n << 23n, 200],
  [
    "compare",
    (p, x) => compare(p, x, { thresholds: [0n, 100n], bitLength: 12, coarseBits: 0 }),
    -4000n,
    4000n,
    300,
  ],
  [
    "convert",
    (p, x) => convert(p, p.inField(otherKernel), { values: x, bitLength: 23 }),
    -(1n << 23n),
    1n << 23n,
    200,
  ],
  ["gate", gate, -4000n, 4000n, 300],
  ["input checks", inputs, 0n, 1n << 16n, 100],
  // Nonsense, too, is hidden: only that it is nonsense shows in the end.
  ["range check of nonsense", nonsense, 1n << 59n, (1n << 60n) + (1n << 58n), 100],
  ["range check", (p, x) => checkRange(p, x, -128n, 128n, coefficients), -128n, 128n, 100],
];

/** 1 / x modulo 127; 0 for 0. */
const inverse = (x: number): number => Number(modPow(BigInt(x), 125n, 127n));

describe("a party's view", () => {
  it.each(protocols)("of %s does not depend on the secret", async (_, protocol, a, b, runs) => {
    let worst = { key: "", deviation: 0 };
    for (const observer of partyIndices) {
      const first = await frequencies(protocol, a, observer, runs);
      const second = await frequencies(protocol, b, observer, runs);
      expect([...first.keys()].sort()).toEqual([...second.keys()].sort());
      for (const [key, onesA] of first) {
        const onesB = second.get(key)!;
        const p = (onesA + onesB) / (2 * runs);
        if (p === 0 || p === 1) continue;
        const deviation = Math.abs(onesA - onesB) / Math.sqrt(2 * runs * p * (1 - p));
        if (deviation > worst.deviation) worst = { key, deviation };
      }
    }
    expect(worst.deviation, worst.key).toBeLessThan(7);
  });

  it("of the search for a zero does not depend on the secret, the threshold or the place of the zero", async () => {
    // In the first round party 2 is the helper: it deals, and in the second it gets both parts of the search.
    const observer = 2;
    const request = { thresholds: [0n, 5n], bitLength: 8, coarseBits: 0 };
    const m = comparedBits(request);
    const runs = 600;
    const views = async (secret: bigint): Promise<Map<string, number>> => {
      const seen = new Map<string, number>();
      const add = (key: string, value: number): void => void seen.set(key, (seen.get(key) ?? 0) + value);
      const known = new Map(partyIndices.map((peer) => [peer, new Uint8Array(32).fill(16 + peer)]));
      for (let run = 0; run < runs; run++) {
        const parts: Uint8Array[] = [];
        const parties = await threeParties(61, {
          kernel: () => kernel,
          pairSecret: (i, j) => (i === observer ? known.get(j) : j === observer ? known.get(i) : undefined),
          tap: (_from, to, operation, bytes) => {
            if (to === observer && operation === 2) parts.push(bytes.slice());
            return undefined;
          },
        });
        const shares = parties.map((party) => {
          const share = party.kernel.allocate(1);
          party.kernel.fromBigints(share, [
            secret * embedCoefficient(party.index, observer, kernel.spec.modulus),
          ]);
          return share;
        });
        await together(parties, (party, i) => compare(party, shares[i], request));
        expect(parts.map((p) => p.length)).toEqual([2 * (m + 1), 2 * (m + 1)]);
        for (let j = 0; j < 2; j++) {
          let zeros = 0;
          for (let i = 0; i <= m; i++) {
            const at = j * (m + 1) + i;
            const w = (parts[0][at] + parts[1][at]) % 127;
            if (w === 0) zeros += 1;
            add(`threshold ${j} zero at ${i}`, w === 0 ? 1 : 0);
            add(`threshold ${j} small at ${i}`, w > 0 && w < 32 ? 1 : 0);
            for (let bit = 0; bit < 7; bit++) add(`threshold ${j} bit ${bit} at ${i}`, (w >> bit) & 1);
            // The parts have the same factor; without their masks its division would leave the shares of w.
            const ratio = (parts[0][at] * inverse(parts[1][at])) % 127;
            for (let bit = 0; bit < 7; bit++)
              add(`threshold ${j} ratio bit ${bit} at ${i}`, (ratio >> bit) & 1);
          }
          expect(zeros).toBeLessThanOrEqual(1);
          add(`threshold ${j} zeros`, zeros);
        }
      }
      return seen;
    };
    const all = [await views(-100n), await views(4n), await views(5n), await views(127n)];
    for (const key of all[0].keys()) {
      const counts = all.map((seen) => seen.get(key)!);
      const p = counts.reduce((sum, x) => sum + x, 0) / (all.length * runs);
      if (p === 0 || p === 1) continue;
      for (const count of counts) {
        expect(Math.abs(count - p * runs) / Math.sqrt(runs * p * (1 - p)), key).toBeLessThan(7);
      }
      // Half of the searches find a zero, anywhere.
      if (key.endsWith("zeros")) expect(Math.abs(p - 0.5)).toBeLessThan(0.1);
      if (/zero at \d+$/.test(key) && key.startsWith("threshold"))
        expect(Math.abs(p - 0.5 / (m + 1)), key).toBeLessThan(7 * Math.sqrt(0.06 / (4 * runs)));
    }
  });

  it("of a comparison's dealings is uniform at the second opener, which could subtract them from what it knows", async () => {
    const observer = 1;
    const dealt: number[] = [];
    const elements = new Set<string>();
    for (let run = 0; run < 40; run++) {
      const parties = await threeParties(61, {
        kernel: () => kernel,
        tap: (from, to, operation, bytes) => {
          if (to !== observer || from !== 2) return undefined;
          if (operation === 1) dealt.push(...bytes);
          if (operation === 3) elements.add(Buffer.from(bytes).toString("hex"));
          return undefined;
        },
      });
      const shares = parties.map((party) => party.kernel.allocate(1));
      await together(parties, (party, i) =>
        compare(party, shares[i], { thresholds: [0n], bitLength: 20, coarseBits: 0 }),
      );
    }
    expect(dealt.length).toBe(40 * 21);
    for (let value = 0; value < 127; value++) {
      const count = dealt.filter((b) => b === value).length;
      // Mean 6.6, deviation 2.6.
      expect(count, String(value)).toBeLessThan(7 * 2.6);
    }
    expect(elements.size).toBe(40);
  });

  it("of a range check's dealing is uniform at the second opener, bit plane by bit plane", async () => {
    const values = 32;
    const runs = 20;
    const ones: number[] = [];
    for (let run = 0; run < runs; run++) {
      const parties = await threeParties(61, {
        kernel: () => kernel,
        tap: (from, to, operation, bytes) => {
          // In the first round party 2 is the helper, and party 1 the second opener. A word is a plane.
          if (from !== 2 || to !== 1 || operation !== 1) return undefined;
          new Uint32Array(bytes.slice().buffer).forEach((word, plane) => {
            ones[plane] = (ones[plane] ?? 0) + word.toString(2).replaceAll("0", "").length;
          });
          return undefined;
        },
      });
      const shares = parties.map((party) => {
        const share = party.kernel.allocate(values);
        party.kernel.fill(share, 0n);
        return share;
      });
      await together(parties, (party, i) => checkRange(party, shares[i], -128n, 128n, coefficients));
    }
    // 15 products of the bits of each of 15 blocks, and the last bit. A product of four bits is 1 once in 16.
    expect(ones).toHaveLength(15 * 15 + 1);
    const [mean, deviation] = [(values * runs) / 2, Math.sqrt(values * runs) / 2];
    for (const count of ones) expect(Math.abs(count - mean)).toBeLessThan(7 * deviation);
  });

  it("of a conjunction does not depend on the bits", async () => {
    for (const observer of partyIndices) {
      for (const bit of [0, 1]) {
        let ones = 0;
        for (let run = 0; run < 30; run++) {
          const parties = await threeParties(61, {
            kernel: () => kernel,
            tap: (_from, to, _operation, bytes) => {
              if (to === observer)
                ones += new Uint32Array(bytes.slice().buffer)[0].toString(2).replaceAll("0", "").length;
              return undefined;
            },
          });
          // The component that the observer does not hold is the secret itself.
          const words = (excluded: PartyIndex): Uint32Array =>
            Uint32Array.of(excluded === observer && bit === 1 ? 0xffffffff : 0);
          await together(parties, (party) => {
            const shares = { next: words(party.next), previous: words(party.previous) };
            return and(party, shares, shares);
          });
        }
        // 960 fair bits: mean 480, deviation 15.5.
        expect(Math.abs(ones - 480)).toBeLessThan(7 * 15.5);
      }
    }
  });
});
