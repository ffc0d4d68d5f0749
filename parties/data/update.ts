/**
 * Reading a model update that a seller computed itself, for aggregation: a JSON array of numbers, or
 * `{ "rows": n, "update": [...] }` when it is to weigh as much as its n rows.
 *
 * An update is shared as a table with one column and a row for each coordinate, so that everything that is
 * done to data sets is done to it, and its length is bounded by the number of rows only.
 */
import { readFile } from "node:fs/promises";
import { SymbolonError } from "../../mpc/errors.ts";
import { unreadable } from "../unreadable.ts";
import type { Table } from "./csv.ts";

/** Name of the one column of an update's table. */
export const updateColumn = "update";

/** An update from a file. The coordinates are secret: never log them. */
export interface ModelUpdate {
  /** Rows that the update was computed over; 1 when the file does not say. */
  weight: number;
  update: Float64Array;
  /** The file's name, for messages. */
  file: string;
}

/** Reads an update file. @throws USAGE when it cannot be read, UPDATE_INVALID, CSV_NOT_A_NUMBER */
export async function readUpdate(file: string): Promise<ModelUpdate> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    throw new SymbolonError("USAGE", `${file} ${unreadable(error)}.`, { cause: error });
  }
  return parseUpdate(text, file);
}

/** The same for a text already in memory; `file` names it in messages. */
export function parseUpdate(text: string, file = "the update"): ModelUpdate {
  let value: unknown;
  try {
    value = JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch {
    // No cause: the parser's message quotes the text around the error.
    throw malformed(file, "it is not JSON");
  }
  const { rows, update } = Array.isArray(value) ? { rows: 1, update: value } : asWeighted(value, file);
  if (update.length === 0) throw malformed(file, "the update has no coordinates");
  const coordinates = new Float64Array(update.length);
  update.forEach((coordinate: unknown, index) => {
    // JSON has no NaN, but 1e999 reads as infinity.
    if (typeof coordinate !== "number" || !Number.isFinite(coordinate)) {
      throw new SymbolonError("CSV_NOT_A_NUMBER", `${file}: coordinate ${index} is not a finite number.`, {
        hint: "Coordinates are counted from 0.",
      });
    }
    coordinates[index] = coordinate;
  });
  return { weight: rows, update: coordinates, file };
}

/** The update as a table that fits a schema with the one column `updateColumn`. */
export function updateTable({ update, file }: ModelUpdate): Table {
  return { columns: [updateColumn], rows: update.length, values: update, file };
}

function asWeighted(value: unknown, file: string): { rows: number; update: unknown[] } {
  if (typeof value !== "object" || value === null)
    throw malformed(file, "it is neither an array nor an object");
  const { rows, update, ...others } = value as Record<string, unknown>;
  if (Object.keys(others).length > 0) throw malformed(file, "it has other keys than rows and update");
  if (!Array.isArray(update)) throw malformed(file, "update is not an array");
  if (!Number.isInteger(rows) || (rows as number) < 1 || (rows as number) > 0xffff_ffff) {
    throw malformed(file, "rows is not a whole number from 1 to 4294967295");
  }
  return { rows: rows as number, update };
}

function malformed(file: string, reason: string): SymbolonError {
  return new SymbolonError("UPDATE_INVALID", `${file} is not an update: ${reason}.`, {
    hint: 'Expected a JSON array of numbers, or { "rows": n, "update": [...] }.',
  });
}
