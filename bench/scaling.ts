/**
 * How the cost grows with rows and with columns: training over full batches and standardisation, three party
 * processes on loopback. Writes the measurements to docs/scaling.csv and a plot of the processor time, which other
 * work on the machine disturbs less than the wall clock, to docs/scaling.svg, where a cost in proportion to the size is a line that rises by one decade a decade.
 *
 *     node bench/scaling.ts
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { runParties } from "./engine/parties.ts";
import { smallestField } from "./field-choice.ts";
import { type EngineResult, engineResult, median } from "./report.ts";
import { chart, type Panel } from "./svg.ts";
import { findWorkload } from "./workloads.ts";

interface Sweep {
  readonly title: string;
  readonly sizes: readonly (readonly [rows: number, columns: number])[];
  readonly along: 0 | 1;
}

interface Point {
  readonly work: string;
  readonly size: readonly [number, number];
  readonly result: EngineResult;
}

const sweeps: readonly Sweep[] = [
  {
    title: "20 columns",
    sizes: [2_000, 5_000, 10_000, 20_000, 50_000, 100_000].map((rows) => [rows, 20] as const),
    along: 0,
  },
  {
    title: "10 000 rows",
    sizes: [10, 20, 50, 100, 200].map((columns) => [10_000, columns] as const),
    along: 1,
  },
];
const works = [
  { name: "a training step over all rows", colour: "#1f77b4", workload: (size: string) => `lr-${size}-full` },
  { name: "standardisation", colour: "#d62728", workload: (size: string) => `standardise-${size}` },
];

const panels: Panel[] = [];
const rows: string[] = ["work,rows,columns,field,ms,ms_min,ms_max,cpu_ms_a_party,runs,rounds,bytes"];
for (const { title, sizes, along } of sweeps) {
  const lines = [];
  for (const { name, colour, workload } of works) {
    const points: Point[] = [];
    for (const size of sizes) {
      points.push({ work: name, size, result: await measure(workload(`${size[0]}x${size[1]}`)) });
    }
    rows.push(...points.map(csvRow));
    const places = points.map(({ size, result }) => [size[along], median(result.cpuMs)] as const);
    console.log(
      `${name}, ${title}: processor time grows with the ${slope(places).toFixed(2)}th power of the size`,
    );
    lines.push({ name, colour, points: places });
  }
  panels.push({
    title,
    xLabel: along === 0 ? "rows" : "columns",
    yLabel: "milliseconds of processor time, a party",
    lines,
  });
}
const docs = join(import.meta.dirname, "../docs");
writeFileSync(join(docs, "scaling.csv"), `${rows.join("\n")}\n`);
writeFileSync(join(docs, "scaling.svg"), chart(panels));

async function measure(name: string): Promise<EngineResult> {
  const workload = findWorkload(name);
  const choice = await smallestField(workload);
  const outcome = await runParties(workload, {
    field: choice.field,
    rttMs: 0,
    warmUpMs: 3_000,
    budgetMs: 500,
  });
  const result = engineResult(workload, outcome, { ...choice, rttMs: 0 });
  console.log(`${name}: ${result.ms.toFixed(2)} ms, k = ${result.field}`);
  return result;
}

function csvRow({ work, size, result: r }: Point): string {
  const times = [r.ms, r.msMin, r.msMax, median(r.cpuMs)].map((ms) => ms.toFixed(3));
  return [work, ...size, r.field, ...times, r.runs, r.rounds.toFixed(1), r.bytes].join(",");
}

/** Of the straight line through the logarithms with the least squares. */
function slope(points: readonly (readonly [number, number])[]): number {
  const logs = points.map(([x, y]) => [Math.log(x), Math.log(y)]);
  const mean = (k: number): number => logs.reduce((sum, point) => sum + point[k], 0) / logs.length;
  const [mx, my] = [mean(0), mean(1)];
  const products = logs.reduce((sum, [x, y]) => sum + (x - mx) * (y - my), 0);
  return products / logs.reduce((sum, [x]) => sum + (x - mx) ** 2, 0);
}
