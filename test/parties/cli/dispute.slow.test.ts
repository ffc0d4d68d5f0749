/**
 * A result of which one share never reached the bridge, with real processes and nothing but the command line: the
 * buyer asks for it on chain, and the node itself posts it.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createKeys, saveKeys } from "../../../parties/keys.ts";
import { type SharedMarket, sharedMarket } from "../local/shared-market.ts";
import { runCli } from "./run-cli.ts";

let shared: SharedMarket;
let folder = "";
let env: Record<string, string> = {};
/** Name of the job, and its result as it was read while it was whole. */
let job = "";
let whole: { model: unknown; rows: number };

async function symbolon(line: string) {
  const { status, stdout, stderr } = await runCli([...line.split(" "), "--json"], { cwd: folder, env });
  return { status, document: JSON.parse(stdout), stderr };
}

/** Whoever withholds a share from the bridge leaves it without one: here it is taken out of its store. */
async function withhold(point: number): Promise<void> {
  const { market } = shared;
  const { attestations } = await market.bridge.job(job);
  const hash = attestations[0]!.parts.ciphertextHashes[point - 1]!;
  await rm(join(market.folder, "bridge", "blobs", hash.slice(2, 4), hash.slice(4)));
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "symbolon-cli-dispute-"));
  shared = await sharedMarket();
  const { market } = shared;
  await writeFile(join(folder, "deployment.json"), JSON.stringify(market.deployment));
  env = {
    SYMBOLON_RPC: market.rpcUrl,
    SYMBOLON_BRIDGE: market.bridge.url,
    SYMBOLON_DEPLOYMENT: join(folder, "deployment.json"),
  };
  for (const role of ["seller", "buyer"] as const) {
    const keys = createKeys(role);
    await saveKeys(keys, join(folder, `${role}.json`));
    await market.fund(keys.account.privateKey.hex());
  }
  // 33 columns make 66 numbers: two chunks of a share, the second of two numbers.
  const columns = Array.from({ length: 33 }, (_, i) => i);
  const line = (row: number) => columns.map((column) => ((row + 1) * (column + 3)) % 17).join(",");
  const csv = [columns.map((column) => `c${column}`).join(","), ...[0, 1, 2, 3].map(line)].join("\n");
  await writeFile(join(folder, "data.csv"), csv);
  const offered = await symbolon("seller offer --keys seller.json --data data.csv --price 0.01eth");
  const offer: string = offered.document.offer;
  const run = await symbolon(`buyer run statistics --offers ${offer} --keys buyer.json`);
  expect(run.status).toBe(0);
  whole = run.document;
  job = run.document.job;
});
afterAll(async () => {
  await shared?.stop();
  await rm(folder, { recursive: true, force: true });
});

describe("a buyer whose result lacks a share", () => {
  it("hears that there is nothing to dispute while it does not", async () => {
    const { status, document } = await symbolon(`buyer dispute ${job} --keys buyer.json`);
    expect([status, document.outcome, document.txHash]).toEqual([0, "sound", null]);
    expect(document.result.model).toEqual(whole.model);
  });

  it("is asked for its consent, in words, before a share is asked for on chain", async () => {
    await withhold(2);
    const line = `buyer dispute ${job.slice(0, 12)} --keys buyer.json`;
    const { status, document } = await symbolon(line);
    expect([status, document.error.code]).toEqual([3, "TERMS_REFUSED"]);
    expect(document.error.message).toContain("the share of party 2 is missing");
    expect(document.error.message).toContain("put the result together");
    expect(document.error.hint).toContain("2 chunks, for 0.002 ETH");
    expect(document.error.hint).toContain("--disclose");
    const people = await runCli(line.split(" "), { cwd: folder, env });
    expect(people.status).toBe(3);
    expect(people.stderr).toContain("--disclose");
    expect(await shared.market.reader.jobState(job)).toBe("Attested");
  });

  it("is not let accept what it cannot read", async () => {
    const { status, document } = await symbolon(`buyer accept ${job} --keys buyer.json`);
    expect([status, document.error.code]).toEqual([4, "PEER_TIMEOUT"]);
    expect(document.error.message).toContain("party 2 has not delivered");
    expect(document.error.hint).toContain("symbolon buyer dispute");
    expect(await shared.market.reader.jobState(job)).toBe("Attested");
  });

  it("has it posted by the node, and reads the result that was withheld", async () => {
    const { market } = shared;
    const { status, document, stderr } = await symbolon(
      `buyer dispute ${job} --keys buyer.json --disclose --out result.json`,
    );
    expect([status, document.outcome]).toEqual([0, "posted"]);
    expect(document.result.model).toEqual(whole.model);
    expect(document.result.rows).toBe(whole.rows);
    expect(JSON.parse(await readFile(join(folder, "result.json"), "utf8"))).toEqual(document.result);
    expect(stderr).toContain("party 2 has posted what it was asked for");
    // The node's own account sent them, through its own endpoint.
    const operator = market.operators[1].keys.owner.address;
    const posted = (await market.reader.jobEvents(job)).filter(({ type }) => type === "ChunkPosted");
    expect(posted).toMatchObject([{ operator }, { operator }]);
    for (const { txHash } of posted) {
      expect((await market.provider.getTransaction(txHash))?.from).toBe(operator);
    }
  });

  it("can accept the result then, and everybody is paid", async () => {
    expect((await symbolon(`buyer accept ${job} --keys buyer.json`)).status).toBe(0);
    const claimed = await symbolon("seller claim --keys seller.json");
    expect(claimed.document).toMatchObject({ jobs: [job], amountWei: "10000000000000000" });
  });
});
