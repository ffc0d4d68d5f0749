/**
 * What a round of the mesh costs: three processes on loopback, each sends one frame to each peer and waits for
 * one from each. Prints microseconds per round (median and spread over batches) by payload size.
 *
 *     node bench/transport.ts [delayMs]
 */
import { type ChildProcess, fork } from "node:child_process";
import { generateX25519 } from "../mpc/transport/keys.ts";
import { connectMesh, MeshListener } from "../mpc/transport/mesh.ts";
import { type PartyIndex, partyIndices, type Transport } from "../mpc/transport/transport.ts";

interface Task {
  partyIndex: PartyIndex;
  peers: Record<number, { host: string; port: number; publicKey: string }>;
  delayMs: number;
}

const sizes = [
  { payloadBytes: 16, rounds: 2000 },
  { payloadBytes: 1_500, rounds: 2000 },
  { payloadBytes: 16_000, rounds: 1000 },
  { payloadBytes: 123_000, rounds: 400 },
  { payloadBytes: 1_600_000, rounds: 40 },
  { payloadBytes: 16_000_000, rounds: 8 },
];
const batches = 5;

async function measure(transport: Transport, delayMs: number): Promise<number[][]> {
  const peers = partyIndices.filter((peer) => peer !== transport.partyIndex);
  const results: number[][] = [];
  let operation = 0;
  for (const { payloadBytes, rounds } of sizes) {
    const payload = new Uint8Array(payloadBytes).fill(7);
    const count = delayMs > 0 ? Math.min(rounds, 40) : rounds;
    const micros: number[] = [];
    for (let batch = 0; batch <= batches; batch++) {
      const start = performance.now();
      for (let round = 0; round < count; round++) {
        operation += 1;
        for (const peer of peers) transport.send(peer, operation, [payload]);
        await Promise.all(peers.map((peer) => transport.receive(peer, operation, payloadBytes)));
      }
      // The first batch warms up.
      if (batch > 0) micros.push(((performance.now() - start) * 1000) / count);
    }
    results.push(micros);
  }
  return results;
}

async function runParty(): Promise<void> {
  const { privateKey, publicKey } = generateX25519();
  const listener = new MeshListener();
  const { port } = await listener.listen({ host: "127.0.0.1", port: 0 });
  process.send!({ port, publicKey: Buffer.from(publicKey).toString("hex") });
  process.once("message", async (task: Task) => {
    const peers = Object.fromEntries(
      Object.entries(task.peers).map(([index, peer]) => [
        index,
        { ...peer, publicKey: Buffer.from(peer.publicKey, "hex") },
      ]),
    );
    const { transport } = await connectMesh({
      listener,
      contextId: Buffer.alloc(32, 1),
      partyIndex: task.partyIndex,
      staticPrivateKey: privateKey,
      peers,
      deadlineMs: 10_000,
      delayMs: task.delayMs,
    });
    const results = await measure(transport, task.delayMs);
    transport.close();
    process.send!({ results });
    process.disconnect();
    await listener.close();
  });
}

async function main(): Promise<void> {
  const delayMs = Number(process.argv[2] ?? 0);
  const next = (child: ChildProcess) =>
    new Promise<{ port: number; publicKey: string; results: number[][] }>((resolve) =>
      child.once("message", resolve),
    );
  const children = partyIndices.map(() => fork(import.meta.filename, ["party"]));
  const infos = await Promise.all(children.map(next));
  const answers = children.map(next);
  for (const [i, child] of children.entries()) {
    const peers = Object.fromEntries(
      partyIndices
        .filter((index) => index !== i + 1)
        .map((index) => [index, { host: "127.0.0.1", ...infos[index - 1] }]),
    );
    child.send({ partyIndex: i + 1, peers, delayMs });
  }
  const [{ results }] = await Promise.all(answers);
  console.log(
    `one frame to each peer and round, encrypted, three processes on loopback, one-way delay ${delayMs} ms`,
  );
  for (const [i, { payloadBytes }] of sizes.entries()) {
    const sorted = [...results[i]].sort((a: number, b: number) => a - b);
    const [low, median, high] = [sorted[0], sorted[Math.floor(sorted.length / 2)], sorted.at(-1)];
    console.log(
      `${String(payloadBytes).padStart(10)} bytes ${median.toFixed(0).padStart(8)} us a round (${low.toFixed(0)} to ${high.toFixed(0)})`,
    );
  }
}

if (process.argv[2] === "party") await runParty();
else await main();
