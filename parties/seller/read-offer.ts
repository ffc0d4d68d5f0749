/** A seller's file and the schema that it is offered under, checked against each other. */
import { SymbolonError } from "../../mpc/errors.ts";
import type { FieldBits } from "../../mpc/vector/index.ts";
import { checkColumns } from "../data/conform.ts";
import { type CsvDialect, openRows } from "../data/csv.ts";
import { type RowSource, rowsOf } from "../data/rows.ts";
import { type DataSetSchema, deriveSchema, loadSchema } from "../data/schema.ts";
import { readUpdate, updateTable } from "../data/update.ts";

export interface OfferFiles {
  /** A CSV file, or a model update (JSON) when the name ends in .json. */
  data: string;
  dialect?: CsvDialect;
  schema?: string;
  label?: string;
  /** Exponent of the field to share in, in place of the schema's or the one that fits best. */
  field?: FieldBits;
}

export interface OfferData {
  table: RowSource;
  schema: DataSetSchema;
  /** Whether the bounds were taken from the data, which publishes them. */
  derived: boolean;
}

/** @throws the CSV_ codes, UPDATE_INVALID, SCHEMA_INVALID, USAGE */
export async function readOfferData(files: OfferFiles): Promise<OfferData> {
  const isUpdate = files.data.toLowerCase().endsWith(".json");
  const table = isUpdate
    ? rowsOf(updateTable(await readUpdate(files.data)))
    : await openRows(files.data, files.dialect);
  if (files.schema === undefined) {
    const schema = deriveSchema([table], {
      ...(files.label !== undefined && { label: files.label }),
      ...(files.field !== undefined && { fieldBits: files.field }),
    });
    return { table, schema, derived: true };
  }
  const schema = await loadSchema(files.schema, files.field);
  if (files.label !== undefined && schema.label?.name !== files.label) {
    throw new SymbolonError("USAGE", `the schema does not declare the label ${files.label}`);
  }
  // Whether every cell fits shows when the rows are shared; what is wrong with the columns shows now.
  checkColumns(table, schema);
  return { table, schema, derived: false };
}
