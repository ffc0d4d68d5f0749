/** What the set-up says, of a made-up project whose installation and build are done at once. */
import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";

let folder: string;
const file = (...names: string[]) => join(folder, ...names);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "symbolon-setup-"));
  await mkdir(file("scripts"));
  await mkdir(file("build"));
  const setup = join(import.meta.dirname, "..", "..", "scripts", "setup.mjs");
  await copyFile(setup, file("scripts", "setup.mjs"));
  await writeFile(file("package-lock.json"), "{}");
  const make = (what: string) =>
    `import { mkdirSync, writeFileSync } from "node:fs"; ${what}; console.error("-");`;
  await writeFile(file("npm.mjs"), make('mkdirSync("node_modules")'));
  await writeFile(file("scripts", "build.mjs"), make('writeFileSync("build/contracts.sha256", "")'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test("each step that takes long is announced, and one that has nothing to do is not", async () => {
  const said = async () => {
    const env = { ...process.env, npm_execpath: file("npm.mjs") };
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [file("scripts", "setup.mjs")], {
      env,
    });
    expect(stdout).toBe("");
    return stderr.trimEnd().split("\n");
  };
  expect(await said()).toEqual([
    ...[expect.stringMatching(/^Installing/), "-"],
    ...[expect.stringMatching(/^Building/), "-"],
    "Everything is set up.",
  ]);
  expect(await said()).toEqual(["-"]);
  await rm(file("build", "contracts.sha256"));
  expect(await said()).toEqual([expect.stringMatching(/^Building/), "-", "Everything is set up."]);
});
