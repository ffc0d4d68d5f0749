import { describe, expect, test } from "vitest";
import type { JobEvent, JobEventType } from "../../../bridge/jobs/events.ts";
import {
  agreedAttestations,
  type Job,
  jobEventRules,
  maxDigestsEach,
  newConflict,
  terminalStates,
  transition,
} from "../../../bridge/jobs/transitions.ts";
import type { Point } from "../../../bridge/schemas.ts";
import { type JobState, jobStates, jobTransitions } from "../../../contracts/job-states.ts";
import { addressOf, funded, hashOf, jobOf, partsOf } from "../memory-chain.ts";

const chain = { blockNumber: 7, timestampSec: 5000, txHash: hashOf("transaction") };
const signature = `0x${"ab".repeat(65)}`;

const attestation = {
  job: jobOf(1),
  resultRoot: hashOf("result"),
  payoutRoot: hashOf("payout"),
  budgetSpent: "0",
};

const attested = (point: Point, digest = "digest"): JobEvent => ({
  type: "AttestationPosted",
  point,
  operator: addressOf(`operator ${point}`),
  digest: hashOf(digest),
  attestation,
  parts: partsOf("result"),
  signature,
});

/** A chunk that an operator is asked for. */
function asked(point: Point, chunk: number) {
  return { operator: addressOf(`operator ${point}`), point, chunk };
}

const examples: Record<JobEventType, JobEvent> = {
  Funded: { ...funded(), chain },
  Joined: { type: "Joined", chain },
  Attested: {
    type: "Attested",
    chain,
    resultRoot: hashOf("r"),
    payoutRoot: hashOf("p"),
    budgetSpent: "0",
  },
  Disputed: { type: "Disputed", chain },
  ChunkChallenged: { type: "ChunkChallenged", chain, ...asked(2, 3), dueSec: 9000 },
  ChunkPosted: { type: "ChunkPosted", chain, ...asked(2, 3), heldUntilSec: 9500 },
  OperatorExposed: { type: "OperatorExposed", chain, ...asked(2, 3) },
  Contested: { type: "Contested", chain, coordinate: "5" },
  Settled: { type: "Settled", chain },
  Failed: { type: "Failed", chain, reasons: ["PEER_LOST", "PEER_LOST"] },
  Overturned: { type: "Overturned", chain },
  Refunded: { type: "Refunded", chain },
  Claimed: { type: "Claimed", chain, index: "0", account: addressOf("seller"), amountWei: "1" },
  BudgetReturned: { type: "BudgetReturned", chain, offer: hashOf("offer"), microRho: "1000" },
  JoinPosted: { type: "JoinPosted", point: 1, operator: addressOf("operator 1"), signature },
  UnopenedPosted: { type: "UnopenedPosted", point: 1, operator: addressOf("operator 1"), signature },
  AttestationPosted: attested(1),
  FailurePosted: {
    type: "FailurePosted",
    point: 1,
    operator: addressOf("operator 1"),
    reason: "PEER_LOST",
    signature,
  },
  AttestationConflict: { type: "AttestationConflict", digests: [] },
  TransactionRefused: { type: "TransactionRefused", kind: "join", code: "CONTRACT_REVERTED", message: "why" },
};

function apply(job: Job | null, ...events: JobEvent[]): Job {
  for (const event of events) {
    const next = transition(job, jobOf(1), event);
    if (next.outcome === "refused") throw next.error;
    job = next.job;
  }
  return job as Job;
}

const fundedJob = apply(null, examples.Funded);

function jobIn(state: JobState): Job | null {
  return state === "None" ? null : { ...fundedJob, state };
}

describe("the table of events", () => {
  test("leads along the contract's table and no other way, for every pair of states", () => {
    for (const from of jobStates) {
      for (const to of jobStates) {
        const byEvent = Object.values(jobEventRules).some(
          (rule) => rule.to === to && rule.from.includes(from),
        );
        expect([from, to, byEvent]).toEqual([from, to, jobTransitions[from].includes(to)]);
      }
    }
  });

  test("changes states by events of the chain only", () => {
    for (const rule of Object.values(jobEventRules))
      expect(rule.to === null || rule.source === "chain").toBe(true);
  });

  test("has no way out of terminal states", () => {
    for (const state of terminalStates) expect(jobTransitions[state]).toEqual([]);
  });
});

describe("every state with every event", () => {
  for (const state of jobStates) {
    for (const [type, event] of Object.entries(examples) as [JobEventType, JobEvent][]) {
      const rule = jobEventRules[type];
      test(`${type} in ${state}`, () => {
        const before = jobIn(state);
        const frozen = JSON.stringify(before);
        const next = transition(before, jobOf(1), event);
        expect(JSON.stringify(before)).toBe(frozen);
        if (rule.source === "chain") {
          if (before === null && type !== "Funded") {
            expect(next).toMatchObject({ outcome: "refused", error: { code: "NOT_FOUND" } });
            return;
          }
          expect(next).toMatchObject({
            outcome: "applied",
            job: { state: rule.to ?? state, anomalies: rule.from.includes(state) ? 0 : 1 },
          });
        } else if (rule.from.includes(state)) {
          expect(next).toMatchObject({ outcome: "applied", job: { state } });
        } else {
          expect(next).toMatchObject({
            outcome: "refused",
            error: { code: before === null ? "NOT_FOUND" : "STATE_INVALID" },
          });
        }
      });
    }
  }
});

