/** Starts three party processes on loopback, connects them over the encrypted mesh and times one workload. */
import type { Profiler } from "node:inspector/promises";
import { join } from "node:path";
import { partyIndices } from "../../mpc/transport/transport.ts";
import type { FieldBits } from "../../mpc/vector/index.ts";
import type { Workload } from "../workloads.ts";
import type { Run } from "./measure.ts";
import { Child } from "./messages.ts";
import type { Checked, Contact, Reply, RunCount, Task } from "./party-process.ts";
import type { SellersTask } from "./sellers-process.ts";

export interface RunOptions {
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
  /** The runs of parties 1, 2 and 3. */
  readonly parties: readonly (readonly Run[])[];
  readonly profiles: readonly Profiler.Profile[];
}

const mostRuns = 25;

/** The processes have ended when it resolves. @throws Error when a result is wrong or a process dies */
export async function runParties(workload: Workload, options: RunOptions): Promise<Outcome> {
  const start = (module: string): Child => new Child(join(import.meta.dirname, module));
  const parties = partyIndices.map(() => start("party-process.ts"));
  const sellers = workload.fromSellers ? [start("sellers-process.ts")] : [];
  try {
    const contacts = await Promise.all(parties.map((party) => party.next<Contact>()));
    parties.forEach((party, i) => {
      const others = partyIndices.filter((j) => j !== partyIndices[i]);
      party.send<Task>({
        partyIndex: partyIndices[i],
        peers: Object.fromEntries(others.map((j) => [j, contacts[j - 1]])),
        delayMs: options.rttMs / 2,
        field: options.field,
        workload: workload.name,
        short: workload.short ?? false,
      });
    });
    for (const child of sellers) {
      child.send<SellersTask>({
        workload: workload.name,
        field: options.field,
        parties: contacts.map(({ sellersPort, publicKey }) => ({ port: sellersPort, sealKey: publicKey })),
      });
    }
    const checked = await Promise.all(parties.map((party) => party.next<Checked>()));
    const maxError = Math.max(...checked.map((c) => c.maxError));
    const count = runCount(Math.max(...checked.map(({ run }) => run.ms)), options);
    // A long run over slow links is not worth a second one: it counts, although nothing was warm.
    if (count.runs === 0) return { maxError, parties: checked.map(({ run }) => [run]), profiles: [] };
    for (const party of parties) party.send<RunCount>(count);
    const replies = await Promise.all(parties.map((party) => party.next<Reply>()));
    const profiles = replies.flatMap(({ profile }) => profile ?? []);
    return { maxError, parties: replies.map(({ runs }) => runs), profiles };
  } finally {
    for (const child of [...parties, ...sellers]) child.kill();
  }
}

/** As many runs as the budget allows, and some before them until memory is there and the code compiled. */
function runCount(firstMs: number, { budgetMs, rttMs, profile = false }: RunOptions): RunCount {
  const within = Math.round(budgetMs / firstMs);
  if (rttMs > 0 && firstMs > 3 * budgetMs) return { warmUps: 0, runs: 0, profile };
  const runs = Math.min(mostRuns, Math.max(firstMs < 1000 ? 5 : 3, within));
  // A training of a hundred steps is compiled by its tenth run. With delays that is not worth the time.
  return { warmUps: rttMs > 0 ? 1 : firstMs < 1000 ? 10 : 4, runs, profile };
}
