import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { defineConfig } from "vitest/config";
import { anvilMissing } from "./test/contracts/anvil.ts";

/** Tests that start processes or take more than a few seconds are named `*.slow.test.ts` or lie in `e2e/`. */
const slow = ["test/**/*.slow.test.ts", "test/e2e/**/*.test.ts"];

// A test that is skipped shows in the counts alone.
if (anvilMissing !== undefined) console.warn(`The contracts are not tested on anvil: ${anvilMissing}.`);

const contractTests = join(import.meta.dirname, "test/contracts");

/** What compares chains, and where anvil is there every test that takes a chain from a fixture. */
const onAnvil = readdirSync(contractTests)
  .filter((name) => name.endsWith(".test.ts") && anvilMissing === undefined)
  .filter((name) => /from "\.\/\w+-fixture\.ts"/.test(readFileSync(join(contractTests, name), "utf8")))
  .map((name) => `test/contracts/${name}`)
  .concat("test/contracts/anvil.test.ts");

export default defineConfig({
  test: {
    maxWorkers: 2,
    // Fresh kernel arrays are no zeros: see mpc/vector/wasm-arrays.ts.
    env: { SYMBOLON_POISON_MEMORY: "1" },
    // Whole markets run in these tests; on a busy machine they take their time.
    expect: { poll: { timeout: 20_000 } },
    projects: [
      {
        extends: true,
        test: {
          name: "fast",
          include: ["test/**/*.test.ts"],
          exclude: [...slow, "test/contracts/anvil.test.ts"],
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        extends: true,
        test: {
          name: "anvil",
          include: onAnvil,
          env: { SYMBOLON_TEST_CHAIN: "anvil" },
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        extends: true,
        test: {
          name: "slow",
          include: slow,
          testTimeout: 300_000,
          hookTimeout: 300_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
