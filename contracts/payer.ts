/**
 * What an account pays for. Endpoints say of one that cannot pay hardly more than that, each in its own words; which
 * account, what it has and what it needs is read here.
 */
import {
  type BaseContract,
  ContractFactory,
  type ContractTransactionResponse,
  type Signer,
  type TransactionRequest,
} from "ethers";
import { SymbolonError } from "../mpc/errors.ts";
import { type ArtifactName, artifact } from "./artifacts.ts";
import { eth } from "./reason-words.ts";
import { saysNoFunds } from "./revert-reasons.ts";

/**
 * Does what `signer` pays `request` for. Throws what `action` threw, except where the account cannot pay.
 * @throws FUNDS_MISSING
 */
export async function paying<T>(
  signer: Signer,
  request: TransactionRequest,
  action: () => Promise<T>,
): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (!saysNoFunds(error)) throw error;
    // Where even that cannot be read, what was thrown says more.
    throw (await fundsMissing(signer, request, error).catch(() => undefined)) ?? error;
  }
}

/** Deploys a contract; it need not be mined yet. @throws FUNDS_MISSING, and what ethers throws */
export async function deployContract(
  signer: Signer,
  name: ArtifactName,
  args: readonly unknown[],
): Promise<BaseContract & { deploymentTransaction(): ContractTransactionResponse | null }> {
  const { abi, bytecode } = artifact(name);
  const factory = new ContractFactory(abi, bytecode, signer);
  return paying(signer, await factory.getDeployTransaction(...args), () => factory.deploy(...args));
}

/** Undefined where the account has enough: something else of it waits, or the chain takes more than gas. */
export async function fundsMissing(
  signer: Signer,
  request: TransactionRequest,
  cause?: unknown,
): Promise<SymbolonError | undefined> {
  const { provider } = signer;
  if (provider === null) return undefined;
  const account = await signer.getAddress();
  const [heldWei, gasWei] = await Promise.all([provider.getBalance(account), mostGasWei(signer, request)]);
  const valueWei = BigInt(request.value ?? 0n);
  const neededWei = valueWei + (gasWei ?? 0n);
  if (gasWei !== undefined ? heldWei >= neededWei : heldWei > neededWei) return undefined;
  const parts = [
    valueWei > 0n ? eth(valueWei) : "",
    gasWei === undefined ? "its gas" : `${eth(gasWei)} for gas`,
  ];
  return new SymbolonError(
    "FUNDS_MISSING",
    `account ${account} has ${eth(heldWei)}, and the transaction needs up to ${parts.filter(Boolean).join(" and ")}`,
    {
      hint: `send ${gasWei === undefined ? "more than" : "at least"} ${eth(neededWei - heldWei)} to the account`,
      cause,
    },
  );
}

/** Undefined where the gas cannot be told: endpoints do not estimate what an account cannot send along. */
async function mostGasWei(signer: Signer, request: TransactionRequest): Promise<bigint | undefined> {
  const [gas, fees] = await Promise.all([
    request.gasLimit ?? signer.estimateGas(request).catch(() => undefined),
    signer.provider?.getFeeData(),
  ]);
  const perGas = request.maxFeePerGas ?? fees?.maxFeePerGas ?? fees?.gasPrice;
  return gas == null || perGas == null ? undefined : BigInt(gas) * BigInt(perGas);
}
