/** The demo's data: the shipped breast-cancer table, dealt out to three sellers and the buyer. */
import { join } from "node:path";
import { readTable, type Table } from "../data/csv.ts";

export const demoLabel = "benign";
export const demoFile = join(import.meta.dirname, "..", "data", "examples", "breast-cancer.csv");
export const demoSellers = 3;

export interface DemoTables {
  /** Equal parts of what the buyer does not hold. */
  sellers: Table[];
  /** Every fifth row. */
  validation: Table;
}

export async function demoTables(): Promise<DemoTables> {
  const table = await readTable(demoFile);
  const rows = Array.from({ length: table.rows }, (_, row) => row);
  const held = rows.filter((row) => row % 5 === 4);
  const shared = rows.filter((row) => row % 5 !== 4);
  const part = Math.ceil(shared.length / demoSellers);
  return {
    sellers: Array.from({ length: demoSellers }, (_, i) =>
      takeRows(table, shared.slice(i * part, (i + 1) * part), `seller ${i + 1}'s table`),
    ),
    validation: takeRows(table, held, "the buyer's table"),
  };
}

function takeRows(table: Table, rows: readonly number[], file: string): Table {
  const width = table.columns.length;
  const values = new Float64Array(rows.length * width);
  rows.forEach((row, i) => {
    values.set(table.values.subarray(row * width, (row + 1) * width), i * width);
  });
  return { columns: table.columns, rows: rows.length, values, file };
}
