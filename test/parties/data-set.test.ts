import { createCipheriv } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { PartyIndex } from "../../mpc/transport/transport.ts";
import { createKernel, createReferenceKernel, type FieldBits, fieldBits } from "../../mpc/vector/index.ts";
import {
  ciphertextHash,
  dataSetShareBytes,
  decodeShare,
  encodeShare,
  MatrixSharer,
  reconstructMatrix,
  rowsPerBlock,
  type ShareFormat,
  shareBlocks,
  shareMatrix,
} from "../../parties/data-set.ts";

const kernels = Object.fromEntries(fieldBits.map((bits) => [bits, createReferenceKernel(bits)])) as Record<
  FieldBits,
  ReturnType<typeof createReferenceKernel>
>;
const encoding = expect.objectContaining({ code: "FIELD_ENCODING" });
const shape = expect.objectContaining({ code: "SHAPE_MISMATCH" });

describe("a shared matrix", () => {
  it.each(fieldBits)("comes back from its three shares, in the field of %i bits", (bits) => {
    const kernel = kernels[bits];
    const value = fc.double({ min: -1, max: 1, noNaN: true });
    fc.assert(
      fc.property(
        fc
          .integer({ min: 1, max: 5 })
          .chain((cols) =>
            fc.tuple(
              fc.constant(cols),
              fc.array(fc.array(value, { minLength: cols, maxLength: cols }), { minLength: 1, maxLength: 8 }),
            ),
          ),
        fc.integer({ min: 1, max: 30 }),
        ([cols, rows], fracBits) => {
          const matrix = Float64Array.from(rows.flat());
          const shares = shareMatrix(kernel, matrix, rows.length, cols, fracBits);
          shares.forEach((bytes, i) => {
            const point = (i + 1) as PartyIndex;
            expect(bytes.length).toBe(dataSetShareBytes(kernel.spec, rows.length, cols, point));
          });
          const back = reconstructMatrix(kernel, shares, { rows: rows.length, cols, fracBits, seeded: true });
          back.forEach((number, at) => {
            expect(Math.abs(number - matrix[at]!)).toBeLessThanOrEqual(2 ** -(fracBits + 1));
          });
        },
      ),
      { numRuns: 30 },
    );
  });

  it("is written in blocks of whole rows, also when the last is short or a row is longer than a block", () => {
    const kernel = kernels[61];
    for (const [rows, cols] of [
      [2 ** 15 + 3, 3],
      [2, 2 ** 16 + 1],
    ] as const) {
      const matrix = Float64Array.from({ length: rows * cols }, (_, at) => at % 1009);
      const shares = shareMatrix(kernel, matrix, rows, cols, 4);
      expect(reconstructMatrix(kernel, shares, { rows, cols, fracBits: 4, seeded: true })).toEqual(matrix);
    }
  });

  it("lies on the points 1, 2, 3 of a line through the secret", () => {
    const kernel = kernels[127];
    const shares = shareMatrix(kernel, new Float64Array([-0.5, 1]), 1, 2, 16);
    const [one, two, three] = shares.map((bytes, index) => {
      const format = { rows: 1, cols: 2, fracBits: 16, point: (index + 1) as PartyIndex, seeded: true };
      return kernel.toBigints(decodeShare(kernel, bytes, format));
    }) as [bigint[], bigint[], bigint[]];
    const p = kernel.spec.modulus;
    const mod = (value: bigint) => ((value % p) + p) % p;
    const secrets = [p - 2n ** 15n, 2n ** 16n];
    for (const at of [0, 1]) {
      expect(mod(2n * one[at]! - two[at]!)).toBe(secrets[at]);
      expect(mod(one[at]! - 2n * two[at]! + three[at]!)).toBe(0n);
      expect(one[at]).not.toBe(two[at]);
    }
  });

  it("has single shares that look the same for any secret", () => {
    // Top bits of 4000 shares of 0 and of 1 at each point: a uniform bit lies within 5 standard deviations
    // (158) of 2000 but for 6e-7 of runs, for six counts less than 4e-6.
    const kernel = kernels[61];
    for (const secret of [0, 1]) {
      const shares = shareMatrix(kernel, new Float64Array(4000).fill(secret), 4000, 1, 16);
      shares.forEach((bytes, index) => {
        const point = (index + 1) as PartyIndex;
        const format = { rows: 4000, cols: 1, fracBits: 16, point, seeded: true };
        const high = kernel
          .toBigints(decodeShare(kernel, bytes, format))
          .filter((share) => share >> 60n).length;
        expect(Math.abs(high - 2000)).toBeLessThan(158);
      });
    }
  });

  it("is shared afresh each time", () => {
    const kernel = kernels[89];
    const hashes = [1, 2].flatMap(() =>
      shareMatrix(kernel, new Float64Array(3), 3, 1, 8).map(ciphertextHash),
    );
    expect(new Set(hashes).size).toBe(6);
  });

  it("notices a share that was altered, in any of the three", () => {
    const kernel = kernels[127];
    const format = { rows: 2, cols: 2, fracBits: 16, seeded: true };
    for (const victim of [0, 1, 2]) {
      const shares = shareMatrix(kernel, new Float64Array([1, 2, 3, 4]), 2, 2, 16);
      shares[victim]![17]! ^= 1;
      expect(() => reconstructMatrix(kernel, shares, format)).toThrow(
        expect.objectContaining({ code: "SHARES_INCONSISTENT" }),
      );
    }
  });

  it("is encoded from a kernel array as it was decoded", () => {
    const kernel = kernels[107];
    const format = { rows: 3, cols: 2, fracBits: 12, point: 2 as const };
    const bytes = shareMatrix(kernel, new Float64Array(6).fill(0.5), 3, 2, 12)[1];
    expect(encodeShare(kernel, decodeShare(kernel, bytes, format), format)).toEqual(bytes);
    expect(() => encodeShare(kernel, kernel.allocate(5), format)).toThrow(shape);
  });

  it.each(fieldBits)("means the same to both kernels, in the field of %i bits", async (bits) => {
    const fast = await createKernel(bits);
    const slow = kernels[bits];
    const format = { rows: 41, cols: 3, fracBits: 16, seeded: true };
    const matrix = Float64Array.from({ length: 123 }, (_, at) => (at - 61) / 64);
    for (const [writer, reader] of [
      [fast, slow],
      [slow, fast],
    ] as const) {
      const shares = shareMatrix(writer, matrix, 41, 3, 16);
      expect(reconstructMatrix(reader, shares, format)).toEqual(matrix);
      expect(() => decodeShare(fast, shares[1].subarray(0, -4), { ...format, point: 2 })).toThrow(encoding);
    }
  });

  it("refuses impossible shapes and numbers that do not fit the field", () => {
    const kernel = kernels[61];
    expect(() => shareMatrix(kernel, new Float64Array(5), 2, 3, 8)).toThrow(shape);
    expect(() => shareMatrix(kernel, new Float64Array(0), 0, 3, 8)).toThrow(shape);
    expect(() => shareMatrix(kernel, new Float64Array([Number.NaN]), 1, 1, 8)).toThrow(encoding);
    expect(() => shareMatrix(kernel, new Float64Array([2 ** 51]), 1, 1, 8)).toThrow(encoding);
  });
});

