import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadBridgeConfig } from "../../bridge/config.ts";
import { addressOf } from "./memory-chain.ts";

const privateKey = `0x${"5a".repeat(32)}`;
const deployment = {
  chainId: 31337,
  operatorRegistry: addressOf("operators"),
  jobEscrow: addressOf("escrow"),
  disputes: addressOf("disputes"),
  blockNumber: 3,
};
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "symbolon-config-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function file(content: unknown): Promise<string> {
  const path = join(folder, "bridge.json");
  await writeFile(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

const base = { dataDir: "/data", rpcUrl: "http://127.0.0.1:8545", privateKey, deployment };

test("fills in defaults", async () => {
  const config = await loadBridgeConfig(await file(base), {});
  expect(config).toMatchObject({
    host: "127.0.0.1",
    confirmations: 5,
    blobs: { maxBytes: 2560 * 2 ** 20 },
  });
  expect(config.deployment.jobEscrow).toBe(deployment.jobEscrow);
});

test("lets the environment override the file, inner settings too", async () => {
  const config = await loadBridgeConfig(await file({ ...base, blobs: { maxBytes: 7, quotaBytes: 9 } }), {
    SYMBOLON_BRIDGE_PORT: "1234",
    SYMBOLON_BRIDGE_BLOBS_MAX_BYTES: "8",
    SYMBOLON_BRIDGE_CORS_ORIGINS: "https://a.example,https://b.example",
    SYMBOLON_BRIDGE_TRUST_PROXY: "true",
    PATH: "/bin",
  });
  expect(config).toMatchObject({
    port: 1234,
    blobs: { maxBytes: 8, quotaBytes: 9 },
    corsOrigins: ["https://a.example", "https://b.example"],
    trustProxy: true,
  });
});

test("reads a deployment that is named by its path", async () => {
  const path = join(folder, "deployment.json");
  await writeFile(path, JSON.stringify(deployment));
  const config = await loadBridgeConfig(await file({ ...base, deployment: path }), {});
  expect(config.deployment.blockNumber).toBe(3);
});

test.each([
  ["a missing setting", { ...base, rpcUrl: undefined }, {}, "rpcUrl"],
  ["an unknown setting", { ...base, prot: 1 }, {}, "prot"],
  ["a value out of range", { ...base, port: 70000 }, {}, "port"],
  ["an unknown variable", base, { SYMBOLON_BRIDGE_PROT: "1" }, "SYMBOLON_BRIDGE_PROT"],
  ["a deployment that is not there", { ...base, deployment: "/nowhere.json" }, {}, "deployment"],
  ["a list", [], {}, "JSON object"],
  ["text that is not JSON", `{"privateKey": "${privateKey}"`, {}, "not JSON"],
])("refuses %s by name", async (_what, content, environment, word) => {
  const error = await loadBridgeConfig(await file(content), environment).then(
    () => null,
    (thrown) => thrown,
  );
  expect(error).toMatchObject({ code: "CONFIG_INVALID", message: expect.stringContaining(word) });
  expect(error.message).not.toContain("5a5a");
});

test("never repeats a wrong key in its message", async () => {
  const error = await loadBridgeConfig(await file({ ...base, privateKey: "0x5a5a5a5a" }), {}).catch(
    (thrown) => thrown,
  );
  expect(error).toMatchObject({ code: "CONFIG_INVALID", message: expect.stringContaining("privateKey") });
  expect(error.message).not.toContain("5a5a");
});
