import { join } from "node:path";
import { id, Wallet } from "ethers";
import pino from "pino";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import type { BridgeClient, JobEventView, JobSummary } from "../../../bridge/client.ts";
import { resultRoot } from "../../../contracts/commitments.ts";
import { signAttestation, signFailure, signJoin } from "../../../contracts/eip712.ts";
import { type ErrorCode, SymbolonError } from "../../../mpc/errors.ts";
import { randomId } from "../../../mpc/random.ts";
import { type NodeConfigInput, parseNodeConfig } from "../../../parties/compute/config.ts";
import { JobDesk } from "../../../parties/compute/job-desk.ts";
import { Journal } from "../../../parties/compute/journal.ts";
import { type RunResult, runJob } from "../../../parties/compute/run.ts";
import { Signatory } from "../../../parties/compute/signatory.ts";
import type { JobVerifier, VerifiedJob } from "../../../parties/compute/verify.ts";
import { readLedger } from "../../../parties/market-history.ts";
import { someParts } from "../../contracts/some-parts.ts";
import { MarketWorld } from "./market-world.ts";

// What a run comes to is not the desk's.
vi.mock(import("../../../parties/compute/run.ts"), async (original) => ({
  ...(await original()),
  runJob: vi.fn(),
}));

let world: MarketWorld;
let offers: string[];
const open: { desk: JobDesk; journal: Journal | undefined }[] = [];

beforeAll(async () => {
  world = await MarketWorld.open();
  offers = (await world.offers()).map(({ id }) => id);
});
afterEach(async () => {
  const closing = open.splice(0);
  for (const { desk } of closing) await desk.close();
  for (const { journal } of closing) journal?.close();
});
afterAll(() => world.close());

async function fund(): Promise<string> {
  const { client } = world.buyer();
  return (await client.fund(await client.propose({ algorithm: "statistics", offers }), 600)).job;
}

/** A check that takes for ever. */
const untilStopped: JobVerifier["verify"] = (_job, _nowSec, signal) =>
  new Promise((_resolve, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));

/** The desk of party 1 on the real chain, with a verifier and a bridge that say what a test wants. */
async function deskOf(
  limits: NodeConfigInput["limits"] = {},
  verify: JobVerifier["verify"] = untilStopped,
  kept?: Journal,
) {
  const { market } = world.account(12);
  const config = await parseNodeConfig(world.config(1, limits));
  const operator = world.operators[0]!.owner.address;
  const journal = kept ?? new Journal(join(world.folder, `desk-${randomId()}`), world.deployment, operator);
  const said: [string, string][] = [];
  const checked: string[] = [];
  const attested: string[] = [];
  const events: JobEventView[] = [];
  /** Jobs whose events the bridge was asked for, and when it answers. */
  const asked: string[] = [];
  const answer = { when: Promise.resolve() };
  const logger = pino({ level: "silent" });
  const bridge = {
    jobEvents: async (job: string) => {
      asked.push(job);
      await answer.when;
      return events;
    },
    job: async () => ({ attestations: [] }),
  } as unknown as BridgeClient;
  const real = new Signatory({ keys: world.operators[0]!, market, journal, bridge, logger });
  const desk = new JobDesk({
    ...{ config, operator, market, journal, logger },
    nowSec: () => Math.floor(Date.now() / 1000),
    onNotice: () => {},
    signatory: {
      join: async (id: string) => {
        journal.record(id, { kind: "join", digest: id, post: {} });
        said.push([id, "join"]);
      },
      fail: async (id: string, _point: number, reason: ErrorCode) => {
        journal.record(id, { kind: "failure", digest: reason, post: {} });
        said.push([id, reason]);
      },
      attest: async (...args: Parameters<Signatory["attest"]>) => {
        attested.push(args[1].job);
        await real.attest(...args);
      },
    } as unknown as Signatory,
    verifier: {
      verify: (...args: Parameters<JobVerifier["verify"]>) => {
        checked.push(args[0].job);
        return verify(...args);
      },
      check: async () => ({}) as VerifiedJob,
    } as unknown as JobVerifier,
    run: { bridge, delivery: { deliver: () => {} } } as never,
  });
  // A journal that is taken over is closed once.
  open.push({ desk, journal: kept === undefined ? journal : undefined });
  const review = async () => desk.review(await readLedger(market), Math.floor(Date.now() / 1000));
  return {
    market,
    desk,
    journal,
    limits: config.limits,
    said,
    checked,
    attested,
    asked,
    answer,
    events,
    review,
  };
}

