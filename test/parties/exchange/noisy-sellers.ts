/** The shipped breast-cancer rows, dealt out to a buyer and to sellers whose labels are wrong to different degrees. */

import { readTable, type Table } from "../../../parties/data/csv.ts";
import { type DataSetSchema, deriveSchema } from "../../../parties/data/schema.ts";
import { demoFile, demoLabel } from "../../../parties/local/demo-data.ts";

export interface NoisySellers {
  schema: DataSetSchema;
  /** Every fifth row, its labels right. */
  validation: Table;
  /** Equal parts of the others, one for each share of wrong labels. */
  sellers: Table[];
}

/** @param noise share of each seller's labels, 0 to 1, that are turned */
export async function noisySellers(noise: readonly number[], seed = 1): Promise<NoisySellers> {
  const table = await readTable(demoFile);
  const all = Array.from({ length: table.rows }, (_, row) => row);
  const others = all.filter((row) => row % 5 !== 4);
  const part = Math.floor(others.length / noise.length);
  const random = sequence(seed);
  return {
    schema: deriveSchema([table], { label: demoLabel }),
    validation: take(
      table,
      all.filter((row) => row % 5 === 4),
      "validation",
    ),
    sellers: noise.map((share, i) => {
      const made = take(table, others.slice(i * part, (i + 1) * part), `seller ${i}`);
      const order = shuffled(part, random);
      const at = table.columns.indexOf(demoLabel);
      for (const row of order.slice(0, Math.round(share * part))) {
        const cell = row * table.columns.length + at;
        made.values[cell] = 1 - made.values[cell]!;
      }
      return made;
    }),
  };
}

function take(table: Table, rows: readonly number[], file: string): Table {
  const width = table.columns.length;
  const values = Float64Array.from(
    rows.flatMap((row) => [...table.values.subarray(row * width, (row + 1) * width)]),
  );
  return { columns: table.columns, rows: rows.length, values, file };
}

export function csvOf({ columns, rows, values }: Table): string {
  const lines = Array.from({ length: rows }, (_, row) =>
    values.subarray(row * columns.length, (row + 1) * columns.length).join(","),
  );
  return `${[columns.join(","), ...lines].join("\n")}\n`;
}

/** The same numbers in [0, 1) each time (Park and Miller's generator): test data, no secret. */
export function sequence(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 0x7fff_ffff;
    return state / 0x7fff_ffff;
  };
}

function shuffled(count: number, random: () => number): number[] {
  const order = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}
