import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadNodeConfig } from "../../../parties/compute/config.ts";
import { parseEndpoint } from "../../../parties/compute/endpoint.ts";

const address = (digit: string) => `0x${digit.repeat(40)}`;
const deployment = {
  chainId: 31337,
  operatorRegistry: address("1"),
  jobEscrow: address("3"),
  disputes: address("6"),
  gradientRounds: address("4"),
  reviewExchange: address("5"),
  blockNumber: 1,
};
const minimal = {
  rpcUrl: "http://127.0.0.1:8545/v3/project-secret",
  bridgeUrl: "http://127.0.0.1:8600",
  keysFile: "operator.json",
  dataDir: "node-1",
  deployment,
};

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "symbolon-config-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content: unknown): string {
  const path = join(folder, name);
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

describe("the node's configuration", () => {
  test("has defaults, and is overridden by the environment", async () => {
    const path = file("minimal.json", minimal);
    const config = await loadNodeConfig(path, {});
    expect(config).toMatchObject({ ...minimal, confirmations: 5, mesh: { host: "127.0.0.1", port: 9600 } });
    expect(config.algorithms).toBeUndefined();
    const hash = `0x${"AB".repeat(32)}`;
    const changed = await loadNodeConfig(path, {
      SYMBOLON_NODE_BRIDGE_URL: "http://10.0.0.1",
      SYMBOLON_NODE_MESH_PORT: "7000",
      SYMBOLON_NODE_LIMITS_MAX_JOBS: "9",
      SYMBOLON_NODE_ALGORITHMS: `${hash},`,
      OTHER: "1",
    });
    expect(changed.bridgeUrl).toBe("http://10.0.0.1");
    expect(changed.mesh).toEqual({ host: "127.0.0.1", port: 7000, relay: "auto", directMs: 5000 });
    expect(changed.limits.maxJobs).toBe(9);
    expect(changed.algorithms).toEqual([hash.toLowerCase()]);
  });

  test("reads the deployment from its file, and from the environment alone", async () => {
    const path = file("deployment.json", deployment);
    const { deployment: _, ...rest } = minimal;
    const config = await loadNodeConfig(undefined, {
      ...Object.fromEntries(
        Object.entries(rest).map(([name, value]) => [
          `SYMBOLON_NODE_${name.replace(/([A-Z])/g, "_$1").toUpperCase()}`,
          value,
        ]),
      ),
      SYMBOLON_NODE_DEPLOYMENT: path,
    });
    expect(config.deployment).toEqual(deployment);
  });

  test.each([
    ["an unknown setting", { ...minimal, rpcUrI: "x" }],
    ["room for less than two jobs' inputs", { ...minimal, limits: { sealedBytes: 2 ** 32 } }],
    ["an unknown limit", { ...minimal, limits: { maxJob: 1 } }],
    ["a missing setting", { ...minimal, keysFile: undefined }],
    ["a list", [minimal]],
    ["no JSON", "{"],
    ["a deployment that is none", { ...minimal, deployment: "minimal.json" }],
  ])("refuses %s without quoting values", async (_name, content) => {
    const error = await loadNodeConfig(file("wrong.json", content), {}).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: "CONFIG_INVALID" });
    expect(error.message).not.toContain("project-secret");
  });

  test("refuses an unknown variable and a file that is not there", async () => {
    const wrong = { code: "CONFIG_INVALID" };
    const path = file("minimal.json", minimal);
    await expect(loadNodeConfig(path, { SYMBOLON_NODE_RPCURL: "x" })).rejects.toMatchObject(wrong);
    await expect(loadNodeConfig(join(folder, "none.json"), {})).rejects.toMatchObject(wrong);
  });
});

describe("an endpoint", () => {
  test("is a host, a name or an address, with a port", () => {
    expect(parseEndpoint("node1.example.org:9600")).toEqual({ host: "node1.example.org", port: 9600 });
    expect(parseEndpoint("127.0.0.1:1")).toEqual({ host: "127.0.0.1", port: 1 });
    expect(parseEndpoint("[::1]:65535")).toEqual({ host: "::1", port: 65535 });
  });

  test.each(["", "host", "host:", "host:0", "host:65536", ":9600", "::1:9600", "a b:1", "http://h:1"])(
    "is refused as %j",
    (endpoint) => {
      expect(() => parseEndpoint(endpoint)).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
    },
  );
});
