import { describe, expect, test } from "vitest";
import { buildContracts } from "../../contracts/build.ts";
import { deploymentSchema } from "../../contracts/deployment.ts";

const deployment = {
  chainId: 31337,
  operatorRegistry: "0x5FbDB2315678afecb367f032d93F642f64180aa3",
  jobEscrow: "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0",
  gradientRounds: "0xCf7Ed3AccA5a467e9e704C703E8D87F634fB0Fc9",
  reviewExchange: "0xDc64a140Aa3E981100a9becA4E685f962f0cF6C9",
  blockNumber: 1,
};

describe("a deployment", () => {
  test("is read back as it was written, with checksummed addresses", () => {
    const lower = { ...deployment, jobEscrow: deployment.jobEscrow.toLowerCase() };
    expect(deploymentSchema.parse(JSON.parse(JSON.stringify(lower)))).toEqual(deployment);
  });

  test.each([
    ["a missing contract", { ...deployment, jobEscrow: undefined }],
    ["a wrong checksum", { ...deployment, jobEscrow: deployment.jobEscrow.replace("9fE", "9fe") }],
    ["an address that is too short", { ...deployment, jobEscrow: "0x12" }],
    ["a chain id of 0", { ...deployment, chainId: 0 }],
    ["a negative block", { ...deployment, blockNumber: -1 }],
  ])("with %s is refused", (_, wrong) => {
    expect(deploymentSchema.safeParse(wrong).success).toBe(false);
  });
});

test("a build that is up to date is left alone", async () => {
  await buildContracts();
  expect(await buildContracts()).toBe(false);
});
