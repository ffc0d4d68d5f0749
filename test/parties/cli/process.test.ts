import { once } from "node:events";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runCli } from "./run-cli.ts";

let folder = "";
const file = (name: string): string => join(folder, name);

const address = (digit: string): string => `0x${digit.repeat(40)}`;
const deployment = {
  chainId: 31337,
  operatorRegistry: address("1"),
  jobEscrow: address("3"),
  gradientRounds: address("4"),
  reviewExchange: address("5"),
  disputes: address("4"),
  blockNumber: 1,
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "symbolon-cli-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("symbolon as a process", () => {
  it("says on stdout in JSON what is wrong with the usage, and exits 2", async () => {
    const { status, stdout } = await runCli(["buyer", "run", "statistics", "--json"]);
    expect(status).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({
      error: { code: "USAGE", message: expect.stringContaining("--offers") },
    });
  });

  it("prints a usage error on stderr only, once, without --json", async () => {
    const { status, stdout, stderr } = await runCli(["algorithms", "nonsense"]);
    expect(status).toBe(2);
    expect(stdout).toBe("");
    expect(stderr.match(/nonsense/g)).toHaveLength(1);
  });

  it("lists the algorithms as one JSON document", async () => {
    const { status, stdout } = await runCli(["algorithms", "list", "--json"]);
    expect(status).toBe(0);
    const { algorithms } = JSON.parse(stdout) as { algorithms: { id: string; hash: string }[] };
    expect(algorithms.map(({ id }) => id)).toContain("logistic-regression");
    for (const { hash } of algorithms) expect(hash).toMatch(/^0x[0-9a-f]{64}$/);
  });

  it("makes a key file that only its owner can read, and does not overwrite it", async () => {
    const out = file("seller.keys.json");
    const made = await runCli(["keys", "new", "seller", "--out", out, "--json"]);
    expect(made.status).toBe(0);
    expect(made.stdout).not.toContain("secret");
    expect((await stat(out)).mode & 0o777).toBe(0o600);
    const again = await runCli(["keys", "new", "seller", "--out", out, "--json"]);
    expect(again.status).toBe(2);
    expect(JSON.parse(again.stdout).error.code).toBe("USAGE");
  });

  it("exits 4 when the bridge does not answer", async () => {
    const { status, stdout } = await runCli(["buyer", "browse", "--bridge", "http://127.0.0.1:9", "--json"]);
    expect(status).toBe(4);
    expect(JSON.parse(stdout).error).toEqual({
      code: "BRIDGE_UNREACHABLE",
      message: "the bridge at http://127.0.0.1:9 does not answer",
      hint: "is the bridge running there? --bridge URL or SYMBOLON_BRIDGE names another; or say with --deployment FILE where the contracts are",
    });
  });

  it("names the chain that does not answer, without what may be secret in its address", async () => {
    await writeFile(file("deployment.json"), JSON.stringify(deployment));
    const rpc = "http://user:password@127.0.0.1:9/v3/key?token=secret";
    for (const line of ["buyer browse", "deploy --dev-account 0"]) {
      const { status, stdout } = await runCli([...line.split(" "), "--rpc", rpc, "--json"], {
        env: { SYMBOLON_DEPLOYMENT: file("deployment.json") },
      });
      expect(status).toBe(4);
      expect(JSON.parse(stdout).error).toEqual({
        code: "CHAIN_UNREACHABLE",
        message: "the JSON-RPC endpoint at http://127.0.0.1:9 does not tell its chain id",
        hint: "is a chain running there? --rpc URL or SYMBOLON_RPC names another",
      });
    }
  });

  it("says that the port of a chain is taken, without a stack trace", async () => {
    const other = createServer();
    other.listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    try {
      const { status, stdout, stderr } = await runCli(["chain", "--port", String(port), "--json"]);
      expect(status).toBe(2);
      expect(JSON.parse(stdout)).toEqual({
        error: {
          code: "CONFIG_INVALID",
          message: `cannot listen on 127.0.0.1 port ${port}`,
          hint: "the port is taken: end the other program or give --port 0",
        },
      });
      expect(stderr).toBe("");
    } finally {
      other.close();
    }
  });

  it.each(["nonsense", "node.example.org", "node.example.org:0", ":9600"])(
    "registers no node at %s",
    async (endpoint) => {
      const { status, stdout } = await runCli([
        ...["operator", "register", "--keys", "none.json", "--fee", "1gwei"],
        ...["--endpoint", endpoint, "--json"],
      ]);
      expect(status).toBe(2);
      const { error } = JSON.parse(stdout);
      expect(error.code).toBe("USAGE");
      expect(error.message).toContain("expected host:port, for instance node1.example.org:9600");
    },
  );

  it("refuses a bad CSV before it starts anything, and exits 2", async () => {
    await writeFile(file("bad.csv"), "x,y\n1,2\n3,many\n");
    const { status, stdout, stderr } = await runCli([
      "local",
      "statistics",
      "--data",
      file("bad.csv"),
      "--json",
    ]);
    expect(status).toBe(2);
    expect(JSON.parse(stdout).error.code).toBe("CSV_NOT_A_NUMBER");
    expect(stdout + stderr).not.toContain("many");
    expect(stderr).not.toContain("chain");
  });
});
