/** Key files that are missing or encrypted: each command says by which option or setting of its own it gets them. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { reportError } from "../../../parties/cli/errors.ts";
import { keysOf } from "../../../parties/cli/key-options.ts";
import { Output } from "../../../parties/cli/output.ts";
import { buildProgram } from "../../../parties/cli/program.ts";
import { createKeys, saveKeys } from "../../../parties/keys.ts";

let folder: string;
const file = (name: string) => join(folder, name);
const address = (digit: number) => `0x${String(digit).repeat(40)}`;
const [operatorRegistry, jobEscrow, gradientRounds, reviewExchange, disputes] = [1, 2, 3, 4, 5].map(address);
const common = {
  ...{ rpcUrl: "http://127.0.0.1:9", bridgeUrl: "http://127.0.0.1:9" },
  deployment: {
    ...{ chainId: 31337, blockNumber: 1 },
    ...{ operatorRegistry, jobEscrow, gradientRounds, reviewExchange, disputes },
  },
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "symbolon-serve-"));
  await saveKeys(createKeys("operator"), file("sealed.json"), { passphrase: "a passphrase" });
  const { bridgeUrl: _, ...bridge } = common;
  await writeFile(file("bridge.json"), JSON.stringify({ ...bridge, dataDir: file("bridge") }));
  const node = { ...common, dataDir: file("node"), mesh: { port: 0 } };
  await writeFile(file("keyless.json"), JSON.stringify(node));
  await writeFile(file("node.json"), JSON.stringify({ ...node, keysFile: file("sealed.json") }));
});
afterEach(() => {
  vi.unstubAllEnvs();
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** What a command that does not start says. */
async function refused(...args: string[]) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const output = new Output(true, { stdout, stderr }, {});
  const starting = buildProgram(output).parseAsync(args, { from: "user" });
  const status = await starting.then(
    () => 0,
    (error) => reportError(error, output),
  );
  return { status, ...JSON.parse(stdout.read().toString()).error };
}

test("a bridge without an account names --keys, and the setting", async () => {
  expect(await refused("bridge", "--config", file("bridge.json"))).toMatchObject({
    ...{ status: 2, code: "CONFIG_INVALID", message: expect.stringContaining("privateKey") },
    hint: expect.stringMatching(/--keys FILE.*SYMBOLON_BRIDGE_/),
  });
});

test("a node without a key file names the command that makes one, and the setting", async () => {
  expect(await refused("node", "--config", file("keyless.json"))).toMatchObject({
    ...{ status: 2, code: "CONFIG_INVALID", message: expect.stringContaining("keysFile") },
    hint: expect.stringMatching(/keys new operator.*SYMBOLON_NODE_/),
  });
});

test("other mistakes in a configuration do not speak of keys", async () => {
  await writeFile(file("wrong.json"), JSON.stringify({ ...common, keysFile: "k", pollMs: 0 }));
  expect((await refused("node", "--config", file("wrong.json"))).hint).not.toContain("keys new");
});

test("an encrypted key file names where its passphrase comes from", async () => {
  vi.stubEnv("SYMBOLON_PASSPHRASE", "");
  await expect(keysOf("operator", { keys: file("sealed.json") })).rejects.toMatchObject({
    ...{ code: "KEY_INVALID", message: expect.stringContaining("passphrase is needed") },
    hint: expect.stringMatching(/--passphrase-file FILE.*SYMBOLON_PASSPHRASE/),
  });
  // A node has no such option.
  expect(await refused("node", "--config", file("node.json"))).toMatchObject({
    ...{ status: 2, code: "KEY_INVALID" },
    hint: expect.stringMatching(/^(?!.*--passphrase-file).*SYMBOLON_NODE_PASSPHRASE/),
  });
});

test("a deployment without an account names --keys, and the accounts of a development chain", async () => {
  vi.stubEnv("SYMBOLON_KEYS", "");
  expect(await refused("deploy")).toMatchObject({
    ...{ status: 2, code: "USAGE" },
    hint: expect.stringMatching(/--keys FILE.*--dev-account/),
  });
  // Other commands have no such option.
  const other = await keysOf("bridge", {}).catch((error) => error);
  expect(other).toMatchObject({ code: "USAGE", hint: expect.not.stringContaining("--dev-account") });
});
