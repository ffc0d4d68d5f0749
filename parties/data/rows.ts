/**
 * Rows of numbers that are read in blocks, so that a file of any length is shared in the memory of one block.
 * Secret: never log them.
 */
import { SymbolonError } from "../../mpc/errors.ts";
import type { Table } from "./csv.ts";

/** Consecutive rows. */
export interface RowBlock {
  /** Index of the first row, counted from 0. */
  first: number;
  rows: number;
  /** Row-major, rows x columns. */
  values: Float64Array;
}

/** Rows that can be read as often as wanted, and what one reading of all of them told. */
export interface RowSource {
  /** Names in the order of the values, without duplicates. */
  columns: string[];
  rows: number;
  /** Smallest and largest value of each column. */
  low: Float64Array;
  high: Float64Array;
  /** The file's name, for messages. */
  file: string;
  /**
   * All rows from the first on, in blocks of `rowsPerBlock` rows; the last may be shorter.
   * @throws CSV_CHANGED when the file is not what it was at the first reading
   */
  blocks(rowsPerBlock: number): AsyncIterable<RowBlock>;
}

/** A table in memory as a source. */
export function rowsOf(table: Table): RowSource {
  const { columns, rows, values, file } = table;
  const { low, high } = extremesOf(table);
  return {
    ...{ columns, rows, file, low, high },
    async *blocks(rowsPerBlock) {
      for (let first = 0; first < rows; first += rowsPerBlock) {
        const count = Math.min(rowsPerBlock, rows - first);
        const start = first * columns.length;
        yield { first, rows: count, values: values.subarray(start, start + count * columns.length) };
      }
    },
  };
}

/** The smallest and the largest value of each column of what was added. */
export class Extremes {
  readonly low: Float64Array;
  readonly high: Float64Array;

  constructor(columns: number) {
    this.low = new Float64Array(columns).fill(Number.POSITIVE_INFINITY);
    this.high = new Float64Array(columns).fill(Number.NEGATIVE_INFINITY);
  }

  /** Takes whole rows. */
  add(values: Float64Array): void {
    const { low, high } = this;
    for (let at = 0, column = 0; at < values.length; at++) {
      const value = values[at]!;
      if (value < low[column]!) low[column] = value;
      if (value > high[column]!) high[column] = value;
      column = column + 1 === low.length ? 0 : column + 1;
    }
  }
}

/** The extremes of a whole table. */
export function extremesOf(table: Table | RowSource): Pick<RowSource, "low" | "high"> {
  if (!("values" in table)) return table;
  const extremes = new Extremes(table.columns.length);
  extremes.add(table.values);
  return extremes;
}

/** The refusal of a file that another process writes to while it is shared. */
export function fileChanged(file: string): SymbolonError {
  return new SymbolonError("CSV_CHANGED", `${file} changed while it was read.`, {
    hint: "It is read twice, first to count and check its rows: share a file that nobody writes to.",
  });
}
