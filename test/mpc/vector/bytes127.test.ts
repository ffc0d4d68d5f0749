/** Bytes modulo 127: private comparison exhaustively and at its extremes, samplers, against the reference. */
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { type Bytes127, createReferenceBytes127, loadBytes127 } from "../../../mpc/vector/index.ts";
import { deterministicBytes } from "./deterministic.ts";

const reference = createReferenceBytes127();
let fast: Bytes127;
beforeAll(async () => {
  fast = await loadBytes127();
});

const mismatch = expect.objectContaining({ code: "SHAPE_MISMATCH" });

/** A stream of the given bytes, repeated; notes how much was drawn. */
function streamOf(bytes: Uint8Array): { draw: (length: number) => Uint8Array; drawn: number[] } {
  let at = 0;
  const drawn: number[] = [];
  return {
    drawn,
    draw: (length) => {
      drawn.push(length);
      const out = new Uint8Array(length);
      for (let i = 0; i < length; i++) out[i] = bytes[(at + i) % bytes.length]!;
      at += length;
      return out;
    },
  };
}

function uniform(length: number, seed: number): Uint8Array {
  const out = new Uint8Array(length);
  reference.sampleUniform(out, streamOf(deterministicBytes(length + 1000, seed)).draw);
  return out;
}

function nonzero(length: number, seed: number): Uint8Array {
  const out = new Uint8Array(length);
  reference.sampleNonzero(out, streamOf(deterministicBytes(length + 1000, seed)).draw);
  return out;
}

const bitsOf = (values: readonly bigint[], m: number): Uint8Array =>
  Uint8Array.from(
    values.flatMap((value) => Array.from({ length: m }, (_, i) => Number((value >> BigInt(i)) & 1n))),
  );

const pack = (bits: readonly number[]): Uint32Array => {
  const words = new Uint32Array(Math.ceil(bits.length / 32));
  bits.forEach((bit, e) => {
    words[e >>> 5]! |= bit << (e & 31);
  });
  return words;
};

/** Both parties' messages of a comparison of all pairs, made by both implementations, which must agree. */
function compareAll(
  a: readonly bigint[],
  r: readonly bigint[],
  coins: readonly number[],
  m: number,
  seed: number,
) {
  const n = a.length;
  const width = m + 1;
  const rFirst = uniform(n * m, seed);
  const rSecond = new Uint8Array(n * m);
  reference.subtract(rSecond, bitsOf(r, m), rFirst);
  const rotations = new Uint8Array(n);
  reference.sampleBelow(rotations, width, streamOf(deterministicBytes(2 * n + 100, seed + 1)).draw);
  const common = {
    aBits: bitsOf(a, m),
    coins: pack(coins),
    multipliers: nonzero(n * width, seed + 2),
    zeros: uniform(n * width, seed + 3),
    rotations,
    n,
    m,
  };
  return [true, false].map((isFirst) => {
    const [message, expected] = [fast, reference].map((bytes) => {
      const out = new Uint8Array(n * width);
      bytes.privateCompare(out, { ...common, rShare: isFirst ? rFirst : rSecond, isFirst });
      return out;
    });
    expect(message).toEqual(expected);
    return message!;
  }) as [Uint8Array, Uint8Array];
}

function expectComparison(a: bigint[], r: bigint[], coins: number[], m: number, seed: number): void {
  const [x, y] = compareAll(a, r, coins, m, seed);
  const n = a.length;
  const flags = fast.zeroFlags(x, y, n, m + 1);
  expect(flags).toEqual(reference.zeroFlags(x, y, n, m + 1));
  const wanted = pack(a.map((value, e) => Number(coins[e] === 0 ? r[e]! > value : r[e]! <= value)));
  expect(flags).toEqual(wanted);
  // At most one zero a row: the number of zeros says nothing more than whether there is one.
  const sum = new Uint8Array(x.length);
  fast.add(sum, x, y);
  for (let e = 0; e < n; e++) {
    const zeros = sum.subarray(e * (m + 1), (e + 1) * (m + 1)).filter((byte) => byte === 0).length;
    expect(zeros).toBe((wanted[e >>> 5]! >>> (e & 31)) & 1);
  }
}