describe("the bytes of a share", () => {
  const kernel = kernels[127];
  const format = { rows: 2, cols: 3, fracBits: 16, point: 2 as const };
  const [seeded, bytes] = shareMatrix(kernel, new Float64Array(6), 2, 3, 16);

  it("begin with the header that the format describes", () => {
    expect(Buffer.from(bytes.subarray(0, 16)).toString("hex")).toBe(
      "53594d53" + "01" + "7f" + "10" + "02" + "02000000" + "03000000",
    );
    expect(bytes.length).toBe(16 + 6 * 20);
    expect(Buffer.from(seeded.subarray(0, 16)).toString("hex")).toBe(
      "53594d53" + "02" + "7f" + "10" + "01" + "02000000" + "03000000",
    );
    expect(seeded.length).toBe(16 + 32);
  });

  it("are elements or a seed, as is expected, never the other", () => {
    const first = { ...format, point: 1 as const };
    expect(decodeShare(kernel, seeded, { ...first, seeded: true }).length).toBe(6);
    expect(() => decodeShare(kernel, seeded, first)).toThrow(encoding);
    expect(() => decodeShare(kernel, seeded.subarray(0, -1), { ...first, seeded: true })).toThrow(encoding);
    const elements = encodeShare(kernel, kernel.allocate(6), first);
    expect(decodeShare(kernel, elements, first).length).toBe(6);
    expect(() => decodeShare(kernel, elements, { ...first, seeded: true })).toThrow(encoding);
  });

  // The second shape crosses the planes of 4096 elements and the blocks of 9362 rows.
  it.each([
    [5, 1],
    [9363, 7],
  ])(
    "give from a seed the key stream of AES-256 in counter mode, in each field, of %i x %i",
    (rows, cols) => {
      // NIST SP 800-38A has no vector with a counter of 0, so the stream is made from single blocks of AES here.
      const seed = Uint8Array.from({ length: 32 }, (_, i) => 7 * i);
      const cipher = createCipheriv("aes-256-ecb", seed, null).setAutoPadding(false);
      for (const bits of fieldBits) {
        const field = kernels[bits];
        const { limbs, limbBits } = field.spec;
        const header = Buffer.from([...Buffer.from("SYMS"), 2, bits, 4, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        header.writeUInt32LE(rows, 8);
        header.writeUInt32LE(cols, 12);
        const counters = Buffer.alloc(16 * Math.ceil((4 * limbs * rows * cols) / 16));
        for (let at = 0; at < counters.length; at += 16) counters.writeUInt32BE(at / 16, at + 12);
        const stream = cipher.update(counters);
        // Blocks of whole rows, up to 2^16 elements; in them planes of limbs for up to 4096 elements at a time.
        const expected: bigint[] = [];
        const block = Math.floor(2 ** 16 / cols) * cols;
        for (let first = 0, at = 0; first < rows * cols; first += block) {
          const end = Math.min(first + block, rows * cols);
          for (let start = first; start < end; start += 4096) {
            const count = Math.min(4096, end - start);
            for (let i = 0; i < count; i++) {
              let value = 0n;
              for (let limb = 0; limb < limbs; limb++) {
                const width = limb === limbs - 1 ? bits - limbBits * (limbs - 1) : limbBits;
                const word = stream.readUInt32LE(at + 4 * (limb * count + i));
                value |= BigInt(word & ((2 ** width - 1) >>> 0)) << BigInt(limb * limbBits);
              }
              expected.push(value & field.spec.modulus);
            }
            at += 4 * limbs * count;
          }
        }
        const share = Buffer.concat([header, seed]);
        const decoded = decodeShare(field, share, { rows, cols, fracBits: 4, point: 1, seeded: true });
        expect(field.toBigints(decoded)).toEqual(expected);
      }
    },
  );

  it("are read from a view that does not begin its buffer", () => {
    const framed = new Uint8Array(bytes.length + 3);
    framed.set(bytes, 3);
    expect(kernel.toBigints(decodeShare(kernel, framed.subarray(3), format))).toEqual(
      kernel.toBigints(decodeShare(kernel, bytes, format)),
    );
  });

  it.each(Array.from({ length: 16 }, (_, at) => at))(
    "are refused when byte %i of the header differs",
    (at) => {
      const altered = Uint8Array.from(bytes);
      altered[at]! ^= 1;
      expect(() => decodeShare(kernel, altered, format)).toThrow(encoding);
    },
  );

  it("are refused at another point, format, shape, field or length", () => {
    expect(() => decodeShare(kernel, bytes, { ...format, point: 3 })).toThrow(encoding);
    expect(() => decodeShare(kernel, bytes, { ...format, fracBits: 15 })).toThrow(encoding);
    expect(() => decodeShare(kernel, bytes, { ...format, rows: 3, cols: 2 })).toThrow(encoding);
    expect(() => decodeShare(kernels[107], bytes, format)).toThrow(encoding);
    expect(() => decodeShare(kernel, bytes.subarray(0, -1), format)).toThrow(encoding);
    expect(() => decodeShare(kernel, Buffer.concat([bytes, Buffer.from([0])]), format)).toThrow(encoding);
    expect(() => decodeShare(kernel, new Uint8Array(0), format)).toThrow(encoding);
  });

  it("are refused when an element is not canonical, and nothing stays allocated", () => {
    const altered = Uint8Array.from(bytes);
    altered[16 + 3] = 0xff; // a limb of 26 bits holds no such word
    const region = kernel.beginRegion();
    expect(() => decodeShare(kernel, altered, format)).toThrow(encoding);
    kernel.endRegion(region);
  });
});

describe("a share that comes in parts", () => {
  const kernel = kernels[89];
  // Blocks of 32 rows; the last has 5.
  const [rows, cols] = [101, 2000];
  const format = { rows, cols, fracBits: 8, point: 3 as const };
  const numbers = Float64Array.from({ length: rows * cols }, (_, i) => (i % 255) / 256);
  const step = rowsPerBlock(cols);

  async function sharedInParts(): Promise<Uint8Array[]> {
    const sharer = new MatrixSharer(kernel, format);
    const parts = sharer.headers().map((header) => [header]);
    for (let row = 0; row < rows; row += step) {
      const block = sharer.share(numbers.subarray(row * cols, Math.min(rows, row + step) * cols));
      for (const [i, bytes] of block.entries()) parts[i]!.push(Uint8Array.from(bytes));
    }
    expect(() => sharer.share(numbers.subarray(0, cols))).toThrow(shape);
    return parts.map((list) => Uint8Array.from(Buffer.concat(list)));
  }

  async function* cut(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += size) yield bytes.slice(at, at + size);
  }

  async function readAll(
    bytes: Uint8Array,
    size = 70_001,
    expected: ShareFormat = format,
  ): Promise<bigint[]> {
    const all: bigint[] = [];
    for await (const { first, rows: count, values } of shareBlocks(kernel, cut(bytes, size), expected)) {
      expect([first * cols, count * cols]).toEqual([all.length, values.length]);
      all.push(...kernel.toBigints(values));
    }
    return all;
  }

  it("is what a share in one piece is, written and read", async () => {
    expect(step).toBe(32);
    const shares = (await sharedInParts()) as [Uint8Array, Uint8Array, Uint8Array];
    expect(reconstructMatrix(kernel, shares, { ...format, seeded: true })).toEqual(numbers);
    const first = { ...format, point: 1 as const, seeded: true };
    const seeded = kernel.toBigints(decodeShare(kernel, shares[0], first));
    for (const size of [1, 20, 48]) expect(await readAll(shares[0], size, first)).toEqual(seeded);
    await expect(readAll(shares[0].subarray(0, -1), 48, first)).rejects.toThrow(encoding);
    await expect(readAll(Buffer.concat([shares[0], Buffer.alloc(1)]), 48, first)).rejects.toThrow(encoding);
    const whole = kernel.toBigints(decodeShare(kernel, shares[2], format));
    for (const size of [4096, 70_001, shares[2].length])
      expect(await readAll(shares[2], size)).toEqual(whole);
  });

  it("is refused when it is cut, extended or altered, or of another field, point, format or shape", async () => {
    const [, , bytes] = await sharedInParts();
    const header = (at: number, value: number) => bytes!.map((byte, i) => (i === at ? value : byte));
    const block = step * cols * kernel.spec.elementBytes;
    const wrong: [string, Uint8Array][] = [
      ["nothing", new Uint8Array(0)],
      ["a header alone", bytes!.subarray(0, 16)],
      ["the last byte missing", bytes!.subarray(0, -1)],
      ["the last block missing", bytes!.subarray(0, 16 + 3 * block)],
      ["a block missing", Buffer.concat([bytes!.subarray(0, 16), bytes!.subarray(16 + block)])],
      ["a block twice", Buffer.concat([bytes!.subarray(0, 16 + block), bytes!.subarray(16)])],
      ["a byte more", Buffer.concat([bytes!, Buffer.from([0])])],
      ["another field", header(5, 107)],
      ["another format", header(6, 9)],
      ["another point", header(7, 2)],
      ["other rows", header(8, 100)],
      ["other columns", header(12, 1)],
      ["an element that is not canonical", header(16 + 3, 0xff)],
    ];
    for (const [what, altered] of wrong) {
      await expect(readAll(altered), what).rejects.toThrow(encoding);
    }
  });
});

describe("the hash of a blob", () => {
  it("is sha256", () => {
    expect(ciphertextHash(Buffer.from("abc"))).toBe(
      "0xba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    );
  });
});
