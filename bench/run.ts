/**
 * Benchmark of the engine: three party processes on loopback, links encrypted.
 *
 *     npm run bench -- [--json] [--quick] [--only NAME,...] [--field 61|89|107|127] [--rtt MS]
 *
 * `lr-*` are per step of training. Each workload runs in the smallest field that its range analysis accepts;
 * `--field` forces one. `--rtt` emulates a round trip between the parties.
 */
import { parseArgs } from "node:util";
import type { FieldBits } from "../mpc/vector/index.ts";
import { runParties } from "./engine/parties.ts";
import { smallestField } from "./field-choice.ts";
import { machine, printTables, type Result, summarise } from "./report.ts";
import { findWorkload, workloads } from "./workloads.ts";

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    only: { type: "string" },
    field: { type: "string" },
    rtt: { type: "string", default: "0" },
  },
});
const names = values.only?.split(",") ?? workloads.map((w) => w.name);
const budgetMs = values.quick ? 300 : 1500;
const results: Result[] = [];
for (const name of names) {
  const workload = findWorkload(name);
  const choice =
    values.field === undefined ? await smallestField(workload) : { field: Number(values.field) as FieldBits };
  const rttMs = Number(values.rtt);
  const outcome = await runParties({ workload: name, field: choice.field, rttMs, budgetMs });
  results.push(summarise(workload, outcome, { ...choice, rttMs }));
}
if (values.json) console.log(JSON.stringify({ machine: machine(), results }, null, 2));
else printTables(machine(), results);
