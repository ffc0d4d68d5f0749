import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseTable, readTable } from "../../../parties/data/csv.ts";
import {
  type DataSetSchema,
  deriveSchema,
  describeSchema,
  loadSchema,
  outwardBounds,
  parseSchema,
  schemaHash,
  schemaJson,
  sharedColumns,
} from "../../../parties/data/schema.ts";

const schema: DataSetSchema = {
  version: 1,
  columns: [
    { name: "height", min: 0, max: 250 },
    { name: "weight", min: -1.5, max: 1e3 },
  ],
  label: { name: "ill", kind: "binary" },
  outOfRange: "refuse",
  fracBits: 16,
  fieldBits: 127,
};

const code = (value: string) => expect.objectContaining({ code: value });

describe("the schema of a data set", () => {
  it("has one canonical form and a fixed hash, whatever the order of its keys", () => {
    const json =
      '{"columns":[{"max":250,"min":0,"name":"height"},{"max":1000,"min":-1.5,"name":"weight"}],' +
      '"fieldBits":127,"fracBits":16,"label":{"kind":"binary","name":"ill"},"outOfRange":"refuse","version":1}';
    expect(schemaJson(schema)).toBe(json);
    expect(schemaJson(JSON.parse(json))).toBe(json);
    // SHA-256 of the text above: an offer on chain commits to it, so it may never change for version 1.
    expect(schemaHash(schema)).toBe("0x1003df967ec5bd3d85e63aa0b7cea765660248bca461b9cd1a5229fe16b1bdce");
  });

  it("changes its hash with everything that it says", () => {
    const variants: DataSetSchema[] = [
      { ...schema, outOfRange: "clip" },
      { ...schema, fracBits: 17 },
      { ...schema, fieldBits: 107 },
      { ...schema, label: { name: "well", kind: "binary" } },
      { ...schema, label: undefined },
      { ...schema, columns: [schema.columns[1]!, schema.columns[0]!] },
      { ...schema, columns: [{ ...schema.columns[0]!, max: 251 }, schema.columns[1]!] },
    ];
    expect(new Set([schema, ...variants].map(schemaHash)).size).toBe(8);
  });

  it("lists the shared columns, the label last", () => {
    expect(sharedColumns(schema)).toEqual(["height", "weight", "ill"]);
    expect(sharedColumns({ ...schema, label: undefined })).toEqual(["height", "weight"]);
  });

  it.each([
    ["another version", { ...schema, version: 2 }],
    ["no columns", { ...schema, columns: [] }],
    ["a column without width", { ...schema, columns: [{ name: "a", min: 1, max: 1 }] }],
    ["reversed bounds", { ...schema, columns: [{ name: "a", min: 2, max: 1 }] }],
    ["an infinite bound", { ...schema, columns: [{ name: "a", min: 0, max: Number.POSITIVE_INFINITY }] }],
    ["a bound that is text", { ...schema, columns: [{ name: "a", min: "0", max: 1 }] }],
    ["a vanishing width", { ...schema, columns: [{ name: "a", min: 0, max: Number.MIN_VALUE }] }],
    ["a name twice", { ...schema, columns: [...schema.columns, schema.columns[0]] }],
    ["the label among the columns", { ...schema, label: { name: "height", kind: "binary" } }],
    ["another kind of label", { ...schema, label: { name: "ill", kind: "text" } }],
    ["an unknown key", { ...schema, note: "x" }],
    ["a name with a line break", { ...schema, columns: [{ name: "a\nb", min: 0, max: 1 }] }],
    ["no fractional bits", { ...schema, fracBits: 0 }],
    ["an unknown field", { ...schema, fieldBits: 128 }],
    ["nothing", null],
  ])("refuses %s", (_, value) => {
    expect(() => parseSchema(value)).toThrow(code("SCHEMA_INVALID"));
  });

  describe("in a file", () => {
    let directory: string;
    beforeAll(async () => {
      directory = await mkdtemp(join(tmpdir(), "symbolon-schema-"));
    });
    afterAll(async () => {
      await rm(directory, { recursive: true });
    });

    it("is read, or refused with words that do not quote the file", async () => {
      const file = join(directory, "schema.json");
      await writeFile(file, JSON.stringify(schema));
      expect(await loadSchema(file)).toEqual(schema);
      await writeFile(file, JSON.stringify({ columns: schema.columns, label: "ill" }));
      expect(await loadSchema(file)).toEqual({ ...schema, fieldBits: 107 });
      expect(await loadSchema(file, 89)).toEqual({ ...schema, fieldBits: 89 });
      await writeFile(file, "a,b\n31337,2\n");
      const error = await loadSchema(file).catch((thrown) => thrown);
      expect(error.code).toBe("SCHEMA_INVALID");
      expect(error.hint).toContain('{"columns":[{"name":"age","min":0,"max":120}]');
      expect(error.hint).toContain("docs/operating.md");
      expect(String(error.stack) + String(error.cause)).not.toContain("31337");
      await expect(loadSchema(join(directory, "none.json"))).rejects.toMatchObject({
        code: "USAGE",
        message: expect.stringMatching(/none\.json does not exist\.$/),
      });
    });

    it("is named with the column that is wrong", async () => {
      const file = join(directory, "wrong.json");
      const refused = async (columns: unknown[]) => {
        await writeFile(file, JSON.stringify({ columns }));
        const error = await loadSchema(file).catch((thrown) => thrown);
        expect(error.code).toBe("SCHEMA_INVALID");
        return error.message as string;
      };
      const good = { name: "height", min: 0, max: 250 };
      expect(await refused([good, { name: "age", min: "0", max: 120 }])).toContain(
        `${file} is malformed: column age, min: `,
      );
      expect(await refused([{ min: 0, max: 1 }])).toContain(`${file} is malformed: column number 1, name: `);
      expect(await refused([null])).toContain("column number 1: ");
      expect(await refused([{ ...good, max: 0 }])).toContain("the column height needs min < max");
    });
  });
});

