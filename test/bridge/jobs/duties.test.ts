import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Action, dueActions, isStuck, waitsUntil } from "../../../bridge/jobs/duties.ts";
import type { JobEvent } from "../../../bridge/jobs/events.ts";
import { type Job, transition } from "../../../bridge/jobs/transitions.ts";
import type { Point } from "../../../bridge/schemas.ts";
import type { JobState } from "../../../contracts/job-states.ts";
import { exactMicroRho } from "../../../contracts/use-terms.ts";
import { addressOf, funded, hashOf, jobOf, partsOf } from "../memory-chain.ts";

const chain = { blockNumber: 7, timestampSec: 5000, txHash: hashOf("transaction") };
const deadlineSec = 10_000;
const windowSec = 60;
const graceSec = 30;
const times = { challengeWindowSec: windowSec, graceSec };
const early = { chainSec: 6000, wallSec: 6000 };
const late = { chainSec: deadlineSec + 1, wallSec: 0 };

function madeWith(terms: Parameters<typeof funded>[0], ...events: JobEvent[]): Job {
  let job: Job | null = null;
  for (const event of [{ ...funded({ deadlineSec, ...terms }), chain } as JobEvent, ...events]) {
    const next = transition(job, jobOf(1), event);
    if (next.outcome === "refused") throw next.error;
    job = next.job;
  }
  return job as Job;
}
const made = (...events: JobEvent[]): Job => madeWith({}, ...events);
/** A job whose result spends of the offers' budgets. */
const withNoise = (...events: JobEvent[]): Job => madeWith({ microRho: "1000" }, ...events);

const operator = (point: Point) => addressOf(`operator ${point}`);
const join = (point: Point): JobEvent => ({
  type: "JoinPosted",
  point,
  operator: operator(point),
  signature: `join ${point}`,
});
const unopened = (point: Point): JobEvent => ({
  type: "UnopenedPosted",
  point,
  operator: operator(point),
  signature: `unopened ${point}`,
});
const fail = (point: Point, reason = "PEER_LOST"): JobEvent => ({
  type: "FailurePosted",
  point,
  operator: operator(point),
  reason,
  signature: `fail ${point}`,
});
const attest = (point: Point, digest = "digest"): JobEvent => ({
  type: "AttestationPosted",
  point,
  operator: operator(point),
  digest,
  attestation: {
    job: jobOf(1),
    resultRoot: hashOf("r"),
    payoutRoot: hashOf("p"),
    budgetSpent: "0",
  },
  parts: partsOf("result"),
  signature: `attest ${point}`,
});
const joined: JobEvent = { type: "Joined", chain };
const attested: JobEvent = {
  type: "Attested",
  chain,
  resultRoot: hashOf("r"),
  payoutRoot: hashOf("p"),
  budgetSpent: "0",
};
const failed: JobEvent = { type: "Failed", chain, reasons: [] };
const refunded: JobEvent = { type: "Refunded", chain };
const overturned: JobEvent = { type: "Overturned", chain };
const returned: JobEvent = { type: "BudgetReturned", chain, offer: hashOf("offer"), microRho: "1000" };
const chunk = { operator: operator(2), point: 2 as const, chunk: 3 };
const challenged: JobEvent = { type: "ChunkChallenged", chain, ...chunk, dueSec: 5500 };
const disputed: JobEvent = { type: "Disputed", chain };
const answered: JobEvent = { type: "ChunkPosted", chain, ...chunk, heldUntilSec: 5100 };

/** The one thing that is due, or nothing. */
function due(job: Job, clock = early): Action | null {
  const actions = dueActions(job, clock, times);
  expect(actions.length).toBeLessThan(2);
  return actions[0] ?? null;
}

