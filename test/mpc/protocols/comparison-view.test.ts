/**
 * What hides a comparison from its helper must be drawn anew for every row, threshold, position and comparison:
 * one draw that serves twice leaves each single number uniform and gives differences away. Here the openers'
 * draws are looked at where they are used, and the dealings on the wire.
 */
import { afterEach, describe, expect, it, vi } from "vitest";
import { compare, compareOpened, openForComparison } from "../../../mpc/protocols/compare.ts";
import { type CompareRequest, comparedBits } from "../../../mpc/protocols/comparison-dealing.ts";
import {
  byteModulus,
  createKernel,
  loadBytes127,
  type PrivateCompareRequest,
} from "../../../mpc/vector/index.ts";
import { deal, randomSigned, reveal, threeParties, together } from "../three-parties.ts";

const fieldBits = 89;
const request: CompareRequest = { thresholds: [0n, 1000n, -7n], bitLength: 30, coarseBits: 0 };
const m = comparedBits(request);
/** More than two slices of rows, and the last word of a bit plane is not full. */
const n = 2100;

interface Seen {
  /** What each opener put into its messages, in order: slice after slice, in each threshold after threshold. */
  readonly calls: PrivateCompareRequest[];
  /** To the second opener: the dealt bits of the first round, the dealt outcomes of the third. */
  readonly bits: Uint8Array;
  readonly outcomes: Uint8Array;
}

/** One comparison of n equal values by parties with fresh keys. */
async function run(comparisons: number): Promise<Seen[]> {
  const frames = new Map<number, Uint8Array>();
  const parties = await threeParties(fieldBits, {
    kernel: createKernel,
    tap: (from, to, operation, bytes) => {
      // The helper of round o is (o mod 3) + 1, and the second opener is the party before it.
      const helper = ((operation - ((operation - 1) % 4)) % 3) + 1;
      if (from === helper && to === ((helper + 1) % 3) + 1) frames.set(operation, bytes.slice());
      return undefined;
    },
  });
  const bytes127 = await loadBytes127();
  const original = bytes127.privateCompare.bind(bytes127);
  const calls: PrivateCompareRequest[] = [];
  vi.spyOn(bytes127, "privateCompare").mockImplementation((out, call) => {
    calls.push({
      ...call,
      multipliers: call.multipliers.slice(),
      zeros: call.zeros.slice(),
      rotations: call.rotations.slice(),
      coins: call.coins.slice(),
    });
    original(out, call);
  });
  const shares = deal(parties, new Array<bigint>(n).fill(5n));
  const seen: Seen[] = [];
  for (let c = 0; c < comparisons; c++) {
    calls.length = 0;
    await together(parties, (party, i) => compare(party, shares[i], request));
    seen.push({ calls: [...calls], bits: frames.get(4 * c + 1)!, outcomes: frames.get(4 * c + 3)! });
  }
  return seen;
}

afterEach(() => vi.restoreAllMocks());

/** The openers' common draws of one comparison, threshold after threshold, rows in order. */
function drawsOf({ calls }: Seen) {
  const first = calls.filter((call) => call.isFirst);
  const second = calls.filter((call) => !call.isFirst);
  expect(first.length).toBe(second.length);
  const copies = request.thresholds.length;
  const join = (list: PrivateCompareRequest[], part: "multipliers" | "zeros" | "rotations") =>
    Array.from({ length: copies }, (_, j) =>
      Buffer.concat(list.filter((_, i) => i % copies === j).map((call) => call[part])),
    );
  const coinsOf = (list: PrivateCompareRequest[]) =>
    Array.from({ length: copies }, (_, j) =>
      list
        .filter((_, i) => i % copies === j)
        .flatMap(({ coins, n: rows }) =>
          Array.from({ length: rows }, (_, e) => (coins[e >> 5] >>> (e & 31)) & 1),
        ),
    );
  for (const part of ["multipliers", "zeros", "rotations"] as const)
    expect(join(first, part)).toEqual(join(second, part));
  expect(coinsOf(first)).toEqual(coinsOf(second));
  return {
    factors: join(first, "multipliers"),
    masks: join(first, "zeros"),
    rotations: join(first, "rotations"),
    coins: coinsOf(first),
  };
}

/** How often two sequences agree, in standard deviations from what independent ones with `values` values do. */
function agreement(a: ArrayLike<number>, b: ArrayLike<number>, values: number): number {
  expect(a.length).toBe(b.length);
  let equal = 0;
  for (let i = 0; i < a.length; i++) if (a[i] === b[i]) equal += 1;
  const p = 1 / values;
  return Math.abs(equal - a.length * p) / Math.sqrt(a.length * p * (1 - p));
}

