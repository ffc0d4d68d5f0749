import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { columns, MarketWorld, tables } from "./market-world.ts";

let world: MarketWorld;

beforeAll(async () => {
  world = await MarketWorld.open();
});
afterAll(() => world.close());

/** Count, sum, mean and variance of one column over all tables, in the clear. */
function plainStatistics(column: number) {
  const values = tables.flatMap(({ values: all }) =>
    Array.from(all).filter((_, at) => at % columns.length === column),
  );
  const sum = values.reduce((a, b) => a + b, 0);
  const mean = sum / values.length;
  const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / (values.length - 1);
  return { count: values.length, sum, mean, variance };
}

describe("a job", () => {
  test("runs from funding to a settled result that only the buyer reads", async () => {
    for (const point of [1, 2, 3] as const) await world.start(point);
    const offers = await world.offers();
    const { client, market } = world.buyer();
    const proposal = await client.propose({ algorithm: "statistics", offers: offers.map(({ id }) => id) });
    const { job } = await client.fund(proposal, 600);
    await client.waitForResult(job).catch((error) => {
      throw new Error(`${error}\n${world.logged.join("")}`);
    });
    const { decoded, measurements } = await client.result(job);
    const got = decoded.model.columns as Record<string, Record<string, number>>;
    for (const [index, name] of columns.entries()) {
      const expected = plainStatistics(index);
      for (const [key, value] of Object.entries(expected)) {
        expect(got[name]![key]).toBeCloseTo(value, 1);
      }
    }
    expect(measurements[0].rounds).toBe(proposal.plan.declaration.rounds);
    expect(measurements.reduce((sum, { bytesSent }) => sum + bytesSent, 0)).toBe(
      proposal.plan.declaration.bytes,
    );
    expect(measurements[0].openings).toEqual(proposal.plan.declaration.openings);
    await client.accept(job);
    expect(await market.jobState(job)).toBe("Settled");
  });
});
