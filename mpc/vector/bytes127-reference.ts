/** The arithmetic of bytes modulo 127, byte by byte: each method is its definition. */
import { SymbolonError } from "../errors.ts";
import {
  type Bytes127,
  byteModulus,
  type Draw,
  drawLength,
  maxComparedBits,
  type PrivateCompareRequest,
} from "./bytes127.ts";
import { checkBound, checkPrivateCompare, checkRows } from "./bytes127-checks.ts";
import { checkLength } from "./shapes.ts";

const reduce = (value: number) => ((value % byteModulus) + byteModulus) % byteModulus;

const bitOf = (plane: Uint32Array, e: number) => (plane[e >>> 5]! >>> (e & 31)) & 1;

class ReferenceBytes127 implements Bytes127 {
  sampleUniform(out: Uint8Array, draw: Draw): void {
    sample(out, draw, 1 / 128, (byte) => ((byte & 127) === 127 ? undefined : byte & 127));
  }

  sampleNonzero(out: Uint8Array, draw: Draw): void {
    sample(out, draw, 2 / 128, (byte) => ((byte & 127) % 127 === 0 ? undefined : byte & 127));
  }

  sampleBelow(out: Uint8Array, bound: number, draw: Draw): void {
    checkBound(bound);
    const limit = 256 - (256 % bound);
    sample(out, draw, 1 - limit / 256, (byte) => (byte >= limit ? undefined : byte % bound));
  }

  add(out: Uint8Array, a: Uint8Array, b: Uint8Array): void {
    checkLength("add", "a", a, out.length);
    checkLength("add", "b", b, out.length);
    for (let i = 0; i < out.length; i++) out[i] = reduce(a[i]! + b[i]!);
  }

  subtract(out: Uint8Array, a: Uint8Array, b: Uint8Array): void {
    checkLength("subtract", "a", a, out.length);
    checkLength("subtract", "b", b, out.length);
    for (let i = 0; i < out.length; i++) out[i] = reduce(a[i]! - b[i]!);
  }

  isCanonical(bytes: Uint8Array): boolean {
    return bytes.every((byte) => byte < byteModulus);
  }

  bitsToBytes(out: Uint8Array, planes: readonly Uint32Array[], n: number): void {
    const m = planes.length;
    checkRows("bitsToBytes", n, m, maxComparedBits);
    checkLength("bitsToBytes", "out", out, n * m);
    for (const plane of planes) checkLength("bitsToBytes", "plane", plane, Math.ceil(n / 32));
    for (let e = 0; e < n; e++) for (let i = 0; i < m; i++) out[e * m + i] = bitOf(planes[i]!, e);
  }

  privateCompare(out: Uint8Array, request: PrivateCompareRequest): void {
    const { aBits, rShare, coins, multipliers, zeros, rotations, n, m, isFirst } = request;
    checkPrivateCompare(out, request, maxComparedBits);
    const width = m + 1;
    const one = isFirst ? 1 : 0;
    for (let e = 0; e < n; e++) {
      const rotation = rotations[e]!;
      if (rotation > m) throw new SymbolonError("SHAPE_MISMATCH", `privateCompare: a rotation exceeds ${m}`);
      const coin = bitOf(coins, e);
      const sigma = coin === 1 ? -1 : 1;
      const w: number[] = new Array(width);
      let above = 0;
      for (let i = m - 1; i >= 0; i--) {
        const [a, r] = [aBits[e * m + i]!, rShare[e * m + i]!];
        w[i] = sigma * (one * a - r) + one + above;
        above += one * a + (1 - 2 * a) * r;
      }
      w[m] = coin === 1 ? above : one;
      for (let i = 0; i < width; i++) {
        const from = (i + rotation) % width;
        const zero = zeros[e * width + from]!;
        const value = multipliers[e * width + from]! * reduce(w[from]!);
        out[e * width + i] = reduce(isFirst ? value + zero : value - zero);
      }
    }
  }

  zeroFlags(x: Uint8Array, y: Uint8Array, n: number, width: number): Uint32Array {
    checkRows("zeroFlags", n, width, maxComparedBits + 1);
    checkLength("zeroFlags", "x", x, n * width);
    checkLength("zeroFlags", "y", y, n * width);
    const flags = new Uint32Array(Math.ceil(n / 32));
    for (let at = 0; at < n * width; at++) {
      const e = Math.floor(at / width);
      if (reduce(x[at]! + y[at]!) === 0) flags[e >>> 5]! |= 1 << (e & 31);
    }
    return flags;
  }
}

/** Draws as the fast implementation does, and keeps what `accept` turns into a value. */
function sample(
  out: Uint8Array,
  draw: Draw,
  refused: number,
  accept: (byte: number) => number | undefined,
): void {
  for (let done = 0; done < out.length; ) {
    const length = drawLength(out.length - done, refused);
    const bytes = draw(length);
    checkLength("sample", "drawn", bytes, length);
    for (const byte of bytes) {
      const value = accept(byte);
      if (value !== undefined && done < out.length) out[done++] = value;
    }
  }
}

/** The arithmetic without WebAssembly. */
export function createReferenceBytes127(): Bytes127 {
  return new ReferenceBytes127();
}
