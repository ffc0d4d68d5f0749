/** Memory of the kernels: views, neighbours, growth, regions, and the allocator by itself. */
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import {
  createKernel,
  createReferenceKernel,
  type FieldArray,
  fieldBits,
  type Kernel,
} from "../../../mpc/vector/index.ts";
import { LinearMemory, type WasmMemory } from "../../../mpc/vector/memory.ts";
import { deterministicBytes } from "./deterministic.ts";

const internal = expect.objectContaining({ code: "INTERNAL" });

describe.each(fieldBits)("memory of the kernel of 2^%i - 1", (bits) => {
  let wasm: Kernel;
  let reference: Kernel;
  beforeAll(async () => {
    wasm = await createKernel(bits);
    reference = createReferenceKernel(bits);
  });
  const sentinel = 123_456_789n;

  it("writes through a slice touch nothing else", () => {
    const writes: ((k: Kernel, out: FieldArray, a: FieldArray, b: FieldArray) => void)[] = [
      (k, out, a) => k.copy(out, a),
      (k, out) => k.fill(out, 7n),
      (k, out, a, b) => k.add(out, a, b),
      (k, out, a, b) => k.subtract(out, a, b),
      (k, out, a) => k.negate(out, a),
      (k, out, a, b) => k.multiply(out, a, b),
      (k, out, a) => k.addScalar(out, a, 5n),
      (k, out, a) => k.multiplyScalar(out, a, 5n),
      (k, out, a, b) => k.multiplyAdd(out, a, 5n, b),
      (k, out, a) => k.shiftRight(out, a, 3),
      (k, out, a) =>
        k.gather(
          out,
          a,
          Uint32Array.from({ length: a.length }, (_, i) => a.length - 1 - i),
        ),
      (k, out) => k.fromRandomBytes(out, deterministicBytes(k.randomByteLength(out.length), 1)),
      (k, out, a) => k.addRandom(out, a, deterministicBytes(k.randomByteLength(out.length), 2)),
      (k, out, a) => k.subtractRandom(out, a, deterministicBytes(k.randomByteLength(out.length), 3)),
      (k, out, a, b) => void k.interpolate(out, a, b, a),
      (k, out) => k.canonicalise(out),
      (k, out, a) => k.decodeSlice(out, k.encode(a), 0),
      (k, out, a) => k.fromWords(out, k.toWords(a), Math.ceil(bits / 32)),
      (k, out) => k.fromBits(out, new Uint32Array(Math.ceil(out.length / 32)).fill(0xaaaaaaaa)),
      (k, out, a) => k.decode(out, k.encode(a)),
      (k, out, a) => k.fromBigints(out, k.toBigints(a)),
      (k, out) => k.fromNumbers(out, new Float64Array(out.length).fill(-1.5), 8),
      (k, out, a) => k.addRow(out, a, 1, a.length, a),
      (k, out, a) => k.multiplyRow(out, a, 1, a.length, a),
      (k, out, a, b) => k.multiplyColumn(out, a, a.length, 1, b),
      (k, out, a) => k.transpose(out, a, 1, a.length),
      (k, out, a) => k.sumColumns(out, a, 1, a.length),
      (k, out, a, b) => k.columnDots(out, a, b, 1, a.length),
      (k, out, a, b) => k.matvec(out, a, a.length, 1, k.slice(b, 0, 1)),
      (k, out, a, b) => k.matvecTransposed(out, a, 1, a.length, k.slice(b, 0, 1)),
      (k, out, a, b) => k.matmul(out, a, a.length, 1, k.slice(b, 0, 1), 1),
      (k, out, a, b) => k.matmul(out, k.slice(b, 0, 1), 1, 1, a, a.length),
      (k, out) => void k.toBigints(out),
      (k, out, a) => void k.equal(out, a),
    ];
    const room = 48;
    writes.forEach((write, w) => {
      for (const [start, length] of [
        [0, 1],
        [1, 1],
        [3, 2],
        [5, 3],
        [2, 5],
        [4, 4],
        [7, 9],
        [1, 33],
      ] as const) {
        const results = [wasm, reference].map((k) => {
          const region = k.beginRegion();
          const [whole, left, right] = [k.allocate(room), k.allocate(room), k.allocate(room)];
          k.fromBigints(
            left,
            Array.from({ length: room }, (_, i) => BigInt(i) - 9n),
          );
          k.fromRandomBytes(right, deterministicBytes(k.randomByteLength(room), 5));
          k.fill(whole, sentinel);
          write(k, k.slice(whole, start, length), k.slice(left, 2, length), k.slice(right, 3, length));
          const values = k.toBigints(whole);
          k.endRegion(region);
          return values;
        });
        expect([w, results[0]]).toEqual([w, results[1]]);
        const outside = results[0]!.filter((_, i) => i < start || i >= start + length);
        expect(outside).toEqual(Array(room - length).fill(sentinel));
      }
    });
  });

  it("a bad encoding leaves zeros in the array and nothing beside it", () => {
    for (const k of [wasm, reference]) {
      const whole = k.allocate(12);
      k.fill(whole, sentinel);
      const bytes = new Uint8Array(k.randomByteLength(5)).fill(255);
      expect(() => k.decode(k.slice(whole, 3, 5), bytes)).toThrow();
      const values = k.toBigints(whole);
      for (let i = 0; i < 12; i++) expect(values[i]).toBe(i >= 3 && i < 8 ? 0n : sentinel);
      k.free(whole);
    }
  });

  it("arrays survive growth, and zeros are zeros wherever they lie", async () => {
    const kernel = await createKernel(bits);
    const small = kernel.allocate(10);
    kernel.fill(small, sentinel);
    const before = kernel.wireParts(small)[0]!;
    const large = [200_000, 3_000_000].map((n) => {
      const a = kernel.allocateZeros(n);
      expect(kernel.isZero(a)).toBe(true);
      kernel.fill(a, -1n);
      return a;
    });
    // The old view is detached: this growth was real.
    expect(before.length).toBe(0);
    expect(kernel.toBigints(small)).toEqual(Array(10).fill(sentinel));
    expect(kernel.toNumbers(kernel.slice(large[1]!, 2_999_997, 3), 0)).toEqual(Float64Array.of(-1, -1, -1));
    for (const a of large) kernel.free(a);
    const again = kernel.allocateZeros(3_000_000);
    expect(kernel.isZero(again)).toBe(true);
    expect(kernel.encode(small).length).toBe(10 * kernel.spec.elementBytes);
  });

  it("fresh arrays are not zeros in tests, so that relying on it shows", async () => {
    for (const k of [await createKernel(bits), reference])
      for (const n of [1, 5, 9000]) {
        const a = k.allocate(n);
        expect(k.toBigints(a)).not.toContain(0n);
        k.fill(a, 0n);
        k.free(a);
        const again = k.allocate(n);
        expect(k.toBigints(again)).not.toContain(0n);
        k.free(again);
      }
  });

  it("regions free what they do not keep, and nest", () => {
    for (const k of [wasm, reference]) {
      const outside = k.allocate(3);
      const outer = k.beginRegion();
      const a = k.allocate(4);
      const inner = k.beginRegion();
      const b = k.allocate(5);
      const c = k.allocate(6);
      const d = k.allocate(0);
      k.fill(c, 9n);
      expect(() => k.endRegion(outer)).toThrow(internal);
      // c is kept through a view of it.
      k.endRegion(inner, [k.slice(c, 2, 2), outside]);
      expect(() => k.free(b)).toThrow(internal);
      expect(() => k.free(d)).toThrow(internal);
      expect(k.toBigints(c)).toEqual(Array(6).fill(9n));
      k.endRegion(outer, [a]);
      expect(() => k.free(c)).toThrow(internal);
      expect(() => k.endRegion(outer)).toThrow(internal);
      k.free(a);
      expect(() => k.free(a)).toThrow(internal);
      expect(() => k.free(k.slice(outside, 1, 1))).toThrow(internal);
      const last = k.beginRegion();
      expect(() => k.endRegion(last, [a])).toThrow(internal);
      k.endRegion(last);
      k.free(outside);
    }
  });

  it("a long region forgets what was freed in it, and frees what is left", () => {
    for (const k of [wasm, reference]) {
      const outer = k.beginRegion();
      const kept = k.allocate(3);
      const region = k.beginRegion();
      const early = k.allocate(7);
      for (let i = 0; i < 5000; i++) {
        const a = k.allocate(1 + (i % 3));
        if (i === 2500) k.fill(a, 1n);
        k.free(a);
      }
      const late = k.allocate(9);
      k.endRegion(region, [late, late]);
      expect(() => k.free(early)).toThrow(internal);
      k.fill(late, 4n);
      expect(k.toBigints(late)).toEqual(Array(9).fill(4n));
      k.endRegion(outer, [kept]);
      expect(() => k.free(late)).toThrow(internal);
      k.free(kept);
    }
  });

  it("gives memory back: a loop of regions does not grow", async () => {
    const kernel = await createKernel(bits);
    const sizes = [1, 30, 128, 500, 3840, 70_000];
    const cycle = () => {
      const region = kernel.beginRegion();
      const arrays = sizes.map((n) => kernel.allocate(n));
      const x = kernel.allocate(30);
      const y = kernel.allocate(128);
      kernel.matvec(y, arrays[4]!, 128, 30, x);
      kernel.matvecTransposed(x, arrays[4]!, 128, 30, y);
      kernel.extractBits(arrays[3]!, 0, 40);
      kernel.gather(arrays[1]!, arrays[2]!, new Uint32Array(30));
      kernel.endRegion(region);
    };
    cycle();
    const probe = kernel.allocate(1);
    const buffer = kernel.wireParts(probe)[0]!.buffer;
    for (let i = 0; i < 200; i++) cycle();
    expect(kernel.wireParts(probe)[0]!.buffer).toBe(buffer);
  });
});

