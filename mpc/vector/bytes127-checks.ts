/** The checks of shapes that both implementations of the bytes modulo 127 make. */
import { checkCount, checkRange } from "./shapes.ts";

/** Throws SHAPE_MISMATCH unless n is a count of rows and their width lies in 1 .. widest. */
export function checkRows(operation: string, n: number, width: number, widest: number): void {
  checkCount(operation, "n", n);
  checkRange(operation, "width", width, 1, widest);
}

/** Throws SHAPE_MISMATCH unless 1 <= bound <= 128. */
export function checkBound(bound: number): void {
  checkRange("sampleBelow", "bound", bound, 1, 128);
}
