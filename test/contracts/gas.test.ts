import { expect, test } from "vitest";
import { type GasFigures, gasNames, grown, measureGas, readSnapshot } from "../../bench/gas.ts";
import { exchangeGasNames, measureExchangeGas } from "../../bench/gas-exchange.ts";
import { startDevChain } from "../../contracts/dev-chain.ts";

/** What a call may cost at most, whatever the snapshot says. */
const limits: Partial<GasFigures> = {
  createJob1: 90_000,
  createJob10: 260_000,
  createJob100: 1_900_000,
  join3: 110_000,
  attest3: 75_000,
  accept: 33_000,
  claim100: 58_000,
  claim10000: 58_000,
  offer: 60_000,
  "hyperx.registration": 40_000,
  "hyperx.sample": 34_000,
  "hyperx.features": 25_000,
  "hyperx.candidate": 32_000,
  "hyperx.review": 30_000,
  "hyperx.optimal": 32_000,
  "hyperx.claim": 62_000,
  "hyperx.deposit": 29_000,
};

test("no call costs more gas than in the snapshot", { timeout: 120_000 }, async () => {
  expect(grown(await measureGas(), await readSnapshot())).toEqual([]);
});

test("an exchange costs the same over 20 times as many shards, where the sample is as large", {
  timeout: 120_000,
}, async () => {
  const few = await measureExchangeGas(startDevChain, { shards: 100, shardsPerSample: 20 });
  const many = await measureExchangeGas(startDevChain, { shards: 2048, shardsPerSample: 410 });
  for (const name of exchangeGasNames) {
    // Some bytes of call data are another number, and zero bytes are cheaper.
    expect(Math.abs(many[name] - few[name]), `${name}: ${few[name]} and ${many[name]}`).toBeLessThan(300);
  }
});

test("the claim alone depends on the sample, and with the largest one it keeps its limit", {
  timeout: 120_000,
}, async () => {
  const small = await measureExchangeGas(startDevChain, { shards: 2048, shardsPerSample: 410 });
  const largest = await measureExchangeGas(startDevChain, { shards: 2048, shardsPerSample: 4 });
  expect(largest["hyperx.claim"]).toBeGreaterThan(small["hyperx.claim"]);
  expect(largest["hyperx.claim"]).toBeLessThanOrEqual(limits["hyperx.claim"]!);
  for (const name of exchangeGasNames.filter((each) => each !== "hyperx.claim")) {
    expect(Math.abs(largest[name] - small[name]), name).toBeLessThan(300);
  }
});

test("the snapshot keeps the limits", async () => {
  const snapshot = await readSnapshot();
  for (const [name, limit] of Object.entries(limits)) {
    expect(snapshot[name as keyof GasFigures], name).toBeLessThanOrEqual(limit);
  }
});

test("a figure above the snapshot is named, with how much it grew", () => {
  const snapshot = Object.fromEntries(gasNames.map((name) => [name, 1000])) as GasFigures;
  expect(grown({ ...snapshot, accept: 1001, offer: 999 }, snapshot)).toEqual([
    "accept costs 1001 gas, 1 more than 1000",
  ]);
});
