import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { columns, MarketWorld, tables } from "./market-world.ts";

let world: MarketWorld;

beforeAll(async () => {
  world = await MarketWorld.open();
});
afterAll(() => world.close());

const scratchOf = (point: number) => join(world.folder, `node-${point}`, "scratch");

describe("a job whose rows may not stay in memory", () => {
  test("gives the same result from scratch files, of which nothing is left", async () => {
    // What a node that crashed has left.
    await mkdir(join(scratchOf(2), "old"), { recursive: true });
    await writeFile(join(scratchOf(2), "old", "rows-1"), "noise");
    for (const point of [1, 2, 3] as const) await world.start(point, { memoryBytes: 1 });
    await expect(readdir(scratchOf(2))).rejects.toMatchObject({ code: "ENOENT" });

    const offers = await world.offers();
    const { client } = world.buyer();
    const proposal = await client.propose({ algorithm: "statistics", offers: offers.map(({ id }) => id) });
    const { job } = await client.fund(proposal, 600);
    await client.waitForResult(job).catch((error) => {
      throw new Error(`${error}\n${world.logged.join("")}`);
    });
    const { decoded } = await client.result(job);
    const got = decoded.model.columns as Record<string, { sum: number }>;
    for (const [index, name] of columns.entries()) {
      const values = tables.flatMap(({ values: all }) =>
        [...all].filter((_, at) => at % columns.length === index),
      );
      expect(got[name]!.sum).toBeCloseTo(
        values.reduce((a, b) => a + b, 0),
        1,
      );
    }
    for (const point of [1, 2, 3]) await expect.poll(() => readdir(scratchOf(point))).toEqual([]);
  });
});
