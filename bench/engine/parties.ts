/** Starts three party processes on loopback, connects them over the encrypted mesh and times one workload. */

import type { Profiler } from "node:inspector/promises";
import { join } from "node:path";
import { partyIndices } from "../../mpc/transport/transport.ts";
import type { FieldBits } from "../../mpc/vector/index.ts";
import { findWorkload } from "../workloads.ts";
import type { Measured } from "./measure.ts";
import { Child } from "./messages.ts";
import type { Checked, Contact, Reply, RunCount, Task } from "./party-process.ts";
import type { SellersTask } from "./sellers-process.ts";

export interface RunOptions {
  readonly workload: string;
  readonly field: FieldBits;
  /** Emulated round trip between the parties in milliseconds. */
  readonly rttMs: number;
  /** How long the timed runs may take together, about. */
  readonly budgetMs: number;
  readonly profile?: boolean;
}

export interface Outcome {
  /** Largest difference of an output from the same program in the clear. */
  readonly maxError: number;
  /** Of parties 1, 2 and 3. */
  readonly parties: readonly Measured[];
  readonly profiles: readonly Profiler.Profile[];
}

const [fewestRuns, mostRuns] = [5, 25];

/** The processes have ended when it resolves. @throws Error when a result is wrong or a process dies */
export async function runParties(options: RunOptions): Promise<Outcome> {
  const parties = partyIndices.map(() => new Child(join(import.meta.dirname, "party-process.ts")));
  const children = [...parties];
  try {
    const contacts = await Promise.all(parties.map((child) => child.next<Contact>()));
    parties.forEach((child, i) => {
      const others = partyIndices.filter((j) => j !== partyIndices[i]);
      child.send<Task>({
        partyIndex: partyIndices[i],
        peers: Object.fromEntries(others.map((j) => [j, contacts[j - 1]])),
        delayMs: options.rttMs / 2,
        field: options.field,
        workload: options.workload,
      });
    });
    if (findWorkload(options.workload).fromSellers) {
      const sellers = new Child(join(import.meta.dirname, "sellers-process.ts"));
      children.push(sellers);
      sellers.send<SellersTask>({
        workload: options.workload,
        field: options.field,
        parties: contacts.map(({ sellersPort, publicKey }) => ({ port: sellersPort, sealKey: publicKey })),
      });
    }
    const checked = await Promise.all(parties.map((child) => child.next<Checked>()));
    const count = runCount(Math.max(...checked.map(({ ms }) => ms)), options);
    for (const child of parties) child.send<RunCount>(count);
    const replies = await Promise.all(parties.map((child) => child.next<Reply>()));
    return {
      maxError: Math.max(...checked.map(({ maxError }) => maxError)),
      parties: replies.map(({ measured }) => measured),
      profiles: replies.flatMap(({ profile }) => profile ?? []),
    };
  } finally {
    for (const child of children) child.kill();
  }
}

/** As many runs as the budget allows, and some before them until the code is compiled. */
function runCount(firstMs: number, { budgetMs, profile }: RunOptions): RunCount {
  const within = Math.round(budgetMs / firstMs);
  const runs = Math.min(mostRuns, Math.max(firstMs < 1000 ? fewestRuns : 1, within));
  return { warmUps: Math.min(10, Math.round(within / 3)), runs, profile: profile ?? false };
}
