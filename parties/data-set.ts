/**
 * The bytes of one party's share of a matrix: of a data set, or of a result.
 *
 *     offset 0   "SYMS"
 *            4   form (u8): 1 elements, 2 a seed
 *            5   exponent k of the field 2^k - 1 (u8)
 *            6   fractional bits (u8)
 *            7   point, 1 to 3 (u8)
 *            8   rows (u32, little-endian)
 *           12   columns (u32, little-endian)
 *           16   form 1: blocks of whole rows, each as `Kernel.encode` writes its elements
 *                form 2: the 32 bytes of a seed
 *
 * A block holds as many rows as fit in 2^16 elements, at least one, and the last what is left: the writer
 * and the reader of a large matrix need memory for one block besides the matrix itself.
 *
 * Sharing is Shamir's, degree 1: the shares of s lie on a line, s at 0, on which one more point may be chosen
 * freely. For a data set the share at point 1 is chosen, as the next output of a generator under a fresh seed
 * (`seededStream`, read by `Kernel.fromRandomBytes`, each block from its first element on), and the shares at 2 and
 * 3 follow. So a single share looks uniform whatever the secret is: at 1 it is a seed that has nothing to do with
 * the secret, at 2 and 3 it is hidden as well as AES-256 hides. Any two give the secret. And party 1 is sent a
 * seed instead of a matrix. A party's share of a result is what it computed: elements at all three points.
 */
import { createHash } from "node:crypto";
import { SymbolonError } from "../mpc/errors.ts";
import { randomBytes, seedBytes, seededStream } from "../mpc/random.ts";
import { type PartyIndex, partyIndices } from "../mpc/transport/transport.ts";
import { type FieldArray, type FieldSpec, type Kernel, randomBlock } from "../mpc/vector/index.ts";
import { ExactReader } from "./exact-reader.ts";
import { release } from "./release.ts";

/** Shape and format of a shared matrix. */
export interface MatrixFormat {
  rows: number;
  cols: number;
  fracBits: number;
  /** Whether the share at point 1 is a seed: of data sets it is, of results it is not. */
  seeded?: boolean;
}

/** What a reader expects of a share. */
export interface ShareFormat extends MatrixFormat {
  point: PartyIndex;
}

const magic = Buffer.from("SYMS", "ascii");
const [elementsForm, seedForm] = [1, 2];
const headerBytes = 16;
const blockElements = 2 ** 16;
/** The point whose share of a data set is a seed. */
const seedPoint = 1;

/** Bytes of a share of a rows x cols matrix, in elements. */
export function shareBytes(spec: FieldSpec, rows: number, cols: number): number {
  return headerBytes + rows * cols * spec.elementBytes;
}

/** Bytes of the share for a point of a data set. */
export function dataSetShareBytes(spec: FieldSpec, rows: number, cols: number, point: PartyIndex): number {
  return point === seedPoint ? headerBytes + seedBytes : shareBytes(spec, rows, cols);
}

/** sha256 of the bytes as 0x-hexadecimal: the address of a blob and the hash that an offer commits to. */
export function ciphertextHash(bytes: Uint8Array): string {
  return `0x${createHash("sha256").update(bytes).digest("hex")}`;
}

/**
 * Shares a row-major matrix of numbers, encoded in fixed point: the bytes for points 1 (a seed), 2 and 3. Secret
 * in pairs: send each to its party only, sealed.
 * @throws SHAPE_MISMATCH; FIELD_ENCODING for a number that the format cannot hold
 */
