/** The desk by itself: what it answers, when, and what it keeps. On a real chain: test/parties/buyer/dispute.slow.test.ts. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { id } from "ethers";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { JobState } from "../../../contracts/job-states.ts";
import type { Market } from "../../../contracts/market.ts";
import type { ChunkOpening } from "../../../contracts/market-events.ts";
import type { Place } from "../../../contracts/transactions.ts";
import { SymbolonError } from "../../../mpc/errors.ts";
import { randomBytes } from "../../../mpc/random.ts";
import { createKernel } from "../../../mpc/vector/index.ts";
import { ChallengeDesk } from "../../../parties/compute/challenge-desk.ts";
import { EvidenceStore } from "../../../parties/compute/evidence-store.ts";
import { Journal } from "../../../parties/compute/journal.ts";
import { createNodeLogger } from "../../../parties/compute/logger.ts";
import { encodeShare } from "../../../parties/data-set.ts";
import { type LedgerJob, MarketLedger } from "../../../parties/ledger.ts";
import { openChunk } from "../../../parties/result.ts";
import { Secret } from "../../../parties/secret.ts";
import { someParts } from "../../contracts/some-parts.ts";

const job = id("job 1");
const operator = "0xF39fd6e51Aad88f6F4CE6aB8827279CFFfb92266".toLowerCase();
const dueSec = 5000;
const total = 65;

let folder: string;
let evidence: EvidenceStore;
let journal: Journal;
let share: Uint8Array;
const salt = Uint8Array.from(randomBytes(32));
const origin = { jobId: job, attempt: 1, operator, point: 2 as const };

interface Answer {
  job: string;
  point: number;
  chunk: number;
  opening: ChunkOpening;
  /** Where the answer before it stands. */
  last: Place | undefined;
}
let balance: bigint;
/** What a test makes answers wait for. */
let hold: () => Promise<void>;
let answers: Answer[];
/** What the chain says to the next answers, before it takes one. */
let refusals: SymbolonError[];
let logged: string[];
let ledger: MarketLedger;
let desk: ChallengeDesk;
const contract = `0x${"34".repeat(20)}`;
const deployment = {
  chainId: 31337,
  ...{ operatorRegistry: contract, jobEscrow: contract, disputes: contract },
  ...{ gradientRounds: contract, reviewExchange: contract },
  blockNumber: 1,
};
let places = 0;
/** Chunks of which the contract says that this operator owes them. */
let owed: number[];
/** The roots that answers are to name. */
let expected: { resultRoot: string; payoutRoot: string };
/** How often the whole chain was read. */
let reads: number;
const outcome = { parts: someParts, resultRoot: id("result"), payoutRoot: id("payouts"), budgetSpent: 0n };

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "symbolon-challenges-"));
  journal = new Journal(folder, deployment, operator);
  evidence = await EvidenceStore.open(join(folder, "evidence"), new Secret(randomBytes(32)));
  const kernel = await createKernel(127);
  const values = kernel.allocate(total);
  kernel.fromBigints(
    values,
    Array.from({ length: total }, () => BigInt(`0x${randomBytes(15).toString("hex")}`)),
  );
  share = encodeShare(kernel, values, { rows: total, cols: 1, fracBits: 0, point: 2 });
  await evidence.keep({ origin, salt, share });
  hold = async () => {};
  balance = 3_000_000n;
  [answers, refusals, logged, ledger] = [[], [], [], new MarketLedger()];
  reads = 0;
  owed = [];
  expected = { resultRoot: outcome.resultRoot, payoutRoot: outcome.payoutRoot };
  ledger.jobs.set(job, { job, outcome, state: "Disputed", changedAtSec: 0 } as LedgerJob);
  desk = new ChallengeDesk({
    ...{ operator, evidence, journal },
    mostFeePerGas: 10n ** 12n,
    logger: createNodeLogger("trace", { write: (line: string) => void logged.push(line) }),
    market: {
      provider: { getBalance: async () => balance, getFeeData: async () => ({ maxFeePerGas: 10n }) },
      fundedJob: async (name: string) => ({ job: name }),
      attestedJob: async (name: string) => {
        reads += 1;
        return { ...outcome, job: name };
      },
      openAgainst: async () => owed.length,
      isChallenged: async () => owed.length > 0,
      openChallenges: async function* () {
        for (const chunk of owed) yield { chunk, dueSec };
      },
      respond: async (...[about, point, chunk, opening, urgency]: Parameters<Market["respond"]>) => {
        const refusal = refusals.shift();
        if (refusal !== undefined) throw refusal;
        urgency?.onSend({ nonce: places++, maxFeePerGas: 1n, maxPriorityFeePerGas: 1n });
        await hold();
        expect(about).toMatchObject({ job, parts: someParts, ...expected });
        answers.push({ job: about.job, point, chunk, opening, last: urgency?.last });
        return { hash: id("answer") };
      },
    } as unknown as Market,
  });
  vi.useFakeTimers({ toFake: ["Date", "performance"] });
});
afterEach(async () => {
  vi.useRealTimers();
  await desk.close();
  journal.close();
  await rm(folder, { recursive: true, force: true });
});

