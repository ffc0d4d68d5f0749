/** The real data set as the demo splits it: every fifth row held out, the rest in three equal parts. */
import type { ColumnScale } from "../../algorithms/manifest.ts";
import { conform } from "../../parties/data/conform.ts";
import { readTable } from "../../parties/data/csv.ts";
import { scaleMatrix, scalingOf } from "../../parties/data/scaling.ts";
import { deriveSchema } from "../../parties/data/schema.ts";
import type { Matrix } from "./run.ts";

export interface SplitData {
  train: Matrix[];
  held: Matrix;
  /** Training rows of all sellers. */
  rows: number;
  columns: ColumnScale[];
}

export async function breastCancer(): Promise<SplitData> {
  const table = await readTable("parties/data/examples/breast-cancer.csv");
  const schema = deriveSchema([table], { label: "benign" });
  const { features, label, rows } = conform(table, schema);
  const scaling = scalingOf(schema);
  const d = schema.columns.length;
  scaleMatrix(features, scaling, features);
  const pick = (chosen: number[]): Matrix => ({
    rows: chosen.length,
    columns: d + 1,
    values: chosen.flatMap((i) => [...features.subarray(i * d, (i + 1) * d), label![i]]),
    hasLabel: true,
  });
  const all = Array.from({ length: rows }, (_, i) => i);
  const training = all.filter((i) => i % 5 !== 4);
  const third = Math.ceil(training.length / 3);
  return {
    train: [0, 1, 2].map((s) => pick(training.slice(s * third, (s + 1) * third))),
    held: pick(all.filter((i) => i % 5 === 4)),
    rows: training.length,
    columns: schema.columns.map(({ name }, j) => ({
      name,
      center: scaling.center[j],
      halfRange: scaling.halfRange[j],
    })),
  };
}