export function shareMatrix(
  kernel: Kernel,
  matrix: Float64Array,
  rows: number,
  cols: number,
  fracBits: number,
): [Uint8Array, Uint8Array, Uint8Array] {
  const sharer = new MatrixSharer(kernel, { rows, cols, fracBits });
  if (matrix.length !== rows * cols) {
    throw new SymbolonError(
      "SHAPE_MISMATCH",
      `${matrix.length} numbers do not make a ${rows} x ${cols} matrix.`,
    );
  }
  const [one, ...others] = sharer.headers();
  const [two, three] = others.map((header) => {
    const bytes = new Uint8Array(shareBytes(kernel.spec, rows, cols));
    bytes.set(header);
    return bytes;
  }) as [Uint8Array, Uint8Array];
  for (const { start, length, offset } of blocks(kernel, rows, cols)) {
    const block = sharer.share(matrix.subarray(start, start + length));
    two.set(block[1], offset);
    three.set(block[2], offset);
  }
  return [one, two, three];
}

type Three = [Uint8Array, Uint8Array, Uint8Array];

/** Shares a matrix block of rows by block of rows; the parts, one behind the other, are what `shareMatrix` gives. */
export class MatrixSharer {
  readonly #kernel: Kernel;
  readonly #format: MatrixFormat;
  readonly #headers: Three;
  readonly #firstShare: (length: number) => Buffer;
  /** Of the last block. Fresh memory for each would cost more than the sharing. */
  #shares: Three | undefined;
  #row = 0;

