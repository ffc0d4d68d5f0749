import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type LocalFiles, readLocalInputs } from "../../../parties/local/inputs.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "symbolon-inputs-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

let count = 0;
/** Writes a file and says where. */
async function given(content: string, name = `data-${++count}.csv`): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

const good = "a,b,y\n1,2,0\n2,1,1\n3,5,1\n";
const boundsFrom0To10 = JSON.stringify({
  version: 1,
  columns: [
    { name: "a", min: 0, max: 10 },
    { name: "b", min: 0, max: 10 },
  ],
  label: { name: "y", kind: "binary" },
  outOfRange: "refuse",
  fracBits: 16,
  fieldBits: 127,
});

/** A logistic regression over the given files. */
async function read(data: string[], change: Partial<LocalFiles> = {}) {
  const files = await Promise.all(data.map((content) => given(content)));
  return readLocalInputs({ algorithm: "logistic-regression", data: files, label: "y", ...change });
}

describe("bad input costs nobody anything: it is refused before anything starts", () => {
  const cases: [string, string, () => Promise<unknown>][] = [
    ["an unknown algorithm", "ALGORITHM_UNKNOWN", () => read([good], { algorithm: "guesswork" })],
    ["a parameter out of range", "PARAMETER_INVALID", () => read([good], { parameters: { epochs: 0 } })],
    ["an unknown parameter", "PARAMETER_INVALID", () => read([good], { parameters: { speed: 1 } })],
    ["no file", "USAGE", () => read([])],
    [
      "a file that is not there",
      "USAGE",
      () => readLocalInputs({ algorithm: "statistics", data: [join(folder, "none")] }),
    ],
    ["an empty file", "CSV_EMPTY", () => read([""])],
    ["a header alone", "CSV_EMPTY", () => read(["a,b,y\n"])],
    ["text in a number column", "CSV_NOT_A_NUMBER", () => read(["a,b,y\n1,high,0\n"])],
    ["NaN", "CSV_NOT_A_NUMBER", () => read(["a,b,y\n1,NaN,0\n"])],
    ["infinity", "CSV_NOT_A_NUMBER", () => read(["a,b,y\n1,Infinity,0\n"])],
    ["a short row", "CSV_MALFORMED", () => read(["a,b,y\n1,2\n"])],
    ["a label of 2", "CSV_LABEL_INVALID", () => read(["a,b,y\n1,2,2\n"])],
    ["a label that no file has", "CSV_COLUMN_MISSING", () => read([good], { label: "z" })],
    [
      "a label that no file has, where it need not be one",
      "CSV_COLUMN_MISSING",
      () => read([good], { algorithm: "statistics", label: "z" }),
    ],
    ["a label and nothing else", "CSV_COLUMN_MISSING", () => read(["y\n0\n1\n"])],
    ["no label where one is needed", "USAGE", () => read([good], { label: undefined })],
    ["sellers with different columns", "SCHEMA_MISMATCH", () => read([good, "a,c,y\n1,2,0\n"])],
    ["a label for an auction", "USAGE", () => read([good], { algorithm: "jiff-program" })],
    [
      "one bid only",
      "SHAPE_MISMATCH",
      () => read(["bid\n1\n"], { algorithm: "jiff-program", label: undefined }),
    ],
    ["updates of different lengths", "SHAPE_MISMATCH", () => updates("[1,2]", "[1]")],
    ["an update that is none", "UPDATE_INVALID", () => updates('{"weights":[1]}')],
  ];

  it.each(cases)("%s: %s", async (_what, code, action) => {
    await expect(action()).rejects.toMatchObject({ code, exitCode: 2 });
  });

  const withSchema: [string, string, string][] = [
    ["a missing column", "CSV_COLUMN_MISSING", "a,y\n1,0\n"],
    ["an extra column", "CSV_COLUMN_EXTRA", "a,b,c,y\n1,2,3,0\n"],
    ["a value outside the declared range", "CSV_OUT_OF_RANGE", "a,b,y\n1,11,0\n"],
  ];

  it.each(withSchema)("%s: %s", async (_what, code, content) => {
    const schema = await given(boundsFrom0To10, "schema.json");
    await expect(read([good, content], { schema })).rejects.toMatchObject({ code, exitCode: 2 });
  });

  it("names the update of another length", async () => {
    await expect(updates("[1,2]", "[1,2]", "[1]")).rejects.toThrow(
      /update-\d+\.json has 1 coordinates, .*update-\d+\.json has 2\.$/,
    );
  });

  it("validation rows that do not fit", async () => {
    const validation = await given("a,b,y\n1,2,0.5\n");
    await expect(read([good], { validation })).rejects.toMatchObject({ code: "CSV_LABEL_INVALID" });
  });
});

describe("validation rows of which an algorithm makes no use", () => {
  it.each(["statistics", "gradient-aggregation", "jiff-program"])("are refused: %s", async (algorithm) => {
    const validation = await given(good);
    await expect(read([good], { algorithm, label: undefined, validation })).rejects.toMatchObject({
      code: "USAGE",
      message: `${algorithm} has no metrics, so it takes no --validation`,
    });
  });
});

async function updates(...texts: string[]): Promise<unknown> {
  const data = await Promise.all(texts.map((text) => given(text, `update-${++count}.json`)));
  return readLocalInputs({ algorithm: "gradient-aggregation", data });
}

describe("readLocalInputs", () => {
  it("derives bounds that cover the validation rows too", async () => {
    const validation = await given("a,b,y\n-50,2,0\n");
    const { schema, derived } = await read([good, good], { validation });
    expect(derived).toBe(true);
    expect(schema.columns[0]!.min).toBeLessThanOrEqual(-50);
    expect(schema.label).toEqual({ name: "y", kind: "binary" });
  });

  it("takes a declared schema as it is", async () => {
    const schema = await given(boundsFrom0To10, "declared.json");
    const inputs = await read([good], { schema, label: undefined });
    expect(inputs.derived).toBe(false);
    expect(inputs.schema.columns[0]).toEqual({ name: "a", min: 0, max: 10 });
  });

  it("weighs updates by the rows that they name", async () => {
    const data = [await given("[1,2]", "one.json"), await given('{"rows":3,"update":[0,4]}', "two.json")];
    const { weights, tables } = await readLocalInputs({ algorithm: "gradient-aggregation", data });
    expect(weights).toEqual([1, 3]);
    expect(tables.map(({ rows }) => rows)).toEqual([2, 2]);
  });

  it("treats a label column of statistics as any other column", async () => {
    const { schema } = await read(["a,y\n1,0.5\n2,7\n"], { algorithm: "statistics" });
    expect(schema.label).toBeUndefined();
    expect(schema.columns.map(({ name }) => name)).toEqual(["a", "y"]);
  });

  it("reads other dialects", async () => {
    const { tables } = await read(["a;b\n1,5;2\n"], {
      algorithm: "statistics",
      label: undefined,
      dialect: { delimiter: ";", decimal: "," },
    });
    expect(Array.from(tables[0]!.values)).toEqual([1.5, 2]);
  });
});
