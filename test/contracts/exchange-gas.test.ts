import { expect, test } from "vitest";
import { measureExchangeGas } from "../../bench/gas-exchange.ts";

test("no call of the exchange at 100 shards costs more than its limit", { timeout: 60_000 }, async () => {
  const limits = {
    "hyperx.registration": 40_000,
    "hyperx.sample": 34_000,
    "hyperx.features": 25_000,
    "hyperx.candidate": 32_000,
    "hyperx.review": 30_000,
    "hyperx.optimal": 32_000,
    "hyperx.claim": 62_000,
    "hyperx.deposit": 29_000,
  };
  const figures = await measureExchangeGas();
  expect(Object.keys(figures).sort()).toEqual(Object.keys(limits).sort());
  for (const [name, limit] of Object.entries(limits)) {
    expect(figures[name as keyof typeof figures], name).toBeLessThanOrEqual(limit);
  }
});
