/**
 * Reading a seller's CSV file into numbers, strictly: every cell is a finite decimal number or the file is
 * refused. Rows are secret, so no error names a cell's content, only its line and column.
 */
import { createReadStream } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { CsvError, type Parser, parse } from "csv-parse";
import { SymbolonError } from "../../mpc/errors.ts";
import { isColumnName } from "./schema.ts";

/** A file of numbers. Secret: never log it. */
export interface Table {
  /** Names from the header, in file order, without duplicates. */
  columns: string[];
  rows: number;
  /** Row-major, rows x columns. Row r stands on line r + 2 of the file. */
  values: Float64Array;
  /** The file's name, for messages. */
  file: string;
}

export interface CsvDialect {
  /** Between cells; the default is a comma, or a semicolon when the decimal sign is a comma. */
  delimiter?: string;
  /** The decimal sign. Thousands separators are not understood. */
  decimal?: "." | ",";
}

/** Line of the file that row `row` of a table stands on: the header is line 1, blank lines are refused. */
export const lineOfRow = (row: number): number => row + 2;

/**
 * Reads a CSV file: UTF-8 with or without a byte order mark, a header line, LF or CRLF, cells optionally
 * quoted, a final newline or not.
 * @throws USAGE (unreadable file, impossible dialect), CSV_EMPTY, CSV_MALFORMED, CSV_NOT_A_NUMBER
 */
export async function readTable(file: string, dialect: CsvDialect = {}): Promise<Table> {
  return await parseStream(createReadStream(file, { highWaterMark: 1 << 18 }), file, dialect);
}

/** The same for a text or bytes already in memory; `file` names it in messages. */
export async function parseTable(
  content: string | Uint8Array,
  dialect: CsvDialect = {},
  file = "the data",
): Promise<Table> {
  const bytes = typeof content === "string" ? Buffer.from(content, "utf8") : Buffer.from(content);
  return await parseStream(Readable.from(bytes.length === 0 ? [] : [bytes]), file, dialect);
}

async function parseStream(source: Readable, file: string, dialect: CsvDialect): Promise<Table> {
  const { delimiter, decimal } = checkDialect(dialect);
  const builder = new TableBuilder(file, decimal);
  const parser: Parser = parse({
    delimiter,
    bom: true,
    relax_column_count: true, // lengths are checked below, with our own words
    max_record_size: 1 << 24, // an unclosed quote must not swallow the file
  });
  try {
    await pipeline(source, parser, async (records) => {
      for await (const record of records) builder.add(record as string[]);
    });
  } catch (error) {
    throw asTableError(error, file);
  }
  return builder.finish();
}

