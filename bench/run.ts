/**
 * Benchmark of the engine: three party processes on loopback, links encrypted.
 *
 *     npm run bench -- [--json] [--only NAME,...] [--field 61|89|107|127] [--rtt MS]
 *
 * `lr-*` are per step of training. ms is the median of party 1's runs; bytes are summed over the parties.
 */
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import Table from "cli-table3";
import type { FieldBits } from "../mpc/vector/index.ts";
import { runParties } from "./parties.ts";
import { workloads } from "./workloads.ts";

interface Result {
  name: string;
  ms: number;
  msMin: number;
  msMax: number;
  runs: number;
  rounds: number;
  bytes: number;
  rttMs: number;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      json: { type: "boolean", default: false },
      only: { type: "string" },
      field: { type: "string", default: "127" },
      rtt: { type: "string", default: "0" },
    },
  });
  const names = values.only?.split(",") ?? workloads.map((w) => w.name);
  const unknown = names.find((name) => !workloads.some((w) => w.name === name));
  if (unknown !== undefined) {
    console.error(`no benchmark "${unknown}"; known: ${workloads.map((w) => w.name).join(", ")}`);
    process.exitCode = 2;
    return;
  }
  const rttMs = Number(values.rtt);
  const results: Result[] = [];
  for (const name of names) {
    const field = Number(values.field) as FieldBits;
    const timings = (await runParties({ workload: name, field, rttMs })).map((reply) => reply.timing);
    const [t] = timings;
    const sorted = [...t.milliseconds].sort((a, b) => a - b);
    results.push({
      name: t.name,
      ms: sorted[sorted.length >> 1],
      msMin: sorted[0],
      msMax: sorted[sorted.length - 1],
      runs: sorted.length,
      rounds: t.rounds,
      bytes: Math.round(timings.reduce((sum, party) => sum + party.bytes, 0)),
      rttMs,
    });
  }
  const machine = {
    cpu: cpus()[0].model,
    cores: cpus().length,
    node: process.version,
    field: Number(values.field),
  };
  if (values.json) {
    console.log(JSON.stringify({ machine, results }, null, 2));
    return;
  }
  const table = new Table({ head: ["work", "ms (median)", "min", "max", "rounds", "bytes, all links"] });
  for (const r of results) {
    const row = [
      r.name,
      r.ms.toFixed(2),
      r.msMin.toFixed(2),
      r.msMax.toFixed(2),
      r.rounds.toFixed(1),
      String(r.bytes),
    ];
    table.push(row);
  }
  console.log(
    `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, k = ${machine.field}, round trip ${rttMs} ms`,
  );
  console.log(table.toString());
}

await main();
