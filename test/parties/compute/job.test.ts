import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { CostMeter } from "../../../mpc/cost.ts";
import { columns, MarketWorld, tables } from "./market-world.ts";

let world: MarketWorld;

beforeAll(async () => {
  world = await MarketWorld.open();
});
afterAll(() => world.close());
afterEach(async () => {
  for (const point of [1, 2, 3] as const) await world.stop(point);
  world.logged.length = 0;
});

/** Funds a statistics job over fresh offers. */
async function fundJob(durationSec = 600) {
  const offers = await world.offers();
  const { client, market, address } = world.buyer();
  const proposal = await client.propose({ algorithm: "statistics", offers: offers.map(({ id }) => id) });
  const fund = async () => (await client.fund(proposal, durationSec)).job;
  return { offers, client, market, address, proposal, fund };
}

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
    const { client, market, proposal, fund } = await fundJob();
    const job = await fund();
    await client.waitForResult(job).catch((error) => {
      throw new Error(`${error}\n${world.logged.join("")}`);
    });
    const { decoded, measurements, file } = await client.result(job);
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
    // The result file says it protocol by protocol, as declared.
    for (const { rounds, bytesSent, openings, declared } of [file.run, ...file.run.protocols]) {
      expect({ rounds, bytes: bytesSent, openings }).toEqual(declared);
    }
    expect(file.run.protocols.map(({ protocol }) => protocol)).toEqual(
      Object.keys(proposal.plan.declaration.protocols),
    );
    expect(file.run.parties).toHaveLength(3);
    await client.accept(job);
    expect(await market.jobState(job)).toBe("Settled");
  });

  test("goes through the relay where two nodes cannot reach each other, and the result says so", async () => {
    await world.start(1, {}, { directMs: 200 });
    // Not at the port that is registered.
    await world.start(2, {}, { directMs: 200, port: 0 });
    await world.start(3, {}, { directMs: 200 });
    const { client, fund } = await fundJob();
    const job = await fund();
    await client.waitForResult(job).catch((error) => {
      throw new Error(`${error}\n${world.logged.join("")}`);
    });
    const { decoded, file } = await client.result(job);
    const got = decoded.model.columns as Record<string, Record<string, number>>;
    expect(got[columns[0]!]!.sum).toBeCloseTo(plainStatistics(0).sum, 1);
    expect(file.run.links).toEqual({ "1-2": "relay", "1-3": "direct", "2-3": "direct" });
  });

  test("is given up at once when the bridge's copy of a share was altered, and the buyer is refunded", async () => {
    const { offers, client, market, address, fund } = await fundJob();
    // Party 2's share of the second data set; the first byte of its seal is the version.
    const hash = offers[1]!.hashes[1]!.slice(2);
    await writeFile(join(world.folder, "bridge", "blobs", hash.slice(0, 2), hash.slice(2)), "not the share");
    for (const point of [1, 2, 3] as const) await world.start(point);
    const before = await world.provider.getBalance(address);
    const job = await fund();
    await expect(client.waitForResult(job)).rejects.toMatchObject({ code: "COMMITMENT_MISMATCH" });
    expect(await market.jobState(job)).toBe("Refunded");
    const after = await world.provider.getBalance(address);
    expect(before - after).toBeLessThan(10n ** 15n);
    const failed = (await market.jobEvents(job)).find(({ type }) => type === "JobFailed");
    expect(failed).toMatchObject({ reasons: ["COMMITMENT_MISMATCH", "COMMITMENT_MISMATCH"] });
  });

  test("in whose run something was opened that is not declared gets no result from the node that saw it", async () => {
    const { measurement } = CostMeter.prototype;
    let readings = 0;
    const meter = vi.spyOn(CostMeter.prototype, "measurement").mockImplementation(function (this: CostMeter) {
      const measured = measurement.call(this);
      readings += 1;
      return { ...measured, openings: { ...measured.openings, weights: readings } };
    });
    try {
      for (const point of [1, 2, 3] as const) await world.start(point);
      const { client, market, fund } = await fundJob();
      const job = await fund();
      await expect(client.waitForResult(job)).rejects.toMatchObject({ kind: "aborted" });
      expect(await market.jobState(job)).toBe("Refunded");
      expect(world.logged.join("")).toContain("INTERNAL");
    } finally {
      meter.mockRestore();
    }
  });

  test("of which a party never joins is given up by the others after a while", async () => {
    for (const point of [1, 2] as const) await world.start(point, { joinMs: 500 });
    const { client, fund } = await fundJob();
    await expect(client.waitForResult(await fund())).rejects.toMatchObject({ code: "PEER_TIMEOUT" });
  });

  test("of which a party never joins is refunded at its deadline", async () => {
    for (const point of [1, 2] as const) await world.start(point);
    const { market, fund } = await fundJob(120);
    const job = await fund();
    await expect.poll(async () => (await world.client.job(job)).joins).toEqual([1, 2]);
    // To the second after it: the chain's own clock may be behind the one that the deadline was counted from.
    const { deadlineSec } = await market.job(job);
    await world.provider.send("evm_setNextBlockTimestamp", [deadlineSec + 1]);
    await world.provider.send("evm_mine", []);
    await expect.poll(() => market.jobState(job), { timeout: 30_000 }).toBe("Refunded");
    expect(world.logged.join("")).not.toContain('"level":60');
  });

  test("is given up when a node is stopped in the middle, and the others live on", async () => {
    for (const point of [1, 2, 3] as const) await world.start(point);
    const { client, market, fund } = await fundJob();
    const job = await fund();
    // A node that has not begun would take the job up again when it is back.
    const begun = () => world.logged.filter((line) => line.includes('"computing"')).length;
    await expect.poll(begun, { interval: 5, timeout: 30_000 }).toBe(3);
    await world.stop(3);
    await expect(client.waitForResult(job)).rejects.toMatchObject({ kind: "aborted" });
    expect(await market.jobState(job)).toBe("Refunded");
    await world.start(3);
    const again = await fundJob();
    const next = await again.fund();
    expect((await again.client.waitForResult(next)).state).toBe("Attested");
  });
});
