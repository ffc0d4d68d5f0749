import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import type { SymbolonError } from "../../../mpc/errors.ts";
import { conform } from "../../../parties/data/conform.ts";
import { parseTable } from "../../../parties/data/csv.ts";
import type { DataSetSchema } from "../../../parties/data/schema.ts";

const schema: DataSetSchema = {
  version: 1,
  columns: [
    { name: "a", min: 0, max: 10 },
    { name: "b", min: -1, max: 1 },
  ],
  label: { name: "y", kind: "binary" },
  outOfRange: "refuse",
  fracBits: 16,
  fieldBits: 127,
};

async function refusal(text: string, against: DataSetSchema = schema): Promise<SymbolonError> {
  const table = await parseTable(text, {}, "data.csv");
  try {
    conform(table, against);
  } catch (error) {
    expect(inspect(error, { depth: 9, showHidden: true }) + JSON.stringify(error)).not.toContain("31337");
    return error as SymbolonError;
  }
  throw new Error("expected a refusal");
}

describe("fitting a table to a schema", () => {
  it("orders the columns as the schema does and splits the label off", async () => {
    const table = await parseTable("y,b,a\n1,-1,10\n0,0.5,0\n");
    expect(conform(table, schema)).toEqual({
      rows: 2,
      features: new Float64Array([10, -1, 0, 0.5]),
      label: new Float64Array([1, 0]),
      clipped: {},
    });
  });

  it("does without a label", async () => {
    const table = await parseTable("b,a\n-1,10\n");
    const { label, features } = conform(table, { ...schema, label: undefined });
    expect(label).toBeUndefined();
    expect([...features]).toEqual([10, -1]);
  });

  it("names missing columns", async () => {
    const error = await refusal("a,y\n31337,1\n");
    expect(error.code).toBe("CSV_COLUMN_MISSING");
    expect(error.message).toBe("data.csv lacks the column b.");
    expect((await refusal("a,b\n1,1\n")).message).toBe("data.csv lacks the column y.");
  });

  it("names missing and extra columns together", async () => {
    const error = await refusal("a,y,c,d\n31337,1,2,2\n");
    expect(error.code).toBe("CSV_COLUMN_MISSING");
    expect(error.message).toBe(
      "data.csv lacks the column b and has the columns c, d, which the schema does not declare.",
    );
  });

  it("names extra columns", async () => {
    const error = await refusal("a,b,y,id\n1,1,1,31337\n");
    expect(error.code).toBe("CSV_COLUMN_EXTRA");
    expect(error.message).toBe("data.csv has the column id, which the schema does not declare.");
  });

  it("refuses values outside the range with line, column and bounds, not the value", async () => {
    const error = await refusal("a,b,y\n1,0,0\n2,31337,1\n-31337,0,1\n");
    expect(error.code).toBe("CSV_OUT_OF_RANGE");
    expect(error.message).toBe(
      "data.csv, line 3, column b: the value is outside the declared range -1 to 1, as are 1 other cells.",
    );
  });

  it("clips when the schema says so, and counts", async () => {
    const table = await parseTable("a,b,y\n11,0,0\n-1,2,1\n5,1,1\n");
    const { features, clipped } = conform(table, { ...schema, outOfRange: "clip" });
    expect([...features]).toEqual([10, 0, 0, 1, 5, 1]);
    expect(clipped).toEqual({ a: 2, b: 1 });
  });

  it("never clips a NaN into range", async () => {
    const table = {
      columns: ["a", "b", "y"],
      rows: 1,
      values: new Float64Array([Number.NaN, 0, 0]),
      file: "f",
    };
    expect(() => conform(table, { ...schema, outOfRange: "clip" })).toThrow(
      expect.objectContaining({ code: "CSV_OUT_OF_RANGE" }),
    );
  });

  it.each(["2", "0.5", "-1", "31337"])("refuses the label %s, also when clipping", async (label) => {
    const error = await refusal(`a,b,y\n1,0,0\n1,0,${label}\n`, { ...schema, outOfRange: "clip" });
    expect(error.code).toBe("CSV_LABEL_INVALID");
    expect(error.message).toBe("data.csv, line 3, column y: a label must be 0 or 1.");
    expect(error.hint).toBe("Encode the two classes as 0 and 1.");
  });
});
