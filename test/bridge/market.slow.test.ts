/** The bridge with the real contracts on a development chain: jobs from funding to their end. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HDNodeWallet, id as keccakOf, parseEther } from "ethers";
import pino from "pino";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { BridgeClient, type JobView } from "../../bridge/client.ts";
import { parseBridgeConfig } from "../../bridge/config.ts";
import { type RunningBridge, startBridge } from "../../bridge/server.ts";
import { signAttestation, signFailure, signJoin, signProgress } from "../../contracts/eip712.ts";
import { payoutTree } from "../../contracts/payouts.ts";
import { openTerms } from "../../contracts/use-terms.ts";
import { randomBytes } from "../../mpc/random.ts";
import { algorithm, feeWei, type MarketFixture, priceWei, startMarket } from "../contracts/market-fixture.ts";

type Point = 1 | 2 | 3;
const points: Point[] = [1, 2, 3];

let market: MarketFixture;
let folder: string;
let bridge: RunningBridge;
let client: BridgeClient;
const purse = HDNodeWallet.createRandom();
let offers = 0;

beforeAll(async () => {
  market = await startMarket();
  await (await market.deployer.sendTransaction({ to: purse.address, value: parseEther("10") })).wait();
}, 120_000);
afterAll(() => market.close());

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "symbolon-bridge-"));
  await open();
});
afterEach(async () => {
  await bridge.close();
  await rm(folder, { recursive: true, force: true });
});

/** Starts the bridge on the data of the one before. */
async function open(confirmations = 0): Promise<void> {
  const config = parseBridgeConfig({
    port: 0,
    dataDir: folder,
    rpcUrl: market.chain.url,
    privateKey: purse.privateKey,
    deployment: market.deployment,
    confirmations,
    pollMs: 30,
  });
  bridge = await startBridge({
    config: { ...config, deployment: market.deployment },
    logger: pino({ level: "silent" }),
    retryBackOffMs: 100,
  });
  client = new BridgeClient({ url: bridge.url, pollMs: 50 });
}

async function fund(inSec = 600): Promise<string> {
  const { offer } = await market.publish(`bridge test ${++offers}`);
  const { job } = await market.fund([offer], inSec);
  return String(job);
}

const reached = (id: string, state: JobView["state"]) =>
  client.waitForJob(id, (view) => view.state === state, { timeoutMs: 8000 });

async function postJoins(id: string, who = points): Promise<void> {
  const { specHash } = await client.job(id);
  for (const point of who) {
    const signature = await signJoin(market.signers[point - 1]!, market.deployment, {
      job: BigInt(id),
      spec: specHash,
    });
    await client.postJoin(id, { operator: market.members[point - 1]!, signature });
  }
}

const payouts = payoutTree([{ account: keccakOf("payee").slice(0, 42), amountWei: priceWei }]);

async function postAttestations(id: string, who = points): Promise<void> {
  const { inputRoot } = await client.job(id);
  const roots = { algorithm, inputRoot, resultRoot: keccakOf("result"), payoutRoot: payouts.root };
  for (const point of who) {
    const { hash } = await client.uploadBlob(randomBytes(64));
    const typed = { ...roots, job: BigInt(id), budgetSpent: 0n };
    await client.postAttestation(id, {
      operator: market.members[point - 1]!,
      point,
      attestation: { ...roots, job: id, budgetSpent: "0" },
      resultCiphertext: hash,
      resultShareRoot: keccakOf(`share ${point}`),
      signature: await signAttestation(market.signers[point - 1]!, market.deployment, typed),
    });
  }
}

async function postFailures(id: string, who: Point[]): Promise<void> {
  for (const point of who) {
    const reason = `PEER_LOST`;
    const signature = await signFailure(market.signers[point - 1]!, market.deployment, {
      job: BigInt(id),
      reason,
    });
    await client.postFailure(id, { operator: market.members[point - 1]!, point, reason, signature });
  }
}

