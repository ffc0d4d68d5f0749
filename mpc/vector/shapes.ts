/** The checks of lengths and ranges that every kernel makes before it touches memory. */
import { SymbolonError } from "../errors.ts";
import type { ColumnsOf, FieldArray } from "./kernel.ts";

/** Largest count that is passed on as a length: keeps 4 * length inside 32 bits. */
const lengthLimit = 2 ** 30;

/** Throws SHAPE_MISMATCH unless `value` is an integer in [0, 2^30). */
export function checkCount(operation: string, name: string, value: number): void {
  if (!Number.isInteger(value) || value < 0 || value >= lengthLimit)
    throw new SymbolonError(
      "SHAPE_MISMATCH",
      `${operation}: ${name} must be an integer in [0, 2^30), not ${value}`,
    );
}

/** Throws SHAPE_MISMATCH unless the array has exactly `expected` elements. */
export function checkLength(
  operation: string,
  name: string,
  a: { readonly length: number },
  expected: number,
): void {
  if (a.length !== expected)
    throw new SymbolonError(
      "SHAPE_MISMATCH",
      `${operation}: ${name} has ${a.length} elements, expected ${expected}`,
    );
}

/** Throws SHAPE_MISMATCH unless rows and cols are counts and the matrix has rows * cols elements. */
export function checkMatrix(
  operation: string,
  name: string,
  a: FieldArray,
  rows: number,
  cols: number,
): void {
  checkCount(operation, "rows", rows);
  checkCount(operation, "cols", cols);
  if (a.length !== rows * cols)
    throw new SymbolonError(
      "SHAPE_MISMATCH",
      `${operation}: ${name} has ${a.length} elements, expected ${rows} x ${cols}`,
    );
}

/** Throws SHAPE_MISMATCH unless [start, start + length) lies in the array. */
export function checkSlice(a: FieldArray, start: number, length: number): void {
  if (
    !Number.isInteger(start) ||
    !Number.isInteger(length) ||
    start < 0 ||
    length < 0 ||
    start + length > a.length
  )
    throw new SymbolonError(
      "SHAPE_MISMATCH",
      `slice: ${length} elements from ${start} do not lie in an array of ${a.length}`,
    );
}

/** The error of an index that is not below the length of the source. */
export function outsideArray(index: number, length: number): SymbolonError {
  return new SymbolonError("SHAPE_MISMATCH", `gather: index ${index} in an array of ${length} elements`);
}

/** Throws SHAPE_MISMATCH unless the columns and rows of a `copyRows` exist. */
export function checkRowCopy(to: ColumnsOf, from: ColumnsOf, width: number, order: Uint32Array): void {
  for (const [name, { array, cols, column }] of Object.entries({ to, from })) {
    checkRange("copyRows", `${name}.column`, column, 0, cols - width);
    if (array.length % cols !== 0)
      throw new SymbolonError("SHAPE_MISMATCH", `copyRows: ${array.length} elements are no rows of ${cols}`);
  }
  checkLength("copyRows", "to.array", to.array, order.length * to.cols);
  const rows = from.array.length / from.cols;
  for (const row of order)
    if (row >= rows) throw new SymbolonError("SHAPE_MISMATCH", `copyRows: row ${row} of ${rows} rows`);
}

/** Throws SHAPE_MISMATCH unless `value` is an integer in [low, high]. */
export function checkRange(operation: string, name: string, value: number, low: number, high: number): void {
  if (!Number.isInteger(value) || value < low || value > high)
    throw new SymbolonError(
      "SHAPE_MISMATCH",
      `${operation}: ${name} must be an integer from ${low} to ${high}, not ${value}`,
    );
}

/** Throws FIELD_ENCODING unless there are exactly `expected` bytes. */
export function checkBytes(operation: string, bytes: Uint8Array, expected: number): void {
  if (bytes.length !== expected)
    throw new SymbolonError("FIELD_ENCODING", `${operation}: ${bytes.length} bytes, expected ${expected}`);
}

/** Throws FIELD_ENCODING unless elements start .. start + length - 1 lie in an encoding of `total`. */
export function checkEncodedSlice(total: number, start: number, length: number): void {
  if (!Number.isInteger(total) || !Number.isInteger(start) || start < 0 || start + length > total)
    throw new SymbolonError(
      "FIELD_ENCODING",
      `decodeSlice: ${length} elements from ${start} do not lie in an encoding of ${total}`,
    );
}

/** The error of a number that fixed point cannot hold; the number itself is data and is not named. */
export function notRepresentable(index: number, bits: number, fracBits: number): SymbolonError {
  return new SymbolonError(
    "FIELD_ENCODING",
    `fromNumbers: element ${index} is not finite or its magnitude reaches 2^${bits - 2 - fracBits}`,
    { hint: "use fewer fractional bits, a larger field, or scale the values" },
  );
}

/** The error of bytes that are not the canonical encoding of field elements. */
export function notCanonical(): SymbolonError {
  return new SymbolonError("FIELD_ENCODING", "decode: the bytes are not canonical field elements");
}
