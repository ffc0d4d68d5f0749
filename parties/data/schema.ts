/**
 * The schema of a data set: which columns, between which bounds, in which fixed point format. It is public
 * and part of the offer: its hash stands on chain, and a job takes only data sets of one schema.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import canonicalize from "canonicalize";
import { z } from "zod";
import { SymbolonError } from "../../mpc/errors.ts";
import { type FieldBits, fieldBits } from "../../mpc/vector/index.ts";
import { unreadable } from "../unreadable.ts";
import type { Table } from "./csv.ts";
import { dataFieldBits } from "./field.ts";
import { extremesOf, type RowSource } from "./rows.ts";

/**
 * Field of a schema file that names none. The file is older than the data sets that are offered under it, and
 * they must all have its hash, so this is one that a data set of any size fits; see `dataFieldBits`.
 */
export const defaultFieldBits: FieldBits = 107;
/** After scaling to [-1, 1], 16 bits keep a value to 2^-17 of half its declared range. */
export const defaultFracBits = 16;

/** Said wherever bounds are derived from the rows instead of being declared. */
export const derivedBoundsNotice =
  "The bounds of each column were derived from the data and become public with the offer. Declare a schema to avoid that.";

/** The offer holds the number of shared columns as uint16. */
const maxColumns = 65_535;
const maxNameLength = 128;

/** True when `name` can name a column: printable, well-formed, 1 to 128 characters, no outer spaces. */
export function isColumnName(name: string): boolean {
  return (
    name.length > 0 &&
    name.length <= maxNameLength &&
    name.trim() === name &&
    name.isWellFormed() &&
    !/[\p{Cc}\uFFFD]/u.test(name)
  );
}

const columnName = z
  .string()
  .refine(isColumnName, "must be 1 to 128 printable characters without spaces around them");
// Halving the sum of two bounds must not overflow, and nobody measures anything beyond 1e100.
const bound = z.number().min(-1e100).max(1e100);

export const dataSetSchema = z
  .strictObject({
    version: z.literal(1),
    columns: z
      .array(z.strictObject({ name: columnName, min: bound, max: bound }))
      .min(1)
      .max(maxColumns - 1),
    label: z.strictObject({ name: columnName, kind: z.literal("binary") }).optional(),
    outOfRange: z.enum(["clip", "refuse"]),
    fracBits: z.int().min(1).max(40),
    fieldBits: z.literal(fieldBits),
  })
  .superRefine((schema, context) => {
    const seen = new Set<string>();
    const names = [...schema.columns.map(({ name }) => name), ...(schema.label ? [schema.label.name] : [])];
    for (const name of names) {
      if (seen.has(name)) context.addIssue({ code: "custom", message: `the column ${name} is named twice` });
      seen.add(name);
    }
    for (const { name, min, max } of schema.columns) {
      // Subnormal widths vanish when halved.
      if (!((max - min) / 2 > 0)) {
        context.addIssue({ code: "custom", message: `the column ${name} needs min < max` });
      }
    }
  });

/**
 * A data set's schema. `min` and `max` are inclusive, in the units of the file. `outOfRange` says what
 * happens to a value outside them. `fracBits` is the fixed point precision of the shared values, which are
 * scaled to [-1, 1]; `fieldBits` the exponent of the Mersenne prime.
 */
export type DataSetSchema = z.infer<typeof dataSetSchema>;

/** The form of a schema file, in one example. */
const schemaHint =
  'Expected for example {"columns":[{"name":"age","min":0,"max":120}],"label":"ill","outOfRange":"clip"}; outOfRange is "refuse" unless given. See "Data and schemas" in docs/operating.md.';

/** Checks `value` to be a schema; `what` names it in messages. @throws SCHEMA_INVALID naming the place */
export function parseSchema(value: unknown, what = "The schema"): DataSetSchema {
  const parsed = dataSetSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new SymbolonError(
    "SCHEMA_INVALID",
    `${what} is malformed: ${place(value, issue.path)}${issue.message}.`,
    { hint: schemaHint },
  );
}

