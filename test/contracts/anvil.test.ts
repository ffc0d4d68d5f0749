/** Another client than the one that the contracts were developed on comes to the same results. */
import { expect, test } from "vitest";
import { measureGas } from "../../bench/gas.ts";
import { connectProvider } from "../../contracts/provider.ts";
import { anvilMissing } from "./anvil.ts";
import { startAnvil, startTestChain } from "./test-chain.ts";

test("the tests of this run talk to anvil", async (context) => {
  context.skip(anvilMissing !== undefined, anvilMissing);
  const chain = await startTestChain();
  const provider = await connectProvider(chain.url);
  expect(await provider.send("web3_clientVersion", [])).toMatch(/^anvil\//);
  for (const { address } of chain.accounts) expect(await provider.getBalance(address)).toBe(10n ** 22n);
  provider.destroy();
  await chain.close();
});

test("every call costs on anvil the gas that it costs on Hardhat's chain", {
  timeout: 300_000,
}, async (context) => {
  context.skip(anvilMissing !== undefined, anvilMissing);
  expect(await measureGas(startAnvil)).toEqual(await measureGas());
});
