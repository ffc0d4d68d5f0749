import { stat } from "node:fs/promises";
import { Wallet } from "ethers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openTerms } from "../../../contracts/use-terms.ts";
import { BuyerClient } from "../../../parties/buyer/client.ts";
import { parseTable, type Table } from "../../../parties/data/csv.ts";
import { type DataSetSchema, deriveSchema } from "../../../parties/data/schema.ts";
import { type BuyerKeys, createKeys, type SellerKeys } from "../../../parties/keys.ts";
import { readLocalInputs } from "../../../parties/local/inputs.ts";
import { localPriceWei, runLocalJob } from "../../../parties/local/run-job.ts";
import { tamperChecks } from "../../../parties/local/tamper.ts";
import { publishDataSet } from "../../../parties/seller/client.ts";
import { claimEarnings, earningsOf } from "../../../parties/seller/earnings.ts";
import { exportBundle } from "../../../parties/verify/bundle.ts";
import { compareWithChain, verifyBundle } from "../../../parties/verify/check.ts";
import { alterBlob, type SharedMarket, sharedMarket } from "./shared-market.ts";

let shared: SharedMarket;
beforeAll(async () => {
  shared = await sharedMarket();
});
afterAll(() => shared?.stop());

const csv = (text: string): Promise<Table> => parseTable(text, {}, "rows.csv");

async function seller(): Promise<SellerKeys> {
  const keys = createKeys("seller");
  await shared.market.fund(keys.account.privateKey.hex(), "1");
  return keys;
}

async function buyer(ether = "10"): Promise<{ keys: BuyerKeys; client: BuyerClient }> {
  const { market } = shared;
  const keys = createKeys("buyer");
  const wallet = await market.fund(keys.account.privateKey.hex(), ether);
  const { address } = keys.account;
  const connection = {
    bridge: market.bridge,
    market: market.as(wallet),
    buyer: address,
    resultKey: keys.resultKey,
  };
  return { keys, client: new BuyerClient(connection) };
}

async function offer(keys: SellerKeys, table: Table, schema?: DataSetSchema) {
  const { market } = shared;
  const wallet = new Wallet(keys.account.privateKey.hex(), market.provider);
  return publishDataSet(
    { bridge: market.bridge, market: market.as(wallet), seller: keys.account.address },
    {
      table,
      schema: schema ?? deriveSchema([table]),
      operatorSet: market.operatorSet,
      terms: openTerms(localPriceWei),
    },
  );
}

/** A small offer that nobody else uses. */
async function freshOffer() {
  return offer(await seller(), await csv("a\n1\n2\n4\n"));
}

