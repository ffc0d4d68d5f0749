/**
 * Benchmark of the engine: three party processes on loopback, links encrypted.
 *
 *     npm run bench -- [--json] [--only NAME,...] [--field 61|89|107|127] [--rtt MS]
 *
 * `lr-*` are per step of training. ms is the median of party 1's runs; bytes are summed over the parties.
 */
import { fork } from "node:child_process";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import Table from "cli-table3";
import { Party } from "../mpc/party.ts";
import { generateX25519 } from "../mpc/transport/keys.ts";
import { connectMesh, MeshListener } from "../mpc/transport/mesh.ts";
import { type PartyIndex, partyIndices } from "../mpc/transport/transport.ts";
import { createKernel, type FieldBits } from "../mpc/vector/index.ts";
import { type Timing, time, workloads } from "./workloads.ts";

interface Task {
  partyIndex: PartyIndex;
  peers: Record<number, { host: string; port: number; publicKey: string }>;
  delayMs: number;
  field: FieldBits;
  names: string[];
}

async function runParty(): Promise<void> {
  const { privateKey, publicKey } = generateX25519();
  const listener = new MeshListener();
  const { port } = await listener.listen({ host: "127.0.0.1", port: 0 });
  process.send!({ port, publicKey: Buffer.from(publicKey).toString("hex") });
  const task = await new Promise<Task>((resolve) =>
    process.once("message", (message) => resolve(message as Task)),
  );
  const peers = Object.fromEntries(
    Object.entries(task.peers).map(([i, peer]) => [
      i,
      { ...peer, publicKey: Buffer.from(peer.publicKey, "hex") },
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
  const timings: Timing[] = [];
  for (const workload of workloads.filter((w) => task.names.includes(w.name)))
    timings.push(await time(workload, party));
  process.send!(timings);
  transport.close();
  await listener.close();
  process.disconnect();
}

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
  const children = partyIndices.map(() => fork(import.meta.filename, ["--party"]));
  const message = <T>(child: (typeof children)[number]): Promise<T> =>
    new Promise((resolve, reject) => {
      child.once("message", (m) => resolve(m as T));
      child.once("exit", (code) => reject(new Error(`a party process ended with status ${code}`)));
    });
  const addresses = await Promise.all(children.map((c) => message<{ port: number; publicKey: string }>(c)));
  const all = Object.fromEntries(partyIndices.map((i) => [i, { host: "127.0.0.1", ...addresses[i - 1] }]));
  const timings = await Promise.all(
    children.map((child, i) => {
      const partyIndex = partyIndices[i];
      const peers = Object.fromEntries(Object.entries(all).filter(([j]) => Number(j) !== partyIndex));
      const field = Number(values.field) as FieldBits;
      const done = message<Timing[]>(child);
      child.send({ partyIndex, peers, delayMs: rttMs / 2, field, names } satisfies Task);
      return done;
    }),
  );
  const results = timings[0].map((t, i): Result => {
    const sorted = [...t.milliseconds].sort((a, b) => a - b);
    return {
      name: t.name,
      ms: sorted[sorted.length >> 1],
      msMin: sorted[0],
      msMax: sorted[sorted.length - 1],
      runs: sorted.length,
      rounds: t.rounds,
      bytes: Math.round(timings.reduce((sum, party) => sum + party[i].bytes, 0)),
      rttMs,
    };
  });
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

await (process.argv[2] === "--party" ? runParty() : main());