describe("a job", () => {
  test("is joined, attested and settled, with a receipt of each step", async () => {
    const id = await fund();
    const seen = await reached(id, "Funded");
    expect(seen).toMatchObject({ buyer: market.buyer.address, operatorSet: market.set.id, algorithm });
    expect(BigInt(seen.amountWei)).toBe(priceWei + 3n * feeWei);
    await postJoins(id);
    await reached(id, "Joined");
    const progress = { job: BigInt(id), phase: "training", done: 3n, total: 10n };
    const signature = await signProgress(market.signers[1]!, market.deployment, progress);
    const operator = market.members[1]!;
    await client.postProgress(id, { operator, point: 2, phase: "training", done: 3, total: 10, signature });
    expect((await client.job(id)).progress).toEqual({ phase: "training", done: 3, total: 10 });
    await postAttestations(id);
    const attested = await reached(id, "Attested");
    expect(attested.attestations.map(({ point }) => point)).toEqual([1, 2, 3]);
    await market.pass(101);
    const settled = await reached(id, "Settled");
    const { fund: funded, join: joined, attest, settle, fail, refund } = settled.receipts;
    expect([fail, refund]).toEqual([null, null]);
    for (const hash of [funded, joined, attest, settle]) {
      expect((await market.provider.getTransactionReceipt(hash!))?.status).toBe(1);
    }
    expect(new Set([funded, joined, attest, settle]).size).toBe(4);
    expect(await market.of(market.stranger).jobState(BigInt(id))).toBe("Settled");
    expect((await client.jobEvents(id)).map(({ type }) => type)).toEqual([
      "Funded",
      ...Array(3).fill("JoinPosted"),
      "Joined",
      ...Array(3).fill("AttestationPosted"),
      "Attested",
      "Settled",
    ]);
  }, 20_000);

  test("accepted by its buyer settles at once", async () => {
    const id = await fund();
    await reached(id, "Funded");
    await postJoins(id);
    await reached(id, "Joined");
    await postAttestations(id);
    await reached(id, "Attested");
    await market.of(market.buyer).accept(BigInt(id));
    expect((await reached(id, "Settled")).receipts.settle).not.toBeNull();
  }, 20_000);

  test("that two operators give up is refunded at once", async () => {
    const id = await fund();
    await reached(id, "Funded");
    await postJoins(id);
    await reached(id, "Joined");
    await postFailures(id, [3, 1]);
    const before = await market.provider.getBalance(market.buyer.address);
    const refunded = await reached(id, "Refunded");
    expect(refunded.failures.map(({ point }) => point)).toEqual([1, 3]);
    expect(refunded.receipts).toMatchObject({
      fail: expect.any(String),
      refund: expect.any(String),
      settle: null,
    });
    const after = await market.provider.getBalance(market.buyer.address);
    expect([0n, priceWei + 3n * feeWei]).toContain(after - before);
    expect((await client.jobEvents(id)).find(({ type }) => type === "Failed")?.data.reasons).toEqual([
      "PEER_LOST",
      "PEER_LOST",
    ]);
  }, 20_000);

  test("that nobody does is refunded after its deadline", async () => {
    const id = await fund(120);
    await reached(id, "Funded");
    await postJoins(id, [1, 2]);
    const before = await market.provider.getBalance(market.buyer.address);
    await market.pass(121);
    await reached(id, "Refunded");
    expect(await market.provider.getBalance(market.buyer.address)).toBe(before + priceWei + 3n * feeWei);
  }, 20_000);
});