describe("a market of real processes", () => {
  it("runs a paid job whose result, cost and payouts are what they should be", async () => {
    const { market } = shared;
    const tables = [await csv("a,b\n1,10\n2,20\n"), await csv("b,a\n-30,3\n5,8\n0,1\n")];
    const schema = deriveSchema(tables, { fracBits: 30 });
    const { algorithm } = await readLocalInputs({
      algorithm: "statistics",
      data: [new URL("../../../parties/data/examples/breast-cancer.csv", import.meta.url).pathname],
    });
    const paid = new Map<string, bigint>();
    const { result } = await runLocalJob(
      market,
      { algorithm, parameters: {}, tables, schema, derived: true },
      { paid: (account, amountWei) => paid.set(account, amountWei) },
      new AbortController().signal,
    );
    const { file } = result;
    const columns = file.model.columns as Record<string, Record<string, number>>;
    expect(columns.a!.mean).toBeCloseTo(3, 6);
    expect(columns.a!.variance).toBeCloseTo(8.5, 5);
    expect(columns.b!.sum).toBeCloseTo(5, 5);
    expect(columns.b!.count).toBe(5);
    expect(file).toMatchObject({
      algorithm: { id: "statistics", version: "1.0.0", hash: expect.stringMatching(/^0x[0-9a-f]{64}$/) },
      rows: 5,
      privacy: { epsilon: null, delta: null, rho: null },
      receipts: {
        fund: expect.stringMatching(/^0x/),
        attest: expect.stringMatching(/^0x/),
        settle: expect.stringMatching(/^0x/),
      },
    });
    // Measured equals declared.
    expect(file.run.rounds).toBe(file.run.declared.rounds);
    expect(file.run.bytesSent).toBe(file.run.declared.bytes);
    expect(file.run.openings).toEqual(file.run.declared.openings);
    expect(file.payouts.map(({ party }) => party)).toEqual([
      "seller",
      "seller",
      "operator",
      "operator",
      "operator",
    ]);
    for (const { address, amountWei } of file.payouts) expect(paid.get(address)).toBe(BigInt(amountWei));

    // Nothing is left to claim, and nothing is left in the escrow.
    const [first] = file.payouts;
    expect(await earningsOf(market.reader, first!.address)).toMatchObject({
      claimableWei: 0n,
      claimedWei: localPriceWei,
    });
    const { unclaimedWei } = await market.reader.job(file.job);
    expect(unclaimedWei).toBe(0n);

    // The public record holds by itself and against the chain.
    const bundle = await exportBundle({ bridge: market.bridge, market: market.reader }, file.job);
    const { valid, checks } = await verifyBundle(bundle);
    expect(checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(valid).toBe(true);
    expect((await compareWithChain(bundle, market.reader)).every(({ ok }) => ok)).toBe(true);
    bundle.offers[0]!.priceWei = String(localPriceWei + 1n);
    expect((await compareWithChain(bundle, market.reader)).every(({ ok }) => ok)).toBe(false);
  });

  it("pays nobody before the buyer accepts, everybody once afterwards, and opens the result for the buyer alone", async () => {
    const { market } = shared;
    const owner = await seller();
    const { offer: id } = await offer(owner, await csv("a\n5\n7\n"));
    const { keys, client } = await buyer();
    const proposal = await client.propose({ algorithm: "statistics", offers: [id] });
    const { job } = await client.fund(proposal, 600);
    const phases = new Set<string>();
    await client.waitForResult(job, {
      onView: (view) => void (view.progress && phases.add(view.progress.phase)),
    });
    const { file } = await client.result(job);
    expect((file.model.columns as Record<string, { mean: number }>).a!.mean).toBeCloseTo(6, 4);

    const asSeller = market.as(new Wallet(owner.account.privateKey.hex(), market.provider));
    const { address } = owner.account;
    await expect(claimEarnings(asSeller, address)).rejects.toMatchObject({
      code: "STATE_INVALID",
      exitCode: 3,
    });
    expect((await earningsOf(market.reader, address)).jobs).toMatchObject([{ job, state: "window" }]);

    const stranger = await buyer();
    await expect(stranger.client.result(job)).rejects.toMatchObject({ code: "KEY_INVALID", exitCode: 2 });
    await expect(stranger.client.accept(job)).rejects.toMatchObject({ exitCode: 3 });
    await expect(client.refund(job)).rejects.toMatchObject({ exitCode: 3 });

    for (const { what, caught } of await tamperChecks(market, job, keys.resultKey)) {
      expect({ what, code: caught?.code }).toEqual({ what, code: "RESULT_TAMPERED" });
    }

    await client.accept(job);
    expect((await claimEarnings(asSeller, address)).amountWei).toBe(localPriceWei);
    await expect(claimEarnings(asSeller, address)).rejects.toMatchObject({ code: "STATE_INVALID" });

    // Last: the sealed result of one party is altered on the bridge's disk.
    await alterBlob(
      market,
      (await exportBundle({ bridge: market.bridge, market: market.reader }, job)).attestation
        .ciphertextHashes[1],
    );
    await expect(client.result(job)).rejects.toMatchObject({ code: "COMMITMENT_MISMATCH", exitCode: 3 });
  });

  it("refuses to pay for shares that were altered in the bridge's store", async () => {
    const { market } = shared;
    const { offer: id, ciphertextHashes } = await freshOffer();
    await alterBlob(market, ciphertextHashes[2]);
    const { client } = await buyer();
    const order = { algorithm: "statistics", offers: [id] };
    await expect(client.propose(order)).rejects.toMatchObject({ code: "COMMITMENT_MISMATCH", exitCode: 3 });
  });

  it("gets the money back when shares are altered after it was paid: the parties refuse by name", async () => {
    const { market } = shared;
    const { offer: id, ciphertextHashes } = await freshOffer();
    const { keys, client } = await buyer();
    const proposal = await client.propose({ algorithm: "statistics", offers: [id] });
    await alterBlob(market, ciphertextHashes[0]);
    await alterBlob(market, ciphertextHashes[1]);
    const before = await market.provider.getBalance(keys.account.address);
    const { job } = await client.fund(proposal, 600);
    await expect(client.waitForResult(job)).rejects.toMatchObject({
      code: "COMMITMENT_MISMATCH",
      exitCode: 3,
    });
    expect(await market.reader.jobState(job)).toBe("Refunded");
    const spent = before - (await market.provider.getBalance(keys.account.address));
    // Gas alone.
    expect(spent).toBeLessThan(proposal.amountWei / 4n);
  });

  it("refuses orders that cannot be run or paid, before any money moves", async () => {
    const one = await freshOffer();
    const table = await csv("a\n1\n2\n900\n");
    const two = await offer(await seller(), table);
    const { client } = await buyer();
    const statistics = { algorithm: "statistics" };
    await expect(client.propose({ ...statistics, offers: [one.offer, two.offer] })).rejects.toMatchObject({
      code: "SCHEMA_MISMATCH",
      message: expect.stringContaining(two.offer),
      exitCode: 2,
    });
    await expect(client.propose({ algorithm: "none", offers: [one.offer] })).rejects.toMatchObject({
      exitCode: 2,
    });
    await expect(client.propose({ ...statistics, offers: [`0x${"99".repeat(32)}`] })).rejects.toMatchObject({
      code: "NOT_FOUND",
    });
    await expect(client.propose({ ...statistics, offers: [one.offer, one.offer] })).rejects.toMatchObject({
      code: "USAGE",
    });
    await expect(
      client.propose({ ...statistics, parameters: { epochs: 1 }, offers: [one.offer] }),
    ).rejects.toMatchObject({ code: "PARAMETER_INVALID", exitCode: 2 });
    await expect(
      client.propose({ algorithm: "logistic-regression", offers: [one.offer] }),
    ).rejects.toMatchObject({
      code: "SHAPE_MISMATCH",
      exitCode: 2,
    });
    const poor = await buyer("0.001");
    const proposal = await poor.client.propose({ ...statistics, offers: [one.offer] });
    await expect(poor.client.fund(proposal, 600)).rejects.toMatchObject({
      code: "FUNDS_MISSING",
      exitCode: 3,
    });
  });

  // Last, for it takes a node away and moves the clock.
  it("refunds a job whose node is down when the deadline passes", async () => {
    const { market } = shared;
    const { offer: id } = await freshOffer();
    const { client } = await buyer();
    const proposal = await client.propose({ algorithm: "statistics", offers: [id] });
    market.operators[2].node.kill();
    const { job } = await client.fund(proposal, 300);
    const waiting = expect(client.waitForResult(job)).rejects.toMatchObject({
      code: "JOB_EXPIRED",
      exitCode: 4,
    });
    await market.provider.send("evm_increaseTime", [400]);
    await market.provider.send("evm_mine", []);
    await waiting;
    expect(await market.reader.jobState(job)).toBe("Refunded");
  });

  it("leaves no process and no file behind", async () => {
    const { market, stop } = shared;
    await stop();
    for (const { running } of [market.bridgeProcess, ...market.operators.map(({ node }) => node)]) {
      expect(running).toBe(false);
    }
    await expect(stat(market.folder)).rejects.toMatchObject({ code: "ENOENT" });
  });
});