/** Where something is wrong, to stand before what: a column by its name where it has one. */
function place(value: unknown, path: readonly PropertyKey[]): string {
  const [first, index, ...rest] = path;
  if (first !== "columns" || typeof index !== "number") return path.length === 0 ? "" : `${path.join(".")}: `;
  const column = (value as { columns: ({ name?: unknown } | null)[] }).columns[index];
  const name = column?.name;
  const shown = typeof name === "string" && isColumnName(name) ? name : `number ${index + 1}`;
  return [`column ${shown}`, ...rest].join(", ").concat(": ");
}

/** What may be left out of a schema file: version, format and policy have defaults, a label may be its name. */
function withDefaults(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const given = value as Record<string, unknown>;
  const label = typeof given.label === "string" ? { name: given.label, kind: "binary" } : given.label;
  return {
    version: 1,
    outOfRange: "refuse",
    fracBits: defaultFracBits,
    fieldBits: defaultFieldBits,
    ...given,
    ...(label === undefined ? {} : { label }),
  };
}

/**
 * Reads a schema from a JSON file, with defaults for what is left out; `field` takes the place of the
 * file's own field. @throws USAGE when it cannot be read, SCHEMA_INVALID
 */
export async function loadSchema(file: string, field?: FieldBits): Promise<DataSetSchema> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    throw new SymbolonError("USAGE", `The schema file ${file} ${unreadable(error)}.`, { cause: error });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // No cause: the parser's message quotes the file, which may be a data file given by mistake.
    throw new SymbolonError("SCHEMA_INVALID", `The schema file ${file} is not JSON.`, { hint: schemaHint });
  }
  const schema = parseSchema(withDefaults(value), `The schema file ${file}`);
  return field === undefined ? schema : { ...schema, fieldBits: field };
}

/** The schema as canonical JSON (RFC 8785), the preimage of `schemaHash`. */
export function schemaJson(schema: DataSetSchema): string {
  const text = canonicalize(parseSchema(schema));
  if (text === undefined) throw new SymbolonError("INTERNAL", "A schema has no canonical form.");
  return text;
}

/** SHA-256 of the canonical JSON, as 0x and 64 hexadecimal digits: also its address as a blob. */
export function schemaHash(schema: DataSetSchema): string {
  return `0x${createHash("sha256").update(schemaJson(schema)).digest("hex")}`;
}

/** Names of the shared columns in the order of the shared matrix: the features, then the label if any. */
export function sharedColumns(schema: DataSetSchema): string[] {
  return [...schema.columns.map(({ name }) => name), ...(schema.label ? [schema.label.name] : [])];
}

/**
 * Bounds around [low, high], rounded outward to a tenth or a hundredth of the width, so that the extreme
 * rows are not published to the last digit. A constant column, which has no width, gets [0, 2c] (or [2c, 0],
 * and [-1, 1] for zero, which is everything below 1e-100).
 */
export function outwardBounds(low: number, high: number): { min: number; max: number } {
  const magnitude = Math.max(Math.abs(low), Math.abs(high));
  if (magnitude < 1e-100) return { min: -1, max: 1 };
  // Below this width the steps would drown in the rounding of the numbers themselves.
  if (high - low <= magnitude * 2 ** -40) {
    return low > 0
      ? { min: 0, max: roundAway(2 * high, magnitude, 1) }
      : { min: roundAway(2 * low, magnitude, -1), max: 0 };
  }
  return { min: roundAway(low, high - low, -1), max: roundAway(high, high - low, 1) };
}

/** The next multiple of 10^(floor(log10(width)) - 1) in the direction of `sign`, as a short decimal. */
function roundAway(value: number, width: number, sign: 1 | -1): number {
  const exponent = Math.floor(Math.log10(width)) - 1;
  let steps = sign * Math.ceil((sign * value) / 10 ** exponent);
  // Written as a decimal so that the bound is the short number that people read, then checked.
  let rounded = Number(`${steps}e${exponent}`);
  while (sign * rounded < sign * value) {
    steps += sign;
    rounded = Number(`${steps}e${exponent}`);
  }
  return rounded + 0; // no negative zero
}

