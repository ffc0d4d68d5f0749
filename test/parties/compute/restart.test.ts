import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Journal } from "../../../parties/compute/journal.ts";
import { MarketWorld } from "./market-world.ts";

let world: MarketWorld;
let offers: string[];

beforeAll(async () => {
  world = await MarketWorld.open();
  offers = (await world.offers()).map(({ id }) => id);
});
afterAll(() => world.close());
afterEach(async () => {
  for (const point of [1, 2, 3] as const) await world.stop(point);
  world.logged.length = 0;
});

async function fund() {
  const { client, market } = world.buyer();
  const { job } = await client.fund(await client.propose({ algorithm: "statistics", offers }), 600);
  return { job, client, market };
}

const joined = (job: string, points: number[]) =>
  expect.poll(async () => (await world.client.job(job)).joins).toEqual(points);

describe("a node that comes back", () => {
  test("goes on with a job that it had joined, and one that was funded meanwhile", async () => {
    await world.start(1);
    await world.start(2);
    const first = await fund();
    await joined(first.job, [1, 2]);
    await world.stop(1);
    const second = await fund();
    await world.start(3);
    await world.start(1);
    expect((await first.client.waitForResult(first.job)).state).toBe("Attested");
    expect((await second.client.waitForResult(second.job)).state).toBe("Attested");
    expect(world.logged.filter((line) => line.includes('"job abandoned"'))).toEqual([]);
  });

  test("never begins an attempt a second time, but says that the job failed", async () => {
    await world.start(1);
    await world.start(2);
    const { job, client } = await fund();
    await joined(job, [1, 2]);
    await world.stop(1);
    // As if it had been killed while it computed.
    const journal = new Journal(
      join(world.folder, "node-1"),
      world.deployment,
      world.operators[0]!.owner.address,
    );
    journal.begin(job, 1);
    journal.close();
    await world.start(3);
    await world.start(1);
    await expect(client.waitForResult(job)).rejects.toMatchObject({ code: "RUN_ABORTED" });
  });

  test("with its journal lost signs nothing more for a job that it had joined", async () => {
    await world.start(1);
    await world.start(2, { connectMs: 1000 });
    const { job, client, market } = await fund();
    await joined(job, [1, 2]);
    await world.stop(1);
    await rm(join(world.folder, "node-1"), { recursive: true });
    await world.start(3, { connectMs: 1000 });
    await expect.poll(() => market.jobState(job)).toBe("Joined");
    await world.start(1);
    await expect(client.waitForResult(job)).rejects.toMatchObject({ code: "PEER_TIMEOUT" });
    expect((await world.client.job(job)).failures.map(({ point }) => point)).toEqual([2, 3]);
    expect(world.logged.join("")).toContain("not in the journal");
  });
});
