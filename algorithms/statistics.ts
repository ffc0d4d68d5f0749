import { z } from "zod";
import { SymbolonError } from "../mpc/errors.ts";
import type { Session } from "../mpc/session/session.ts";
import { Table } from "../mpc/session/table.ts";
import type {
  DecodeContext,
  DecodedResult,
  JobInputs,
  JobShape,
  ResultPart,
  SessionAlgorithm,
} from "./manifest.ts";
import { columnMeans, columnSums, meanSquares, squaresDivisor } from "./standardise.ts";

const parameters = z.strictObject({});
type Parameters = z.infer<typeof parameters>;

/** Count, sum, mean and variance of every column over all data sets together. */
export const statistics: SessionAlgorithm<Parameters> = {
  engine: "session",
  manifest: {
    id: "statistics",
    version: "1.0.0",
    title: "Column statistics",
    description: "Count, sum, mean and variance (divisor n - 1) of each column over all rows of all sellers.",
    input: { label: "optional", description: "any numeric columns; a label counts as a column" },
    output: "columns: { NAME: { count, sum, mean, variance } }",
    openings: {},
    privacy: "The buyer learns exact statistics of the pooled rows. No differential privacy.",
  },
  parameters,

  checkShape(shape: JobShape): void {
    const [first] = shape.inputs;
    if (shape.inputs.some((s) => s.columns !== first.columns)) {
      throw new SymbolonError("SHAPE_MISMATCH", "the data sets have different numbers of columns");
    }
  },

  async run<D>(_session: Session<D>, { inputs }: JobInputs<D>): Promise<ResultPart<D>[]> {
    const table = Table.stack(inputs);
    const parts: ResultPart<D>[] = [{ name: "sum", tensor: await columnSums(table, table.cols) }];
    if (table.rows > 1) {
      const mean = await columnMeans(table, table.cols);
      parts.push({ name: "squares", tensor: await meanSquares(table, mean) });
    }
    return parts;
  },

  decode(values, { shape, columns }: DecodeContext): DecodedResult {
    const count = shape.inputs.reduce((sum, s) => sum + s.rows, 0);
    const { squares } = values;
    const divisor = squaresDivisor(count);
    const entries = columns.map(({ name, center, halfRange }, j) => {
      const scaledMean = values.sum[j] / count;
      const mean = center + halfRange * scaledMean;
      return [
        name,
        {
          count,
          sum: mean * count,
          mean,
          variance:
            squares === undefined
              ? null
              : ((Math.max(0, squares[j]) * divisor) / (count - 1)) * halfRange ** 2,
        },
      ];
    });
    return { model: { columns: Object.fromEntries(entries) }, metrics: {} };
  },
};