describe("what operators post", () => {
  test("is collected in the order of points and once each", () => {
    const join = (point: Point): JobEvent => ({ ...(examples.JoinPosted as object), point }) as JobEvent;
    const job = apply(fundedJob, join(3), join(1));
    expect(job.joins.map(({ point }) => point)).toEqual([1, 3]);
    expect(transition(job, jobOf(1), join(3))).toMatchObject({ outcome: "known" });
    expect(transition({ ...job, state: "Settled" }, jobOf(1), join(3))).toMatchObject({ outcome: "known" });
  });

  test("of data that was not opened is collected like joins", () => {
    const word = (point: Point): JobEvent => ({ ...(examples.UnopenedPosted as object), point }) as JobEvent;
    const job = apply({ ...fundedJob, state: "Refunded" }, word(2), word(1));
    expect(job.unopened.map(({ point }) => point)).toEqual([1, 2]);
    expect(transition(job, jobOf(1), word(2))).toMatchObject({ outcome: "known" });
  });

  test("agrees only when three operators signed one digest", () => {
    const joined = apply(fundedJob, examples.Joined);
    const two = apply(joined, attested(1), attested(2));
    expect(agreedAttestations(two)).toBeNull();
    expect(agreedAttestations(apply(two, attested(3, "other")))).toBeNull();
    const three = apply(two, attested(3, "other"), attested(3));
    expect(agreedAttestations(three)).toMatchObject({
      parts: partsOf("result"),
      signatures: [signature, signature, signature],
    });
  });

  test("names the parts of a result for as long as the buyer may need them", () => {
    const taken = jobStates.filter(
      (state) => transition(jobIn(state), jobOf(1), attested(1)).outcome === "applied",
    );
    expect(taken).toEqual(["Funded", "Joined", "Attested", "Disputed", "Settled"]);
  });

  test("keeps differing digests as a conflict, reported once", () => {
    const joined = apply(fundedJob, examples.Joined, attested(1));
    expect(newConflict(joined)).toBeNull();
    const differing = apply(joined, attested(2, "other"));
    const conflict = newConflict(differing);
    expect(conflict?.digests).toEqual([
      { point: 1, digest: hashOf("digest") },
      { point: 2, digest: hashOf("other") },
    ]);
    expect(newConflict(apply(differing, conflict as JobEvent))).toBeNull();
  });

  test("takes no more digests of one operator than evidence needs", () => {
    let job = apply(fundedJob, examples.Joined);
    for (let i = 0; i < maxDigestsEach; i++) job = apply(job, attested(2, `digest ${i}`));
    expect(transition(job, jobOf(1), attested(2, "one more"))).toMatchObject({
      error: { code: "LIMIT_EXCEEDED" },
    });
  });
});

test("receipts hold the transaction of each step", () => {
  const at = (txHash: string) => ({ ...chain, txHash });
  const job = apply(
    null,
    { ...funded(), chain: at("0x1") },
    { type: "Joined", chain: at("0x2") },
    { ...(examples.Attested as Extract<JobEvent, { type: "Attested" }>), chain: at("0x3") },
    { type: "Settled", chain: at("0x4") },
  );
  expect(job.receipts).toEqual({
    fund: "0x1",
    join: "0x2",
    attest: "0x3",
    settle: "0x4",
    fail: null,
    refund: null,
  });
  expect(job.attestedAtSec).toBe(5000);
});

describe("a dispute", () => {
  const challenge = (point: Point, chunk: number, dueSec: number): JobEvent => ({
    type: "ChunkChallenged",
    ...{ chain, ...asked(point, chunk), dueSec },
  });
  const disputed = apply(
    fundedJob,
    examples.Joined,
    examples.Attested,
    challenge(2, 3, 9000),
    examples.Disputed,
    challenge(1, 3, 9001),
  );

  test("shows the challenges that are open, in the order in which they came", () => {
    expect(disputed).toMatchObject({ state: "Disputed", anomalies: 0 });
    expect(disputed.openChallenges).toEqual([
      { ...asked(2, 3), dueSec: 9000 },
      { ...asked(1, 3), dueSec: 9001 },
    ]);
  });

  test("goes on without one that was answered or exposed, also after it was decided", () => {
    const answered = apply(disputed, examples.ChunkPosted);
    expect(answered.openChallenges).toEqual([{ ...asked(1, 3), dueSec: 9001 }]);
    expect([disputed.heldUntilSec, answered.heldUntilSec]).toEqual([null, 9500]);
    const exposed = apply(answered, { type: "OperatorExposed", chain, ...asked(1, 3) });
    expect(exposed).toMatchObject({ state: "Disputed", openChallenges: [] });
    const overturned = apply(disputed, examples.OperatorExposed, examples.Overturned);
    expect(overturned.openChallenges).toHaveLength(1);
    expect(apply(overturned, { ...examples.ChunkPosted, ...asked(1, 3) } as JobEvent)).toMatchObject({
      state: "Failed",
      openChallenges: [],
      anomalies: 0,
    });
  });
});

test("what came back of a budget stays back", () => {
  const job = apply(fundedJob, examples.Refunded);
  expect(job.budgetReturned).toBe(false);
  expect(apply(job, examples.BudgetReturned)).toMatchObject({ budgetReturned: true, state: "Refunded" });
});