function challenged(chunk: number, changes: { operator?: string; dueSec?: number } = {}): void {
  const challenge = { job, operator, point: 2, chunk, dueSec, ...changes };
  ledger.challenges.set(`${job}/2/${chunk}`, challenge);
}
const state = (now: JobState): void => void Object.assign(ledger.jobs.get(job)!, { state: now });
const review = (nowSec = 1000): Promise<void> => desk.review(ledger, nowSec, 7);
const later = (ms: number): void => void vi.advanceTimersByTime(ms);

describe("a challenge", () => {
  test("is answered with that chunk of this operator's share, and what proves it", async () => {
    challenged(1);
    await review();
    const opening = openChunk(origin, salt, share, 1);
    expect(answers).toMatchObject([{ job, point: 2, chunk: 1, opening }]);
    expect(opening.elements.length).toBe(16);
    expect(logged.join("")).toContain("challenge answered");
  });

  test("of which the endpoint told no event is answered by the contract's word, once", async () => {
    owed = [1];
    await review();
    expect(answers).toMatchObject([{ job, point: 2, chunk: 1, opening: openChunk(origin, salt, share, 1) }]);
    expect(logged.join("")).toContain("told no event");
    // As long as the answer is in no block that the ledger has, the contract counts it as owed there.
    refusals.push(new SymbolonError("NOT_FOUND", "no such challenge"));
    later(60_000);
    await review();
    expect(answers).toHaveLength(1);
    expect(desk.obstacles).toEqual([]);
    // The event comes late, and the answer's event later still.
    owed = [];
    challenged(1);
    refusals.push(new SymbolonError("NOT_FOUND", "no such challenge"));
    later(60_000);
    await review();
    expect(answers).toHaveLength(1);
    expect(desk.obstacles).toEqual([]);
  });

  test("is answered with what this node signed, where the endpoint tells nothing of the result", async () => {
    ledger.jobs.delete(job);
    const signed = { job, resultRoot: id("signed"), payoutRoot: id("signed payouts"), budgetSpent: "0" };
    const post = { operator, point: 2, attestation: signed, parts: someParts, signature: "0x" };
    journal.record(job, { kind: "attestation", digest: id("digest"), post });
    expected = { resultRoot: signed.resultRoot, payoutRoot: signed.payoutRoot };
    owed = [0];
    await review();
    expect(answers).toMatchObject([{ job, chunk: 0 }]);
    expect(reads).toBe(0);
  });

  test("keeps its share on the disk as long as the contract says that it is open", async () => {
    state("Failed");
    owed = [1];
    refusals.push(...Array.from({ length: 2 }, () => new SymbolonError("CHAIN_UNREACHABLE", "busy")));
    const week = 7 * 24 * 3600;
    ledger.jobs.get(job)!.changedAtSec = dueSec - week - 1;
    await review(dueSec);
    expect(await evidence.jobs()).toEqual([job]);
    owed = [];
    later(60_000);
    await review(dueSec);
    expect(await evidence.jobs()).toEqual([]);
  });

  test("is answered before those that are due later, one at a time", async () => {
    challenged(1, { dueSec: 4000 });
    challenged(0, { dueSec: 3000 });
    let held = 0;
    const { promise, resolve } = Promise.withResolvers<void>();
    hold = async () => {
      held += 1;
      await promise;
    };
    const reviewed = review();
    await expect.poll(() => held).toBe(1);
    await new Promise((done) => setTimeout(done, 60));
    expect(held).toBe(1);
    resolve();
    await reviewed;
    expect(answers.map(({ chunk }) => chunk)).toEqual([0, 1]);
    expect(answers.map(({ last }) => last?.nonce)).toEqual([undefined, places - 2]);
  });

  test("that could not be mined lets no other one go before it", async () => {
    challenged(1, { dueSec: 4000 });
    challenged(0, { dueSec: 3000 });
    refusals.push(new SymbolonError("CHAIN_UNREACHABLE", "not mined in time"));
    await review();
    expect([answers.length, refusals.length]).toEqual([0, 0]);
    later(6000);
    await review();
    expect(answers.map(({ chunk }) => chunk)).toEqual([0, 1]);
  });

  test("of a job is answered from one tree over its chunks", async () => {
    const read = vi.spyOn(evidence, "read");
    challenged(0);
    challenged(1);
    await review();
    expect(answers).toHaveLength(2);
    expect(read).toHaveBeenCalledOnce();
    // And the share does not stay in memory longer than it is asked for.
    ledger.challenges.clear();
    await review();
    challenged(1);
    await review();
    expect(read).toHaveBeenCalledTimes(2);
  });

  test("is answered from what the node has read of the chain, and never from all of it again", async () => {
    challenged(0);
    challenged(1);
    await review();
    expect([answers.length, reads]).toEqual([2, 0]);
  });

  test("about a job that the endpoint left out is answered from one reading of the chain", async () => {
    ledger.jobs.clear();
    challenged(0);
    challenged(1);
    await review();
    expect([answers.length, reads]).toEqual([2, 1]);
  });

  test("that cannot be paid for, or is about a lost result, is an obstacle until it is answered", async () => {
    challenged(0);
    refusals.push(new SymbolonError("FUNDS_MISSING", "no ETH"));
    await review();
    expect(desk.obstacles).toEqual(["the operator's account cannot pay for the answer to a challenge"]);
    later(6000);
    await review();
    expect(desk.obstacles).toEqual([]);
    await evidence.drop(job);
    ledger.challenges.clear();
    await review();
    challenged(1);
    await review();
    expect(desk.obstacles).toEqual(["challenged for a result that is not on this node's disk"]);
  });

  test("is answered once, while it is being answered and while the ledger does not show the answer", async () => {
    challenged(0);
    challenged(1);
    await Promise.all([review(), review()]);
    await review();
    expect(answers.map(({ chunk }) => chunk).toSorted()).toEqual([0, 1]);
  });

  test("is not answered again when its answer takes its time to be final", async () => {
    challenged(0);
    await review();
    later(60_000);
    refusals.push(new SymbolonError("NOT_FOUND", "nobody waits for chunk 0"));
    await review();
    await review();
    expect(answers).toHaveLength(1);
    // Nothing is at stake, and nobody is told so.
    expect(logged.filter((line) => line.includes('"level":50'))).toEqual([]);
  });

  test("that could not be answered is answered again after a while, for as long as it is open", async () => {
    challenged(0);
    refusals.push(
      new SymbolonError("CHAIN_UNREACHABLE", "no answer"),
      new SymbolonError("CHAIN_UNREACHABLE", "no answer"),
    );
    await review();
    await review();
    expect([answers.length, refusals.length]).toEqual([0, 1]);
    expect(logged.join("")).toContain("bond is at stake");
    later(6000);
    await review();
    expect([answers.length, refusals.length]).toEqual([0, 0]);
    later(6000);
    await review();
    expect(answers.map(({ chunk }) => chunk)).toEqual([0]);
  });

  test("is answered in its last second, and not when it is due", async () => {
    challenged(0);
    await review(dueSec + 1);
    expect(answers).toEqual([]);
    await review(dueSec);
    expect(answers).toHaveLength(1);
  });

  test("is answered again in time where the machine's clock is set back", async () => {
    challenged(0);
    refusals.push(new SymbolonError("CHAIN_UNREACHABLE", "no answer"));
    await review();
    vi.setSystemTime(Date.now() - 24 * 3600 * 1000);
    later(6000);
    await review();
    expect(answers).toHaveLength(1);
  });

  test("is answered where the disk is full, and in its place when it has to be sent again", async () => {
    vi.spyOn(journal, "answer").mockImplementation(() => {
      throw new Error("database or disk is full");
    });
    challenged(0);
    hold = () => Promise.reject(new SymbolonError("CHAIN_UNREACHABLE", "not mined in time"));
    await review();
    expect(logged.join("")).toContain("the journal could not take down");
    hold = async () => {};
    later(6000);
    await review();
    expect(answers).toMatchObject([{ chunk: 0, last: { nonce: places - 2 } }]);
    // And it is known that it was sent.
    later(60_000);
    refusals.push(new SymbolonError("NOT_FOUND", "nobody waits for chunk 0"));
    await review();
    expect(desk.obstacles).toEqual([]);
  });

  test("of another operator is not this node's", async () => {
    challenged(0, { operator: `0x${"12".repeat(20)}` });
    await review();
    expect(answers).toEqual([]);
    // Addresses come in any case.
    challenged(1, { operator: operator.toUpperCase().replace("0X", "0x") });
    await review();
    expect(answers.map(({ chunk }) => chunk)).toEqual([1]);
  });

  test("about a result that is not on the disk is called by its name", async () => {
    await evidence.drop(job);
    challenged(0);
    await review();
    expect(answers).toEqual([]);
    expect(logged.join("")).toContain("not on this node's disk");
  });

  test("is not taken up by a desk that is closed", async () => {
    await desk.close();
    challenged(0);
    await review();
    expect(answers).toEqual([]);
  });

  test("leaves no share, salt or key in the log, however it ends", async () => {
    const opening = openChunk(origin, salt, share, 0);
    const told = Buffer.from(opening.elements).toString("hex");
    challenged(0);
    // As a library would quote what it was given.
    refusals.push(Object.assign(new Error(`call failed: 0x${told}`)) as SymbolonError);
    await review();
    later(6000);
    await review();
    expect(answers).toHaveLength(1);
    const all = logged.join("").toLowerCase();
    expect(all).toContain(job);
    for (let at = 0; at + 32 <= told.length; at += 32) expect(all).not.toContain(told.slice(at, at + 32));
    for (const secret of [opening.salt.slice(2), Buffer.from(salt).toString("hex")]) {
      expect(all).not.toContain(secret);
    }
  });
});

