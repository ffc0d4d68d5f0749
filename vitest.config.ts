import { defineConfig } from "vitest/config";

/** Tests that start processes or take more than a few seconds are named `*.slow.test.ts` or lie in `e2e/`. */
const slow = ["test/**/*.slow.test.ts", "test/e2e/**/*.test.ts"];

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
          exclude: slow,
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
