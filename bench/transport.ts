/**
 * What a round of the mesh costs: three processes on loopback, each sends one frame to each peer and waits for
 * one from each. Beside it, batch by batch, the same bytes over bare TCP connections of the same processes:
 * what the machine and Node take without encryption, authentication, limits and deadlines.
 *
 *     node bench/transport.ts [--rtt MS] [--sizes BYTES,...]
 */
import { type ChildProcess, fork } from "node:child_process";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import Table from "cli-table3";
import { generateX25519 } from "../mpc/transport/keys.ts";
import { connectMesh, MeshListener } from "../mpc/transport/mesh.ts";
import { type PartyIndex, partyIndices, type Transport } from "../mpc/transport/transport.ts";
import { BareLinks } from "./engine/bare-links.ts";

interface Address {
  port: number;
  rawPort: number;
  publicKey: string;
}

interface Task {
  partyIndex: PartyIndex;
  addresses: Address[];
  delayMs: number;
  sizes: number[];
}

/** Microseconds a round, and of one party's processor in it, batch by batch. */
interface Micros {
  wall: number[];
  cpu: number[];
}

interface Result {
  payloadBytes: number;
  mesh: Micros;
  raw: Micros;
}

type Round = (payload: Uint8Array) => Promise<unknown>;

const batches = 7;
/** About a fifth of a second a batch. */
const roundsOf = (payloadBytes: number, delayMs: number) =>
  delayMs > 0 ? Math.ceil(100 / delayMs) : Math.max(5, Math.round(2e5 / (100 + payloadBytes / 300)));

function meshRound(transport: Transport): Round {
  const peers = partyIndices.filter((peer) => peer !== transport.partyIndex);
  let operation = 0;
  return (payload) => {
    operation += 1;
    for (const peer of peers) transport.send(peer, operation, [payload]);
    return Promise.all(peers.map((peer) => transport.receive(peer, operation, payload.length)));
  };
}

async function measure({ sizes, delayMs }: Task, mesh: Round, raw: Round): Promise<Result[]> {
  const results: Result[] = [];
  for (const payloadBytes of sizes) {
    const payload = new Uint8Array(payloadBytes).fill(7);
    const rounds = roundsOf(payloadBytes, delayMs);
    const result: Result = { payloadBytes, mesh: { wall: [], cpu: [] }, raw: { wall: [], cpu: [] } };
    for (let batch = 0; batch <= batches; batch++) {
      for (const [round, micros] of [[mesh, result.mesh] as const, [raw, result.raw] as const]) {
        const [start, before] = [performance.now(), process.cpuUsage()];
        for (let i = 0; i < rounds; i++) await round(payload);
        const { user, system } = process.cpuUsage(before);
        // The first batch warms up.
        if (batch === 0) continue;
        micros.wall.push(((performance.now() - start) * 1000) / rounds);
        micros.cpu.push((user + system) / rounds);
      }
    }
    results.push(result);
  }
  return results;
}

async function runParty(): Promise<void> {
  const { privateKey, publicKey } = generateX25519();
  const listener = new MeshListener();
  const { port } = await listener.listen({ host: "127.0.0.1", port: 0 });
  const raw = new BareLinks();
  const rawPort = await raw.listen();
  process.send!({ port, rawPort, publicKey: Buffer.from(publicKey).toString("hex") } satisfies Address);
  const task = await new Promise<Task>((resolve) =>
    process.once("message", (message) => resolve(message as Task)),
  );
  const { partyIndex, addresses, delayMs } = task;
  const peers = Object.fromEntries(
    partyIndices
      .filter((peer) => peer !== partyIndex)
      .map((peer) => {
        const address = addresses[peer - 1]!;
        return [
          peer,
          { host: "127.0.0.1", port: address.port, publicKey: Buffer.from(address.publicKey, "hex") },
        ];
      }),
  );
  const { transport } = await connectMesh({
    listener,
    contextId: Buffer.alloc(32, 1),
    partyIndex,
    staticPrivateKey: privateKey,
    peers,
    deadlineMs: 10_000,
    delayMs,
  });
  await raw.connect(
    partyIndex,
    addresses.map((address) => address.rawPort),
  );
  process.send!(await measure(task, meshRound(transport), raw.round));
  transport.close();
  raw.close();
  process.disconnect();
  await listener.close();
}

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1]!;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rtt: { type: "string", default: "0" },
      sizes: { type: "string", default: "16,1500,16000,123000,1600000,16000000" },
    },
  });
  const delayMs = Number(values.rtt) / 2;
  const sizes = values.sizes.split(",").map(Number);
  const children = partyIndices.map(() => fork(import.meta.filename, ["--party"]));
  const next = <T>(child: ChildProcess): Promise<T> =>
    new Promise((resolve, reject) => {
      child.once("message", (message) => resolve(message as T));
      child.once("exit", (code) => reject(new Error(`a party process ended with status ${code}`)));
    });
  const addresses = await Promise.all(children.map((child) => next<Address>(child)));
  const answers = children.map((child, i) => {
    const answer = next<Result[]>(child);
    child.send({ partyIndex: partyIndices[i]!, addresses, delayMs, sizes } satisfies Task);
    return answer;
  });
  const [results] = await Promise.all(answers);
  console.log(
    `${cpus()[0]!.model}, ${cpus().length} cores, Node ${process.version}, three processes on loopback`,
  );
  console.log(
    "Microseconds a round of one frame to and from each peer: median (least to most), processor time of a party.",
  );
  console.log(`The emulated round trip of ${values.rtt} ms is the mesh's alone.`);
  const head = ["bytes", "mesh", "", "processor", "bare TCP", "", "processor", "mesh / TCP"];
  const table = new Table({ head });
  for (const { payloadBytes, mesh, raw } of results!) {
    const cells = [mesh, raw].flatMap(({ wall, cpu }) => [
      median(wall).toFixed(0),
      `(${Math.min(...wall).toFixed(0)} to ${Math.max(...wall).toFixed(0)})`,
      median(cpu).toFixed(0),
    ]);
    table.push([String(payloadBytes), ...cells, (median(mesh.wall) / median(raw.wall)).toFixed(2)]);
  }
  console.log(table.toString());
}

await (process.argv[2] === "--party" ? runParty() : main());
