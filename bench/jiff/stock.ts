/** Times stock JIFF: three party processes and its relay server, each computation with fresh parties. */
import { join } from "node:path";
import { partyIndices } from "../../mpc/transport/transport.ts";
import { Child } from "../engine/messages.ts";
import type { JiffReply, JiffTask } from "./party-process.ts";
import { type JiffWork, jiffWorks } from "./works.ts";

export interface JiffTiming {
  readonly work: JiffWork;
  /** Of each run, the party that was last. */
  readonly ms: readonly number[];
  readonly maxError: number;
}

/** The work beside an engine's workload; there is one for each of the list. */
export function findJiffWork(name: string): JiffWork | undefined {
  return jiffWorks.find(({ names }) => names.includes(name));
}

/**
 * @returns undefined when JIFF does not finish within `limitMs`
 * @throws Error when its result is wrong or a process dies
 */
export async function runStockJiff(work: JiffWork, limitMs: number): Promise<JiffTiming | undefined> {
  const start = (module: string): Child => new Child(join(import.meta.dirname, module));
  const relay = start("relay-process.ts");
  const parties = partyIndices.map(() => start("party-process.ts"));
  let timer: NodeJS.Timeout | undefined;
  try {
    const relayPort = await relay.next<number>();
    parties.forEach((party, i) => {
      party.send<JiffTask>({ relayPort, partyIndex: i + 1, work: jiffWorks.indexOf(work) });
    });
    const replies = await Promise.race([
      Promise.all(parties.map((party) => party.next<JiffReply>())),
      new Promise<undefined>((resolve) => {
        timer = setTimeout(() => resolve(undefined), limitMs);
      }),
    ]);
    if (replies === undefined) return undefined;
    const maxError = Math.max(...replies.map((r) => r.maxError));
    // NaN must not pass.
    if (!(maxError <= work.tolerance)) throw new Error(`stock JIFF is off by ${maxError}: ${work.size}`);
    return { work, maxError, ms: replies[0].ms.map((_, run) => Math.max(...replies.map((r) => r.ms[run]))) };
  } finally {
    clearTimeout(timer);
    for (const child of [relay, ...parties]) child.kill();
  }
}
