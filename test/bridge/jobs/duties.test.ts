import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { dueAction, isStuck, waitsUntilSec } from "../../../bridge/jobs/duties.ts";
import type { JobEvent } from "../../../bridge/jobs/events.ts";
import { type Job, transition } from "../../../bridge/jobs/transitions.ts";
import type { Point } from "../../../bridge/schemas.ts";
import type { JobState } from "../../../contracts/job-states.ts";
import { addressOf, funded, hashOf } from "../memory-chain.ts";

const chain = { blockNumber: 7, timestampSec: 5000, txHash: hashOf("transaction") };
const deadlineSec = 10_000;
const windowSec = 60;
const early = { chainSec: 6000, wallSec: 6000 };
const late = { chainSec: deadlineSec + 1, wallSec: 0 };

function made(...events: JobEvent[]): Job {
  let job: Job | null = null;
  for (const event of [{ ...funded({ deadlineSec }), chain } as JobEvent, ...events]) {
    const next = transition(job, "1", event);
    if (next.outcome === "refused") throw next.error;
    job = next.job;
  }
  return job as Job;
}

const operator = (point: Point) => addressOf(`operator ${point}`);
const join = (point: Point): JobEvent => ({
  type: "JoinPosted",
  point,
  operator: operator(point),
  specHash: hashOf("spec"),
  signature: `join ${point}`,
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
    job: "1",
    algorithm: hashOf("algorithm"),
    inputRoot: hashOf("input"),
    resultRoot: hashOf("r"),
    payoutRoot: hashOf("p"),
    budgetSpent: "0",
  },
  resultCiphertext: hashOf("c"),
  resultShareRoot: hashOf("s"),
  signature: `attest ${point}`,
});
const joined: JobEvent = { type: "Joined", chain };
const attested: JobEvent = {
  type: "Attested",
  chain,
  resultRoot: hashOf("r"),
  payoutRoot: hashOf("p"),
  inputRoot: hashOf("i"),
};

const due = (job: Job, clock = early) => dueAction(job, clock, windowSec);

describe("what is due", () => {
  test("join when all three agreed, not before", () => {
    expect(due(made(join(1), join(3)))).toBeNull();
    expect(due(made(join(3), join(1), join(2)))).toEqual({
      kind: "join",
      jobId: "1",
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
      jobId: "1",
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
    expect(due(made(fail(1), fail(2), { type: "Failed", chain, reasons: [] }))).toEqual({
      kind: "refund",
      jobId: "1",
    });
  });

  test("refund after the deadline by either clock, not at it", () => {
    for (const job of [made(), made(joined), made(join(1), join(2), join(3))]) {
      expect(due(job, late)).toEqual({ kind: "refund", jobId: "1" });
      expect(due(job, { chainSec: 0, wallSec: deadlineSec + 1 })).toEqual({ kind: "refund", jobId: "1" });
    }
    expect(due(made(), { chainSec: deadlineSec, wallSec: deadlineSec })).toBeNull();
  });

  test("no attestation after the deadline", () => {
    expect(due(made(joined, attest(1), attest(2), attest(3)), late)).toEqual({ kind: "refund", jobId: "1" });
  });

  test("settle when the challenge window is over, not while it runs", () => {
    const job = made(joined, attested);
    expect(due(job, { chainSec: 5000 + windowSec, wallSec: 0 })).toBeNull();
    expect(due(job, { chainSec: 5000 + windowSec + 1, wallSec: 0 })).toEqual({ kind: "settle", jobId: "1" });
  });

  test("nothing for a job that ended", () => {
    for (const state of ["Settled", "Refunded"] as JobState[])
      expect(due({ ...made(), state }, late)).toBeNull();
  });
});

describe("stuck jobs", () => {
  const stuck = (job: Job, sec: number) => isStuck(job, { chainSec: sec, wallSec: 0 }, windowSec);

  test("are those past their deadline that have not ended", () => {
    for (const state of ["Funded", "Joined", "Failed"] as JobState[]) {
      expect(stuck({ ...made(), state }, deadlineSec)).toBe(false);
      expect(stuck({ ...made(), state }, deadlineSec + 1)).toBe(true);
    }
    for (const state of ["Settled", "Refunded"] as JobState[])
      expect(stuck({ ...made(), state }, 1e9)).toBe(false);
  });

  test("do not include a result whose challenge window runs past the deadline", () => {
    const job = { ...made(joined, attested), attestedAtSec: deadlineSec - 1 };
    expect(stuck(job, deadlineSec + 10)).toBe(false);
    expect(stuck(job, deadlineSec + windowSec)).toBe(true);
  });
});

test("a job that is left alone until it waits no longer has nothing due before", () => {
  const events: JobEvent[] = [join(1), join(2), join(3), fail(1), fail(2), attest(1), attest(2), attest(3)];
  const states: JobState[] = ["Funded", "Joined", "Attested", "Settled", "Failed", "Refunded"];
  fc.assert(
    fc.property(
      fc.subarray(events),
      fc.constantFrom(...states),
      fc.nat(2 * deadlineSec),
      fc.nat(2 * deadlineSec),
      (posted, state, chainSec, wallSec) => {
        const job = { ...made(...posted), state, attestedAtSec: state === "Attested" ? 5000 : null };
        const waits = waitsUntilSec(job);
        const latestSec = Math.max(chainSec, wallSec);
        const looked = waits !== null && latestSec > waits + (state === "Attested" ? windowSec : 0);
        const clock = { chainSec, wallSec };
        if (!looked) expect([due(job, clock), isStuck(job, clock, windowSec)]).toEqual([null, false]);
      },
    ),
    { numRuns: 2000 },
  );
});
