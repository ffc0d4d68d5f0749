import type { JsonRpcProvider } from "ethers";

/** Waits until the next block has so many transactions; for tests that mine by hand. */
export async function pendingCalls(provider: JsonRpcProvider, count: number): Promise<void> {
  const method = "eth_getBlockTransactionCountByNumber";
  while (Number(await provider.send(method, ["pending"])) < count) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
