/**
 * Compiles and tests the contracts, and serves the embedded chain. The compiler is npm's solc: nothing is
 * downloaded, and a build needs no network.
 */
import { createRequire } from "node:module";
import { defineConfig } from "hardhat/config";

const soljson = createRequire(import.meta.url).resolve("solc/soljson.js");

export default defineConfig({
  paths: {
    sources: "./contracts",
    tests: { solidity: "./test/contracts" },
    artifacts: "./build/artifacts",
    cache: "./build/cache",
  },
  solidity: {
    compilers: [
      {
        version: "0.8.37",
        path: soljson,
        settings: {
          evmVersion: "osaka",
          optimizer: { enabled: true, runs: 200 },
          viaIR: true,
        },
      },
    ],
  },
  networks: {
    dev: { type: "edr-simulated", chainType: "l1", hardfork: "osaka", chainId: 31337 },
  },
  test: {
    solidity: {
      fuzz: { runs: 128 },
      // A handler calls at random, and most of what it tries must be refused.
      invariant: { runs: 24, depth: 64, failOnRevert: false },
    },
  },
});
