/** Who cannot pay, what it has and what it needs: on the chains' own words for it. */
import { AbiCoder, formatEther, id, parseEther, Wallet } from "ethers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { deployMarket } from "../../contracts/deploy.ts";
import { signPossession } from "../../contracts/eip712.ts";
import { paying } from "../../contracts/payer.ts";
import { type MarketFixture, settings, startMarket } from "./market-fixture.ts";

let market: MarketFixture;
beforeAll(async () => {
  market = await startMarket();
}, 60_000);
afterAll(() => market.close());

/** A new account that was given so much. */
async function account(eth: string): Promise<Wallet> {
  const wallet = new Wallet(Wallet.createRandom().privateKey, market.provider);
  const value = parseEther(eth);
  if (value > 0n) await (await market.stranger.sendTransaction({ to: wallet.address, value })).wait();
  return wallet;
}

async function bonded(wallet: Wallet, bondWei: bigint) {
  const message = { operator: wallet.address, signer: wallet.address };
  return market.of(wallet).registerOperator({
    ...{ signer: wallet.address, sealKey: id("seal"), channelKey: id("channel"), jiffKey: id("jiff") },
    ...{ endpoint: "127.0.0.1:1", feeWei: 1n, bondWei },
    possession: await signPossession(wallet, market.deployment, message),
  });
}

const missing = (wallet: Wallet, has: string, needs: RegExp, hint: RegExp) => ({
  code: "FUNDS_MISSING",
  message: expect.stringMatching(
    new RegExp(`^account ${wallet.address} has ${has} ETH, and the transaction needs up to ${needs.source}$`),
  ),
  hint: expect.stringMatching(hint),
});

// Anvil does not estimate what is not paid for, Hardhat does.
test("an account with less than the amount hears of the amount", async () => {
  const poor = await account("0.25");
  await expect(bonded(poor, parseEther("1"))).rejects.toMatchObject(
    missing(poor, "0.25", /1\.0 ETH and (?:its gas|0\.0\d+ ETH for gas)/, / 0\.75\d* ETH/),
  );
});

test("an account with less than the gas hears of the gas, also when it sends nothing else", async () => {
  const poor = await account("0");
  await expect(market.of(poor).createSet(market.members)).rejects.toMatchObject(
    missing(poor, "0.0", /0\.0\d+ ETH for gas/, /at least 0\.0\d+ ETH/),
  );
});

test("an account with the amount alone hears of both, and what is short is enough", async () => {
  const { of, set } = market;
  const poor = await account("0.00000001");
  const { hint } = await of(poor)
    .createSet(market.members)
    .catch((error) => error);
  const short = /at least (\S+) ETH/.exec(hint)?.[1];
  await (await market.stranger.sendTransaction({ to: poor.address, value: parseEther(short!) })).wait();
  await of(poor).createSet(market.members);
  expect((await of(poor).sets()).filter(({ id }) => id === set.id)).toHaveLength(1);
});

test("whoever deploys hears the same", async () => {
  const poor = await account("0");
  await expect(deployMarket(poor, settings)).rejects.toMatchObject(
    missing(poor, "0.0", /0\.0\d+ ETH for gas/, /at least/),
  );
});

test("who has enough is not called poor, nor is one whom a contract says it to", async () => {
  const { stranger } = market;
  const request = { to: stranger.address, value: 1n };
  const refusals = [
    Object.assign(new Error("insufficient funds for gas"), { code: "INSUFFICIENT_FUNDS" }),
    Object.assign(new Error("insufficient funds"), {
      data: `0x08c379a0${AbiCoder.defaultAbiCoder().encode(["string"], ["insufficient funds"]).slice(2)}`,
    }),
  ];
  for (const refusal of refusals) {
    await expect(paying(stranger, request, () => Promise.reject(refusal))).rejects.toBe(refusal);
  }
  const poor = await account("0");
  await expect(paying(poor, request, () => Promise.reject(refusals[1]))).rejects.toBe(refusals[1]);
  expect(formatEther(await market.provider.getBalance(poor.address))).toBe("0.0");
});
