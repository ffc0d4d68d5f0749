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
  /**
   * How long the parties run before. V8 goes on compiling for seconds: a step of training still gets faster in
   * the eighth. A party's node lives for many jobs, so that is its pace; the first run is given beside.
   */
  readonly warmUpMs: number;
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
    const { budgetMs, warmUpMs, profile = false } = options;
    // Where a run is long, another one is not worth its time: this one counts, although nothing was warm.
    if (firstMs > 3 * (budgetMs + warmUpMs)) {
      return { maxError, parties: checked.map(({ run }) => [run]), profiles: [], firstMs };
    }
    const run = (count: RunCount): Promise<Reply[]> => {
      for (const party of parties) party.send(count);
      return Promise.all(parties.map((party) => party.next<Reply>()));
    };
    const warmUntil = now() + warmUpMs;
    let paceMs: number;
    do {
      const warmUps = await run({ runs: Math.ceil(1000 / firstMs), profile: false });
      paceMs = Math.max(...warmUps.map(({ runs }) => runs.at(-1)!.ms));
    } while (now() < warmUntil);
    const runs = Math.min(mostRuns, Math.max(paceMs < 1000 ? 5 : 3, Math.round(budgetMs / paceMs)));
    const replies = await run({ runs, profile });
    const profiles = replies.flatMap(({ profile }) => profile ?? []);
    return { maxError, parties: replies.map(({ runs }) => runs), profiles, firstMs };
  } finally {
    for (const child of [...parties, ...sellers]) child.kill();
  }
}
