// Runs the contracts' Solidity tests with instrumented contracts and fails when a line that can run did not.
//
//   npm run coverage      about two minutes; the report for reading is in coverage/html
//
// Hardhat's instrumentation counts statements, not branches: that each condition decides something is what
// `npm run mutants` shows. Lines that no test can reach stand in test/contracts/uncovered.json, each with the reason.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const bin = (name) => join(root, "node_modules", ".bin", name);
const report = join(root, "coverage", "lcov.info");
const reasons = JSON.parse(readFileSync(join(root, "test", "contracts", "uncovered.json"), "utf8"));

rmSync(report, { force: true });
const { status } = spawnSync(bin("hardhat"), ["test", "solidity", "--coverage"], {
  cwd: root,
  stdio: "inherit",
});
// The artefacts are instrumented now, and would be taken for the real ones.
for (const left of ["build/artifacts", "build/cache", "build/contracts.sha256"]) {
  rmSync(join(root, left), { recursive: true, force: true });
}
if (status !== 0 || !existsSync(report)) {
  console.error("the tests fail, or left no report");
  process.exit(1);
}

let lines = 0;
const gaps = [];
for (const [, file, body] of readFileSync(report, "utf8").matchAll(/SF:(.+)\n([\s\S]*?)end_of_record/g)) {
  const code = readFileSync(join(root, file), "utf8").split("\n");
  for (const [, line, count] of body.matchAll(/DA:(\d+),(\d+)/g)) {
    lines += 1;
    if (count === "0") gaps.push({ file, line: Number(line), code: code[line - 1].trim() });
  }
}
const same = (a, b) => a.file === b.file && a.code === b.code;
const unexplained = gaps.filter((gap) => !reasons.some((each) => same(each, gap)));
const stale = reasons.filter((each) => !gaps.some((gap) => same(each, gap)));
for (const { file, line, code } of unexplained) console.error(`no test reaches ${file}:${line}  ${code}`);
for (const { file, code } of stale)
  console.error(`uncovered.json lists what is reached or gone: ${file}  ${code}`);
console.log(
  `${lines - gaps.length} of ${lines} lines, ${gaps.length - unexplained.length} with a reason why not`,
);
process.exitCode = unexplained.length + stale.length === 0 ? 0 : 1;
