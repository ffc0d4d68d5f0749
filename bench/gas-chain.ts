/** A development chain on which nothing is random, for measuring gas. */
import { type TransactionReceipt, Wallet } from "ethers";
import { buildContracts } from "../contracts/build.ts";
import type { DevChain } from "../contracts/dev-chain.ts";
import { openProvider } from "../contracts/provider.ts";

export type StartChain = () => Promise<DevChain>;

/** The chain's clock is set, because a zero byte in a deadline is cheaper than another. */
export const startSec = 2_000_000_000;

/** Runs `measure` with funded accounts of a chain that `start` starts for it, and a way to set its clock. */
export async function onGasChain<T>(
  start: StartChain,
  measure: (wallets: Wallet[], jump: (timeSec: number) => Promise<void>) => Promise<T>,
): Promise<T> {
  await buildContracts();
  const chain = await start();
  const provider = openProvider(chain.url, 31337);
  try {
    await provider.send("evm_setNextBlockTimestamp", [startSec]);
    const wallets = chain.accounts.map(({ privateKey }) => new Wallet(privateKey, provider));
    return await measure(wallets, async (timeSec) => {
      await provider.send("evm_setNextBlockTimestamp", [timeSec]);
      await provider.send("evm_mine", []);
    });
  } finally {
    provider.destroy();
    await chain.close();
  }
}

export function gasOf(receipt: TransactionReceipt): number {
  return Number(receipt.gasUsed);
}
