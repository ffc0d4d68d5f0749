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
import { signProgress } from "../../contracts/eip712.ts";
import { exactMicroRho, membersOnly, openRules, openTerms } from "../../contracts/use-terms.ts";
import {
  algorithm,
  feeWei,
  type MarketOnChain,
  OperatorsOnChain,
  priceWei,
  startMarket,
} from "./market-on-chain.ts";

let market: MarketOnChain;
let operators: OperatorsOnChain;
let folder: string;
let bridge: RunningBridge;
let client: BridgeClient;
const purse = HDNodeWallet.createRandom();
let offers = 0;
/** Of the offers of jobs that spend of it. */
const budgetMicroRho = 5_000n;

beforeAll(async () => {
  market = await startMarket();
  operators = new OperatorsOnChain(market, () => client);
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

/** Funds a job over an offer of its own. */
async function fund(inSec = 600, microRho = exactMicroRho): Promise<string> {
  const budget = microRho === exactMicroRho ? exactMicroRho : budgetMicroRho;
  const { offer } = await market.publish(`bridge test ${++offers}`, budget);
  return (await market.fund(offer, inSec, microRho)).job;
}

const reached = (id: string, state: JobView["state"]) =>
  client.waitForJob(id, (view) => view.state === state, { timeoutMs: 8000 });

describe("a job", () => {
  test("is joined, attested and settled, with a receipt of each step", async () => {
    const id = await fund();
    const seen = await reached(id, "Funded");
    expect(seen).toMatchObject({ buyer: market.buyer.address, operatorSet: market.set.id, algorithm });
    expect(seen).toMatchObject({ microRho: String(exactMicroRho), purpose: keccakOf("research") });
    expect(BigInt(seen.amountWei)).toBe(priceWei + 3n * feeWei);
    await operators.join(id);
    await reached(id, "Joined");
    const progress = { job: id, phase: "training", done: 3n, total: 10n };
    const signature = await signProgress(market.signers[1]!, market.deployment, progress);
    const operator = market.members[1]!;
    await client.postProgress(id, { operator, point: 2, phase: "training", done: 3, total: 10, signature });
    expect((await client.job(id)).progress).toEqual({ phase: "training", done: 3, total: 10 });
    await operators.attest(id);
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
    expect(await market.of(market.stranger).jobState(id)).toBe("Settled");
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
    await operators.join(id);
    await reached(id, "Joined");
    await operators.attest(id);
    await reached(id, "Attested");
    await market.of(market.buyer).accept(id);
    expect((await reached(id, "Settled")).receipts.settle).not.toBeNull();
  }, 20_000);

  test("that two operators give up is refunded at once", async () => {
    const id = await fund();
    await reached(id, "Funded");
    await operators.join(id);
    await reached(id, "Joined");
    await operators.fail(id, [3, 1]);
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
    await operators.join(id, [1, 2]);
    const before = await market.provider.getBalance(market.buyer.address);
    await market.pass(121);
    await reached(id, "Refunded");
    expect(await market.provider.getBalance(market.buyer.address)).toBe(before + priceWei + 3n * feeWei);
  }, 20_000);
});

describe("privacy budget that a job reserved", () => {
  const left = async (id: string): Promise<bigint> => {
    const {
      offers: [offer],
    } = await client.job(id);
    return (await market.of(market.stranger).offer(offer!)).budgetLeftMicroRho;
  };

  test("comes back when it ended before it was joined", async () => {
    const id = await fund(120, 1000n);
    await reached(id, "Funded");
    expect(await left(id)).toBe(budgetMicroRho - 1000n);
    await market.pass(121);
    await client.waitForJob(id, (view) => view.state === "Refunded" && view.budgetReturned, {
      timeoutMs: 8000,
    });
    expect(await left(id)).toBe(budgetMicroRho);
  }, 20_000);

  test("comes back of a joined one by the word of all three, once, also after a restart", async () => {
    const id = await fund(600, 1000n);
    await reached(id, "Funded");
    await operators.join(id);
    await reached(id, "Joined");
    await operators.fail(id, [1, 2]);
    await reached(id, "Refunded");
    await operators.unopened(id, [3, 2]);
    expect(await client.job(id)).toMatchObject({ unopened: [2, 3], budgetReturned: false });
    expect(await left(id)).toBe(budgetMicroRho - 1000n);
    await bridge.close();
    await open();
    await operators.unopened(id, [1]);
    await client.waitForJob(id, ({ budgetReturned }) => budgetReturned, { timeoutMs: 8000 });
    expect(await left(id)).toBe(budgetMicroRho);
    const sent = await market.provider.getTransactionCount(purse.address);
    await bridge.close();
    await rm(folder, { recursive: true });
    await open();
    await reached(id, "Refunded");
    // It has forgotten what the operators said, and cannot send a second time.
    await market.pass(1);
    expect(await market.provider.getTransactionCount(purse.address)).toBe(sent);
  }, 20_000);
});

/** A job whose challenge window is open. */
async function attested(): Promise<string> {
  const id = await fund();
  await reached(id, "Funded");
  await operators.join(id);
  await reached(id, "Joined");
  await operators.attest(id);
  await reached(id, "Attested");
  return id;
}

test("a dispute shows what is asked for, and settles after the window when it was answered", async () => {
  const id = await attested();
  await market.challenge(id, 2);
  const disputed = await reached(id, "Disputed");
  expect(disputed.openChallenges).toMatchObject([{ operator: market.members[1], point: 2, chunk: 0 }]);
  await market.respond(id, 2);
  await client.waitForJob(id, ({ openChallenges }) => openChallenges.length === 0, { timeoutMs: 8000 });
  expect((await client.job(id)).state).toBe("Disputed");
  const posted = (await client.jobEvents(id)).find(({ type }) => type === "ChunkPosted");
  expect(Object.keys(posted!.data)).toEqual(["operator", "point", "chunk", "heldUntilSec"]);
  await market.pass(101);
  await reached(id, "Settled");
}, 20_000);

describe("a bridge that restarts", () => {
  test("half-way goes on with nothing lost and nothing doubled", async () => {
    const id = await fund();
    await reached(id, "Funded");
    await operators.join(id, [1, 2]);
    await bridge.close();
    await open();
    expect((await client.job(id)).joins).toEqual([1, 2]);
    await operators.join(id);
    await reached(id, "Joined");
    await operators.attest(id, [2]);
    await bridge.close();
    const second = await fund();
    await open();
    await reached(second, "Funded");
    await operators.attest(id, [1, 3]);
    await reached(id, "Attested");
    const types = (await client.jobEvents(id)).map(({ type }) => type);
    await market.of(market.buyer).accept(id);
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
    await market.of(market.stranger).refund(other);
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
    const plain = (jobs: typeof known) =>
      jobs.map(({ version: _version, lastRefusal: _refusal, ...job }) => ({
        ...job,
        joins: [],
        attestations: [],
        failures: [],
      }));
    // What came back of budgets it asks the escrow once more.
    await expect.poll(async () => plain(await client.jobs())).toEqual(plain(known));
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
    .poll(() => client.offer(offer).catch(() => null))
    .toMatchObject({ terms: { priceWei: String(priceWei) }, active: true });
  const rules = { ...openRules, issuer: market.stranger.address, discountBps: 500, buyers: membersOnly };
  await market.of(market.seller).relist(offer, { ...openTerms(77n), rules });
  await expect.poll(async () => (await client.offer(offer)).terms).toMatchObject({ priceWei: "77", rules });
  expect(await client.offers({ prefix: offer.slice(0, 12) })).toMatchObject([{ id: offer }]);
  await market.of(market.seller).withdrawOffer(offer);
  await expect.poll(async () => (await client.offer(offer)).active).toBe(false);
  const active = await client.offers({ operatorSet: market.set.id, active: true });
  expect(active.map(({ id }) => id)).not.toContain(offer);
  const [operator] = (await client.operators()).filter(({ address }) => address === market.members[0]);
  expect(operator).toMatchObject({
    signer: market.signers[0]!.address,
    feeWei: String(feeWei),
    approvals: [{ operatorSet: market.set.id, algorithm }],
    status: "Active",
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

/** The last one: afterwards an operator of the market has no bond. */
test("a dispute that is not answered ends with the buyer's refund and the operator's bond", async () => {
  const id = await attested();
  await market.challenge(id, 3);
  await reached(id, "Disputed");
  await market.pass(101);
  expect((await client.job(id)).state).toBe("Disputed");
  await market.expose(id, 3);
  expect(await reached(id, "Refunded")).toMatchObject({ openChallenges: [], lastRefusal: null });
  await expect
    .poll(async () => (await client.operators()).find(({ address }) => address === market.members[2])?.status)
    .toBe("Slashed");
}, 20_000);
