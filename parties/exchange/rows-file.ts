/** Rows that were bought, as a CSV file that `readTable` reads back to the same numbers. */
import { readFile, writeFile } from "node:fs/promises";
import { SymbolonError } from "../../mpc/errors.ts";
import { type DataSetSchema, sharedColumns } from "../data/schema.ts";
import type { LabelledRows } from "./shards.ts";

/** A header of the schema's columns, the label last, then the rows. */
export function rowsCsv(shards: readonly LabelledRows[], schema: DataSetSchema): string {
  const width = schema.columns.length;
  const lines = [sharedColumns(schema).map(quoted).join(",")];
  for (const { rows, features, label } of shards) {
    for (let row = 0; row < rows; row++) {
      // The shortest decimal that reads back as the same double.
      lines.push([...features.subarray(row * width, (row + 1) * width), label[row]!].join(","));
    }
  }
  return `${lines.join("\n")}\n`;
}

/**
 * Writes a file that only its owner can read. A file that holds these very rows stays as it is.
 * @throws USAGE when there is another one, or it cannot be written
 */
export async function writeRows(
  file: string,
  shards: readonly LabelledRows[],
  schema: DataSetSchema,
): Promise<void> {
  const text = rowsCsv(shards, schema);
  await writeFile(file, text, { flag: "wx", mode: 0o600 }).catch(async (cause) => {
    const exists = (cause as NodeJS.ErrnoException).code === "EEXIST";
    if (exists && (await readFile(file, "utf8")) === text) return;
    throw new SymbolonError(
      "USAGE",
      `${file} ${exists ? "exists already, and holds something else" : "cannot be written"}`,
      { hint: "give another name", cause },
    );
  });
}

/** A cell of the header (RFC 4180, section 2). */
function quoted(name: string): string {
  return /[",\r\n]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name;
}