describe("LinearMemory", () => {
  function fresh(maximum = 64): LinearMemory {
    const { Memory } = (
      globalThis as unknown as { WebAssembly: { Memory: new (options: object) => WasmMemory } }
    ).WebAssembly;
    return new LinearMemory(new Memory({ initial: 1, maximum }), 1000);
  }

  it("hands out aligned blocks that never overlap, and takes them all back", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(fc.oneof(fc.nat(300), fc.integer({ min: 300, max: 60_000 })), fc.boolean(), fc.nat()),
          { maxLength: 80 },
        ),
        (steps) => {
          const memory = fresh(256);
          const live: { ptr: number; size: number }[] = [];
          for (const [size, free, which] of steps) {
            if (free && live.length > 0) {
              const [gone] = live.splice(which % live.length, 1);
              memory.free(gone!.ptr, gone!.size);
            } else {
              const ptr = memory.allocate(size);
              expect(ptr % 64).toBe(0);
              expect(ptr).toBeGreaterThanOrEqual(1000);
              expect(ptr + size).toBeLessThanOrEqual(memory.bytes.length - 64);
              for (const other of live)
                expect(ptr + size <= other.ptr || other.ptr + other.size <= ptr).toBe(true);
              if (size === 0) for (const other of live) expect(ptr).not.toBe(other.ptr);
              live.push({ ptr, size });
            }
          }
          for (const { ptr, size } of live) memory.free(ptr, size);
          expect(memory.used).toBe(0);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("merges neighbours, so that a large block fits where small large ones were", () => {
    const memory = fresh(40);
    const blocks = Array.from({ length: 20 }, () => memory.allocate(100_000));
    expect(() => memory.allocate(1_000_000)).toThrow(expect.objectContaining({ code: "LIMIT_EXCEEDED" }));
    for (const i of [3, 5, 4, 1, 2, 0, 6, 7, 9, 8, 11, 10]) memory.free(blocks[i]!, 100_000);
    expect(memory.allocate(1_000_000)).toBe(blocks[0]);
  });

  it("hands out what was freed last again, small or large", () => {
    for (const size of [100, 100_000]) {
      const memory = fresh(40);
      const [a, b, c] = [memory.allocate(size), memory.allocate(size), memory.allocate(size)];
      memory.free(b, size);
      memory.free(a, size);
      expect(memory.allocate(size)).toBe(a);
      expect(memory.allocate(size)).toBe(b);
      memory.free(c, size);
      expect(memory.allocate(size)).toBe(c);
    }
  });

  it("takes the smallest block that fits", () => {
    const memory = fresh(40);
    const sizes = [300_000, 20_000, 100_000, 20_000, 120_000, 20_000];
    const blocks = sizes.map((size) => memory.allocate(size));
    for (const i of [0, 2, 4]) memory.free(blocks[i]!, sizes[i]!);
    // More frees than wait for their like: the three go back to the list.
    for (let i = 0; i < 30; i++) memory.free(memory.allocate(17_000 + 64 * i), 17_000 + 64 * i);
    expect(memory.allocate(110_000)).toBe(blocks[4]);
  });

  it("does not grow, whatever sizes alternate", () => {
    const memory = fresh(1000);
    const cycle = (seed: number) => {
      const live: [number, number][] = [];
      for (let i = 0; i < 60; i++) {
        const size = 1000 * (1 + ((seed * 31 + i * 17) % 97));
        live.push([memory.allocate(size), size]);
        if (i % 3 === 2) memory.free(...live.splice((seed + i) % live.length, 1)[0]!);
      }
      for (const [ptr, size] of live) memory.free(ptr, size);
    };
    for (let seed = 0; seed < 97; seed++) cycle(seed);
    const grown = memory.bytes.length;
    for (let seed = 0; seed < 970; seed++) cycle(seed % 97);
    expect(memory.bytes.length).toBe(grown);
    expect(memory.used).toBe(0);
  });

  it("refuses what does not fit", () => {
    const memory = fresh(8);
    memory.free(memory.allocate(10), 10);
    expect(() => memory.allocate(9 * 65536)).toThrow(expect.objectContaining({ code: "LIMIT_EXCEEDED" }));
    // The refusal did no harm.
    memory.free(memory.allocate(100), 100);
  });
});
