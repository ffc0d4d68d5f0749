/**
 * Benchmark of the engine: three party processes on loopback, links encrypted, beside stock JIFF on the part
 * of the same work that it finishes.
 *
 *     npm run bench -- [--json] [--quick] [--only NAME,...] [--field 61|89|107|127] [--rtt MS,...] [--docs]
 *
 * `lr-*` are per step of training. Each workload runs on random shares in the smallest field that the range
 * analysis accepts (`--field` forces one), and its result is checked against plaintext once. Without options
 * all workloads run, those that wait for rounds also with emulated round trips of 1, 10 and 50 ms; `--only`
 * runs the named ones without a delay; `--rtt` sets the round trips. `--quick` runs less often, without delays
 * and without JIFF. A full run measures the kernels as well. `--docs` writes the tables into docs/performance.md.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type FieldBits, fieldBits } from "../mpc/vector/index.ts";
import { runParties } from "./engine/parties.ts";
import { Yardstick } from "./engine/yardstick.ts";
import { smallestField } from "./field-choice.ts";
import { findJiffWork, type JiffTiming, runStockJiff } from "./jiff/stock.ts";
import type { JiffWork } from "./jiff/works.ts";
import { kernelResults, kernelTable } from "./kernels.ts";
import { fillSection } from "./markdown.ts";
import {
  type EngineResult,
  engineResult,
  type JiffResult,
  jiffResult,
  machine,
  markdownTables,
  terminalTables,
} from "./report.ts";
import { findWorkload, workloadNames } from "./workloads.ts";

const jiffPrefix = "jiff-";
const jiffLimitMs = 60_000;
const delays = [1, 10, 50];
/** With a delay only those run whose time depends on the number of rounds. */
const delayed = /^(lr|multiply|less-than)/;

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    docs: { type: "boolean", default: false },
    only: { type: "string" },
    field: { type: "string" },
    rtt: { type: "string" },
  },
});
const everything = [...workloadNames, ...workloadNames.map((name) => jiffPrefix + name)];
const names = values.only?.split(",") ?? (values.quick ? workloadNames : everything);
const roundTrips = values.rtt?.split(",").map(Number) ?? [0];
const full = values.only === undefined && values.rtt === undefined && !values.quick;
const forced = fieldBits.find((bits) => String(bits) === values.field);
try {
  for (const name of names) findWorkload(name.replace(jiffPrefix, ""));
  if (roundTrips.some((ms) => !(ms >= 0))) throw new Error("--rtt takes milliseconds");
  if (forced === undefined && values.field !== undefined)
    throw new Error(`--field takes ${fieldBits.join(", ")}`);
} catch (error) {
  console.error((error as Error).message);
  process.exit(2);
}

const results: (EngineResult | JiffResult)[] = [];
const yardstick = await Yardstick.start();
if (full) {
  progress("waiting until the machine has reached its pace");
  await yardstick.settle();
}
const ours = names.filter((name) => !name.startsWith(jiffPrefix));
for (const rttMs of roundTrips) {
  for (const name of ours) results.push(await runEngine(name, rttMs));
}
for (const rttMs of full ? delays : []) {
  for (const name of ours.filter((n) => delayed.test(n))) results.push(await runEngine(name, rttMs));
}
yardstick.stop();
// One measurement serves all workloads that it is a part of.
const timings = new Map<JiffWork, JiffTiming | undefined>();
for (const name of names.filter((n) => n.startsWith(jiffPrefix)).map((n) => n.slice(jiffPrefix.length))) {
  const work = findJiffWork(name);
  if (work === undefined) continue;
  if (!timings.has(work)) timings.set(work, await runJiff(work));
  const timing = timings.get(work);
  const beside = results.find((r): r is EngineResult => r.name === name && r.rttMs === 0);
  if (timing !== undefined) results.push(jiffResult(name, timing, beside));
}

if (full) progress("kernels");
const kernels = full ? await kernelResults({ headline: true }) : [];

const report = { machine: machine(), results };
if (values.json) console.log(JSON.stringify({ ...report, kernels }, null, 2));
else console.log([terminalTables(report), ...(full ? [kernelTable(kernels)] : [])].join("\n\n"));
if (values.docs) {
  const file = join(import.meta.dirname, "../docs/performance.md");
  writeFileSync(file, fillSection(readFileSync(file, "utf8"), "bench", markdownTables(report)));
}

async function runEngine(name: string, rttMs: number): Promise<EngineResult> {
  progress(`${name}${rttMs > 0 ? ` with a round trip of ${rttMs} ms` : ""}`);
  const workload = findWorkload(name, rttMs > 0);
  const choice: { field: FieldBits; refused?: string } =
    forced === undefined ? await smallestField(workload) : { field: forced };
  const [warmUpMs, budgetMs] = values.quick ? [2_000, 400] : [10_000, 3_000];
  const before = await yardstick.exchangeMicros();
  const outcome = await runParties(workload, { field: choice.field, rttMs, warmUpMs, budgetMs });
  const exchangeMicros = (before + (await yardstick.exchangeMicros())) / 2;
  return engineResult(workload, outcome, { ...choice, rttMs, exchangeMicros });
}

async function runJiff(work: JiffWork): Promise<JiffTiming | undefined> {
  progress(`stock JIFF: ${work.size}`);
  const timing = await runStockJiff(work, jiffLimitMs);
  if (timing === undefined) progress(`stock JIFF did not finish within ${jiffLimitMs / 1000} s`);
  return timing;
}

function progress(line: string): void {
  console.error(line);
}