describe("a bridge that restarts", () => {
  test("half-way goes on with nothing lost and nothing doubled", async () => {
    const id = await fund();
    await reached(id, "Funded");
    await postJoins(id, [1, 2]);
    await bridge.close();
    await open();
    expect((await client.job(id)).joins).toEqual([1, 2]);
    await postJoins(id);
    await reached(id, "Joined");
    await postAttestations(id, [2]);
    await bridge.close();
    const second = await fund();
    await open();
    await reached(second, "Funded");
    await postAttestations(id, [1, 3]);
    await reached(id, "Attested");
    const types = (await client.jobEvents(id)).map(({ type }) => type);
    await market.of(market.buyer).accept(BigInt(id));
    expect(types.filter((type) => type === "JoinPosted")).toHaveLength(3);
    expect(types.filter((type) => type === "AttestationPosted")).toHaveLength(3);
    expect(types.filter((type) => ["Funded", "Joined", "Attested"].includes(type))).toEqual([
      "Funded",
      "Joined",
      "Attested",
    ]);
  }, 20_000);

  test("does what fell due while it was away, also after others did", async () => {
    const id = await fund(120);
    const other = await fund(120);
    await reached(other, "Funded");
    await bridge.close();
    await market.pass(121);
    await market.of(market.stranger).refund(BigInt(other));
    const sentBefore = await market.provider.getTransactionCount(purse.address);
    await open();
    await Promise.all([reached(id, "Refunded"), reached(other, "Refunded")]);
    // The jobs of the other tests have ended or are not due, so one refund is all there was to send.
    expect(await market.provider.getTransactionCount(purse.address)).toBe(sentBefore + 1);
  }, 20_000);

  test("with an empty store learns everything from the chain", async () => {
    const id = await fund();
    await reached(id, "Funded");
    const known = await client.jobs();
    await bridge.close();
    await rm(folder, { recursive: true });
    await open();
    await reached(id, "Funded");
    const again = await client.jobs();
    const plain = (jobs: typeof known) =>
      jobs.map(({ version: _version, lastRefusal: _refusal, ...job }) => ({
        ...job,
        joins: [],
        attestations: [],
        failures: [],
      }));
    expect(plain(again)).toEqual(plain(known));
  }, 20_000);
});

test("confirmations hold a job back until blocks stand on it", async () => {
  await bridge.close();
  await open(2);
  const id = await fund();
  await new Promise((resolve) => setTimeout(resolve, 150));
  await expect(client.job(id)).rejects.toMatchObject({ code: "NOT_FOUND" });
  await market.pass(1);
  await market.pass(1);
  await reached(id, "Funded");
}, 20_000);

test("the market is listed as the chain has it", async () => {
  const { offer } = await market.publish(`listed ${++offers}`);
  await expect
    .poll(() => client.offer(String(offer)).catch(() => null))
    .toMatchObject({ terms: { priceWei: String(priceWei) }, active: true });
  await market.of(market.seller).relist(offer, openTerms(77n));
  await expect.poll(async () => (await client.offer(String(offer))).terms.priceWei).toBe("77");
  await market.of(market.seller).withdrawOffer(offer);
  await expect.poll(async () => (await client.offer(String(offer))).active).toBe(false);
  const active = await client.offers({ operatorSet: market.set.id, active: true });
  expect(active.map(({ id }) => id)).not.toContain(String(offer));
  const [operator] = (await client.operators()).filter(({ address }) => address === market.members[0]);
  expect(operator).toMatchObject({
    signer: market.signers[0]!.address,
    feeWei: String(feeWei),
    approvals: [algorithm],
    active: true,
  });
  expect(await client.sets()).toEqual([{ id: market.set.id, members: market.members }]);
});

test("the chain's refusals are words on the job", async () => {
  const id = await fund(120);
  await reached(id, "Funded");
  const empty = HDNodeWallet.createRandom();
  await bridge.close();
  const config = parseBridgeConfig({
    port: 0,
    dataDir: folder,
    rpcUrl: market.chain.url,
    privateKey: empty.privateKey,
    deployment: market.deployment,
    confirmations: 0,
    pollMs: 30,
  });
  bridge = await startBridge({
    config: { ...config, deployment: market.deployment },
    logger: pino({ level: "silent" }),
  });
  client = new BridgeClient({ url: bridge.url, pollMs: 50 });
  await market.pass(121);
  const view = await client.waitForJob(id, ({ lastRefusal }) => lastRefusal !== null, { timeoutMs: 8000 });
  expect(view.lastRefusal?.kind).toBe("refund");
  expect(["FUNDS_MISSING", "CHAIN_UNREACHABLE"]).toContain(view.lastRefusal?.code);
}, 20_000);