/**
 * A schema that all `tables` fit: the columns of the first in its order, bounds over all of them, rounded
 * outward, and the field that the largest of them needs. These bounds come from the rows and become public:
 * callers must say so (`derivedBoundsNotice`).
 * @throws SCHEMA_MISMATCH when the tables have different columns, CSV_COLUMN_MISSING when `label` is in none
 */
export function deriveSchema(
  tables: readonly (Table | RowSource)[],
  options: {
    label?: string;
    fracBits?: number;
    fieldBits?: FieldBits;
    outOfRange?: DataSetSchema["outOfRange"];
  } = {},
): DataSetSchema {
  const [first] = tables;
  if (first === undefined) throw new SymbolonError("USAGE", "A schema needs at least one data file.");
  for (const table of tables) requireSameColumns(first, table);
  if (options.label !== undefined) {
    requireColumn(first, options.label);
    if (first.columns.length === 1) {
      throw new SymbolonError(
        "CSV_COLUMN_MISSING",
        `${first.file}: the file has no feature besides the label ${options.label}.`,
        { hint: "Add the columns from which the label is to be predicted." },
      );
    }
  }
  const low = new Map<string, number>();
  const high = new Map<string, number>();
  for (const table of tables) {
    const extremes = extremesOf(table);
    table.columns.forEach((name, column) => {
      low.set(name, Math.min(low.get(name) ?? Number.POSITIVE_INFINITY, extremes.low[column]!));
      high.set(name, Math.max(high.get(name) ?? Number.NEGATIVE_INFINITY, extremes.high[column]!));
    });
  }
  const fracBits = options.fracBits ?? defaultFracBits;
  const largest = Math.max(...tables.map(({ rows }) => rows)) * first.columns.length;
  return parseSchema({
    version: 1,
    columns: first.columns
      .filter((name) => name !== options.label)
      .map((name) => ({ name, ...outwardBounds(low.get(name)!, high.get(name)!) })),
    ...(options.label === undefined ? {} : { label: { name: options.label, kind: "binary" } }),
    outOfRange: options.outOfRange ?? "refuse",
    fracBits,
    fieldBits: options.fieldBits ?? dataFieldBits(largest, fracBits),
  });
}

type Named = Pick<Table, "columns" | "file">;

/** @throws CSV_COLUMN_MISSING naming the columns that there are */
export function requireColumn({ columns, file }: Named, name: string): void {
  if (columns.includes(name)) return;
  const shown = columns.slice(0, 20).join(", ") + (columns.length > 20 ? ", ..." : "");
  throw new SymbolonError("CSV_COLUMN_MISSING", `${file} has no column ${name}.`, {
    hint: `Its columns are ${shown}.`,
  });
}

function requireSameColumns(first: Named, other: Named): void {
  const missing = first.columns.filter((name) => !other.columns.includes(name));
  const extra = other.columns.filter((name) => !first.columns.includes(name));
  if (missing.length === 0 && extra.length === 0) return;
  const differences = [
    ...(missing.length > 0 ? [`lacks ${missing.join(", ")}`] : []),
    ...(extra.length > 0 ? [`has ${extra.join(", ")} besides`] : []),
  ];
  throw new SymbolonError(
    "SCHEMA_MISMATCH",
    `${other.file} ${differences.join(" and ")}, unlike ${first.file}.`,
    {
      hint: "All data files of one job need the same columns.",
    },
  );
}

/** A few lines for people: the columns with their bounds, the label, what happens outside, the format. */
export function describeSchema(schema: DataSetSchema): string {
  const width = Math.max(...schema.columns.map(({ name }) => name.length));
  return [
    ...schema.columns.map(({ name, min, max }) => `${name.padEnd(width)}  ${min} to ${max}`),
    ...(schema.label ? [`${schema.label.name.padEnd(width)}  label, 0 or 1`] : []),
    `values outside are ${schema.outOfRange === "clip" ? "clipped" : "refused"}; ` +
      `${schema.fracBits} fractional bits in the field 2^${schema.fieldBits} - 1`,
  ].join("\n");
}
