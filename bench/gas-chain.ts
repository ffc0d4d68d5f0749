/** A development chain on which nothing is random, for measuring gas. */
import { type TransactionReceipt, Wallet } from "ethers";
import { buildContracts } from "../contracts/build.ts";
import { startDevChain } from "../contracts/dev-chain.ts";
import { openProvider } from "../contracts/provider.ts";

/** The chain's clock is set, because a zero byte in a deadline is cheaper than another. */
export const startSec = 2_000_000_000;

/** Runs `measure` with funded accounts of a chain of its own. */
export async function onGasChain<T>(measure: (wallets: Wallet[]) => Promise<T>): Promise<T> {
  await buildContracts();
  const chain = await startDevChain();
  const provider = openProvider(chain.url, 31337);
  try {
    await provider.send("evm_setNextBlockTimestamp", [startSec]);
    return await measure(chain.accounts.map(({ privateKey }) => new Wallet(privateKey, provider)));
  } finally {
    provider.destroy();
    await chain.close();
  }
}

export function gasOf(receipt: TransactionReceipt): number {
  return Number(receipt.gasUsed);
}
