/** `symbolon verify` needs no network unless an endpoint is named. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { sampleBundle } from "../verify/sample-bundle.ts";
import { runInProcess } from "./in-process.ts";

let folder: string;
let bundle: string;
const nowhere = "http://127.0.0.1:9";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "symbolon-verify-"));
  bundle = join(folder, "bundle.json");
  const text = JSON.stringify(await sampleBundle(), (_, v) => (typeof v === "bigint" ? v.toString() : v));
  await writeFile(bundle, text);
});
afterEach(() => {
  vi.unstubAllEnvs();
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test("a bundle is not compared with the chain that SYMBOLON_RPC names", async () => {
  vi.stubEnv("SYMBOLON_RPC", nowhere);
  const { status, stdout } = await runInProcess(["verify", bundle, "--json"]);
  expect([status, JSON.parse(stdout).valid]).toEqual([0, true]);
  expect(JSON.parse(stdout).notChecked.join()).toContain("--rpc");
});

test("it is with the one that --rpc names", async () => {
  const { status, stdout } = await runInProcess(["verify", bundle, "--rpc", nowhere, "--json"]);
  expect([status, JSON.parse(stdout).error.code]).toEqual([4, "CHAIN_UNREACHABLE"]);
});