  /** @throws SHAPE_MISMATCH for an impossible shape */
  constructor(kernel: Kernel, format: MatrixFormat) {
    checkShape(format.rows, format.cols);
    this.#kernel = kernel;
    this.#format = { ...format, seeded: true };
    const seed = randomBytes(seedBytes);
    this.#firstShare = seededStream(seed);
    const [one, two, three] = partyIndices.map((point) =>
      header(kernel, { ...this.#format, point }),
    ) as Three;
    const whole = new Uint8Array(headerBytes + seedBytes);
    whole.set(one);
    whole.set(seed, headerBytes);
    seed.fill(0);
    this.#headers = [whole, two, three];
  }

  /** For point 1 the whole share, for points 2 and 3 what stands before the blocks; the caller may clear them. */
  headers(): Three {
    return this.#headers;
  }

  /**
   * The bytes of the next `rowsPerBlock(cols)` rows, or of those that are left, for points 2 and 3, and none for
   * point 1; valid until the next call, which writes over them.
   * @throws SHAPE_MISMATCH for another number of rows; FIELD_ENCODING
   */
  share(matrix: Float64Array): Three {
    const { rows, cols, fracBits } = this.#format;
    const kernel = this.#kernel;
    const length = Math.min(rowsPerBlock(cols), rows - this.#row) * cols;
    if (matrix.length !== length || length === 0) {
      throw new SymbolonError("SHAPE_MISMATCH", `A block of ${length} numbers was expected.`);
    }
    this.#row += length / cols;
    const region = kernel.beginRegion();
    try {
      const share = kernel.allocate(length);
      const slope = kernel.allocate(length);
      kernel.fromNumbers(slope, matrix, fracBits);
      fillFromSeed(kernel, share, this.#firstShare);
      kernel.subtract(slope, share, slope);
      const bytes = length * kernel.spec.elementBytes;
      if (this.#shares?.[1].length !== bytes) {
        this.#shares = [new Uint8Array(0), new Uint8Array(bytes), new Uint8Array(bytes)];
      }
      for (const out of this.#shares.slice(1)) {
        kernel.add(share, share, slope);
        let at = 0;
        for (const part of kernel.wireParts(share)) {
          out.set(part, at);
          at += part.length;
        }
      }
      kernel.fill(slope, 0n);
      return this.#shares;
    } finally {
      kernel.endRegion(region);
    }
  }
}

/** The next elements of a seeded share. */
function fillFromSeed(kernel: Kernel, out: FieldArray, stream: (length: number) => Buffer): void {
  for (let at = 0; at < out.length; at += randomBlock) {
    const piece = kernel.slice(out, at, Math.min(randomBlock, out.length - at));
    const bytes = stream(kernel.randomByteLength(piece.length));
    kernel.fromRandomBytes(piece, bytes);
    bytes.fill(0);
    release(bytes);
  }
}

/** The bytes of a share that a kernel holds, `rows * cols` elements. @throws SHAPE_MISMATCH */
export function encodeShare(kernel: Kernel, share: FieldArray, format: ShareFormat): Uint8Array {
  const { rows, cols } = format;
  checkShape(rows, cols);
  if (share.length !== rows * cols) {
    throw new SymbolonError(
      "SHAPE_MISMATCH",
      `${share.length} elements do not make a ${rows} x ${cols} matrix.`,
    );
  }
  const bytes = new Uint8Array(shareBytes(kernel.spec, rows, cols));
  bytes.set(header(kernel, format));
  for (const { start, length, offset } of blocks(kernel, rows, cols)) {
    bytes.set(kernel.encode(kernel.slice(share, start, length)), offset);
  }
  return bytes;
}

/**
 * Reads a share into a new array of the kernel, rows * cols elements, row-major.
 * @throws FIELD_ENCODING for any other length, header or element than the format's; SHAPE_MISMATCH for an
 * impossible shape
 */
export function decodeShare(kernel: Kernel, bytes: Uint8Array, format: ShareFormat): FieldArray {
  const { rows, cols } = format;
  checkShape(rows, cols);
  checkHeader(kernel, bytes, format);
  const seed = isSeed(format) ? bytes.subarray(headerBytes) : undefined;
  expect(bytes.length === (seed ? headerBytes + seedBytes : shareBytes(kernel.spec, rows, cols)), "length");
  const share = kernel.allocate(rows * cols);
  try {
    if (seed !== undefined) {
      const stream = seededStream(seed);
      for (const { start, length } of blocks(kernel, rows, cols))
        fillFromSeed(kernel, kernel.slice(share, start, length), stream);
      return share;
    }
    for (const { start, length, offset } of blocks(kernel, rows, cols)) {
      const end = offset + length * kernel.spec.elementBytes;
      kernel.decode(kernel.slice(share, start, length), bytes.subarray(offset, end));
    }
  } catch (error) {
    kernel.free(share);
    throw error;
  }
  return share;
}

/** Consecutive rows of a share, in a kernel. */
export interface ShareBlock {
  /** Index of the first row. */
  first: number;
  rows: number;
  /** rows x cols elements, row-major; valid until the next block is asked for. */
  values: FieldArray;
}

/**
 * Reads a share that comes in parts, in blocks of `rowsPerBlock(cols)` rows. That nothing is missing is known
 * when the last block was read without an error.
 * @throws as `decodeShare`
 */
export async function* shareBlocks(
  kernel: Kernel,
  parts: AsyncIterable<Uint8Array>,
  format: ShareFormat,
): AsyncGenerator<ShareBlock> {
  const { rows, cols } = format;
  checkShape(rows, cols);
  const reader = new ExactReader(parts);
  const head = await reader.read(headerBytes);
  checkHeader(kernel, head ?? new Uint8Array(0), format);
  let fill: (values: FieldArray) => Promise<void>;
  if (isSeed(format)) {
    const seed = new Uint8Array(seedBytes);
    expect((await reader.readInto(seed)) && (await reader.atEnd()), "length");
    const stream = seededStream(seed);
    seed.fill(0);
    fill = async (values) => {
      fillFromSeed(kernel, values, stream);
      // Nothing here waits for a disk or a peer, and the process has others to serve.
      await new Promise((resolve) => setImmediate(resolve));
    };
  } else {
    // One for all blocks; the last may be shorter.
    const largest = Math.min(rows, rowsPerBlock(cols)) * cols;
    const buffer = new Uint8Array(largest * kernel.spec.elementBytes);
    fill = async (values) => {
      const bytes = buffer.subarray(0, values.length * kernel.spec.elementBytes);
      expect(await reader.readInto(bytes), "length");
      kernel.decode(values, bytes);
      bytes.fill(0);
    };
  }
  for (const { start, length } of blocks(kernel, rows, cols)) {
    const values = kernel.allocate(length);
    try {
      await fill(values);
      yield { first: start / cols, rows: length / cols, values };
    } finally {
      kernel.free(values);
    }
  }
  expect(await reader.atEnd(), "length");
}

/**
 * The numbers behind three shares, checked to lie on one line.
 * @throws FIELD_ENCODING, SHAPE_MISMATCH; SHARES_INCONSISTENT when one of the three was altered
 */
export function reconstructMatrix(
  kernel: Kernel,
  shares: readonly [Uint8Array, Uint8Array, Uint8Array],
  format: MatrixFormat,
): Float64Array {
  const region = kernel.beginRegion();
  try {
    const [one, two, three] = partyIndices.map((point) =>
      decodeShare(kernel, shares[point - 1]!, { ...format, point }),
    ) as [FieldArray, FieldArray, FieldArray];
    // The line through points 1 and 2: its value at 0 is 2 s1 - s2, at 3 it is 2 s2 - s1.
    const slope = kernel.allocate(one.length);
    kernel.subtract(slope, two, one);
    kernel.add(two, two, slope);
    if (!kernel.equal(two, three)) {
      throw new SymbolonError("SHARES_INCONSISTENT", "The three shares do not lie on one line.");
    }
    kernel.subtract(one, one, slope);
    return kernel.toNumbers(one, format.fracBits);
  } finally {
    kernel.endRegion(region);
  }
}

/** @throws SHAPE_MISMATCH for a shape that no data set has */
export function checkShape(rows: number, cols: number): void {
  if (!Number.isInteger(rows) || !Number.isInteger(cols) || rows < 1 || cols < 1 || rows * cols >= 2 ** 30) {
    throw new SymbolonError(
      "SHAPE_MISMATCH",
      `A shared matrix has at least one row and column and fewer than 2^30 elements, not ${rows} x ${cols}.`,
    );
  }
}

const isSeed = ({ seeded, point }: ShareFormat): boolean => seeded === true && point === seedPoint;

function header(kernel: Kernel, format: ShareFormat): Uint8Array {
  const { rows, cols, fracBits, point } = format;
  const bytes = new Uint8Array(headerBytes);
  bytes.set(magic);
  bytes.set([isSeed(format) ? seedForm : elementsForm, kernel.spec.bits, fracBits, point], 4);
  const view = new DataView(bytes.buffer);
  view.setUint32(8, rows, true);
  view.setUint32(12, cols, true);
  return bytes;
}

function checkHeader(kernel: Kernel, bytes: Uint8Array, format: ShareFormat): void {
  expect(bytes.length >= headerBytes && magic.equals(bytes.subarray(0, 4)), "format");
  expect(bytes[4] === (isSeed(format) ? seedForm : elementsForm), "form");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  expect(bytes[5] === kernel.spec.bits, "field");
  expect(bytes[6] === format.fracBits, "number of fractional bits");
  expect(bytes[7] === format.point, "point");
  expect(view.getUint32(8, true) === format.rows && view.getUint32(12, true) === format.cols, "shape");
}

function expect(fits: boolean, what: string): asserts fits {
  if (!fits)
    throw new SymbolonError("FIELD_ENCODING", `The bytes are not the expected share: another ${what}.`);
}

/** Rows in a block of a matrix with `cols` columns. */
export function rowsPerBlock(cols: number): number {
  return Math.max(1, Math.floor(blockElements / cols));
}

/** The blocks of a matrix: index of the first element, number of elements, offset in the bytes. */
function* blocks(kernel: Kernel, rows: number, cols: number) {
  const step = rowsPerBlock(cols);
  for (let row = 0; row < rows; row += step) {
    const start = row * cols;
    const length = Math.min(step, rows - row) * cols;
    yield { start, length, offset: headerBytes + start * kernel.spec.elementBytes };
  }
}