describe("deriving a schema", () => {
  it("covers all tables with short, outward bounds", async () => {
    const one = await parseTable("a,b,y\n0.123,-5,1\n0.987,17,0\n");
    const two = await parseTable("y,b,a\n0,23.4,0.2\n", {}, "two");
    const derived = deriveSchema([one, two], { label: "y" });
    expect(derived).toEqual({
      version: 1,
      columns: [
        { name: "a", min: 0.12, max: 0.99 },
        { name: "b", min: -5, max: 24 },
      ],
      label: { name: "y", kind: "binary" },
      outOfRange: "refuse",
      fracBits: 16,
      fieldBits: 89,
    });
    expect(describeSchema(derived)).toMatch(
      /^a {2}0\.12 to 0\.99\nb {2}-5 to 24\ny {2}label, 0 or 1\n.*refused/,
    );
  });

  it("gives every column of the example a range that holds it, and nearly nothing more", async () => {
    const file = fileURLToPath(new URL("../../../parties/data/examples/breast-cancer.csv", import.meta.url));
    const table = await readTable(file);
    const { columns, label } = deriveSchema([table], { label: "benign" });
    expect(columns).toHaveLength(30);
    expect(label?.name).toBe("benign");
    columns.forEach(({ name, min, max }, column) => {
      expect(table.columns[column]).toBe(name);
      const cells = table.values.filter((_, at) => at % 31 === column);
      const low = Math.min(...cells);
      const high = Math.max(...cells);
      expect(min).toBeLessThanOrEqual(low);
      expect(max).toBeGreaterThanOrEqual(high);
      expect(max - min).toBeLessThanOrEqual(1.21 * (high - low));
      expect(min).toBeGreaterThanOrEqual(0);
    });
  });

  it("gives a constant column a width", () => {
    expect(outwardBounds(0, 0)).toEqual({ min: -1, max: 1 });
    expect(outwardBounds(3, 3)).toEqual({ min: 0, max: 6 });
    expect(outwardBounds(-3, -3)).toEqual({ min: -6, max: 0 });
    expect(outwardBounds(1e17, 1e17 + 16)).toEqual({ min: 0, max: 2e17 + 1e16 });
  });

  it("always finds bounds that hold the values and pass the schema", () => {
    const number = fc.double({ min: -1e99, max: 1e99, noNaN: true });
    fc.assert(
      fc.property(number, number, (x, y) => {
        const low = Math.min(x, y);
        const high = Math.max(x, y);
        const { min, max } = outwardBounds(low, high);
        expect(min).toBeLessThanOrEqual(low);
        expect(max).toBeGreaterThanOrEqual(high);
        parseSchema({ ...schema, columns: [{ name: "a", min, max }] });
      }),
      { numRuns: 2000 },
    );
  });

  it("refuses tables with different columns, naming them", async () => {
    const one = await parseTable("a,b\n1,2\n", {}, "one.csv");
    const two = await parseTable("a,c\n1,2\n", {}, "two.csv");
    expect(() => deriveSchema([one, two])).toThrow(
      expect.objectContaining({
        code: "SCHEMA_MISMATCH",
        message: "two.csv lacks b and has c besides, unlike one.csv.",
      }),
    );
  });

  it("refuses a label that is not there, and no tables at all", async () => {
    const table = await parseTable("a,b\n1,2\n");
    expect(() => deriveSchema([table], { label: "y" })).toThrow(code("CSV_COLUMN_MISSING"));
    expect(() => deriveSchema([])).toThrow(code("USAGE"));
  });
});
