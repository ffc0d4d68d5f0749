import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { deriveSchema } from "../../../parties/data/schema.ts";
import { MarketWorld, tableOf } from "./market-world.ts";

let world: MarketWorld;
let offers: string[];

beforeAll(async () => {
  world = await MarketWorld.open(["logistic-regression"]);
  for (const point of [1, 2, 3] as const) await world.start(point);
  const rows = Array.from({ length: 60 }, (_, i) => [i % 7, (i * 13) % 11, i % 7 > 3 ? 1 : 0]);
  const table = tableOf(["a", "b", "y"], rows);
  offers = (await world.offers([table], deriveSchema([table], { label: "y" }))).map(({ id }) => id);
});
afterAll(() => world.close());

async function train(epochs: number) {
  const { client } = world.buyer();
  const parameters = { epochs, batchSize: 16 };
  const proposal = await client.propose({ algorithm: "logistic-regression", parameters, offers });
  const { job } = await client.fund(proposal, 600);
  return { client, job };
}

const training = (job: string) =>
  expect
    .poll(async () => (await world.client.job(job)).progress?.phase, { timeout: 30_000 })
    .toBe("training");

describe("a long training", () => {
  test("outlives a restart of the bridge", async () => {
    const { client, job } = await train(400);
    await training(job);
    await world.restartBridge();
    expect((await client.waitForResult(job)).state).toBe("Attested");
    await client.result(job);
  });

  test("is not in the way of other jobs, more than a node computes at a time", async () => {
    const trainings = await Promise.all([1, 2, 3, 4, 5].map(() => train(20)));
    const done = await Promise.all(trainings.map(({ client, job }) => client.waitForResult(job)));
    expect(done.map(({ state }) => state)).toEqual(Array(5).fill("Attested"));
  });

  test("ends at once when a node goes, with its reason and the money back", async () => {
    const { client, job } = await train(800);
    await training(job);
    await world.stop(2);
    await expect(client.waitForResult(job)).rejects.toMatchObject({ kind: "aborted" });
  });
});
