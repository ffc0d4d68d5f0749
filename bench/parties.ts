/** Starts three party processes on loopback, connects them over the encrypted mesh and times one workload. */
import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import { partyIndices } from "../mpc/transport/transport.ts";
import type { FieldBits } from "../mpc/vector/index.ts";
import type { Contact, Reply, Task } from "./party-process.ts";

export interface RunOptions {
  readonly workload: string;
  readonly field: FieldBits;
  /** Emulated round trip between the parties in milliseconds. */
  readonly rttMs: number;
  readonly profile?: boolean;
}

/** What parties 1, 2 and 3 measured, in this order. The processes have ended when it resolves. */
export async function runParties(options: RunOptions): Promise<Reply[]> {
  const children = partyIndices.map(() => fork(join(import.meta.dirname, "party-process.ts")));
  try {
    const contacts = await Promise.all(children.map((child) => nextMessage<Contact>(child)));
    const replies = children.map((child) => nextMessage<Reply>(child));
    children.forEach((child, i) => {
      const others = partyIndices.filter((j) => j !== partyIndices[i]);
      const task: Task = {
        partyIndex: partyIndices[i],
        peers: Object.fromEntries(others.map((j) => [j, contacts[j - 1]])),
        delayMs: options.rttMs / 2,
        field: options.field,
        workload: options.workload,
        profile: options.profile ?? false,
      };
      child.send(task);
    });
    return await Promise.all(replies);
  } finally {
    for (const child of children) child.kill();
  }
}

function nextMessage<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    child.once("message", (message) => resolve(message as T));
    child.once("exit", (code) => reject(new Error(`a party process ended with status ${code}`)));
  });
}
