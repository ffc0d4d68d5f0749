/** `--schema`: the schema of a job's data sets from a file, where the bridge does not have it or is not to be asked. */
import { Option } from "commander";
import type { DataSetSchema } from "../data/schema.ts";

export interface SchemaOption {
  schema?: string;
}

export function schemaOption(): Option {
  return new Option(
    "--schema <file>",
    "the schema of the job's data sets, where the bridge does not have it; its hash is on chain",
  );
}

/** @throws USAGE, SCHEMA_INVALID */
export async function givenSchema({ schema }: SchemaOption): Promise<{ schema?: DataSetSchema }> {
  if (schema === undefined) return {};
  const { loadSchema } = await import("../data/schema.ts");
  return { schema: await loadSchema(schema) };
}
