import { appendFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { conform } from "../../../parties/data/conform.ts";
import { openRows, parseTable, readTable } from "../../../parties/data/csv.ts";
import { type RowSource, rowsOf } from "../../../parties/data/rows.ts";
import { deriveSchema } from "../../../parties/data/schema.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "symbolon-test-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const header = "a,b,y\n";
const lines = Array.from({ length: 50 }, (_, i) => `${i * 1.5},${-i},${i % 2}\n`);

async function fileOf(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
}

async function read(source: RowSource, rowsPerBlock: number): Promise<{ sizes: number[]; values: number[] }> {
  const sizes: number[] = [];
  const values: number[] = [];
  let first = 0;
  for await (const block of source.blocks(rowsPerBlock)) {
    expect(block.first).toBe(first);
    first += block.rows;
    sizes.push(block.rows);
    values.push(...block.values);
  }
  return { sizes, values };
}

describe("rows in blocks", () => {
  it("are those of the file, however they are cut, and as often as they are asked for", async () => {
    const path = await fileOf("rows.csv", header + lines.join(""));
    const table = await readTable(path);
    const source = await openRows(path);
    expect(source).toMatchObject({ columns: ["a", "b", "y"], rows: 50, file: path });
    expect([...source.low]).toEqual([0, -49, 0]);
    expect([...source.high]).toEqual([73.5, 0, 1]);
    for (const size of [1, 7, 25, 50, 51, 1000]) {
      for (const rows of [source, rowsOf(table)]) {
        const { sizes, values } = await read(rows, size);
        expect(values).toEqual([...table.values]);
        expect(sizes.slice(0, -1).every((n) => n === size)).toBe(true);
        expect(sizes).toHaveLength(Math.ceil(50 / size));
      }
    }
    expect(deriveSchema([source], { label: "y" })).toEqual(deriveSchema([table], { label: "y" }));
  });

  it("end early without holding the file", async () => {
    const source = await openRows(await fileOf("early.csv", header + lines.join("")));
    for await (const { rows } of source.blocks(10)) {
      expect(rows).toBe(10);
      break;
    }
    expect((await read(source, 10)).sizes).toHaveLength(5);
  });

  it("of a bad file are refused at the first reading, with the line", async () => {
    const path = await fileOf("bad.csv", `${header}${lines.join("")}1,s3cr3t,1\n`);
    const error = await openRows(path).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: "CSV_NOT_A_NUMBER" });
    expect(error.message).toContain("line 52, column b");
    expect(inspect(error)).not.toContain("s3cr3t");
    await expect(openRows(await fileOf("empty.csv", header))).rejects.toMatchObject({ code: "CSV_EMPTY" });
    await expect(openRows(join(folder, "none.csv"))).rejects.toMatchObject({ code: "USAGE" });
  });

  it.each([
    ["grew", async (path: string) => appendFile(path, lines[0]!)],
    ["shrank", async (path: string) => writeFile(path, header + lines.slice(1).join(""))],
    ["got other columns", async (path: string) => writeFile(path, `a,c,y\n${lines.join("")}`)],
  ])("of a file that %s since are refused", async (_, change) => {
    const path = await fileOf("changed.csv", header + lines.join(""));
    const source = await openRows(path);
    await change(path);
    await expect(read(source, 8)).rejects.toMatchObject({ code: "CSV_CHANGED" });
  });

  it("count what does not fit a schema over the whole table", async () => {
    const table = await parseTable(header + lines.join(""), {}, "data.csv");
    const schema = deriveSchema([table], { label: "y" });
    const narrow = {
      ...schema,
      columns: schema.columns.map((c) => (c.name === "a" ? { ...c, max: 60 } : c)),
    };
    expect(() => conform(table, narrow)).toThrow(/line 43, column a: .* as are 8 other cells/);
  });
});
