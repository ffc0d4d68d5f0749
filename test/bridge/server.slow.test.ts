/** The bridge as a process of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, expect, test } from "vitest";
import { BridgeClient } from "../../bridge/client.ts";
import { addressOf } from "./memory-chain.ts";

const marker = "5ec2e7";
const privateKey = `0x${marker}${"11".repeat(29)}`;
let folder: string;
let running: ChildProcess[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "symbolon-server-"));
  running = [];
});
afterEach(async () => {
  for (const child of running)
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
  await rm(folder, { recursive: true, force: true });
});

async function start(config: object) {
  const file = join(folder, "bridge.json");
  await writeFile(file, JSON.stringify(config));
  const child = spawn(process.execPath, ["bridge/server.ts", "--config", file], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.push(child);
  const log: string[] = [];
  child.stderr.on("data", (data) => log.push(String(data)));
  const lines = createInterface(child.stdout);
  return {
    child,
    log,
    exited: once(child, "exit") as Promise<[number]>,
    first: once(lines, "line") as Promise<[string]>,
  };
}

const config = () => ({
  port: 0,
  dataDir: join(folder, "data"),
  // Nothing answers there: the bridge serves what it knows and says that it is not ready.
  rpcUrl: "http://user:password@127.0.0.1:1",
  privateKey,
  deployment: {
    chainId: 31337,
    operatorRegistry: addressOf("operators"),
    jobEscrow: addressOf("escrow"),
    disputes: addressOf("disputes"),
    blockNumber: 1,
  },
  pollMs: 50,
  logLevel: "debug",
});

test("says where it listens, outlives a chain that is down, ends on a signal", async () => {
  const { child, log, exited, first } = await start(config());
  const { listening } = JSON.parse((await first)[0]);
  const client = new BridgeClient({ url: listening });
  expect(await client.jobs()).toEqual([]);
  expect((await fetch(`${listening}/healthz`)).status).toBe(200);
  expect((await fetch(`${listening}/readyz`)).status).toBe(503);
  await expect(client.deployment()).rejects.toMatchObject({ code: "CHAIN_UNREACHABLE" });
  await expect.poll(() => log.join("")).toContain("the chain could not be read");
  child.kill("SIGTERM");
  expect((await exited)[0]).toBe(0);
  expect(log.join("")).not.toContain(marker);
  expect(log.join("")).not.toContain("password");
});

test("ends with the code of bad usage and a named error when its configuration is wrong", async () => {
  const { log, exited } = await start({ ...config(), port: "many" });
  expect((await exited)[0]).toBe(2);
  const { error } = JSON.parse(log.join(""));
  expect(error).toMatchObject({ code: "CONFIG_INVALID", message: expect.stringContaining("port") });
});

test("does not start twice on one port", async () => {
  const one = await start(config());
  const { listening } = JSON.parse((await one.first)[0]);
  const two = await start({
    ...config(),
    dataDir: join(folder, "other"),
    port: Number(new URL(listening).port),
  });
  expect((await two.exited)[0]).toBe(2);
  expect(two.log.join("")).toContain("cannot listen");
});
