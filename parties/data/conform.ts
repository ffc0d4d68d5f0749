/** A table checked against a schema: the columns in the schema's order, the label apart. */
import { SymbolonError } from "../../mpc/errors.ts";
import { lineOfRow, type Table } from "./csv.ts";
import { type DataSetSchema, sharedColumns } from "./schema.ts";

/** A table that fits its schema. Secret: never log it. */
export interface ConformedTable {
  rows: number;
  /** Row-major, rows x schema.columns.length, in the units of the file, within the declared bounds. */
  features: Float64Array;
  /** One 0 or 1 per row, when the schema has a label. */
  label?: Float64Array;
  /** How many cells of which column were clipped to a bound; only columns where that happened. */
  clipped: Record<string, number>;
}

/**
 * Checks a table against a schema.
 * @throws CSV_COLUMN_MISSING, CSV_COLUMN_EXTRA (both name the columns), CSV_OUT_OF_RANGE (unless the schema
 * says clip), CSV_LABEL_INVALID; the latter two with line and column, never the value
 */
export function conform(table: Table, schema: DataSetSchema): ConformedTable {
  requireColumns(table, schema);
  const { rows, values, columns: fileColumns } = table;
  const stride = fileColumns.length;
  const width = schema.columns.length;
  const features = new Float64Array(rows * width);
  const outside = new RangeErrors(table);
  // Column by column would miss the cache on large files: one pass over the rows instead.
  const sources = schema.columns.map(({ name }) => fileColumns.indexOf(name));
  const clippedCounts = new Array<number>(width).fill(0);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < width; column++) {
      const { min, max } = schema.columns[column]!;
      const value = values[row * stride + sources[column]!]!;
      // Written so that NaN, which a reader never yields, counts as outside.
      const inside = value >= min && value <= max;
      if (!inside) {
        if (schema.outOfRange === "refuse" || Number.isNaN(value)) outside.note(row, schema.columns[column]!);
        clippedCounts[column]!++;
      }
      features[row * width + column] = inside ? value : value < min ? min : max;
    }
  }
  outside.throwIfAny();
  const clipped: Record<string, number> = {};
  clippedCounts.forEach((count, column) => {
    if (count > 0) clipped[schema.columns[column]!.name] = count;
  });
  const label = schema.label === undefined ? undefined : takeLabel(table, schema.label.name);
  return { rows, features, ...(label === undefined ? {} : { label }), clipped };
}

function requireColumns(table: Table, schema: DataSetSchema): void {
  const wanted = sharedColumns(schema);
  const missing = wanted.filter((name) => !table.columns.includes(name));
  const extra = table.columns.filter((name) => !wanted.includes(name));
  const words = [
    ...(missing.length > 0 ? [`lacks ${plural(missing)}`] : []),
    ...(extra.length > 0 ? [`has ${plural(extra)}, which the schema does not declare`] : []),
  ].join(" and ");
  if (missing.length > 0) {
    throw new SymbolonError("CSV_COLUMN_MISSING", `${table.file} ${words}.`, {
      hint: "Every column of the schema must be in the file, under the same name.",
    });
  }
  if (extra.length > 0) {
    throw new SymbolonError("CSV_COLUMN_EXTRA", `${table.file} ${words}.`, {
      hint: "Remove the column from the file: nothing is dropped silently.",
    });
  }
}

const plural = (names: string[]): string =>
  `the column${names.length > 1 ? "s" : ""} ${names.slice(0, 20).join(", ")}${names.length > 20 ? `, and ${names.length - 20} more` : ""}`;

/** Counts the cells outside their range and remembers where the first is. */
class RangeErrors {
  readonly #table: Table;
  #count = 0;
  #first: { row: number; name: string; min: number; max: number } | undefined;

  constructor(table: Table) {
    this.#table = table;
  }

  note(row: number, column: { name: string; min: number; max: number }): void {
    this.#count++;
    this.#first ??= { row, name: column.name, min: column.min, max: column.max };
  }

  throwIfAny(): void {
    if (this.#first === undefined) return;
    const { row, name, min, max } = this.#first;
    const others = this.#count > 1 ? `, as are ${this.#count - 1} other cells` : "";
    throw new SymbolonError(
      "CSV_OUT_OF_RANGE",
      `${this.#table.file}, line ${lineOfRow(row)}, column ${name}: the value is outside the declared range ${min} to ${max}${others}.`,
      { hint: 'Widen the range, remove the row, or declare "outOfRange": "clip".' },
    );
  }
}

function takeLabel(table: Table, name: string): Float64Array {
  const column = table.columns.indexOf(name);
  const label = new Float64Array(table.rows);
  for (let row = 0; row < table.rows; row++) {
    const value = table.values[row * table.columns.length + column]!;
    if (value !== 0 && value !== 1) {
      throw new SymbolonError(
        "CSV_LABEL_INVALID",
        `${table.file}, line ${lineOfRow(row)}, column ${name}: a label must be 0 or 1.`,
      );
    }
    label[row] = value + 0; // -0 reads as 0
  }
  return label;
}
