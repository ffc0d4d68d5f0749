import { expect, test } from "vitest";
import { type GasFigures, gasNames, grown, measureGas, readSnapshot } from "../../bench/gas.ts";

test("no call costs more gas than in the snapshot", { timeout: 60_000 }, async () => {
  expect(grown(await measureGas(), await readSnapshot())).toEqual([]);
});

test("a figure above the snapshot is named, with how much it grew", () => {
  const snapshot = Object.fromEntries(gasNames.map((name) => [name, 1000])) as GasFigures;
  expect(grown({ ...snapshot, accept: 1001, offer: 999 }, snapshot)).toEqual([
    "accept costs 1001 gas, 1 more than 1000",
  ]);
});