describe("the blinding of a comparison", () => {
  it("is drawn for each threshold, row, position and comparison by itself", async () => {
    const [one, other] = (await run(2)).map(drawsOf);
    const parts = [
      { name: "factors", values: 126, width: m + 1 },
      { name: "masks", values: 127, width: m + 1 },
      { name: "rotations", values: m + 1, width: 1 },
      { name: "coins", values: 2, width: 1 },
    ] as const;
    for (const { name, values, width } of parts) {
      const drawn = one[name];
      drawn.forEach((list, j) => {
        expect(list.length).toBe(n * width);
        // Neighbours, the same position of neighbouring rows, of other slices, thresholds and comparisons. A
        // deviation beyond 7 has probability 2.6e-12.
        const shifted = (by: number) => agreement(list.slice(by), list.slice(0, -by), values);
        expect(shifted(1), `${name}: neighbours`).toBeLessThan(7);
        if (width > 1) expect(shifted(width), `${name}: rows`).toBeLessThan(7);
        expect(shifted(1024 * width), `${name}: slices`).toBeLessThan(7);
        for (let k = j + 1; k < drawn.length; k++)
          expect(agreement(list, drawn[k], values), `${name}: thresholds`).toBeLessThan(7);
        expect(agreement(list, other[name][j], values), `${name}: comparisons`).toBeLessThan(7);
      });
    }
    for (const list of one.factors) expect(Math.min(...list)).toBeGreaterThan(0);
    for (const list of [...one.factors, ...one.masks]) expect(Math.max(...list)).toBeLessThan(byteModulus);
    for (const list of one.rotations) {
      expect(Math.max(...list)).toBeLessThanOrEqual(m);
      expect(new Set(list).size).toBe(m + 1);
    }
  });

  it("pads each dealt bit and each dealt outcome by itself", async () => {
    const [one, other] = await run(2);
    expect(one.bits.length).toBe(n * m);
    for (const by of [1, m, 1024 * m]) {
      expect(agreement(one.bits.slice(by), one.bits.slice(0, -by), byteModulus)).toBeLessThan(7);
    }
    expect(agreement(one.bits, other.bits, byteModulus)).toBeLessThan(7);
    // Low limbs of the elements: 30 bits each, so that equal ones are rare.
    const limbs = ({ outcomes }: Seen) =>
      new Uint32Array(outcomes.slice().buffer, 0, n * request.thresholds.length);
    const all = [...limbs(one), ...limbs(other)];
    expect(all.length - new Set(all).size).toBeLessThan(5);
  });

  it("serves one search for zeros alone", async () => {
    const parties = await threeParties(fieldBits, { kernel: createKernel });
    const shares = deal(
      parties,
      Array.from({ length: 3 }, () => randomSigned(20)),
    );
    const again = together(parties, async (party, i) => {
      const { opening, offset } = await openForComparison(party, shares[i], request);
      await compareOpened(party, opening, offset, request);
      await compareOpened(party, opening, offset, request);
    });
    await expect(again).rejects.toMatchObject({ code: "INTERNAL" });
  });
});

describe("a comparison that its field has no room for", () => {
  const refused: [string, CompareRequest, string][] = [
    ["values without room for a mask", { thresholds: [0n], bitLength: 86, coarseBits: 0 }, "RANGE_EXCEEDED"],
    ["a threshold near p", { thresholds: [1n << 88n], bitLength: 40, coarseBits: 0 }, "RANGE_EXCEEDED"],
    ["a negative one", { thresholds: [-(1n << 87n)], bitLength: 40, coarseBits: 0 }, "RANGE_EXCEEDED"],
    [
      "more bits dropped than there are",
      { thresholds: [0n], bitLength: 40, coarseBits: 90 },
      "SHAPE_MISMATCH",
    ],
    ["no threshold", { thresholds: [], bitLength: 40, coarseBits: 0 }, "SHAPE_MISMATCH"],
  ];
  it.each(refused)("is refused: %s", async (_, asked, code) => {
    const parties = await threeParties(fieldBits, { kernel: createKernel });
    const shares = deal(parties, [1n]);
    const run = together(parties, (party, i) => compare(party, shares[i], asked));
    await expect(run).rejects.toMatchObject({ code });
    expect(parties.map((party) => party.meter.rounds)).toEqual([0, 0, 0]);
  });

  it("but the widest values and thresholds that fit are compared right", async () => {
    const limit = 1n << 85n;
    const asked = { thresholds: [0n, limit, -limit, limit - 1n], bitLength: 85, coarseBits: 0 };
    const x = [0n, -1n, limit - 1n, 1n - limit, limit - 2n, 12345n, -98765n];
    const parties = await threeParties(fieldBits, { kernel: createKernel });
    const shares = deal(parties, x);
    const bits = await together(parties, (party, i) => compare(party, shares[i], asked));
    expect(reveal(parties, bits)).toEqual(asked.thresholds.flatMap((t) => x.map((v) => (v >= t ? 1n : 0n))));
  });
});
