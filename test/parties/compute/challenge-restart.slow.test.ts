/** Answers to challenges on a chain that does not mine them at once, across restarts of the node. */
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { ChainWatch } from "../../../parties/compute/chain-watch.ts";
import { ChallengeDesk } from "../../../parties/compute/challenge-desk.ts";
import { EvidenceStore } from "../../../parties/compute/evidence-store.ts";
import { Journal } from "../../../parties/compute/journal.ts";
import { createNodeLogger } from "../../../parties/compute/logger.ts";
import { deriveSchema } from "../../../parties/data/schema.ts";
import { attestJob, wideTable } from "../buyer/attested-job.ts";
import { MarketWorld } from "./market-world.ts";

let world: MarketWorld;
let offer: string;
let evidence: EvidenceStore;
let logged: string[] = [];
let stop: (() => Promise<void>) | undefined;
let desk: ChallengeDesk;
const point = 2;

beforeAll(async () => {
  world = await MarketWorld.open();
  offer = (await world.offers([wideTable], deriveSchema([wideTable])))[0]!.id;
  const { storageKey } = world.operators[point - 1]!;
  evidence = await EvidenceStore.open(join(world.folder, "evidence"), storageKey);
});
afterEach(() => stop?.());
afterAll(() => world.close());

/** The desk of a node and its watch, as a process of their own. @returns how to stop it */
function start(market = world.account(point).market): () => Promise<void> {
  const operator = world.operators[point - 1]!.owner.address;
  const logger = createNodeLogger("info", { write: (line: string) => void logged.push(line) });
  const journal = new Journal(join(world.folder, "journal"), world.deployment, operator);
  desk = new ChallengeDesk({
    ...{ operator, market, evidence, journal, logger },
    ...{ mostFeePerGas: 10n ** 12n, patienceMs: 1000 },
  });
  const watch = new ChainWatch({
    ...{ market, logger, confirmations: 0, pollMs: 100 },
    onLook: () => {},
    afterLook: (ledger) => desk.review(ledger, watch.headSec, watch.block),
  });
  watch.start();
  stop = async () => {
    stop = undefined;
    await desk.close();
    await watch.close();
    journal.close();
  };
  return stop;
}

test("an answer that waits is sent again in its place, by the next process too: each chunk is posted and paid for once", async () => {
  const { connection, job, evidence: made } = await attestJob(world, offer, { deliver: [1, 3] });
  await evidence.keep(made[point - 1]!);
  const { provider } = world;
  const operator = world.operators[point - 1]!.owner.address;
  const told = await connection.market.attestedJob(job);
  for (const chunk of [0, 1]) await connection.market.challenge(told, point, chunk);
  const nonce = await provider.getTransactionCount(operator, "latest");
  const waiting = async () => {
    const { transactions } = await provider.send("eth_getBlockByNumber", ["pending", true]);
    return transactions as { hash: string; maxFeePerGas: string; nonce: string }[];
  };
  await provider.send("evm_setAutomine", [false]);

  const crash = start();
  await expect.poll(waiting).toHaveLength(1);
  const [first] = await waiting();
  await crash();
  start();
  await expect.poll(async () => (await waiting())[0]?.hash).not.toBe(first!.hash);
  const [second, ...more] = await waiting();
  expect(more).toEqual([]);
  expect(Number(second!.nonce)).toBe(nonce);
  expect(BigInt(second!.maxFeePerGas) * 1000n).toBeGreaterThanOrEqual(BigInt(first!.maxFeePerGas) * 1125n);
  // And by the same process, when its patience is over.
  await expect.poll(async () => (await waiting())[0]?.hash).not.toBe(second!.hash);
  expect(await waiting()).toHaveLength(1);

  await provider.send("evm_setAutomine", [true]);
  await provider.send("evm_mine", []);
  const posted = async () =>
    (await connection.market.jobEvents(job)).filter(({ type }) => type === "ChunkPosted");
  await expect.poll(posted).toHaveLength(2);
  expect((await posted()).map((event) => "chunk" in event && event.chunk)).toEqual([0, 1]);
  expect(await provider.getTransactionCount(operator, "pending")).toBe(nonce + 2);
  // A process that knows of no answer by itself sends none again.
  await stop?.();
  logged = [];
  start();
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(await provider.getTransactionCount(operator, "pending")).toBe(nonce + 2);
  expect(logged.filter((line) => line.includes('"level":50'))).toEqual([]);
});

test("a challenge whose event the endpoint leaves out is answered all the same", async () => {
  const { connection, job, evidence: made } = await attestJob(world, offer, { deliver: [1, 3] });
  await evidence.keep(made[point - 1]!);
  const told = await connection.market.attestedJob(job);
  for (const chunk of [0, 1]) await connection.market.challenge(told, point, chunk);
  await connection.market.challenge(told, 1, 0);
  const { market } = world.account(point);
  const read = market.events.bind(market);
  vi.spyOn(market, "events").mockImplementation(async (...args) =>
    (await read(...args)).filter(({ type }) => type !== "ChunkChallenged" && type !== "JobDisputed"),
  );
  start(market);
  const posted = async () =>
    (await connection.market.jobEvents(job)).filter(({ type }) => type === "ChunkPosted");
  await expect.poll(posted).toMatchObject([
    { point, chunk: 0 },
    { point, chunk: 1 },
  ]);
});

test("an account that cannot pay the gas is an obstacle, in the log too; the answer goes out when it can", async () => {
  const { connection, job, evidence: made } = await attestJob(world, offer);
  await evidence.keep(made[point - 1]!);
  const operator = world.operators[point - 1]!.owner.address;
  const balance = await world.provider.send("eth_getBalance", [operator, "latest"]);
  await world.provider.send("hardhat_setBalance", [operator, "0x0"]);
  await connection.market.challenge(await connection.market.attestedJob(job), point, 0);
  logged = [];
  start();
  await expect.poll(() => desk.obstacles.join()).toContain("cannot pay");
  await expect.poll(() => logged.join("")).toContain("FUNDS_MISSING");
  await world.provider.send("hardhat_setBalance", [operator, balance]);
  const posted = async () =>
    (await connection.market.jobEvents(job)).filter(({ type }) => type === "ChunkPosted");
  await expect.poll(posted).toHaveLength(1);
});