function checkDialect(dialect: CsvDialect): { delimiter: string; decimal: "." | "," } {
  const decimal = dialect.decimal ?? ".";
  const delimiter = dialect.delimiter ?? (decimal === "," ? ";" : ",");
  if (decimal !== "." && decimal !== ",") {
    throw new SymbolonError("USAGE", "The decimal sign must be a point or a comma.");
  }
  if (delimiter.length !== 1 || /[\p{L}\p{N}"\r\n.+-]/u.test(delimiter)) {
    throw new SymbolonError("USAGE", "The delimiter must be one character that no number contains.");
  }
  if (delimiter === decimal) {
    throw new SymbolonError("USAGE", "The delimiter and the decimal sign cannot be the same.");
  }
  return { delimiter, decimal };
}

/** The parser's own errors carry the record they failed on: only their line number leaves this function. */
function asTableError(error: unknown, file: string): SymbolonError {
  if (error instanceof SymbolonError) return error;
  if (error instanceof CsvError) {
    const line = (error as unknown as { lines?: number }).lines;
    const place = typeof line === "number" ? ` near line ${line}` : "";
    return new SymbolonError("CSV_MALFORMED", `${file} cannot be parsed as CSV${place}.`, {
      hint: "Check the quotes, and the delimiter and decimal sign that were given.",
    });
  }
  const system = error as NodeJS.ErrnoException;
  if (typeof system?.code === "string" && typeof system.syscall === "string") {
    return new SymbolonError("USAGE", `${file} cannot be read (${system.code}).`, { cause: error });
  }
  return new SymbolonError("INTERNAL", `Reading ${file} failed.`);
}

const numberWithPoint = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/;
const numberWithComma = /^[+-]?(?:\d+(?:,\d*)?|,\d+)(?:[eE][+-]?\d+)?$/;

/**
 * Whether the numbers in a header of `width` cells are a numbering 0, 1, 2 ... or 1, 2, 3 ... of the columns,
 * as programs write that have no names. A short row of data may look like one: two cells alone do not pass.
 */
function isNumbering(numbers: number[], width: number): boolean {
  const [first] = numbers;
  if (first !== 0 && first !== 1) return false;
  return (width > numbers.length || width > 2) && numbers.every((value, index) => value === first + index);
}

/** Collects records; grows its array by doubling and hands out a view of it. */
class TableBuilder {
  readonly #file: string;
  readonly #decimal: "." | ",";
  readonly #pattern: RegExp;
  #columns: string[] | undefined;
  #rows = 0;
  #values = new Float64Array(0);
  #blankLine: number | undefined;

  constructor(file: string, decimal: "." | ",") {
    this.#file = file;
    this.#decimal = decimal;
    this.#pattern = decimal === "," ? numberWithComma : numberWithPoint;
  }

  add(record: string[]): void {
    if (this.#columns === undefined) {
      this.#columns = this.#header(record);
      return;
    }
    const columns = this.#columns;
    const line = lineOfRow(this.#rows);
    if (record.length === 1 && record[0]!.trim() === "") {
      this.#blankLine ??= line;
      return;
    }
    // Blank lines may end a file; inside it they would shift the line numbers of all messages.
    if (this.#blankLine !== undefined) {
      throw new SymbolonError("CSV_MALFORMED", `${this.#file}, line ${this.#blankLine}: the line is blank.`);
    }
    if (record.length !== columns.length) {
      throw new SymbolonError(
        "CSV_MALFORMED",
        `${this.#file}, line ${line}: ${record.length} cells where the header names ${columns.length} columns.`,
      );
    }
    const start = this.#rows * columns.length;
    this.#reserve(start + columns.length);
    for (let column = 0; column < columns.length; column++) {
      const value = this.#number(record[column]!);
      if (value === undefined) {
        throw new SymbolonError(
          "CSV_NOT_A_NUMBER",
          `${this.#file}, line ${line}, column ${columns[column]}: the cell is not a finite decimal number.`,
          { hint: "Remove the row or fill in the value; text columns must be encoded as numbers first." },
        );
      }
      this.#values[start + column] = value;
    }
    this.#rows++;
  }

  finish(): Table {
    if (this.#columns === undefined) {
      throw new SymbolonError("CSV_EMPTY", `${this.#file} is empty.`, {
        hint: "Expected a header line with column names, then rows of numbers.",
      });
    }
    if (this.#rows === 0) {
      throw new SymbolonError("CSV_EMPTY", `${this.#file} has a header but no data rows.`);
    }
    return {
      columns: this.#columns,
      rows: this.#rows,
      values: this.#values.subarray(0, this.#rows * this.#columns.length),
      file: this.#file,
    };
  }

  #header(record: string[]): string[] {
    const names = record.map((cell) => cell.trim());
    if (names.length === 1 && names[0] === "") {
      throw new SymbolonError("CSV_EMPTY", `${this.#file} begins with a blank line.`, {
        hint: "The first line must hold the column names.",
      });
    }
    // Without this check, the first row of a file without a header would be taken for names, which are public.
    const numbers = names.map((name) => this.#number(name)).filter((value) => value !== undefined);
    if (numbers.length * 2 >= names.length && !isNumbering(numbers, names.length)) {
      throw new SymbolonError("CSV_MALFORMED", `${this.#file}, line 1: the header is missing.`, {
        hint: "The first line must hold the column names, and most of them must not be numbers.",
      });
    }
    names.forEach((name, index) => {
      if (!isColumnName(name)) {
        throw new SymbolonError(
          "CSV_MALFORMED",
          `${this.#file}, line 1: column ${index + 1} needs a name of 1 to 128 printable characters in UTF-8.`,
          { hint: "A file written with its row numbers has a first column without a name: leave them out." },
        );
      }
      if (names.indexOf(name) !== index) {
        throw new SymbolonError("CSV_MALFORMED", `${this.#file}, line 1: the column ${name} occurs twice.`);
      }
    });
    return names;
  }

  #number(cell: string): number | undefined {
    const text = cell.trim();
    if (!this.#pattern.test(text)) return undefined;
    const value = Number(this.#decimal === "," ? text.replace(",", ".") : text);
    return Number.isFinite(value) ? value : undefined;
  }

  #reserve(length: number): void {
    if (length <= this.#values.length) return;
    const grown = new Float64Array(Math.max(length, 2 * this.#values.length, 1024));
    grown.set(this.#values);
    this.#values = grown;
  }
}