describe("private comparison", () => {
  it.each([1, 2, 3, 4, 5])("of all numbers of %i bits, under both coins", (m) => {
    const [a, r, coins]: [bigint[], bigint[], number[]] = [[], [], []];
    for (let i = 0; i < 1 << m; i++)
      for (let j = 0; j < 1 << m; j++)
        for (const coin of [0, 1]) {
          a.push(BigInt(i));
          r.push(BigInt(j));
          coins.push(coin);
        }
    expectComparison(a, r, coins, m, m);
  });

  it.each([15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 65, 79, 80, 96, 112, 113, 123, 124])(
    "at the extremes of %i bits",
    (m) => {
      const top = (1n << BigInt(m)) - 1n;
      const alternating = top / 3n;
      const values = [0n, 1n, top, top - 1n, top >> 1n, (top >> 1n) + 1n, alternating, top - alternating];
      const [a, r, coins]: [bigint[], bigint[], number[]] = [[], [], []];
      for (const x of values)
        for (const y of values)
          for (const coin of [0, 1]) {
            a.push(x);
            r.push(y);
            coins.push(coin);
          }
      expectComparison(a, r, coins, m, m);
    },
  );

  it("of numbers that differ in few places, over several slices", () => {
    const [n, m] = [3001, 40];
    const bytes = deterministicBytes(8 * n, 9);
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const a = Array.from({ length: n }, (_, e) => view.getBigUint64(8 * e) >> 24n);
    const r = a.map((value, e) => (e % 5 === 0 ? value : value ^ (1n << BigInt(e % m))));
    expectComparison(
      a,
      r,
      a.map((value) => Number((value >> 7n) & 1n)),
      m,
      3,
    );
  });

  it("agrees with the reference on any shares", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 124 }),
        fc.integer({ min: 0, max: 70 }),
        fc.nat(1000),
        fc.boolean(),
        fc.constantFrom(0, 1, 126, undefined),
        (m, n, seed, isFirst, constant) => {
          const fillWith = (bytes: Uint8Array) => (constant === undefined ? bytes : bytes.fill(constant));
          const request = {
            aBits: uniform(n * m, seed).map((byte) => byte & 1),
            rShare: fillWith(uniform(n * m, seed + 1)),
            coins: pack([...uniform(n, seed + 2)].map((byte) => byte & 1)),
            multipliers: nonzero(n * (m + 1), seed + 3),
            zeros: fillWith(uniform(n * (m + 1), seed + 4)),
            rotations: uniform(n, seed + 5).map((byte) => byte % (m + 1)),
            n,
            m,
            isFirst,
          };
          const [one, two] = [fast, reference].map((bytes) => {
            const out = new Uint8Array(n * (m + 1));
            bytes.privateCompare(out, request);
            return out;
          });
          expect(one).toEqual(two);
        },
      ),
      { numRuns: 100 },
    );
  });

  it("keeps to bytes where every sum is as large as it can be", () => {
    // w_0 before it is reduced: 128 + 1 - 0 + 126 = 255 for the first party, 127 - 0 + 126 = 253 for the second.
    const request = {
      aBits: Uint8Array.of(1, 0),
      rShare: Uint8Array.of(0, 126),
      coins: Uint32Array.of(0),
      multipliers: new Uint8Array(3).fill(126),
      rotations: Uint8Array.of(0),
      n: 1,
      m: 2,
    };
    for (const isFirst of [true, false])
      for (const zero of [0, 1, 126])
        for (const coins of [Uint32Array.of(0), Uint32Array.of(1)])
          for (const rShare of [
            request.rShare,
            Uint8Array.of(126, 126),
            Uint8Array.of(0, 0),
            Uint8Array.of(126, 1),
          ]) {
            const all = { ...request, coins, rShare, isFirst, zeros: new Uint8Array(3).fill(zero) };
            const [one, two] = [fast, reference].map((bytes) => {
              const out = new Uint8Array(3);
              bytes.privateCompare(out, all);
              return out;
            });
            expect(one).toEqual(two);
            expect(fast.isCanonical(one!)).toBe(true);
          }
    const [low, high, out] = [new Uint8Array(33), new Uint8Array(33).fill(126), new Uint8Array(33)];
    fast.add(out, high, high);
    expect(out).toEqual(new Uint8Array(33).fill(125));
    fast.subtract(out, high, low);
    expect(out).toEqual(high);
    fast.subtract(out, low, high);
    expect(out).toEqual(new Uint8Array(33).fill(1));
    fast.subtract(out, high, high);
    expect(out).toEqual(low);
  });

  it("refuses shapes that do not fit, and a rotation beyond the row", () => {
    const good = {
      aBits: new Uint8Array(6),
      rShare: new Uint8Array(6),
      coins: new Uint32Array(1),
      multipliers: new Uint8Array(8),
      zeros: new Uint8Array(8),
      rotations: new Uint8Array(2),
      n: 2,
      m: 3,
      isFirst: true,
    };
    for (const bytes of [fast, reference]) {
      bytes.privateCompare(new Uint8Array(8), good);
      expect(() => bytes.privateCompare(new Uint8Array(7), good)).toThrow(mismatch);
      for (const wrong of [
        { aBits: new Uint8Array(5) },
        { rShare: new Uint8Array(7) },
        { coins: new Uint32Array(2) },
        { multipliers: new Uint8Array(6) },
        { zeros: new Uint8Array(9) },
        { rotations: new Uint8Array(3) },
        { rotations: Uint8Array.of(0, 4) },
        { n: 3 },
        { n: -1 },
        { m: 0 },
        { m: 125 },
      ])
        expect(() => bytes.privateCompare(new Uint8Array(8), { ...good, ...wrong })).toThrow(mismatch);
    }
  });
});

