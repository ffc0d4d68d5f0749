import pino from "pino";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ChainListener } from "../../../bridge/chain/listener.ts";
import { type AppendResult, BridgeDatabase } from "../../../bridge/store/database.ts";
import { funded, jobOf, MemoryChain } from "../memory-chain.ts";

let chain: MemoryChain;
let database: BridgeDatabase;
let reported: AppendResult[];
let rewinds: number[];

beforeEach(() => {
  chain = new MemoryChain();
  database = new BridgeDatabase(":memory:", chain, 8);
  reported = [];
  rewinds = [];
});
afterEach(() => database.close());

function listen(confirmations = 0, batchBlocks = 3): ChainListener {
  return new ChainListener({
    chain,
    database,
    confirmations,
    batchBlocks,
    pollMs: 1,
    logger: pino({ level: "silent" }),
    onFacts: (result) => reported.push(result),
    onHead: () => undefined,
    onRewind: (toBlock) => rewinds.push(toBlock),
  });
}

const fund = (label: number) => ({ jobId: jobOf(label), event: funded() });
const join = (label: number) => ({ jobId: jobOf(label), event: { type: "Joined" as const } });
const labels = new Map(Array.from({ length: 10 }, (_, i) => [jobOf(i + 1), i + 1]));
const states = () =>
  database.jobs({ limit: 100 }).entries.map(({ job }) => `${labels.get(job.id)} ${job.state}`);

describe("following the chain", () => {
  test("reads all blocks in batches, in order", async () => {
    for (let id = 1; id <= 10; id++) chain.mine([fund(id)]);
    chain.mine([join(3)]);
    await listen().poll();
    expect(states()).toHaveLength(10);
    expect(database.job(jobOf(3))?.job.state).toBe("Joined");
    expect(database.cursor()?.blockNumber).toBe(11);
  });

  test("waits for the confirmations", async () => {
    const listener = listen(2);
    chain.mine([fund(1)]);
    await listener.poll();
    chain.mine();
    await listener.poll();
    expect(states()).toEqual([]);
    chain.mine();
    await listener.poll();
    expect(states()).toEqual(["1 Funded"]);
  });

  test("goes on where the log ends after a restart, with nothing lost or doubled", async () => {
    chain.mine([fund(1)]);
    await listen().poll();
    chain.mine([fund(2), join(1)]);
    chain.mine([join(2)]);
    await listen().poll();
    await listen().poll();
    expect(states()).toEqual(["1 Joined", "2 Joined"]);
    expect(database.jobEvents(jobOf(1), 0, 10)).toHaveLength(2);
    expect(reported.map(({ appended }) => appended)).toEqual([1, 3]);
  });

  test("an endpoint that does not answer moves nothing; the next look catches up", async () => {
    const listener = listen();
    chain.mine([fund(1)]);
    chain.unreachable = true;
    await expect(listener.poll()).rejects.toMatchObject({ code: "CHAIN_UNREACHABLE" });
    expect(database.cursor()).toBeNull();
    chain.unreachable = false;
    await listener.poll();
    expect(states()).toEqual(["1 Funded"]);
  });

  test("polls by itself, through outages, until it is closed", async () => {
    const listener = listen();
    chain.unreachable = true;
    listener.start();
    await expect.poll(() => listener.status.lastSuccessMs).toBeNull();
    chain.unreachable = false;
    chain.mine([fund(1)]);
    await expect.poll(states).toEqual(["1 Funded"]);
    await listener.close();
    chain.mine([fund(2)]);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(states()).toEqual(["1 Funded"]);
  });
});

describe("a reorganisation", () => {
  test("replaces the facts of the blocks that are gone", async () => {
    const listener = listen();
    chain.mine([fund(1)]);
    await listener.poll();
    chain.mine([fund(2), join(1)]);
    await listener.poll();
    chain.reorganise(1);
    chain.mine([fund(2)]);
    chain.mine([fund(3)]);
    await listener.poll();
    expect(states()).toEqual(["1 Funded", "2 Funded", "3 Funded"]);
    expect(rewinds).toEqual([1]);
  });

  test("to a shorter chain is followed too", async () => {
    const listener = listen();
    chain.mine([fund(1)]);
    await listener.poll();
    chain.mine([join(1)]);
    await listener.poll();
    chain.reorganise(1);
    await listener.poll();
    expect(states()).toEqual(["1 Funded"]);
  });

  test("below the confirmations is never seen", async () => {
    const listener = listen(1);
    chain.mine([fund(1)]);
    chain.mine([join(1)]);
    await listener.poll();
    chain.reorganise(1);
    chain.mine();
    chain.mine();
    await listener.poll();
    expect(states()).toEqual(["1 Funded"]);
    expect(rewinds).toEqual([]);
  });

  test("between the two looks of one step stores nothing of the old chain", async () => {
    const listener = listen();
    chain.mine([fund(1)]);
    await listener.poll();
    chain.mine([join(1)]);
    const facts = chain.facts.bind(chain);
    chain.facts = async (from, to) => {
      const old = await facts(from, to);
      chain.reorganise(1);
      chain.mine();
      chain.facts = facts;
      return old;
    };
    await listener.poll();
    expect(states()).toEqual(["1 Funded"]);
    await listener.poll();
    expect(database.cursor()?.blockNumber).toBe(2);
    expect(states()).toEqual(["1 Funded"]);
  });

  test("deeper than the memory stops the listener rather than guess", async () => {
    const listener = listen();
    chain.mine([fund(1)]);
    await listener.poll();
    chain.reorganise(1);
    chain.mine();
    await expect(listener.poll()).rejects.toMatchObject({ code: "CONFIG_INVALID" });
    expect(listener.status.stopped).toMatchObject({ code: "CONFIG_INVALID" });
    await expect(listener.poll()).rejects.toMatchObject({ code: "CONFIG_INVALID" });
    expect(states()).toEqual(["1 Funded"]);
  });
});