/** What a bridge shows of a job that party 2 gave up. */
function notice(job: string, reason: string, signature: string) {
  const operator = world.operators[1]!.owner.address;
  const view = { id: job, failures: [{ point: 2, operator, reason }] } as unknown as JobSummary;
  const event: JobEventView = {
    ...{ sequence: 1, type: "FailurePosted", atMs: 0, txHash: null, blockNumber: null },
    data: { point: 2, operator, reason, signature },
  };
  return { view, event };
}
const signedBy = (index: number, job: string, reason: string) =>
  signFailure(new Wallet(world.operators[index]!.signer.privateKey.hex()), world.deployment, { job, reason });

describe("a peer's failure notice", () => {
  test("ends a job here too, for the peer's reason", async () => {
    const job = await fund();
    const { desk, said, events, review } = await deskOf();
    await review();
    const { view, event } = notice(job, "COMMITMENT_MISMATCH", await signedBy(1, job, "COMMITMENT_MISMATCH"));
    events.push(event);
    desk.hear(view);
    await expect.poll(() => said).toEqual([[job, "COMMITMENT_MISMATCH"]]);
  });

  test("is not believed when the bridge made it up", async () => {
    const job = await fund();
    const { desk, said, checked, events, review } = await deskOf();
    const reason = "PEER_LOST";
    for (const signature of [
      await signedBy(2, job, reason),
      await signedBy(1, id("another job"), reason),
      await signedBy(1, job, "INTERNAL"),
      `0x${"11".repeat(65)}`,
    ]) {
      events.splice(0, 1, notice(job, reason, signature).event);
      desk.hear(notice(job, reason, signature).view);
      await review();
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
    await review();
    expect(said).toEqual([]);
    expect(checked).toContain(job);
  });

  test("that cannot be read yet is asked for again", async () => {
    const job = await fund();
    const { desk, said, events, review } = await deskOf();
    await review();
    const { view, event } = notice(job, "PEER_LOST", await signedBy(1, job, "PEER_LOST"));
    desk.hear(view);
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(said).toEqual([]);
    events.push(event);
    await review();
    await expect.poll(() => said).toEqual([[job, "PEER_LOST"]]);
  });
});

describe("what a bridge makes up about failures", () => {
  const rumour = (job: string) => notice(job, "PEER_LOST", "0x").view;

  test("costs neither its endpoint nor the bridge a question where the job is not an open one of this operator", async () => {
    const [job, over, foreign] = [await fund(), await fund(), await fund()];
    const { market, desk, asked } = await deskOf();
    const ledger = await readLedger(market);
    ledger.jobs.get(over)!.state = "Refunded";
    ledger.jobs.get(foreign)!.members = [
      `0x${"12".repeat(20)}`,
      `0x${"13".repeat(20)}`,
      `0x${"14".repeat(20)}`,
    ];
    const read = vi.spyOn(market, "job");
    const getLogs = vi.spyOn(market.provider, "getLogs");
    for (const made of [over, foreign]) desk.hear(rumour(made));
    for (let made = 0; made < 2000; made += 1) desk.hear(rumour(id(`job ${made}`)));
    for (let look = 0; look < 3; look += 1) {
      for (const name of ledger.jobs.keys()) if (name !== job) ledger.jobs.get(name)!.state = "Refunded";
      desk.review(ledger, Math.floor(Date.now() / 1000));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(asked).toEqual([]);
    // The open one is checked, which reads its events; nothing else is.
    expect(read.mock.calls.every(([name]) => name === job)).toBe(true);
    read.mockClear();
    getLogs.mockClear();
    desk.hear(rumour(job));
    await expect.poll(() => asked).toEqual([job]);
    expect([read.mock.calls.length, getLogs.mock.calls.length]).toEqual([0, 0]);
    read.mockRestore();
    getLogs.mockRestore();
  });

  test("is asked about two jobs at a time, whatever their number", async () => {
    const jobs: string[] = [];
    for (let n = 0; n < 5; n += 1) jobs.push(await fund());
    const { market, desk, asked, answer } = await deskOf();
    desk.review(await readLedger(market), Math.floor(Date.now() / 1000));
    const { promise, resolve } = Promise.withResolvers<void>();
    answer.when = promise;
    for (const job of jobs) desk.hear(rumour(job));
    await new Promise((done) => setTimeout(done, 50));
    expect(asked).toHaveLength(2);
    resolve();
    await expect.poll(() => asked.toSorted()).toEqual(jobs.toSorted());
  });

  test("about a job that the ledger does not know yet is looked into when it does", async () => {
    const job = await fund();
    const { desk, said, events, review } = await deskOf();
    const { view, event } = notice(job, "PEER_LOST", await signedBy(1, job, "PEER_LOST"));
    events.push(event);
    desk.hear(view);
    await review();
    await review();
    await expect.poll(() => said).toContainEqual([job, "PEER_LOST"]);
  });
});

describe("a job that a reorganised chain has anew", () => {
  test("is the same job: what was signed for it holds, and is not signed again", async () => {
    const job = await fund();
    const { journal, said, checked, review } = await deskOf();
    journal.record(job, { kind: "join", digest: job, post: {} });
    // Each ledger is read anew, as after a reorganisation.
    await review();
    await review();
    expect(checked).not.toContain(job);
    expect(said.filter(([id]) => id === job)).toEqual([]);
  });

  test("gets no other word than the failure that was signed", async () => {
    const job = await fund();
    const { journal, said, checked, review } = await deskOf();
    journal.record(job, { kind: "failure", digest: "PEER_LOST", post: {} });
    await review();
    expect(checked).not.toContain(job);
    expect(said.filter(([id]) => id === job)).toEqual([]);
  });
});

test("a job that is attested in blocks that the node does not know, with a disk from before, gets no other word of it", async () => {
  const job = await fund();
  const { market } = world.account(13);
  const byAll = (sign: (wallet: Wallet) => Promise<string>) =>
    Promise.all(world.operators.map(({ signer }) => sign(new Wallet(signer.privateKey.hex())))) as Promise<
      [string, string, string]
    >;
  await market.join(job, await byAll((wallet) => signJoin(wallet, world.deployment, { job })));
  const { desk, journal, said, attested } = await deskOf();
  journal.record(job, { kind: "join", digest: job, post: {} });
  const ledger = await readLedger(market);
  const first = { job, resultRoot: resultRoot(someParts), payoutRoot: id("payouts"), budgetSpent: 0n };
  await market.attest(
    { ...first, parts: someParts },
    await byAll((wallet) => signAttestation(wallet, world.deployment, first)),
  );
  vi.mocked(runJob).mockResolvedValue({
    attestation: { ...first, resultRoot: id("another result") },
  } as RunResult);
  const review = () => desk.review(ledger, Math.floor(Date.now() / 1000));
  review();
  await expect.poll(() => attested).toEqual([job]);
  await new Promise((resolve) => setTimeout(resolve, 200));
  review();
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(journal.word(job, "attestation")).toBeUndefined();
  // Not even that it failed.
  expect(journal.word(job, "failure")).toBeUndefined();
  expect(said.filter(([id]) => id === job)).toEqual([]);
  expect(attested).toEqual([job]);
  // Nor after a restart: this attempt is not begun again, which would be a reason to call it failed.
  const next = await deskOf({}, untilStopped, journal);
  next.desk.review(ledger, Math.floor(Date.now() / 1000));
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(journal.word(job, "failure")).toBeUndefined();
  expect(next.said.filter(([id]) => id === job)).toEqual([]);
});

test("a job that was joined by a journal that is lost gets no word, also when a peer gives it up", async () => {
  const job = await fund();
  const { market } = world.account(13);
  const signatures = await Promise.all(
    world.operators.map(({ signer }) =>
      signJoin(new Wallet(signer.privateKey.hex()), world.deployment, { job }),
    ),
  );
  await market.join(job, signatures as [string, string, string]);
  const { desk, journal, limits, said, asked, events, review } = await deskOf();
  const { view, event } = notice(job, "PEER_LOST", await signedBy(1, job, "PEER_LOST"));
  events.push(event);
  // Heard before the job is looked at for the first time: too many others are open.
  limits.maxOpenJobs = 0;
  await review();
  desk.hear(view);
  await expect.poll(() => asked).toContain(job);
  limits.maxOpenJobs = 64;
  await review();
  await new Promise((resolve) => setTimeout(resolve, 100));
  await review();
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(journal.disowned(job)).toBe(true);
  expect(said.filter(([id]) => id === job)).toEqual([]);
});

test("a job that rests on events which the endpoint left out is given up, checked or not", async () => {
  const job = await fund();
  const { market, desk, said, checked } = await deskOf();
  const ledgerOf = async () => {
    const ledger = await readLedger(market);
    for (const name of ledger.jobs.keys()) if (name !== job) ledger.jobs.delete(name);
    return ledger;
  };
  const ledger = await ledgerOf();
  const review = () => desk.review(ledger, Math.floor(Date.now() / 1000));
  review();
  await expect.poll(() => checked).toContain(job);
  ledger.doubt([offers[1]!]);
  // The check is ended first.
  await expect
    .poll(
      () => {
        review();
        return said;
      },
      { interval: 500 },
    )
    .toContainEqual([job, "CHAIN_UNREACHABLE"]);
  const next = await deskOf();
  const again = await ledgerOf();
  again.doubt([job]);
  next.desk.review(again, Math.floor(Date.now() / 1000));
  await expect.poll(() => next.said).toEqual([[job, "CHAIN_UNREACHABLE"]]);
  expect(next.checked).not.toContain(job);
});

describe("a check", () => {
  const failWith = (code: ErrorCode) => () => Promise.reject(new SymbolonError(code, "no"));

  test("that fails is a refusal at once, with its reason", async () => {
    const job = await fund();
    const { said, review } = await deskOf({}, failWith("TERMS_REFUSED"));
    await review();
    await expect.poll(() => said.some(([id, word]) => id === job && word === "TERMS_REFUSED")).toBe(true);
    const count = said.length;
    await review();
    expect(said.length).toBe(count);
  });

  test("that could not be made is made again for a while", async () => {
    const job = await fund();
    const { said, review } = await deskOf({}, failWith("BRIDGE_UNREACHABLE"));
    await review();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(said).toEqual([]);
    const impatient = await deskOf({ verifyMs: 1 }, async () => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      throw new SymbolonError("NOT_FOUND", "no");
    });
    await impatient.review();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(impatient.said).toEqual([]);
    await expect
      .poll(
        async () => {
          await impatient.review();
          return impatient.said.some(([id, word]) => id === job && word === "NOT_FOUND");
        },
        { timeout: 8000, interval: 500 },
      )
      .toBe(true);
  });

  test("begins for so many jobs only, in the order of their funding", async () => {
    await fund();
    await fund();
    const { desk, checked, review } = await deskOf({ maxOpenJobs: 2 });
    await review();
    await expect.poll(() => checked.length).toBe(2);
    await review();
    expect([desk.openJobs, checked.length]).toEqual([2, 2]);
    // Names are hashes and say nothing about the order.
    const order = await world.account(12).market.jobs();
    expect(checked.map((job) => order.indexOf(job))).toEqual([0, 1]);
  });

  test("that succeeds is followed by a join, once", async () => {
    const job = await fund();
    const { journal, said, checked, review } = await deskOf(
      {},
      async (given) => ({ job: given, spec: { algorithm: { id: "statistics" } } }) as VerifiedJob,
    );
    await review();
    await expect.poll(() => said.filter(([id]) => id === job)).toEqual([[job, "join"]]);
    const count = checked.length;
    await review();
    await review();
    expect(checked.length).toBe(count);
    expect(journal.word(job, "join")).toBeDefined();
  });
});