describe("what is due", () => {
  test("join when all three agreed, not before", () => {
    expect(due(made(join(1), join(3)))).toBeNull();
    expect(due(made(join(3), join(1), join(2)))).toEqual({
      kind: "join",
      jobId: jobOf(1),
      signatures: ["join 1", "join 2", "join 3"],
    });
  });

  test("nothing twice: no join for a job that is joined", () => {
    expect(due(made(join(1), join(2), join(3), joined))).toBeNull();
  });

  test("attest when three signed one digest, not when they differ", () => {
    expect(due(made(joined, attest(1), attest(2)))).toBeNull();
    expect(due(made(joined, attest(1), attest(2), attest(3, "other")))).toBeNull();
    expect(due(made(joined, attest(2), attest(3), attest(1)))).toMatchObject({
      kind: "attest",
      signatures: ["attest 1", "attest 2", "attest 3"],
    });
  });

  test("attest only once the job is joined on chain", () => {
    expect(due(made(attest(1), attest(2), attest(3)))).toBeNull();
  });

  test("fail when two operators gave up, each with its own reason", () => {
    expect(due(made(fail(2)))).toBeNull();
    expect(due(made(joined, fail(3, "PEER_TIMEOUT"), fail(1)))).toEqual({
      kind: "fail",
      jobId: jobOf(1),
      notices: [
        { point: 1, reason: "PEER_LOST", signature: "fail 1" },
        { point: 3, reason: "PEER_TIMEOUT", signature: "fail 3" },
      ],
    });
  });

  test("a result that all three signed goes before failure notices", () => {
    expect(due(made(joined, attest(1), fail(1), attest(2), fail(2), attest(3)))).toMatchObject({
      kind: "attest",
    });
  });

  test("refund at once after a failure", () => {
    expect(due(made(fail(1), fail(2), failed))).toEqual({
      kind: "refund",
      jobId: jobOf(1),
    });
  });

  test("refund after the deadline by either clock, not at it", () => {
    for (const job of [made(), made(join(1), join(2), join(3))]) {
      expect(due(job, late)).toEqual({ kind: "refund", jobId: jobOf(1) });
      expect(due(job, { chainSec: 0, wallSec: deadlineSec + 1 })).toEqual({
        kind: "refund",
        jobId: jobOf(1),
      });
    }
    expect(due(made(), { chainSec: deadlineSec, wallSec: deadlineSec })).toBeNull();
  });

  test("refund of a joined job only after the grace, until when its result is still taken", () => {
    const end = deadlineSec + graceSec;
    const finished = made(joined, attest(1), attest(2), attest(3));
    expect(due(finished, { chainSec: end - 1, wallSec: end - 1 })).toMatchObject({ kind: "attest" });
    expect(due(made(joined), { chainSec: end, wallSec: end })).toBeNull();
    for (const job of [finished, made(joined)]) {
      expect(due(job, { chainSec: end + 1, wallSec: 0 })).toEqual({ kind: "refund", jobId: jobOf(1) });
    }
  });

  test("settle when the challenge window is over, not while it runs", () => {
    const job = made(joined, attested);
    expect(due(job, { chainSec: 5000 + windowSec, wallSec: 0 })).toBeNull();
    expect(due(job, { chainSec: 5000 + windowSec + 1, wallSec: 0 })).toEqual({
      kind: "settle",
      jobId: jobOf(1),
    });
  });

  test("nothing for a job that ended", () => {
    for (const state of ["Settled", "Refunded"] as JobState[])
      expect(due({ ...made(), state }, late)).toBeNull();
  });
});

describe("a dispute", () => {
  const settle = { kind: "settle", jobId: jobOf(1) };
  const past = { chainSec: 5000 + windowSec + 1, wallSec: 0 };

  test("is settled when no challenge is open, and answers can no longer be contested", () => {
    const open = made(joined, attested, challenged, disputed);
    expect(due(open, past)).toBeNull();
    const closed = made(joined, attested, challenged, disputed, answered);
    expect(due(closed, past)).toBeNull();
    expect(due(closed, { chainSec: 5100, wallSec: 5100 })).toBeNull();
    expect(due(closed, { chainSec: 5101, wallSec: 0 })).toEqual(settle);
  });

  test("is not settled before the window either, however early it was answered", () => {
    const closed = made(joined, attested, challenged, disputed, {
      ...answered,
      heldUntilSec: 5010,
    } as JobEvent);
    expect(due(closed, { chainSec: 5000 + windowSec, wallSec: 0 })).toBeNull();
    expect(due(closed, past)).toEqual(settle);
  });

  test("is ended by the bridge when an operator did not answer, at the first second after its time", () => {
    const open = made(joined, attested, challenged, disputed);
    expect(due(open, { chainSec: 5500, wallSec: 5500 })).toBeNull();
    const expose = { kind: "expose", jobId: jobOf(1), point: 2, chunk: 3 };
    expect(due(open, { chainSec: 5501, wallSec: 0 })).toEqual(expose);
    const late: JobEvent = { type: "ChunkChallenged", chain, ...chunk, chunk: 4, dueSec: 9000 };
    const two = made(joined, attested, challenged, late, disputed);
    expect(due(two, { chainSec: 5501, wallSec: 0 })).toEqual(expose);
  });

  test("that the buyer won is refunded by the bridge", () => {
    expect(due(made(joined, attested, challenged, disputed, overturned))).toEqual({
      kind: "refund",
      jobId: jobOf(1),
    });
  });

  test("that is about to begin keeps an attested job from being settled", () => {
    expect(due(made(joined, attested, challenged), past)).toBeNull();
  });
});

