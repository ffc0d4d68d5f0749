/**
 * Where the time of a workload goes: runs it in three party processes with V8's sampling profiler over the
 * timed runs, and prints self times by group and by function, in milliseconds for one run (one step of
 * training). Profiling itself slows small rounds down a little: read shares, not absolute times.
 *
 *     node bench/profile.ts NAME [--field 61|89|107|127] [--rtt MS] [--party 1|2|3] [--top N] [--out FOLDER]
 *
 * `--out` keeps the raw profiles as party-1.cpuprofile and so on, which Chrome's developer tools open.
 */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { FieldBits } from "../mpc/vector/index.ts";
import { runParties } from "./engine/parties.ts";
import { smallestField } from "./field-choice.ts";
import { median } from "./report.ts";
import { groups, type SelfTime, selfTimes } from "./self-times.ts";
import { findWorkload } from "./workloads.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    field: { type: "string" },
    rtt: { type: "string", default: "0" },
    party: { type: "string", default: "1" },
    top: { type: "string", default: "25" },
    out: { type: "string" },
  },
});
const workload = findWorkload(positionals[0] ?? "");
const field =
  values.field === undefined ? (await smallestField(workload)).field : (Number(values.field) as FieldBits);
const { parties, profiles } = await runParties(workload, {
  field,
  rttMs: Number(values.rtt),
  warmUpMs: 10_000,
  budgetMs: 1500,
  profile: true,
});
const [runs] = parties;
const units = runs.length * workload.steps;
console.log(
  `${workload.name}, k = ${field}: median ${(median(runs.map(({ ms }) => ms)) / workload.steps).toFixed(3)} ms, ` +
    `${runs.length} runs of ${workload.steps}, ${(runs[0].rounds / workload.steps).toFixed(1)} rounds, under the profiler`,
);

const byParty = profiles.map(selfTimes);
console.log(
  `\n${"group".padEnd(12)}${["party 1", "party 2", "party 3"].map((h) => h.padStart(18)).join("")}`,
);
for (const group of groups) {
  const cells = byParty.map((list) => {
    const ms = total(list.filter((f) => f.group === group)) / units;
    return `${ms.toFixed(3)} ms ${((100 * ms * units) / total(list)).toFixed(1).padStart(5)} %`.padStart(18);
  });
  console.log(group.padEnd(12) + cells.join(""));
}

const shown = byParty[Number(values.party) - 1].filter((f) => f.group !== "waiting");
console.log(`\nself times of party ${values.party}, without waiting`);
for (const f of shown.slice(0, Number(values.top))) {
  const share = ((100 * f.milliseconds) / total(shown)).toFixed(1);
  console.log(
    `${(f.milliseconds / units).toFixed(4).padStart(10)} ms ${share.padStart(5)} %  ${f.group.padEnd(8)} ${f.name}`,
  );
}

if (values.out !== undefined) {
  mkdirSync(values.out, { recursive: true });
  profiles.forEach((profile, i) => {
    writeFileSync(join(values.out!, `party-${i + 1}.cpuprofile`), JSON.stringify(profile));
  });
}

function total(list: readonly SelfTime[]): number {
  return list.reduce((sum, f) => sum + f.milliseconds, 0);
}
