/**
 * Reading a seller's CSV file into numbers, strictly: every cell is a finite decimal number or the file is
 * refused. Rows are secret, so no error names a cell's content, only its line and column.
 */
import { createReadStream } from "node:fs";
import { pipeline, Readable } from "node:stream";
import { CsvError, type Parser, parse } from "csv-parse";
import { SymbolonError } from "../../mpc/errors.ts";
import { counted } from "../counted.ts";
import { unreadable } from "../unreadable.ts";
import { Extremes, fileChanged, type RowBlock, type RowSource } from "./rows.ts";
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
 * quoted, a final newline or not. All of it is held in memory; `openRows` does without.
 * @throws USAGE (unreadable file, impossible dialect), CSV_EMPTY, CSV_MALFORMED, CSV_NOT_A_NUMBER
 */
export async function readTable(file: string, dialect: CsvDialect = {}): Promise<Table> {
  return await wholeTable(new CsvReader(openFile(file), file, dialect));
}

/** The same for a text or bytes already in memory; `file` names it in messages. */
export async function parseTable(
  content: string | Uint8Array,
  dialect: CsvDialect = {},
  file = "the data",
): Promise<Table> {
  const bytes = typeof content === "string" ? Buffer.from(content, "utf8") : Buffer.from(content);
  return await wholeTable(new CsvReader(Readable.from(bytes.length === 0 ? [] : [bytes]), file, dialect));
}

/**
 * Reads a CSV file once to check and count its rows, and again each time that its blocks are asked for: the
 * memory in use is that of one block. The same files are accepted as by `readTable`.
 * @throws as `readTable`
 */
export async function openRows(file: string, dialect: CsvDialect = {}): Promise<RowSource> {
  const first = new CsvReader(openFile(file), file, dialect);
  let extremes: Extremes | undefined;
  for await (const { values } of first.blocks()) {
    extremes ??= new Extremes(first.columns.length);
    extremes.add(values);
  }
  const { columns, rows } = first;
  return {
    ...{ columns, rows, file, low: extremes!.low, high: extremes!.high },
    async *blocks(rowsPerBlock) {
      const again = new CsvReader(openFile(file), file, dialect);
      for await (const block of again.blocks(rowsPerBlock)) {
        if (again.rows > rows || again.columns.join("\n") !== columns.join("\n")) throw fileChanged(file);
        yield block;
      }
      if (again.rows !== rows) throw fileChanged(file);
    },
  };
}

/** Cells in a block of rows when nobody asks for another size. */
const blockCells = 2 ** 16;

const openFile = (file: string): Readable => createReadStream(file, { highWaterMark: 1 << 18 });