describe("privacy budget", () => {
  const giveBack = { kind: "returnBudget", jobId: jobOf(1) };
  const refund = { kind: "refund", jobId: jobOf(1) };
  const after = { chainSec: deadlineSec + graceSec + 1, wallSec: 0 };
  const dueOf = (job: Job, clock = early) => dueActions(job, clock, times);

  test("of a job that ended before it was joined comes back, once", () => {
    expect(dueOf(withNoise())).toEqual([]);
    expect(dueOf(withNoise(failed, refunded))).toEqual([giveBack]);
    expect(dueOf(withNoise(failed, refunded, returned))).toEqual([]);
  });

  test("does not wait for a refund that a buyer can refuse", () => {
    expect(dueOf(withNoise(failed))).toEqual([refund, giveBack]);
    expect(dueOf(withNoise(), late)).toEqual([refund, giveBack]);
    expect(dueOf(withNoise(returned), late)).toEqual([refund]);
  });

  test("is none of an exact result's business", () => {
    expect(dueOf(made(failed, refunded))).toEqual([]);
  });

  test("of a joined job comes back when all three say that nothing was opened", () => {
    expect(dueOf(withNoise(joined, failed, refunded))).toEqual([]);
    expect(dueOf(withNoise(joined, failed, refunded, unopened(3), unopened(1)))).toEqual([]);
    const signatures = ["unopened 1", "unopened 2", "unopened 3"];
    const returnUnopened = { kind: "returnUnopened", jobId: jobOf(1), signatures };
    const all = [unopened(3), unopened(1), unopened(2)];
    expect(dueOf(withNoise(joined, failed, refunded, ...all))).toEqual([returnUnopened]);
    expect(dueOf(withNoise(joined, ...all))).toEqual([]);
    expect(dueOf(withNoise(joined, ...all), after)).toEqual([refund, returnUnopened]);
    expect(dueOf(withNoise(joined, failed, refunded, ...all, returned))).toEqual([]);
  });

  test("of an attested job is spent, also when the buyer gets its money back", () => {
    const back = withNoise(joined, attested, overturned, refunded);
    expect(dueOf({ ...back, unopened: withNoise(unopened(1), unopened(2), unopened(3)).unopened })).toEqual(
      [],
    );
  });
});

describe("stuck jobs", () => {
  const stuck = (job: Job, sec: number) => isStuck(job, { chainSec: sec, wallSec: 0 }, times);

  test("are those past their deadline that have not ended", () => {
    for (const state of ["Funded", "Joined", "Failed"] as JobState[]) {
      const lastSec = deadlineSec + (state === "Joined" ? graceSec : 0);
      expect(stuck({ ...made(), state }, lastSec)).toBe(false);
      expect(stuck({ ...made(), state }, lastSec + 1)).toBe(true);
    }
    for (const state of ["Settled", "Refunded"] as JobState[])
      expect(stuck({ ...made(), state }, 1e9)).toBe(false);
  });

  test("do not include a result whose challenge window runs past the deadline", () => {
    const job = { ...made(joined, attested), attestedAtSec: deadlineSec - 1 };
    expect(stuck(job, deadlineSec + 10)).toBe(false);
    expect(stuck(job, deadlineSec + windowSec)).toBe(true);
  });

  test("include a dispute that nobody ends when a challenge is overdue", () => {
    const job = { ...made(joined, attested, challenged, disputed), deadlineSec: 5000 };
    expect(stuck(job, 5500)).toBe(false);
    expect(stuck(job, 5501)).toBe(true);
    const closed = { ...made(joined, attested, challenged, disputed, answered), deadlineSec: 5000 };
    expect([stuck(closed, 5100), stuck(closed, 5101)]).toEqual([false, true]);
  });
});

test("a job that is left alone until it waits no longer has nothing due before", () => {
  const posts: JobEvent[] = [
    ...[join(1), join(2), join(3), fail(1), fail(2), attest(1), attest(2), attest(3)],
    ...[unopened(1), unopened(2), unopened(3)],
  ];
  const lives: JobEvent[][] = [
    ...[[], [joined], [failed], [joined, failed], [refunded], [joined, refunded], [refunded, returned]],
    ...[
      [joined, attested],
      [joined, attested, { type: "Settled", chain } as JobEvent],
    ],
    ...[
      [joined, attested, challenged],
      [joined, attested, challenged, disputed],
    ],
    ...[
      [joined, attested, challenged, disputed, answered],
      [joined, attested, overturned],
      [joined, attested, overturned, refunded],
    ],
  ];
  fc.assert(
    fc.property(
      fc.subarray(posts),
      fc.constantFrom(...lives),
      fc.constantFrom("1000", String(exactMicroRho)),
      fc.nat(2 * deadlineSec),
      fc.nat(2 * deadlineSec),
      (posted, life, microRho, chainSec, wallSec) => {
        const ofLife = madeWith({ microRho }, ...life);
        const { joins, failures, attestations, unopened: words } = postedTo(microRho, posted);
        const job = { ...ofLife, joins, failures, attestations, unopened: words };
        const waits = waitsUntil(job);
        const latestSec = Math.max(chainSec, wallSec);
        const fixedSec = waits?.plus == null ? 0 : times[waits.plus];
        const looked = waits !== null && latestSec > waits.sec + fixedSec;
        const clock = { chainSec, wallSec };
        if (!looked) expect([dueActions(job, clock, times), isStuck(job, clock, times)]).toEqual([[], false]);
      },
    ),
    { numRuns: 2000 },
  );
});

/** What operators posted, whenever that was. */
const postedTo = (microRho: string, posts: JobEvent[]): Job => madeWith({ microRho }, ...posts);
