/** JSON-RPC connections that fail in time instead of trying for ever. */
import { FetchRequest, JsonRpcProvider, Network } from "ethers";
import { z } from "zod";
import { SymbolonError } from "../mpc/errors.ts";

const defaultTimeoutMs = 15_000;
/** Chain id of Hardhat, anvil and other development chains, which mine at once. */
const devChainId = 31337;

/**
 * A provider for `url`, a chain of the given id. It is not asked whether it is that chain: ethers would ask in
 * the background, again and again while the endpoint is down, and print each failure to the console.
 */
export function openProvider(url: string, chainId: number, timeoutMs = defaultTimeoutMs): JsonRpcProvider {
  const request = new FetchRequest(url);
  request.timeout = timeoutMs;
  const provider = new JsonRpcProvider(request, chainId, {
    staticNetwork: Network.from(chainId),
    cacheTimeout: -1,
    // Endpoints answer calls of a batch in any order and limit its size; single calls are the same everywhere.
    batchMaxCount: 1,
  });
  provider.pollingInterval = chainId === devChainId ? 100 : 2000;
  return provider;
}

/** Asks an endpoint for its chain. @throws CHAIN_UNREACHABLE within `timeoutMs` */
export async function chainIdOf(url: string, timeoutMs = defaultTimeoutMs): Promise<number> {
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "eth_chainId", params: [] }),
      signal: AbortSignal.timeout(timeoutMs),
    });
    const { result } = z.object({ result: z.string() }).parse(await response.json());
    return Number(BigInt(result));
  } catch (error) {
    throw new SymbolonError("CHAIN_UNREACHABLE", "the JSON-RPC endpoint does not tell its chain id", {
      hint: "check the address, and that a chain is running there",
      cause: error,
    });
  }
}

/** Connects to an endpoint of which nothing is known. @throws CHAIN_UNREACHABLE */
export async function connectProvider(url: string, timeoutMs = defaultTimeoutMs): Promise<JsonRpcProvider> {
  return openProvider(url, await chainIdOf(url, timeoutMs), timeoutMs);
}