async function wholeTable(reader: CsvReader): Promise<Table> {
  let values = new Float64Array(0);
  let used = 0;
  for await (const block of reader.blocks()) {
    if (used + block.values.length > values.length) {
      const grown = new Float64Array(Math.max(used + block.values.length, 2 * values.length));
      grown.set(values);
      values = grown;
    }
    values.set(block.values, used);
    used += block.values.length;
  }
  const { columns, rows, file } = reader;
  return { columns, rows, values: values.subarray(0, used), file };
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
    return new SymbolonError("USAGE", `${file} ${unreadable(error)}.`, { cause: error });
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

/** Reads one stream of CSV once, row by row; every message about a cell names its line and column only. */
class CsvReader {
  readonly file: string;
  readonly #source: Readable;
  readonly #delimiter: string;
  readonly #decimal: "." | ",";
  readonly #pattern: RegExp;
  #columns: string[] | undefined;
  #rows = 0;
  #blankLine: number | undefined;

  constructor(source: Readable, file: string, dialect: CsvDialect) {
    const { delimiter, decimal } = checkDialect(dialect);
    this.file = file;
    this.#source = source;
    this.#delimiter = delimiter;
    this.#decimal = decimal;
    this.#pattern = decimal === "," ? numberWithComma : numberWithPoint;
  }

  /** Names from the header; known with the first block. */
  get columns(): string[] {
    if (this.#columns === undefined) throw new SymbolonError("INTERNAL", "the header was not read yet");
    return this.#columns;
  }

  /** Rows read so far. */
  get rows(): number {
    return this.#rows;
  }

  /** All rows in blocks; at least one block. @throws the codes of `readTable` */
  async *blocks(wantedRows?: number): AsyncGenerator<RowBlock> {
    const parser: Parser = parse({
      delimiter: this.#delimiter,
      bom: true,
      relax_column_count: true, // lengths are checked below, with our own words
      max_record_size: 1 << 24, // an unclosed quote must not swallow the file
    });
    // An error of the source destroys the parser, and reading from that throws.
    pipeline(this.#source, parser, () => undefined);
    let rowsPerBlock = 0;
    let block: Float64Array | undefined;
    let first = 0;
    try {
      for await (const record of parser as AsyncIterable<string[]>) {
        if (this.#columns === undefined) {
          this.#columns = this.#header(record);
          rowsPerBlock = wantedRows ?? Math.max(1, Math.floor(blockCells / this.#columns.length));
          continue;
        }
        block ??= new Float64Array(rowsPerBlock * this.#columns.length);
        if (!this.#add(record, block, this.#rows - first)) continue;
        if (this.#rows - first < rowsPerBlock) continue;
        yield { first, rows: rowsPerBlock, values: block };
        // The reader of a block may keep it.
        block = undefined;
        first = this.#rows;
      }
    } catch (error) {
      throw asTableError(error, this.file);
    } finally {
      parser.destroy();
    }
    this.#checkNotEmpty();
    const rows = this.#rows - first;
    if (block !== undefined && rows > 0) {
      yield { first, rows, values: block.subarray(0, rows * this.columns.length) };
    }
  }

  /** Writes the numbers of a record as row `row` of a block. @returns false for a blank line */
  #add(record: string[], block: Float64Array, row: number): boolean {
    const columns = this.columns;
    const line = lineOfRow(this.#rows);
    if (record.length === 1 && record[0]!.trim() === "") {
      this.#blankLine ??= line;
      return false;
    }
    // Blank lines may end a file; inside it they would shift the line numbers of all messages.
    if (this.#blankLine !== undefined) {
      throw new SymbolonError("CSV_MALFORMED", `${this.file}, line ${this.#blankLine}: the line is blank.`, {
        hint: "Remove blank lines between rows; at the end of the file they do no harm.",
      });
    }
    if (record.length !== columns.length) {
      throw new SymbolonError(
        "CSV_MALFORMED",
        `${this.file}, line ${line}: ${counted(record.length, "cell")} where the header names ${counted(columns.length, "column")}.`,
        {
          hint:
            this.#otherDelimiter(columns, record.length > 1) ??
            "Fill in or remove the row; a cell that holds the delimiter must stand in double quotes.",
        },
      );
    }
    const start = row * columns.length;
    for (let column = 0; column < columns.length; column++) {
      const value = this.#number(record[column]!);
      if (value === undefined) {
        throw new SymbolonError(
          "CSV_NOT_A_NUMBER",
          `${this.file}, line ${line}, column ${columns[column]}: the cell is not a finite decimal number.`,
          {
            hint:
              this.#otherDelimiter(columns, false) ??
              "Remove the row or fill in the value; columns of text must be encoded as numbers first, the two classes of a label as 0 and 1.",
          },
        );
      }
      block[start + column] = value;
    }
    this.#rows++;
    return true;
  }

  #checkNotEmpty(): void {
    if (this.#columns === undefined) {
      throw new SymbolonError("CSV_EMPTY", `${this.file} is empty.`, {
        hint: "Expected a header line with column names, then rows of numbers.",
      });
    }
    if (this.#rows === 0) {
      throw new SymbolonError("CSV_EMPTY", `${this.file} has a header but no data rows.`, {
        hint: "Expected rows of numbers below the header.",
      });
    }
  }

  #header(record: string[]): string[] {
    const names = record.map((cell) => cell.trim());
    if (names.length === 1 && names[0] === "") {
      throw new SymbolonError("CSV_EMPTY", `${this.file} begins with a blank line.`, {
        hint: "The first line must hold the column names.",
      });
    }
    // Without this check, the first row of a file without a header would be taken for names, which are public.
    const numbers = names.map((name) => this.#number(name)).filter((value) => value !== undefined);
    if (numbers.length * 2 >= names.length && !isNumbering(numbers, names.length)) {
      throw new SymbolonError("CSV_MALFORMED", `${this.file}, line 1: the header is missing.`, {
        hint: "The first line must hold the column names, and most of them must not be numbers.",
      });
    }
    names.forEach((name, index) => {
      if (!isColumnName(name)) {
        throw new SymbolonError(
          "CSV_MALFORMED",
          `${this.file}, line 1: column ${index + 1} needs a name of 1 to 128 printable characters in UTF-8.`,
          {
            hint: name.includes("\uFFFD")
              ? "Save the file as UTF-8."
              : (this.#otherDelimiter(names, false) ??
                "A file written with its row numbers has a first column without a name: leave them out."),
          },
        );
      }
      if (names.indexOf(name) !== index) {
        throw new SymbolonError("CSV_MALFORMED", `${this.file}, line 1: the column ${name} occurs twice.`, {
          hint: "Rename one of the two or leave it out.",
        });
      }
    });
    return names;
  }

  /**
   * Advice for a file that came out as one column because its cells are separated by another character. It goes by
   * the header alone, for cells are secret. @param commas whether commas in the numbers split a row
   */
  #otherDelimiter([name, ...others]: string[], commas: boolean): string | undefined {
    const found = [";", "\t", "|", ","].find((each) => others.length === 0 && name!.includes(each));
    if (found === undefined || found === this.#delimiter) return undefined;
    const shown = found === "\t" ? "\\t" : found;
    return `The header looks separated by "${shown}": give --delimiter "${shown}"${commas ? ' --decimal ","' : ""}`;
  }

  #number(cell: string): number | undefined {
    const text = cell.trim();
    if (!this.#pattern.test(text)) return undefined;
    const value = Number(this.#decimal === "," ? text.replace(",", ".") : text);
    return Number.isFinite(value) ? value : undefined;
  }
}