describe("samplers", () => {
  const samplers = [
    {
      name: "uniform",
      low: 0,
      high: 126,
      run: (b: Bytes127, out: Uint8Array, d: Draw) => b.sampleUniform(out, d),
    },
    {
      name: "nonzero",
      low: 1,
      high: 126,
      run: (b: Bytes127, out: Uint8Array, d: Draw) => b.sampleNonzero(out, d),
    },
    ...[1, 2, 3, 18, 34, 64, 65, 100, 127, 128].map((bound) => ({
      name: `below ${bound}`,
      low: 0,
      high: bound - 1,
      run: (b: Bytes127, out: Uint8Array, d: Draw) => b.sampleBelow(out, bound, d),
    })),
  ];
  type Draw = (length: number) => Uint8Array;

  it.each(samplers)("$name: the same values and the same draws as the reference", ({ low, high, run }) => {
    // The last streams hold many refused bytes: some slices give few values.
    const streams = [
      deterministicBytes(100_000, 1),
      Uint8Array.from({ length: 256 }, (_, i) => i),
      Uint8Array.from({ length: 1000 }, (_, i) => (i % 10 === 3 ? 5 % (high + 1) || high : 255)),
      Uint8Array.from({ length: 97 }, (_, i) => (i % 3 === 0 ? 127 : i % 3 === 1 ? 128 : 1)),
    ];
    for (const bytes of streams)
      for (const n of [0, 1, 15, 16, 17, 511, 40_000]) {
        const results = [fast, reference].map((b) => {
          const out = new Uint8Array(n);
          const { draw, drawn } = streamOf(bytes);
          run(b, out, draw);
          return { out, drawn };
        });
        expect(results[0]).toEqual(results[1]);
        for (const value of results[0]!.out)
          if (value < low || value > high) expect.unreachable(`${value} is outside ${low} .. ${high}`);
      }
  });

  it.each(samplers)("$name: every value as often as any other", ({ low, high, run }) => {
    // Each byte value equally often in the stream: each value must come out equally often.
    const counts = new Map<number, number>();
    const out = new Uint8Array(32_000);
    let at = 0;
    run(fast, out, (length) => Uint8Array.from({ length }, () => at++ & 255));
    for (const value of out) counts.set(value, (counts.get(value) ?? 0) + 1);
    expect(counts.size).toBe(high - low + 1);
    const all = [...counts.values()];
    // A run of the stream may end within its period.
    expect(Math.max(...all) - Math.min(...all)).toBeLessThanOrEqual(Math.ceil(256 / (high - low + 1)));
  });

  it("refuse a stream that gives less than was asked for, and bounds that bytes cannot have", () => {
    for (const b of [fast, reference]) {
      expect(() => b.sampleUniform(new Uint8Array(9), (n) => new Uint8Array(n - 1))).toThrow(mismatch);
      for (const bound of [0, -1, 129, 1.5])
        expect(() => b.sampleBelow(new Uint8Array(1), bound, (n) => new Uint8Array(n))).toThrow(mismatch);
    }
  });
});

