import { describe, expect, it } from "vitest";
import { findAlgorithm } from "../../../algorithms/catalog.ts";
import { decodedColumns } from "../../../parties/buyer/result.ts";
import { parseSchema } from "../../../parties/data/schema.ts";

describe("decodedColumns", () => {
  const schema = parseSchema({
    version: 1,
    columns: [{ name: "x", min: -3, max: 5 }],
    label: { name: "y", kind: "binary" },
    outOfRange: "refuse",
    fracBits: 16,
    fieldBits: 127,
  });

  it("counts a label among the columns of statistics, unscaled, and not among features", () => {
    expect(decodedColumns(findAlgorithm("statistics"), schema)).toEqual([
      { name: "x", center: 1, halfRange: 4 },
      { name: "y", center: 0, halfRange: 1 },
    ]);
    expect(decodedColumns(findAlgorithm("logistic-regression"), schema)).toHaveLength(1);
  });
});
