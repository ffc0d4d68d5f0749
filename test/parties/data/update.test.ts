import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import type { SymbolonError } from "../../../mpc/errors.ts";
import { conform } from "../../../parties/data/conform.ts";
import { deriveSchema } from "../../../parties/data/schema.ts";
import { parseUpdate, readUpdate, updateTable } from "../../../parties/data/update.ts";

describe("reading an update", () => {
  it("takes an array, or an object with the number of rows", () => {
    expect(parseUpdate("[1, -2.5, 3e-2]")).toMatchObject({
      weight: 1,
      update: new Float64Array([1, -2.5, 0.03]),
    });
    expect(parseUpdate('\uFEFF{"rows": 40, "update": [0.5]}')).toMatchObject({
      weight: 40,
      update: new Float64Array([0.5]),
    });
  });

  it("reads files, and names those that it cannot read", async () => {
    const directory = await mkdtemp(join(tmpdir(), "symbolon-update-"));
    const file = join(directory, "u.json");
    await writeFile(file, "[1,2]");
    expect((await readUpdate(file)).update).toHaveLength(2);
    await expect(readUpdate(join(directory, "none.json"))).rejects.toThrow(
      expect.objectContaining({ code: "USAGE", message: expect.stringContaining("none.json") }),
    );
    await rm(directory, { recursive: true });
  });

  it("is a table of one column", () => {
    const table = updateTable(parseUpdate("[0.5, -1]"));
    const schema = deriveSchema([table]);
    expect(schema.columns).toEqual([{ name: "update", min: -1, max: 0.5 }]);
    expect(conform(table, schema)).toMatchObject({ rows: 2, features: new Float64Array([0.5, -1]) });
  });

  it.each([
    ["text", "31337 is not JSON", "UPDATE_INVALID", /not JSON/],
    ["a cut file", "[1, 31337", "UPDATE_INVALID", /not JSON/],
    ["NaN", "[1, NaN, 31337]", "UPDATE_INVALID", /not JSON/],
    ["a number", "31337", "UPDATE_INVALID", /neither/],
    ["null", "null", "UPDATE_INVALID", /neither/],
    ["nothing", "", "UPDATE_INVALID", /not JSON/],
    ["an empty array", "[]", "UPDATE_INVALID", /no coordinates/],
    ["no rows", '{"update":[31337]}', "UPDATE_INVALID", /rows/],
    ["zero rows", '{"rows":0,"update":[31337]}', "UPDATE_INVALID", /rows/],
    ["half a row", '{"rows":1.5,"update":[31337]}', "UPDATE_INVALID", /rows/],
    ["no update", '{"rows":31337}', "UPDATE_INVALID", /not an array/],
    ["another key", '{"rows":1,"update":[1],"31337":2}', "UPDATE_INVALID", /other keys/],
    ["text in the array", '[1, "31337"]', "CSV_NOT_A_NUMBER", /coordinate 1 /],
    ["null in the array", "[1, null, 31337]", "CSV_NOT_A_NUMBER", /coordinate 1 /],
    ["too large a number", "[31337e999]", "CSV_NOT_A_NUMBER", /coordinate 0 /],
    ["a nested array", "[[31337]]", "CSV_NOT_A_NUMBER", /coordinate 0 /],
  ] as const)("refuses %s without quoting it", (_, text, code, says) => {
    let error: SymbolonError | undefined;
    try {
      parseUpdate(text, "u.json");
    } catch (thrown) {
      error = thrown as SymbolonError;
    }
    expect(error?.code).toBe(code);
    expect(error?.message).toMatch(says);
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain("31337");
  });
});
