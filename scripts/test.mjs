// Runs all tests: the contracts' Solidity tests, then everything else. Arguments go to vitest.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const bin = (name) => join(root, "node_modules", ".bin", name);
const scratch = mkdtempSync(join(tmpdir(), "symbolon-test-"));
const report = join(scratch, "vitest.json");
const filters = process.argv.slice(2);

let passed = 0;
let failed = 0;

if (filters.length === 0) {
  const solidity = spawnSync(bin("hardhat"), ["test", "solidity"], {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  process.stdout.write(solidity.stdout);
  process.stderr.write(solidity.stderr);
  const count = (word) => Number(new RegExp(`(\\d+) ${word}`).exec(solidity.stdout)?.[1] ?? 0);
  passed += count("passing");
  failed += count("failing");
  if (solidity.status !== 0 && count("failing") === 0) failed += 1;
  if (solidity.status === 0 && count("passing") === 0) failed += 1;
}

const args = ["run", "--reporter=default", "--reporter=json", `--outputFile.json=${report}`, ...filters];
const { status } = spawnSync(bin("vitest"), args, { cwd: root, stdio: "inherit" });
try {
  const { numPassedTests, numFailedTests, numFailedTestSuites } = JSON.parse(readFileSync(report, "utf8"));
  passed += numPassedTests;
  failed += numFailedTests;
  // A file that cannot be loaded fails without a test in it.
  if (status !== 0 && numFailedTests === 0) failed += Math.max(1, numFailedTestSuites);
} catch {
  failed += 1;
}
rmSync(scratch, { recursive: true, force: true });
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
