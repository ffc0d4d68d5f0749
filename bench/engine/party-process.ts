/**
 * One of the three party processes of a benchmark. It is driven by `parties.ts` over the process's message
 * channel: says where it listens; gets its task; answers with the check of the result; and then, until it is
 * killed, gets a number of runs and answers with their figures.
 */
import { Session as Inspector, type Profiler } from "node:inspector/promises";
import { Party } from "../../mpc/party.ts";
import { generateX25519 } from "../../mpc/transport/keys.ts";
import { connectMesh, MeshListener } from "../../mpc/transport/mesh.ts";
import type { PartyIndex } from "../../mpc/transport/transport.ts";
import { createKernel, type FieldBits } from "../../mpc/vector/index.ts";
import { findWorkload } from "../workloads.ts";
import { checkOutputs, knownShares, Measurement, now, type Run } from "./measure.ts";
import { answer, nextTask } from "./messages.ts";
import { SellersInbox } from "./sellers-link.ts";

/** Where a party process listens, and the public key of its links and seals in hexadecimal digits. */
export interface Contact {
  readonly port: number;
  readonly sellersPort: number;
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
  /** Whether its shorter form runs. */
  readonly short: boolean;
}

/** The first run, and at party 1 how far its result was from plaintext. */
export interface Checked {
  readonly run: Run;
  readonly maxError: number;
}

export interface RunCount {
  readonly runs: number;
  /** Take a CPU profile of the timed runs. */
  readonly profile: boolean;
}

export interface Reply {
  readonly runs: Run[];
  readonly profile?: Profiler.Profile;
}

/** Microseconds between the samples of a profile. */
const samplingInterval = 100;

async function profiled(body: () => Promise<Run[]>): Promise<Reply> {
  const inspector = new Inspector();
  inspector.connect();
  await inspector.post("Profiler.enable");
  await inspector.post("Profiler.setSamplingInterval", { interval: samplingInterval });
  await inspector.post("Profiler.start");
  const runs = await body();
  const { profile } = await inspector.post("Profiler.stop");
  inspector.disconnect();
  return { runs, profile };
}

const { privateKey, publicKey } = generateX25519();
const listener = new MeshListener();
const { port } = await listener.listen({ host: "127.0.0.1", port: 0 });
const inbox = new SellersInbox();
const sellersPort = await inbox.listen();
await answer<Contact>({ port, sellersPort, publicKey: Buffer.from(publicKey).toString("hex") });

const task = await nextTask<Task>();
const { transport, pairSecrets } = await connectMesh({
  listener,
  contextId: new Uint8Array(32),
  partyIndex: task.partyIndex,
  staticPrivateKey: privateKey,
  peers: Object.fromEntries(
    Object.entries(task.peers).map(([index, peer]) => [
      index,
      { host: "127.0.0.1", port: peer.port, publicKey: Buffer.from(peer.publicKey, "hex") },
    ]),
  ),
  deadlineMs: 20_000,
  idleTimeoutMs: 120_000,
  delayMs: task.delayMs,
});
const party = new Party(await createKernel(task.field), transport, pairSecrets);
const workload = findWorkload(task.workload, task.short);
const known = workload.fromSellers ? [] : await knownShares(workload, party);
const measurement = new Measurement(workload, party, transport.stats, async () =>
  workload.fromSellers
    ? await inbox.receive(workload, party.kernel, task.partyIndex, privateKey)
    : { inputs: known, at: now() },
);

const { run, outputs } = await measurement.check();
await answer<Checked>({ run, maxError: task.partyIndex === 1 ? await checkOutputs(workload, outputs) : 0 });

for (;;) {
  const { runs, profile } = await nextTask<RunCount>();
  const timed = () => measurement.time(runs);
  await answer<Reply>(profile ? await profiled(timed) : { runs: await timed() });
}
