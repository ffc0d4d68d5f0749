/** Puts the contracts of a market on a chain. */
import { ContractFactory, type Signer } from "ethers";
import { z } from "zod";
import { SymbolonError } from "../mpc/errors.ts";
import { artifact, type ContractName } from "./artifacts.ts";
import type { Deployment } from "./deployment.ts";
import { deployExchange } from "./exchange.ts";
import { toChainError } from "./revert-reasons.ts";
import { deployGradientRounds } from "./training.ts";

/** What is fixed for the life of a deployment; nobody can change it afterwards. */
export const marketSettingsSchema = z.object({
  /** How long a buyer can look at an attested result before anyone may settle the job. */
  challengeWindowSec: z.int().nonnegative().max(0xffff_ffff),
  /** Smallest bond of an operator. */
  minBondWei: z.bigint().nonnegative(),
  /** How long an operator's bond stays after it stopped taking jobs. */
  unbondingSec: z.int().nonnegative().max(0xffff_ffff),
  /** How long the deposit of a data owner that left a training stays open to evidence against it. */
  evidenceSec: z
    .int()
    .nonnegative()
    .max(0xffff_ffff)
    .default(7 * 86_400),
  /** How long after registration an exchange samples: longer than the chain's reorganisations. */
  sampleDelaySec: z.int().nonnegative().max(0xffff_ffff).default(900),
});
export type MarketSettings = z.input<typeof marketSettingsSchema>;

const timeoutMs = 300_000;

/**
 * Deploys the four contracts, one transaction each, from the account of `signer`.
 * @throws FUNDS_MISSING, CHAIN_UNREACHABLE, CONTRACT_REVERTED
 */
export async function deployMarket(signer: Signer, settings: MarketSettings): Promise<Deployment> {
  const { challengeWindowSec, minBondWei, unbondingSec, evidenceSec, sampleDelaySec } =
    marketSettingsSchema.parse(settings);
  try {
    const { provider } = signer;
    if (provider === null) throw new SymbolonError("USAGE", "the deploying account needs a provider");
    const operators = await deploy(signer, "OperatorRegistry", [minBondWei, unbondingSec]);
    const jobs = await deploy(signer, "JobEscrow", [operators.address, challengeWindowSec]);
    const rounds = await deployGradientRounds(signer, { operatorRegistry: operators.address, evidenceSec });
    const reviewExchange = await deployExchange(signer, sampleDelaySec);
    return {
      chainId: Number((await provider.getNetwork()).chainId),
      operatorRegistry: operators.address,
      jobEscrow: jobs.address,
      gradientRounds: rounds.gradientRounds,
      reviewExchange,
      blockNumber: operators.blockNumber,
    };
  } catch (error) {
    throw toChainError(error);
  }
}

async function deploy(signer: Signer, name: ContractName, args: unknown[]) {
  const { abi, bytecode } = artifact(name);
  const contract = await new ContractFactory(abi, bytecode, signer).deploy(...args);
  const receipt = await contract.deploymentTransaction()?.wait(1, timeoutMs);
  if (!receipt) throw new SymbolonError("CHAIN_UNREACHABLE", `the deployment of ${name} was not mined`);
  return { address: await contract.getAddress(), blockNumber: receipt.blockNumber };
}