describe("vectors of bytes", () => {
  const byte = fc.oneof(fc.integer({ min: 0, max: 126 }), fc.constantFrom(0, 1, 63, 64, 125, 126));

  it("add and subtract, also in place, over several slices", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(byte, byte), { maxLength: 70 }), (pairs) => {
        const a = Uint8Array.from(pairs, ([x]) => x);
        const b = Uint8Array.from(pairs, ([, y]) => y);
        for (const name of ["add", "subtract"] as const) {
          const [one, two, inPlace] = [new Uint8Array(a.length), new Uint8Array(a.length), a.slice()];
          fast[name](one, a, b);
          reference[name](two, a, b);
          fast[name](inPlace, inPlace, b);
          expect(one).toEqual(two);
          expect(inPlace).toEqual(two);
        }
      }),
    );
    const [x, y, out] = [uniform(100_001, 1), uniform(100_001, 2), new Uint8Array(100_001)];
    fast.add(out, x, y);
    fast.subtract(out, out, y);
    expect(out).toEqual(x);
  });

  it("are canonical when no byte exceeds 126", () => {
    for (const n of [0, 1, 15, 16, 17, 40, 70_000]) {
      const bytes = new Uint8Array(n).fill(126);
      for (const b of [fast, reference]) expect(b.isCanonical(bytes)).toBe(true);
      for (const at of [0, n >> 1, n - 1])
        for (const bad of [127, 128, 255]) {
          if (n === 0) continue;
          const copy = bytes.slice();
          copy[at] = bad;
          for (const b of [fast, reference]) expect(b.isCanonical(copy)).toBe(false);
        }
    }
  });

  it("are made of bit planes", () => {
    for (const n of [0, 1, 7, 8, 9, 31, 32, 33, 1000, 5000])
      for (const m of [1, 2, 15, 16, 17, 33, 124]) {
        const words = Math.ceil(n / 32);
        const bytes = deterministicBytes(4 * words * m + 4, n + m);
        const planes = Array.from({ length: m }, (_, j) =>
          Uint32Array.from({ length: words }, (_, w) =>
            new DataView(bytes.buffer, bytes.byteOffset).getUint32(4 * (words * j + w)),
          ),
        );
        const [one, two] = [fast, reference].map((b) => {
          const out = new Uint8Array(n * m);
          b.bitsToBytes(out, planes, n);
          return out;
        });
        expect(one).toEqual(two);
      }
    expect(() => fast.bitsToBytes(new Uint8Array(64), [new Uint32Array(1)], 33)).toThrow(mismatch);
    expect(() => fast.bitsToBytes(new Uint8Array(33), [new Uint32Array(1)], 33)).toThrow(mismatch);
  });

  it("have their zeros found wherever they lie, and none that is not there", () => {
    for (const width of [1, 2, 15, 16, 17, 34, 125])
      for (const n of [1, 31, 33, 700]) {
        const x = uniform(n * width, width);
        // y = -x + something nonzero, but for a zero at one place of some rows.
        const [y, difference] = [new Uint8Array(n * width), nonzero(n * width, n)];
        const wanted: number[] = [];
        for (let e = 0; e < n; e++) {
          wanted.push(e % 3 === 1 ? 1 : 0);
          if (e % 3 === 1) difference[e * width + (e % width)] = 0;
        }
        fast.subtract(y, difference, x);
        for (const b of [fast, reference]) expect(b.zeroFlags(x, y, n, width)).toEqual(pack(wanted));
      }
    for (const b of [fast, reference]) {
      expect(() => b.zeroFlags(new Uint8Array(4), new Uint8Array(5), 2, 2)).toThrow(mismatch);
      expect(() => b.zeroFlags(new Uint8Array(0), new Uint8Array(0), 0, 0)).toThrow(mismatch);
    }
  });
});
