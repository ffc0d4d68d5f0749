/** The checks of shapes that both implementations of the bytes modulo 127 make. */
import type { PrivateCompareRequest } from "./bytes127.ts";
import { checkCount, checkLength, checkRange } from "./shapes.ts";

/** Throws SHAPE_MISMATCH unless n is a count of rows and their width lies in 1 .. widest. */
export function checkRows(operation: string, n: number, width: number, widest: number): void {
  checkCount(operation, "n", n);
  checkRange(operation, "width", width, 1, widest);
}

/** Throws SHAPE_MISMATCH unless 1 <= bound <= 128. */
export function checkBound(bound: number): void {
  checkRange("sampleBelow", "bound", bound, 1, 128);
}

/** Throws SHAPE_MISMATCH unless all arrays of a private comparison have the lengths that n and m give. */
export function checkPrivateCompare(out: Uint8Array, request: PrivateCompareRequest, widest: number): void {
  const { n, m } = request;
  const name = "privateCompare";
  checkRows(name, n, m, widest);
  const lengths = {
    aBits: n * m,
    rShare: n * m,
    coins: Math.ceil(n / 32),
    multipliers: n * (m + 1),
    zeros: n * (m + 1),
    rotations: n,
  };
  for (const part of Object.keys(lengths) as (keyof typeof lengths)[])
    checkLength(name, part, request[part], lengths[part]);
  checkLength(name, "out", out, n * (m + 1));
}
