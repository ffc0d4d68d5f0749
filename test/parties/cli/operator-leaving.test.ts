/** The way of an operator out of the market: what its commands say while it is leaving, and when it has left. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MarketReader } from "../../../contracts/market-reader.ts";
import { createKeys, saveKeys } from "../../../parties/keys.ts";
import { readLedger } from "../../../parties/market-history.ts";
import { payoutPlan } from "../../../parties/payout-plan.ts";
import {
  algorithm,
  bytes32,
  type MarketFixture,
  settings,
  startMarket,
} from "../../contracts/market-fixture.ts";
import { feeWei } from "../../contracts/operator-keys.ts";
import { runInProcess } from "./in-process.ts";

let market: MarketFixture;
let reader: MarketReader;
let folder: string;
let address: string;
const file = (name: string) => join(folder, name);
const token = "0x1111111111111111111111111111111111111111";

beforeAll(async () => {
  market = await startMarket();
  reader = new MarketReader(market.deployment, market.provider);
  folder = await mkdtemp(join(tmpdir(), "symbolon-leaving-"));
  await writeFile(file("deployment.json"), JSON.stringify(market.deployment));
  const [, owner] = market.owners;
  ({ address } = owner);
  await saveKeys(createKeys("operator", { owner: owner.privateKey }), file("keys.json"));
  await saveKeys(createKeys("operator"), file("stranger.json"));

  // A settled job, whose fee the operator has not drawn.
  const { offer } = await market.publish("left");
  const { job } = await market.fund([offer]);
  await market.join(job);
  const { payout } = (await readLedger(reader)).jobs.get(job)!;
  await market.attest(job, payoutPlan(payout).tree.root);
  await market.of(market.buyer).accept(job);
}, 60_000);
afterAll(async () => {
  await market.close();
  await rm(folder, { recursive: true, force: true });
});

/** Runs `symbolon operator`. @returns with it the document, and how many transactions the account sent */
async function operator(line: string, keys = "keys.json") {
  const before = await market.provider.getTransactionCount(address);
  const run = await runInProcess([
    ...["operator", ...line.split(" "), "--keys", file(keys)],
    ...["--rpc", market.chain.url, "--deployment", file("deployment.json")],
  ]);
  const sent = (await market.provider.getTransactionCount(address)) - before;
  const document = line.includes("--json") ? JSON.parse(run.stdout) : undefined;
  return { ...run, sent, document };
}

describe("an operator that is leaving", () => {
  let leaving: string;
  beforeAll(async () => {
    await market.of(market.owners[1]).acceptToken(token, 1n);
    const { document } = await operator("leave --json");
    const at = new Date(document.withdrawableAtSec * 1000).toISOString();
    leaving = `operator ${address} is leaving, and takes no new jobs any more; its bond can be withdrawn from ${at} on`;
  });

  test.each([
    "register --endpoint 127.0.0.1:1 --fee 1gwei",
    `approve ${bytes32("another")}`,
    `accept-token ${token} --fee 2`,
  ])("is told by %s until when, and what it can do then; nothing is sent", async (line) => {
    const { status, sent, document } = await operator(`${line} --json`);
    expect([status, sent]).toEqual([3, 0]);
    expect(document.error).toMatchObject({
      ...{ code: "STATE_INVALID", message: leaving },
      hint: expect.stringMatching(
        /after `(npx )?symbolon operator withdraw-bond --keys .*` it can register again/,
      ),
    });
  });

  test.each([`revoke ${algorithm}`, `refuse-token ${token}`, "update --endpoint 127.0.0.1:7"])(
    "is told so by %s, which is sent all the same",
    async (line) => {
      const { status, sent, stderr } = await operator(line);
      expect([status, sent]).toEqual([0, 1]);
      expect(stderr).toContain(leaving);
    },
  );
});

describe("an operator that has left", () => {
  beforeAll(async () => {
    await market.pass(settings.unbondingSec);
    expect(await operator("withdraw-bond")).toMatchObject({ status: 0, sent: 1 });
  });

  test("sees by its status that the bond is back, and what is still to be had", async () => {
    const { status, document } = await operator("status --json");
    const bondReturn = { amountWei: String(settings.minBondWei), txHash: expect.stringMatching(/^0x/) };
    expect([status, document]).toMatchObject([
      0,
      { address, status: "None", bondReturn, claimableWei: String(feeWei), jobs: 1, owed: { chunks: 0 } },
    ]);
    const { stdout } = await operator("status");
    expect(stdout).toMatch(/status +left\nbond +1 ETH came back at \d{4}-/);
    expect(stdout).toMatch(/can be claimed +1000 wei\n/);
    expect(stdout).toContain("symbolon operator register");
    const claim = /symbolon operator (claim --keys .*)\n/.exec(stdout);
    expect(claim).not.toBeNull();
    expect(await operator("claim")).toMatchObject({ status: 0, sent: 1 });
  });

  test("is told by withdraw-bond that it is back already; nothing is sent", async () => {
    const { status, sent, document } = await operator("withdraw-bond --json");
    expect([status, sent, document]).toMatchObject([
      ...[0, 0],
      { operator: address, txHash: null, bondReturn: { amountWei: String(settings.minBondWei) } },
    ]);
    expect((await operator("withdraw-bond")).stdout).toMatch(
      /^nothing to do: the bond of 1 ETH is back already/,
    );
  });

  test("is not taken for one that never came, and one that came back not for one that has left", async () => {
    const { status, document } = await operator("status --json", "stranger.json");
    expect([status, document.error]).toMatchObject([
      2,
      {
        code: "NOT_FOUND",
        message: expect.stringContaining("never registered"),
        hint: expect.stringContaining("operator register"),
      },
    ]);
    const unregistered = await operator("withdraw-bond --json", "stranger.json");
    expect(unregistered.status).toBe(3);
    expect(unregistered.document.error.message).toContain("is not registered");

    const updated = await operator("update --fee 1gwei --json", "stranger.json");
    expect([updated.status, updated.document.error.hint]).toEqual([2, expect.stringContaining("register")]);

    expect((await operator("register --endpoint 127.0.0.1:8 --fee 1gwei")).status).toBe(0);
    expect((await operator("status")).stdout).toMatch(/status +Active\n/);
    expect((await operator("withdraw-bond --json")).document.error.hint).toContain("operator leave");
  });
});
