/** Options for CSV files that are not comma separated with decimal points. */
import type { Command } from "commander";
import type { CsvDialect } from "../data/csv.ts";

export interface DialectOptions {
  delimiter?: string;
  decimal?: string;
}

export function addDialectOptions(made: Command): Command {
  return made
    .option("--delimiter <character>", "between the cells of a CSV file; a tab is written \\t")
    .option("--decimal <character>", "the decimal sign: a point or a comma");
}

/** The reader checks the values. */
export function dialectOf({ delimiter, decimal }: DialectOptions): CsvDialect {
  return {
    ...(delimiter !== undefined && { delimiter: delimiter === "\\t" ? "\t" : delimiter }),
    ...(decimal !== undefined && { decimal: decimal as "." | "," }),
  };
}
