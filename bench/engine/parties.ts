/** Starts three party processes on loopback, connects them over the encrypted mesh and times one workload. */
import type { Profiler } from "node:inspector/promises";
import { join } from "node:path";
import { partyIndices } from "../../mpc/transport/transport.ts";
import type { FieldBits } from "../../mpc/vector/index.ts";
import type { Workload } from "../workloads.ts";
import { now, type Run } from "./measure.ts";
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
  /** The longest of the parties' first runs, in milliseconds: in processes that have just started. */
  readonly firstMs: number;
}

const mostRuns = 25;
/**
 * V8 goes on compiling for seconds: a step of training still got faster in the eighth. A party's node is a
 * process that lives for many jobs, so this is its pace; the first run is given beside.
 */
const warmUpMs = 10_000;

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
    const firstMs = Math.max(...checked.map(({ run }) => run.ms));
    const run = (count: RunCount): Promise<Reply[]> => {
      for (const party of parties) party.send(count);
      return Promise.all(parties.map((party) => party.next<Reply>()));
    };
    const count = runCount(firstMs, options);
    // A long run over slow links is not worth a second one: it counts, although nothing was warm.
    if (count.runs === 0) {
      return { maxError, parties: checked.map(({ run }) => [run]), profiles: [], firstMs };
    }
    const warmUntil = now() + (options.rttMs > 0 ? 0 : warmUpMs);
    do await run({ runs: options.rttMs > 0 ? 1 : Math.ceil(1000 / firstMs), profile: false });
    while (now() < warmUntil);
    const replies = await run(count);
    const profiles = replies.flatMap(({ profile }) => profile ?? []);
    return { maxError, parties: replies.map(({ runs }) => runs), profiles, firstMs };
  } finally {
    for (const child of [...parties, ...sellers]) child.kill();
  }
}

/** As many timed runs as the budget allows. */
function runCount(firstMs: number, { budgetMs, rttMs, profile = false }: RunOptions): RunCount {
  if (rttMs > 0 && firstMs > 3 * budgetMs) return { runs: 0, profile };
  const within = Math.round(budgetMs / firstMs);
  return { runs: Math.min(mostRuns, Math.max(firstMs < 1000 ? 5 : 3, within)), profile };
}
