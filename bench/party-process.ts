/**
 * One of the three party processes of a benchmark. The parent (`parties.ts`) tells it over the process's
 * message channel whom to connect to and which workload to run, and gets back one `Timing`.
 */
import { Session as Inspector, type Profiler } from "node:inspector/promises";
import { Party } from "../mpc/party.ts";
import { generateX25519 } from "../mpc/transport/keys.ts";
import { connectMesh, MeshListener } from "../mpc/transport/mesh.ts";
import type { PartyIndex } from "../mpc/transport/transport.ts";
import { createKernel, type FieldBits } from "../mpc/vector/index.ts";
import { type Timing, time, workloads } from "./workloads.ts";

/** Where a party process listens, and its channel key in hexadecimal digits. */
export interface Contact {
  readonly port: number;
  readonly publicKey: string;
}

export interface Task {
  readonly partyIndex: PartyIndex;
  /** The two others, by index. */
  readonly peers: Record<number, Contact>;
  /** Emulated one-way delay in milliseconds. */
  readonly delayMs: number;
  readonly field: FieldBits;
  readonly workload: string;
  /** Take a CPU profile of the timed runs. */
  readonly profile: boolean;
}

export interface Reply {
  readonly timing: Timing;
  readonly profile?: Profiler.Profile;
}

/** Microseconds between the samples of a profile. */
const samplingInterval = 100;

async function profiled<T>(body: () => Promise<T>): Promise<{ result: T; profile: Profiler.Profile }> {
  const inspector = new Inspector();
  inspector.connect();
  await inspector.post("Profiler.enable");
  await inspector.post("Profiler.setSamplingInterval", { interval: samplingInterval });
  await inspector.post("Profiler.start");
  const result = await body();
  const { profile } = await inspector.post("Profiler.stop");
  inspector.disconnect();
  return { result, profile };
}

async function main(): Promise<void> {
  const { privateKey, publicKey } = generateX25519();
  const listener = new MeshListener();
  const { port } = await listener.listen({ host: "127.0.0.1", port: 0 });
  process.send!({ port, publicKey: Buffer.from(publicKey).toString("hex") } satisfies Contact);
  const task = await new Promise<Task>((resolve) => process.once("message", (m) => resolve(m as Task)));
  const peers = Object.fromEntries(
    Object.entries(task.peers).map(([index, peer]) => [
      index,
      { host: "127.0.0.1", port: peer.port, publicKey: Buffer.from(peer.publicKey, "hex") },
    ]),
  );
  const { transport, pairSecrets } = await connectMesh({
    listener,
    contextId: new Uint8Array(32),
    partyIndex: task.partyIndex,
    staticPrivateKey: privateKey,
    peers,
    deadlineMs: 20_000,
    idleTimeoutMs: 120_000,
    delayMs: task.delayMs,
  });
  const party = new Party(await createKernel(task.field), transport, pairSecrets);
  const workload = workloads.find((w) => w.name === task.workload)!;
  await time(workload, party, 1);
  const reply: Reply = task.profile
    ? await profiled(() => time(workload, party, workload.runs)).then(({ result, profile }) => ({
        timing: result,
        profile,
      }))
    : { timing: await time(workload, party, workload.runs) };
  await new Promise((resolve) => process.send!(reply, resolve));
  transport.close();
  await listener.close();
  process.disconnect();
}

await main();
