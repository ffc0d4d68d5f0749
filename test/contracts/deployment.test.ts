import { type TransactionRequest, Wallet } from "ethers";
import { describe, expect, test } from "vitest";
import { buildContracts } from "../../contracts/build.ts";
import { deployMarket } from "../../contracts/deploy.ts";
import { deploymentSchema, marketSettingsSchema } from "../../contracts/deployment.ts";
import { startDevChain } from "../../contracts/dev-chain.ts";
import { MarketReader } from "../../contracts/market-reader.ts";
import { openProvider } from "../../contracts/provider.ts";
import { settings } from "./market-fixture.ts";

const deployment = {
  chainId: 31337,
  operatorRegistry: "0x5FbDB2315678afecb367f032d93F642f64180aa3",
  jobEscrow: "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0",
  gradientRounds: "0xCf7Ed3AccA5a467e9e704C703E8D87F634fB0Fc9",
  reviewExchange: "0xDc64a140Aa3E981100a9becA4E685f962f0cF6C9",
  disputes: "0xCf7Ed3AccA5a467e9e704C703E8D87F634fB0Fc9",
  blockNumber: 1,
};

describe("a deployment", () => {
  test("is read back as it was written, with checksummed addresses", () => {
    const lower = { ...deployment, jobEscrow: deployment.jobEscrow.toLowerCase() };
    expect(deploymentSchema.parse(JSON.parse(JSON.stringify(lower)))).toEqual(deployment);
  });

  test.each([
    ["a missing contract", { ...deployment, jobEscrow: undefined }],
    ["no contract of disputes", { ...deployment, disputes: undefined }],
    ["a wrong checksum", { ...deployment, jobEscrow: deployment.jobEscrow.replace("9fE", "9fe") }],
    ["an address that is too short", { ...deployment, jobEscrow: "0x12" }],
    ["a chain id of 0", { ...deployment, chainId: 0 }],
    ["a negative block", { ...deployment, blockNumber: -1 }],
  ])("with %s is refused", (_, wrong) => {
    expect(deploymentSchema.safeParse(wrong).success).toBe(false);
  });
});

describe("the settings of a market", () => {
  test.each([
    ["a window in which nobody can look", { challengeWindowSec: 59 }],
    ["a window that is no whole number", { challengeWindowSec: 0.5 }],
    ["a grace of more than 32 bits", { graceSec: 2 ** 32 }],
    ["no time to respond", { responseSec: undefined }],
    ["too little time to respond", { responseSec: 59 }],
    ["a negative fee", { challengeFeeWei: -1n }],
    ["a negative bond", { minBondWei: -1n }],
  ])("with %s are refused", (_, wrong) => {
    expect(marketSettingsSchema.safeParse({ ...settings, ...wrong }).success).toBe(false);
  });
});

/** Sends a transfer before the second contract, as another program that uses the account might. */
class DistractedWallet extends Wallet {
  #sent = 0;
  override async sendTransaction(transaction: TransactionRequest) {
    this.#sent += 1;
    if (this.#sent === 2) await (await super.sendTransaction({ to: this.address, value: 1n })).wait();
    return super.sendTransaction(transaction);
  }
}

test("a market is deployed in one piece, with its settings, or not at all", async () => {
  await buildContracts();
  const chain = await startDevChain();
  const provider = openProvider(chain.url, 31337);
  try {
    const { privateKey } = chain.accounts[0]!;
    const distracted = new DistractedWallet(privateKey, provider);
    await expect(deployMarket(distracted, settings)).rejects.toMatchObject({
      code: "INTERNAL",
      message: expect.stringContaining("another contract of disputes"),
      hint: expect.stringContaining("send nothing else"),
    });
    const deployed = await deployMarket(new Wallet(privateKey, provider), settings);
    expect(deploymentSchema.parse(deployed)).toEqual(deployed);
    expect(await new MarketReader(deployed, provider).settings()).toEqual(settings);
  } finally {
    provider.destroy();
    await chain.close();
  }
});

test("a build that is up to date is left alone", async () => {
  await buildContracts();
  expect(await buildContracts()).toBe(false);
});