test("an account that could not pay for an answer is told before there is a challenge", async () => {
  await review();
  expect(desk.obstacles).toEqual([]);
  balance -= 1n;
  later(600_000);
  await review();
  expect(desk.obstacles).toEqual([expect.stringContaining("cannot pay")]);
  expect(logged.filter((line) => line.includes("cannot pay"))).toHaveLength(1);
  balance += 1n;
  later(600_000);
  await review();
  expect(desk.obstacles).toEqual([]);
});

describe("the evidence", () => {
  const week = 7 * 24 * 3600;

  test.each<JobState>(["Joined", "Attested", "Disputed"])("stays while a job is %s", async (now) => {
    state(now);
    await review(week + 1);
    expect(await evidence.jobs()).toEqual([job]);
  });

  test.each<JobState>(["Settled", "Failed", "Refunded"])(
    "is dropped a week after a job is %s, not before: a reorganisation can bring a dispute back",
    async (now) => {
      state(now);
      await review(week);
      expect(await evidence.jobs()).toEqual([job]);
      await review(week + 1);
      expect(await evidence.jobs()).toEqual([]);
    },
  );

  test("stays for a job that the ledger does not know: it may be read anew", async () => {
    ledger.jobs.clear();
    await review(week + 1);
    expect(await evidence.jobs()).toEqual([job]);
  });

  test("of a refunded job stays while a challenge is open: who does not answer it loses its bond all the same", async () => {
    state("Refunded");
    challenged(0, { dueSec: week + 600 });
    refusals.push(new SymbolonError("CHAIN_UNREACHABLE", "no answer"));
    await review(week + 1);
    later(6000);
    await review(week + 1);
    expect(answers.map(({ chunk }) => chunk)).toEqual([0]);
    ledger.challenges.clear();
    await review(week + 1);
    expect(await evidence.jobs()).toEqual([]);
  });
});
