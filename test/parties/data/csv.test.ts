import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { inspect } from "node:util";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ErrorCode, SymbolonError } from "../../../mpc/errors.ts";
import { type CsvDialect, parseTable, readTable } from "../../../parties/data/csv.ts";

/** What the secret cells of the bad files below contain; it must appear in no error. */
const marks = ["31337", "s3cr3t", "66642"];

async function failure(run: () => Promise<unknown> | unknown): Promise<SymbolonError> {
  try {
    await run();
  } catch (error) {
    return error as SymbolonError;
  }
  throw new Error("expected a failure");
}

async function refused(text: string | Uint8Array, code: ErrorCode, says: RegExp, dialect: CsvDialect = {}) {
  const error = await failure(() => parseTable(text, dialect, "data.csv"));
  expect(error.code).toBe(code);
  expect(error.message).toMatch(says);
  const everything = inspect(error, { depth: 9, showHidden: true }) + JSON.stringify(error);
  for (const mark of marks) expect(everything).not.toContain(mark);
}

describe("reading a CSV file", () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "symbolon-csv-"));
  });
  afterAll(async () => {
    await rm(directory, { recursive: true });
  });

  it("reads the example: 569 rows of 31 columns", async () => {
    const file = fileURLToPath(new URL("../../../parties/data/examples/breast-cancer.csv", import.meta.url));
    const table = await readTable(file);
    expect(table.rows).toBe(569);
    expect(table.columns).toHaveLength(31);
    expect(table.columns[30]).toBe("benign");
    expect(table.values).toHaveLength(569 * 31);
    expect([...table.values.subarray(0, 4)]).toEqual([17.99, 10.38, 122.8, 1001]);
    expect(table.values.filter((_, at) => at % 31 === 30).reduce((sum, value) => sum + value)).toBe(357);
  });

  it("takes a byte order mark, quotes, CRLF, spaces, blank lines at the end, and every way to write a number", async () => {
    const text = '\uFEFF"a, or b",c\r\n 1 , -2.5\r\n"+3e2",.5\r\n4.,-1E-3\r\n\r\n\r\n';
    const table = await parseTable(text);
    expect(table.columns).toEqual(["a, or b", "c"]);
    expect(table.rows).toBe(3);
    expect([...table.values]).toEqual([1, -2.5, 300, 0.5, 4, -0.001]);
  });

  it("does not need a newline at the end, and takes a single column", async () => {
    expect([...(await parseTable("a\n1\n2")).values]).toEqual([1, 2]);
    expect([...(await parseTable("a\n1\n2\n\n")).values]).toEqual([1, 2]);
  });

  it("takes other delimiters and decimal signs", async () => {
    expect([...(await parseTable("a;b\n1,5;-2\n", { decimal: "," })).values]).toEqual([1.5, -2]);
    expect([...(await parseTable("a\tb\n1.5\t2\n", { delimiter: "\t" })).values]).toEqual([1.5, 2]);
  });

  it("reads back what was written, whatever the numbers", async () => {
    const cell = fc.double({ noNaN: true, noDefaultInfinity: true });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(cell, cell), { minLength: 1, maxLength: 40 }), async (rows) => {
        const table = await parseTable(`x,y\n${rows.map((row) => row.join(",")).join("\n")}\n`);
        // String(-0) is "0".
        expect([...table.values]).toEqual(rows.flat().map((value) => value + 0));
      }),
      { numRuns: 50 },
    );
  });

  it("keeps every row when the array grows", async () => {
    const rows = 5000;
    const text = `i\n${Array.from({ length: rows }, (_, row) => row).join("\n")}`;
    const table = await parseTable(text);
    expect(table.rows).toBe(rows);
    expect(table.values.every((value, row) => value === row)).toBe(true);
  });

  it("refuses files without rows", async () => {
    await refused("", "CSV_EMPTY", /empty/);
    await refused("\uFEFF", "CSV_EMPTY", /empty/);
    await refused("\na,b\n1,2\n", "CSV_EMPTY", /blank line/);
    await refused("a,b\n", "CSV_EMPTY", /no data rows/);
    await refused("a,b", "CSV_EMPTY", /no data rows/);
  });

  it.each([
    ["text", "s3cr3t"],
    ["nothing", ""],
    ["a blank", "  "],
    ["NaN", "NaN"],
    ["Infinity", "-Infinity"],
    ["inf", "inf"],
    ["hexadecimal", "0x31337"],
    ["a number with words", "31337 cm"],
    ["a thousands separator", "31 337"],
    ["too large a number", "31337e999"],
    ["two points", "31.3.37"],
    ["a bare exponent", "e5"],
    ["a date", "1999-31337"],
    ["a quoted newline", '"31337\n2"'],
  ])("refuses %s in a number column, naming line and column only", async (_, cell) => {
    await refused(
      `alpha,beta\n1,2\n3,${cell}\n5,6\n`,
      "CSV_NOT_A_NUMBER",
      /^data\.csv, line 3, column beta: .*not a finite decimal number/,
    );
  });

  it("refuses a decimal point where the sign is a comma", async () => {
    await refused("a;b\n31337.5;2\n", "CSV_NOT_A_NUMBER", /line 2, column a/, { decimal: "," });
  });

  it("refuses rows of another length", async () => {
    await refused("a,b\n1,2\n31337\n", "CSV_MALFORMED", /line 3: 1 cell where the header names 2 columns/);
    await refused("a\n1\n1,2\n", "CSV_MALFORMED", /line 3: 2 cells where the header names 1 column\./);
    await refused("a,b\n1,2\n31337,4,5\n", "CSV_MALFORMED", /line 3: 3 cells/);
  });

  it("refuses blank lines between rows", async () => {
    await refused("a,b\n1,2\n\n31337,4\n", "CSV_MALFORMED", /line 3: the line is blank/);
  });

  it("refuses broken quotes", async () => {
    await refused('a,b\n1,2\n"31337,4\n', "CSV_MALFORMED", /cannot be parsed as CSV near line/);
    await refused('a,b\n1,2\n"31337"66642,4\n', "CSV_MALFORMED", /cannot be parsed as CSV near line 3/);
    await refused('a,b\n1,2\n31337"66642,4\n', "CSV_MALFORMED", /cannot be parsed as CSV near line 3/);
  });

  it("refuses bad headers", async () => {
    await refused("a,b,a\n1,2,3\n", "CSV_MALFORMED", /column a occurs twice/);
    await refused("a,,b\n1,2,3\n", "CSV_MALFORMED", /column 2 needs a name/);
    await refused('a,"x\ny",b\n1,2,3\n', "CSV_MALFORMED", /column 2 needs a name/);
    await refused(Buffer.from("61ff2c620a312c320a", "hex"), "CSV_MALFORMED", /column 1 needs a name.*UTF-8/);
  });

  it("refuses a file without a header instead of publishing its first row", async () => {
    await refused("31337,66642\n1,2\n", "CSV_MALFORMED", /line 1: the header is missing/);
    await refused("s3cr3t,31337,66642\n1,2,3\n", "CSV_MALFORMED", /line 1: the header is missing/);
  });

  it("takes columns that are only numbered", async () => {
    expect((await parseTable("0,1,2,label\n5,6,7,1\n")).columns).toEqual(["0", "1", "2", "label"]);
    expect((await parseTable("1,2,3\n5,6,7\n")).columns).toEqual(["1", "2", "3"]);
    expect((await parseTable("y,0\n5,6\n")).columns).toEqual(["y", "0"]);
    await refused("0,1\n31337,1\n", "CSV_MALFORMED", /the header is missing/);
    await refused("0,2,1\n31337,1,1\n", "CSV_MALFORMED", /the header is missing/);
    await refused("2,3,4\n31337,1,1\n", "CSV_MALFORMED", /the header is missing/);
  });

  const hints: [string, string | Uint8Array, string, CsvDialect?][] = [
    ["semicolons", "a;b;ill\n1;2;0\n", 'The header looks separated by ";": give --delimiter ";"'],
    [
      "semicolons and decimal commas",
      "a;b;ill\n1,5;2;0\n",
      'The header looks separated by ";": give --delimiter ";" --decimal ","',
    ],
    ["tabs", "a\tb\n1\t2\n", 'The header looks separated by "\\t": give --delimiter "\\t"'],
    ["commas", "a,b\n1,2\n", 'The header looks separated by ",": give --delimiter ","', { delimiter: ";" }],
    ["a label in words", "a,ill\n1,yes\n", "the two classes of a label as 0 and 1"],
    ["Latin-1", Buffer.from("gr\xf6\xdfe,b\n1,2\n", "latin1"), "Save the file as UTF-8."],
    ["a blank line", "a,b\n1,2\n\n3,4\n", "Remove blank lines"],
    ["too few cells", "a,b\n1\n", "Fill in or remove the row"],
    ["a column twice", "a,a\n1,2\n", "Rename one of the two"],
    ["a header alone", "a,b\n", "Expected rows of numbers"],
  ];
  it.each(hints)("says what to do about %s", async (_what, text, hint, dialect = {}) => {
    const error = await failure(() => parseTable(text, dialect, "data.csv"));
    expect(error.hint).toContain(hint);
  });

  it("refuses impossible dialects", async () => {
    await refused("a\n1\n", "USAGE", /cannot be the same/, { delimiter: ",", decimal: "," });
    await refused("a\n1\n", "USAGE", /one character/, { delimiter: "::" });
    await refused("a\n1\n", "USAGE", /one character/, { delimiter: "." });
    await refused("a\n1\n", "USAGE", /one character/, { delimiter: "1" });
  });

  it("says when a file cannot be read", async () => {
    const missing = await failure(() => readTable(join(directory, "none.csv")));
    expect(missing.code).toBe("USAGE");
    expect(missing.message).toMatch(/none\.csv does not exist/);
    expect(await failure(() => readTable(directory))).toMatchObject({
      code: "USAGE",
      message: `${directory} is a folder.`,
    });
    await writeFile(join(directory, "bad.csv"), "a,b\n1,s3cr3t\n");
    const bad = await failure(() => readTable(join(directory, "bad.csv")));
    expect(bad.code).toBe("CSV_NOT_A_NUMBER");
    expect(inspect(bad)).not.toContain("s3cr3t");
  });
});
