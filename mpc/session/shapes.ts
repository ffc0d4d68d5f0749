/** Errors of tensors whose shapes or formats do not fit. */
import { SymbolonError } from "../errors.ts";

/** What a message says of a tensor. */
export interface Shaped {
  readonly rows: number;
  readonly cols: number;
  readonly fracBits: number;
}

export function shapeError(operation: string, what: string): SymbolonError {
  return new SymbolonError("SHAPE_MISMATCH", `${operation}: ${what}`);
}

export function mismatch(operation: string, a: Shaped, b: Shaped): SymbolonError {
  const shape = (t: Shaped): string => `${t.rows}x${t.cols} (${t.fracBits} fractional bits)`;
  return shapeError(operation, `${shape(a)} and ${shape(b)} do not fit`);
}

export type Broadcast = "none" | "row" | "column" | "scalar";

/** How b is repeated to the shape of a: not at all, in every row, in every column, or everywhere. */
export function broadcastOf(operation: string, a: Shaped, b: Shaped): Broadcast {
  if (b.rows === a.rows && b.cols === a.cols) return "none";
  if (b.rows === 1 && b.cols === a.cols) return "row";
  if (b.cols === 1 && b.rows === a.rows) return "column";
  if (b.rows === 1 && b.cols === 1) return "scalar";
  throw mismatch(operation, a, b);
}
