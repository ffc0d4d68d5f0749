/** What a buyer hears of the price of a job before anything is paid. */
import { parseEther, Wallet } from "ethers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createKeys, saveKeys } from "../../../parties/keys.ts";
import { MarketWorld } from "../compute/market-world.ts";
import { type MarketCli, marketCli } from "./market-cli.ts";

let world: MarketWorld;
let cli: MarketCli;
let offers: string;
const poor = createKeys("buyer");

beforeAll(async () => {
  world = await MarketWorld.open();
  cli = await marketCli(world, {});
  await saveKeys(poor, cli.file("poor.json"));
  offers = (await world.offers()).map(({ id }) => id).join(",");
});
afterAll(() => world.close());

const run = (options: string) =>
  cli.json(`buyer run statistics --offers ${offers} --keys @poor.json ${options}`);

test("an account without money hears of the gas too, and what it is asked for is enough", async () => {
  const { status, document } = await run("--no-follow");
  expect([status, document.error.code]).toEqual([3, "FUNDS_MISSING"]);
  expect(document.error.message).toMatch(
    /^the job costs 0\.\d+ ETH and up to 0\.\d+ ETH for gas, the account /,
  );
  const asked = /at least (0\.\d+) ETH/.exec(document.error.hint)?.[1] ?? "0";
  const { privateKey } = world.chain.accounts[6]!;
  const payer = new Wallet(privateKey, world.provider);
  const value = parseEther(asked);
  await (await payer.sendTransaction({ to: poor.account.address, value })).wait();
  expect(await run("--no-follow")).toMatchObject({ status: 0, document: { txHash: expect.any(String) } });
});

test("a price above what is allowed is refused with what to do", async () => {
  const { status, document } = await run("--max-price 1wei");
  expect([status, document.error.code]).toEqual([3, "FUNDS_MISSING"]);
  expect(document.error.hint).toContain("allow more with --max-price");
});
