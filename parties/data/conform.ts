/** A table checked against a schema: the columns in the schema's order, the label apart. */
import { SymbolonError } from "../../mpc/errors.ts";
import { lineOfRow, type Table } from "./csv.ts";
import type { RowBlock } from "./rows.ts";
import { type DataSetSchema, sharedColumns } from "./schema.ts";

/** Rows that fit their schema. Secret: never log them. */
export interface ConformedRows {
  rows: number;
  /** Row-major, rows x schema.columns.length, in the units of the file, within the declared bounds. */
  features: Float64Array;
  /** One 0 or 1 per row, when the schema has a label. */
  label?: Float64Array;
}

/** A table that fits its schema. */
export interface ConformedTable extends ConformedRows {
  /** How many cells of which column were clipped to a bound; only columns where that happened. */
  clipped: Record<string, number>;
}

/**
 * Checks a table against a schema.
 * @throws CSV_COLUMN_MISSING, CSV_COLUMN_EXTRA (both name the columns), CSV_OUT_OF_RANGE (unless the schema
 * says clip), CSV_LABEL_INVALID; the latter two with line and column, never the value
 */
export function conform(table: Table, schema: DataSetSchema): ConformedTable {
  const conformer = new Conformer(table, schema);
  const rows = conformer.take({ first: 0, rows: table.rows, values: table.values });
  return { ...rows, clipped: conformer.finish() };
}

/** Checks rows against a schema, block by block; what is wrong is said at the end, for all blocks together. */
export class Conformer {
  readonly #schema: DataSetSchema;
  readonly #stride: number;
  /** Where the schema's columns stand in the file. */
  readonly #sources: number[];
  readonly #labelAt: number | undefined;
  readonly #clipped: number[];
  readonly #outside: RangeErrors;
  readonly #file: string;
  #wrongLabelLine: number | undefined;

  /** @throws CSV_COLUMN_MISSING, CSV_COLUMN_EXTRA */
  constructor(table: Pick<Table, "columns" | "file">, schema: DataSetSchema) {
    checkColumns(table, schema);
    const { columns, file } = table;
    this.#schema = schema;
    this.#stride = columns.length;
    this.#sources = schema.columns.map(({ name }) => columns.indexOf(name));
    this.#labelAt = schema.label === undefined ? undefined : columns.indexOf(schema.label.name);
    this.#clipped = new Array<number>(schema.columns.length).fill(0);
    this.#outside = new RangeErrors(file);
    this.#file = file;
  }

  /** Whether all rows so far fit. */
  get fits(): boolean {
    return this.#outside.count === 0 && this.#wrongLabelLine === undefined;
  }

  /** The columns of a block in the schema's order, the label apart. */
  take({ first, rows, values }: RowBlock): ConformedRows {
    const { columns, outOfRange } = this.#schema;
    const width = columns.length;
    const features = new Float64Array(rows * width);
    // Column by column would miss the cache on large files: one pass over the rows instead.
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < width; column++) {
        const { min, max } = columns[column]!;
        const value = values[row * this.#stride + this.#sources[column]!]!;
        // Written so that NaN, which a reader never yields, counts as outside.
        const inside = value >= min && value <= max;
        if (!inside) {
          if (outOfRange === "refuse" || Number.isNaN(value))
            this.#outside.note(first + row, columns[column]!);
          this.#clipped[column]!++;
        }
        features[row * width + column] = inside ? value : value < min ? min : max;
      }
    }
    return {
      rows,
      features,
      ...(this.#labelAt !== undefined && { label: this.#takeLabel(first, rows, values) }),
    };
  }

  /**
   * How many cells of which column were clipped to a bound.
   * @throws CSV_OUT_OF_RANGE, CSV_LABEL_INVALID when a row does not fit
   */
  finish(): Record<string, number> {
    this.#outside.throwIfAny();
    if (this.#wrongLabelLine !== undefined) {
      throw new SymbolonError(
        "CSV_LABEL_INVALID",
        `${this.#file}, line ${this.#wrongLabelLine}, column ${this.#schema.label?.name}: a label must be 0 or 1.`,
        { hint: "Encode the two classes as 0 and 1." },
      );
    }
    const clipped: Record<string, number> = {};
    this.#clipped.forEach((count, column) => {
      if (count > 0) clipped[this.#schema.columns[column]!.name] = count;
    });
    return clipped;
  }

  #takeLabel(first: number, rows: number, values: Float64Array): Float64Array {
    const label = new Float64Array(rows);
    for (let row = 0; row < rows; row++) {
      const value = values[row * this.#stride + this.#labelAt!]!;
      if (value !== 0 && value !== 1) this.#wrongLabelLine ??= lineOfRow(first + row);
      label[row] = value + 0; // -0 reads as 0
    }
    return label;
  }
}

/** Checks the names of a table's columns. @throws CSV_COLUMN_MISSING, CSV_COLUMN_EXTRA */
export function checkColumns(
  { columns, file }: Pick<Table, "columns" | "file">,
  schema: DataSetSchema,
): void {
  const wanted = sharedColumns(schema);
  const missing = wanted.filter((name) => !columns.includes(name));
  const extra = columns.filter((name) => !wanted.includes(name));
  const words = [
    ...(missing.length > 0 ? [`lacks ${plural(missing)}`] : []),
    ...(extra.length > 0 ? [`has ${plural(extra)}, which the schema does not declare`] : []),
  ].join(" and ");
  if (missing.length > 0) {
    throw new SymbolonError("CSV_COLUMN_MISSING", `${file} ${words}.`, {
      hint: "Every column of the schema must be in the file, under the same name.",
    });
  }
  if (extra.length > 0) {
    throw new SymbolonError("CSV_COLUMN_EXTRA", `${file} ${words}.`, {
      hint: "Remove the column from the file: nothing is dropped silently.",
    });
  }
}

const plural = (names: string[]): string =>
  `the column${names.length > 1 ? "s" : ""} ${names.slice(0, 20).join(", ")}${names.length > 20 ? `, and ${names.length - 20} more` : ""}`;

/** Counts the cells outside their range and remembers where the first is. */
class RangeErrors {
  readonly #file: string;
  #count = 0;
  #first: { row: number; name: string; min: number; max: number } | undefined;

  constructor(file: string) {
    this.#file = file;
  }

  get count(): number {
    return this.#count;
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
      `${this.#file}, line ${lineOfRow(row)}, column ${name}: the value is outside the declared range ${min} to ${max}${others}.`,
      { hint: 'Widen the range, remove the row, or declare "outOfRange": "clip".' },
    );
  }
}
