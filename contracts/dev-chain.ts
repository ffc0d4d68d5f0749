/**
 * A development chain inside this process: Hardhat's, on 127.0.0.1, mining each transaction at once. Its
 * accounts come from the public development mnemonic: worthless anywhere else.
 */
import { join } from "node:path";
import { HDNodeWallet } from "ethers";
import { createHardhatRuntimeEnvironment } from "hardhat/hre";

const mnemonic = "test test test test test test test test test test test junk";
const accountCount = 20;

export interface DevAccount {
  address: string;
  privateKey: string;
}

export interface DevChain {
  url: string;
  /** Twenty accounts with 10,000 ETH each. */
  accounts: DevAccount[];
  close(): Promise<void>;
}

export interface DevChainOptions {
  /** 0 or none takes a free one. */
  port?: number;
  /**
   * Mines a block so often even when nothing is sent, so that the newest block's time keeps up with the
   * clock. Without it a quiet chain stands still. Transactions are mined at once either way.
   */
  blockTimeSec?: number;
}

/** Starts the chain. */
export async function startDevChain(options: DevChainOptions = {}): Promise<DevChain> {
  const { blockTimeSec = 0 } = options;
  const networks = {
    dev: {
      type: "edr-simulated" as const,
      chainType: "l1" as const,
      hardfork: "osaka",
      accounts: { mnemonic, count: accountCount },
      // Wall-clock tests and restarts send blocks within one second.
      allowBlocksWithSameTimestamp: true,
      mining: { auto: true, interval: Math.round(blockTimeSec * 1000) },
    },
  };
  // The project's root, for it would be looked for from wherever the command was called.
  const root = join(import.meta.dirname, "..");
  const hre = await createHardhatRuntimeEnvironment({ networks }, {}, root);
  const server = await hre.network.createServer({ network: "dev" }, "127.0.0.1", options.port ?? 0);
  const { address, port } = await server.listen();
  return { url: `http://${address}:${port}`, accounts: devAccounts(), close: () => server.close() };
}

/** The accounts of every development chain. */
export function devAccounts(): DevAccount[] {
  const parent = HDNodeWallet.fromPhrase(mnemonic, "", "m/44'/60'/0'/0");
  return Array.from({ length: accountCount }, (_, index) => {
    const { address, privateKey } = parent.deriveChild(index);
    return { address, privateKey };
  });
}
