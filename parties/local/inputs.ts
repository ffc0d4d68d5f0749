/**
 * The files of a local job, read and checked before anything is started: one table a seller, the schema that
 * they share, the buyer's validation rows.
 */
import { findAlgorithm, parseParameters } from "../../algorithms/catalog.ts";
import { planOrAdvise, requireMetrics } from "../../algorithms/fit-advice.ts";
import type { Algorithm } from "../../algorithms/manifest.ts";
import { SymbolonError } from "../../mpc/errors.ts";
import type { FieldBits } from "../../mpc/vector/index.ts";
import { specOf } from "../buyer/proposal.ts";
import { conform } from "../data/conform.ts";
import { type CsvDialect, readTable, type Table } from "../data/csv.ts";
import {
  type DataSetSchema,
  deriveSchema,
  loadSchema,
  requireColumn,
  schemaHash,
  sharedColumns,
} from "../data/schema.ts";
import { type ModelUpdate, readUpdate, updateTable } from "../data/update.ts";
import { jobShape } from "../job-shape.ts";

export interface LocalFiles {
  algorithm: string;
  /** One file a seller. */
  data: readonly string[];
  label?: string;
  /** A schema file; without one, bounds are derived from the data. */
  schema?: string;
  parameters?: unknown;
  validation?: string;
  dialect?: CsvDialect;
  /** Exponent of the field to share in, in place of the schema's or the one that fits best. */
  field?: FieldBits;
}

export interface LocalInputs {
  algorithm: Algorithm;
  parameters: Record<string, unknown>;
  tables: Table[];
  schema: DataSetSchema;
  /** Whether the bounds come from the data and become public by that. */
  derived: boolean;
  /** For model updates: what each weighs. */
  weights?: number[];
  validation?: Table;
}

/**
 * @throws ALGORITHM_UNKNOWN, PARAMETER_INVALID, the CSV_ codes, UPDATE_INVALID, SCHEMA_MISMATCH,
 * SCHEMA_INVALID, SHAPE_MISMATCH, RANGE_EXCEEDED, USAGE
 */
export async function readLocalInputs(files: LocalFiles): Promise<LocalInputs> {
  const algorithm = findAlgorithm(files.algorithm);
  const parameters = parseParameters(algorithm, files.parameters);
  if (files.data.length === 0) throw new SymbolonError("USAGE", "give at least one --data file");
  if (files.validation !== undefined) requireMetrics(algorithm);
  const { tables, weights } = await readData(algorithm, files);
  const validation =
    files.validation === undefined ? undefined : await readTable(files.validation, files.dialect);
  const label = labelOf(algorithm, files, tables);
  const everything = validation === undefined ? tables : [...tables, validation];
  const schema =
    files.schema === undefined
      ? await derive(
          algorithm,
          parameters,
          tables,
          everything,
          { label, field: files.field },
          weights,
          validation,
        )
      : await loadSchema(files.schema, files.field);
  if (files.schema !== undefined && label !== undefined && schema.label?.name !== label) {
    throw new SymbolonError("USAGE", `the schema does not declare the label ${label}`);
  }
  for (const table of everything) conform(table, schema);
  await plan(algorithm, parameters, schema, tables, weights, validation);
  return {
    algorithm,
    parameters,
    tables,
    schema,
    derived: files.schema === undefined,
    ...(weights && { weights }),
    ...(validation && { validation }),
  };
}

async function readData(
  algorithm: Algorithm,
  files: LocalFiles,
): Promise<{ tables: Table[]; weights?: number[] }> {
  if (algorithm.manifest.id !== "gradient-aggregation") {
    const tables: Table[] = [];
    for (const file of files.data) tables.push(await readTable(file, files.dialect));
    return { tables };
  }
  const updates = await Promise.all(files.data.map((file) => readUpdate(file)));
  for (const { file, update } of updates) {
    const [first] = updates as [ModelUpdate];
    if (update.length === first.update.length) continue;
    throw new SymbolonError(
      "SHAPE_MISMATCH",
      `${file} has ${update.length} coordinates, ${first.file} has ${first.update.length}.`,
      { hint: "All updates of one job need the same length." },
    );
  }
  return { tables: updates.map(updateTable), weights: updates.map(({ weight }) => weight) };
}

function labelOf(algorithm: Algorithm, files: LocalFiles, tables: readonly Table[]): string | undefined {
  const { id, input } = algorithm.manifest;
  if (input.label === "required" && files.label === undefined && files.schema === undefined) {
    throw new SymbolonError("USAGE", `${id} needs a label: which column is it?`, {
      hint: "give --label COLUMN",
    });
  }
  if (input.label === "none" && files.label !== undefined) {
    throw new SymbolonError("USAGE", `${id} takes no label`);
  }
  if (files.label !== undefined) for (const table of tables) requireColumn(table, files.label);
  // A column of statistics is a column, whatever it is called elsewhere: it need not be 0 or 1 here.
  return input.label === "required" ? files.label : undefined;
}

/** Derives bounds, in the finest fixed point format that the job has room for. */
async function derive(
  algorithm: Algorithm,
  parameters: Record<string, unknown>,
  tables: readonly Table[],
  everything: readonly Table[],
  { label, field }: { label: string | undefined; field: FieldBits | undefined },
  weights: readonly number[] | undefined,
  validation: Table | undefined,
): Promise<DataSetSchema> {
  const formats = fracBitsByPreference(algorithm);
  for (const [i, fracBits] of formats.entries()) {
    const schema = deriveSchema(everything, {
      fracBits,
      ...(label !== undefined && { label }),
      ...(field !== undefined && { fieldBits: field }),
    });
    try {
      await plan(algorithm, parameters, schema, tables, weights, validation);
      return schema;
    } catch (error) {
      const tooWide = error instanceof SymbolonError && error.code === "RANGE_EXCEEDED";
      if (!tooWide || i === formats.length - 1) throw error;
    }
  }
  throw new SymbolonError("INTERNAL", "no fixed point format was tried");
}

/**
 * Training chooses its own format, and finer inputs would only widen its masks; a JIFF program pays for each bit
 * of a comparison; sums and means gain by all that fits.
 */
function fracBitsByPreference(algorithm: Algorithm): number[] {
  if (algorithm.engine === "jiff") return [24, 20, 16];
  return algorithm.manifest.input.label === "required" ? [20, 16] : [30, 24, 20, 16];
}

async function plan(
  algorithm: Algorithm,
  parameters: Record<string, unknown>,
  schema: DataSetSchema,
  tables: readonly Table[],
  weights: readonly number[] | undefined,
  validation: Table | undefined,
): Promise<void> {
  const hash = schemaHash(schema);
  const columns = sharedColumns(schema).length;
  const offers = tables.map(({ rows }) => ({ schemaHash: hash, rows, columns }));
  const spec = specOf(algorithm, parameters, hash, weights, validation, schema);
  await planOrAdvise(algorithm, jobShape(spec, schema, offers), parameters);
}
