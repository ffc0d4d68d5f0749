/** Puts the contracts of a market on a chain. */
import { getCreateAddress, type Signer } from "ethers";
import { SymbolonError } from "../mpc/errors.ts";
import type { ContractName } from "./artifacts.ts";
import { type Deployment, type MarketSettings, marketSettingsSchema } from "./deployment.ts";
import { deployExchange } from "./exchange.ts";
import { deployContract } from "./payer.ts";
import { toChainError } from "./revert-reasons.ts";
import { deployGradientRounds } from "./training.ts";

const timeoutMs = 300_000;

/**
 * Deploys the five contracts, one transaction each, from the account of `signer`. Registry and escrow name the
 * contract of disputes, which comes after them, so its address is computed from the account's nonce; the account must send
 * nothing else in between, and the third deployment fails when it did.
 * @throws FUNDS_MISSING, CHAIN_UNREACHABLE, CONTRACT_REVERTED
 */
export async function deployMarket(signer: Signer, settings: MarketSettings): Promise<Deployment> {
  const {
    challengeWindowSec,
    graceSec,
    minBondWei,
    unbondingSec,
    challengeFeeWei,
    responseSec,
    evidenceSec,
    sampleDelaySec,
  } = marketSettingsSchema.parse(settings);
  try {
    const { provider } = signer;
    if (provider === null) throw new SymbolonError("USAGE", "the deploying account needs a provider");
    const [from, nonce] = await Promise.all([signer.getAddress(), signer.getNonce()]);
    const judge = getCreateAddress({ from, nonce: nonce + 2 });
    const operators = await deploy(signer, "OperatorRegistry", [minBondWei, unbondingSec, judge]);
    const jobs = await deploy(signer, "JobEscrow", [operators.address, judge, challengeWindowSec, graceSec]);
    const disputes = await deploy(signer, "Disputes", [jobs.address, challengeFeeWei, responseSec]);
    const rounds = await deployGradientRounds(signer, { operatorRegistry: operators.address, evidenceSec });
    const reviewExchange = await deployExchange(signer, sampleDelaySec);
    return {
      chainId: Number((await provider.getNetwork()).chainId),
      operatorRegistry: operators.address,
      jobEscrow: jobs.address,
      disputes: disputes.address,
      gradientRounds: rounds.gradientRounds,
      reviewExchange,
      blockNumber: operators.blockNumber,
    };
  } catch (error) {
    throw toChainError(error);
  }
}

async function deploy(signer: Signer, name: ContractName, args: unknown[]) {
  const contract = await deployContract(signer, name, args);
  const receipt = await contract.deploymentTransaction()?.wait(1, timeoutMs);
  if (!receipt) throw new SymbolonError("CHAIN_UNREACHABLE", `the deployment of ${name} was not mined`);
  return { address: await contract.getAddress(), blockNumber: receipt.blockNumber };
}
