import { describe, expect, test } from "vitest";
import type { JobSpec } from "../../algorithms/job-spec.ts";
import { parseSchema, schemaHash } from "../../parties/data/schema.ts";
import { columnScales, jobShape } from "../../parties/job-shape.ts";

const schema = parseSchema({
  version: 1,
  columns: [
    { name: "a", min: 0, max: 10 },
    { name: "b", min: -1, max: 3 },
  ],
  label: { name: "y", kind: "binary" },
  outOfRange: "clip",
  fracBits: 16,
  fieldBits: 127,
});
const hash = schemaHash(schema);
const spec: JobSpec = {
  version: 1,
  algorithm: { id: "statistics", version: "1.0.0" },
  parameters: {},
  schemaHash: hash,
};
const offer = (rows: number) => ({ schemaHash: hash, rows, columns: 3 });

describe("the shape of a job", () => {
  test("has a matrix for each offer, weighted by its rows", () => {
    expect(jobShape(spec, schema, [offer(4), offer(6)])).toEqual({
      fieldBits: 127,
      fracBits: 16,
      inputs: [
        { rows: 4, columns: 3, hasLabel: true, weight: 4 },
        { rows: 6, columns: 3, hasLabel: true, weight: 6 },
      ],
    });
  });

  test("takes the weights and the validation data of the specification", () => {
    const nonce = `0x${"00".repeat(32)}`;
    const validation = {
      nonce,
      rows: 5,
      columns: 3,
      ciphertextHashes: [nonce, nonce, nonce] as [string, string, string],
    };
    const shape = jobShape({ ...spec, weights: [0.5], validation }, schema, [offer(4)]);
    expect(shape.inputs[0]!.weight).toBe(0.5);
    expect(shape.validation).toEqual({ rows: 5, columns: 3, hasLabel: true, weight: 5 });
    expect(() => jobShape({ ...spec, validation: { ...validation, columns: 2 } }, schema, [])).toThrow(
      expect.objectContaining({ code: "SHAPE_MISMATCH" }),
    );
  });

  test("is refused for other schemas, columns and numbers of weights", () => {
    const other = { ...offer(1), schemaHash: `0x${"11".repeat(32)}` };
    const code = (name: string) => expect.objectContaining({ code: name });
    expect(() => jobShape(spec, schema, [other])).toThrow(code("SCHEMA_MISMATCH"));
    expect(() => jobShape({ ...spec, schemaHash: other.schemaHash }, schema, [])).toThrow(
      code("SCHEMA_MISMATCH"),
    );
    expect(() => jobShape(spec, schema, [{ ...offer(1), columns: 2 }])).toThrow(code("SHAPE_MISMATCH"));
    expect(() => jobShape({ ...spec, weights: [1, 2] }, schema, [offer(1)])).toThrow(code("SHAPE_MISMATCH"));
  });

  test("comes with the bounds of the features for decoding", () => {
    expect(columnScales(schema)).toEqual([
      { name: "a", center: 5, halfRange: 5 },
      { name: "b", center: 1, halfRange: 2 },
    ]);
  });
});
