/**
 * Compiles and tests the contracts, and serves the embedded chain. The compiler is npm's solc: nothing is
 * downloaded, and a build needs no network.
 */
import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { defineConfig } from "hardhat/config";

const solc = {
  version: "0.8.37",
  path: createRequire(import.meta.url).resolve("solc/soljson.js"),
};

/**
 * Tests take the contracts' bytecode from the build, so their own may be slow. Without optimiser and without
 * the detour over Yul they compile several times faster, and no inlining makes their longer functions run out
 * of stack.
 */
const testCompiler = {
  ...solc,
  settings: {
    evmVersion: "osaka",
    optimizer: { enabled: false },
  },
};
const testFiles = readdirSync(new URL("test/contracts", import.meta.url)).filter((name) =>
  name.endsWith(".sol"),
);

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
        ...solc,
        settings: {
          evmVersion: "osaka",
          optimizer: { enabled: true, runs: 2000 },
          viaIR: true,
        },
      },
    ],
    overrides: Object.fromEntries(testFiles.map((name) => [`test/contracts/${name}`, testCompiler])),
  },
  networks: {
    dev: { type: "edr-simulated", chainType: "l1", hardfork: "osaka", chainId: 31337 },
  },
  test: {
    solidity: {
      // More than any test takes, so that a loop without an end fails, as in a mutant, instead of running for hours.
      gasLimit: 2n ** 32n,
      fuzz: { runs: 128 },
      // The handler never reverts of its own accord: a revert is a difference from its model.
      invariant: { runs: 24, depth: 64, failOnRevert: true },
    },
  },
});
