import { afterAll, beforeAll, expect, test } from "vitest";
import { deriveSchema } from "../../../parties/data/schema.ts";
import { MarketWorld, tableOf } from "./market-world.ts";

let world: MarketWorld;

beforeAll(async () => {
  world = await MarketWorld.open(["jiff-program"]);
  for (const point of [1, 2, 3] as const) await world.start(point);
});
afterAll(() => world.close());

test("an ordinary JIFF program runs as a paid job: a second-price auction over the sellers' bids", async () => {
  const bids = [37.5, 81.25, 64.5].map((bid) => tableOf(["bid"], [[bid]]));
  const offers = await world.offers(bids, deriveSchema(bids));
  const { client } = world.buyer();
  const proposal = await client.propose({ algorithm: "jiff-program", offers: offers.map(({ id }) => id) });
  const { job } = await client.fund(proposal, 600);
  await client.waitForResult(job).catch((error) => {
    throw new Error(`${error}\n${world.logged.join("")}`);
  });
  const { decoded, measurements } = await client.result(job);
  expect(decoded.model.winner).toBe(1);
  expect(decoded.model.price).toBeCloseTo(64.5, 2);
  // The checks of the inputs; JIFF's own messages are counted in operations.
  const { rounds, bytes, openings } = proposal.plan.declaration;
  expect(measurements[0]).toMatchObject({ rounds, openings });
  expect(measurements.reduce((sum, { bytesSent }) => sum + bytesSent, 0)).toBe(bytes);
});
