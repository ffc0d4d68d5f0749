/**
 * The life of a job as a pure function: a job and an event give the next job, or a refusal. No clock, no
 * network, no store; what should be sent to the chain in a state is in `duties.ts`, as pure as this.
 *
 * States change by events of the chain alone, along the table that the contract itself uses
 * (contracts/job-states.ts). What operators post is collected until it suffices for a transaction.
 */
import { type JobState, jobStates } from "../../contracts/job-states.ts";
import { SymbolonError } from "../../mpc/errors.ts";
import type {
  AttestationBody,
  JobSummary,
  OpenChallenge,
  Point,
  ReceiptKind,
  ResultPartsBody,
} from "../schemas.ts";
import type {
  AttestationConflict,
  AttestationPosted,
  FailurePosted,
  JobChainEvent,
  JobEvent,
  JobEventType,
  JoinPosted,
  UnopenedPosted,
} from "./events.ts";

/** A job as the bridge knows it: the funded request, what operators posted, the receipts. */
export interface Job {
  id: string;
  state: JobState;
  buyer: string;
  algorithm: string;
  operatorSet: string;
  offers: string[];
  deadlineSec: number;
  microRho: string;
  purpose: string;
  token: string;
  amountWei: string;
  resultKey: string;
  specHash: string;
  signers: [string, string, string];
  spec: string;
  joins: Omit<JoinPosted, "type">[];
  /** Every digest that was ever signed, in the order of arrival: at most `maxDigestsEach` of an operator. */
  attestations: Omit<AttestationPosted, "type">[];
  attestationConflict: boolean;
  failures: Omit<FailurePosted, "type">[];
  unopened: Omit<UnopenedPosted, "type">[];
  budgetReturned: boolean;
  openChallenges: OpenChallenge[];
  /** Last second in which only the buyer can settle it, for the sake of an answer; null before there is one. */
  heldUntilSec: number | null;
  receipts: Record<ReceiptKind, string | null>;
  lastRefusal: JobSummary["lastRefusal"];
  createdAtSec: number;
  updatedAtSec: number;
  attestedAtSec: number | null;
  /** Chain events that did not fit the state before them; a sign of a defect, never of an attack. */
  anomalies: number;
}

/** A party signs one digest per job, ever; the second is kept as evidence, more are noise. */
export const maxDigestsEach = 2;

export interface JobEventRule {
  /** States in which the event is expected. */
  from: readonly JobState[];
  /** The state after it, or null when it does not change the state. */
  to: JobState | null;
  source: "chain" | "operator" | "bridge";
}

const everFunded = jobStates.filter((state) => state !== "None");
/** With these a challenge may be open: an answer may come after another one decided the job. */
const everAttested: readonly JobState[] = ["Attested", "Disputed", "Settled", "Failed", "Refunded"];
/** An attestation ends what budget could come back. */
const neverAttested: readonly JobState[] = ["Funded", "Joined", "Failed", "Refunded"];

/** Which event is expected in which state, and where it leads. A test compares it with the contract's table. */
export const jobEventRules: Readonly<Record<JobEventType, JobEventRule>> = {
  Funded: { from: ["None"], to: "Funded", source: "chain" },
  Joined: { from: ["Funded"], to: "Joined", source: "chain" },
  Attested: { from: ["Joined"], to: "Attested", source: "chain" },
  // The challenge comes before the dispute that it begins.
  ChunkChallenged: { from: ["Attested", "Disputed"], to: null, source: "chain" },
  Disputed: { from: ["Attested"], to: "Disputed", source: "chain" },
  ChunkPosted: { from: everAttested, to: null, source: "chain" },
  OperatorExposed: { from: everAttested, to: null, source: "chain" },
  Contested: { from: ["Attested", "Disputed"], to: null, source: "chain" },
  Settled: { from: ["Attested", "Disputed"], to: "Settled", source: "chain" },
  Failed: { from: ["Funded", "Joined"], to: "Failed", source: "chain" },
  Overturned: { from: ["Attested", "Disputed"], to: "Failed", source: "chain" },
  Refunded: { from: ["Funded", "Joined", "Failed"], to: "Refunded", source: "chain" },
  Claimed: { from: ["Settled"], to: null, source: "chain" },
  BudgetReturned: { from: neverAttested, to: null, source: "chain" },
  JoinPosted: { from: ["Funded"], to: null, source: "operator" },
  // A party that follows the chain itself may be done before the bridge has the join confirmed. And whoever sends
  // the attestation itself must not keep from the buyer what the others' posts say of the result.
  AttestationPosted: {
    from: ["Funded", "Joined", "Attested", "Disputed", "Settled"],
    to: null,
    source: "operator",
  },
  FailurePosted: { from: ["Funded", "Joined"], to: null, source: "operator" },
  // Taken of ended jobs alone (desk.ts). After a reorganisation it must still fit a job that has not
  // come to its end again.
  UnopenedPosted: { from: neverAttested, to: null, source: "operator" },
  AttestationConflict: { from: everFunded, to: null, source: "bridge" },
  TransactionRefused: { from: everFunded, to: null, source: "bridge" },
};

/** States that a job never leaves. */
export const terminalStates: readonly JobState[] = ["Settled", "Refunded"];

const receiptOf: Partial<Record<JobEventType, ReceiptKind>> = {
  Funded: "fund",
  Joined: "join",
  Attested: "attest",
  Settled: "settle",
  Failed: "fail",
  Refunded: "refund",
};

export type Transition =
  /** The event counts; `job` is a new object. */
  | { outcome: "applied"; job: Job }
  /** The event says what is known already; nothing changes. */
  | { outcome: "known"; job: Job }
  /** The event may not happen now. A chain event is refused only when its job was never funded. */
  | { outcome: "refused"; error: SymbolonError };

/** The job after `event`; `job` is null before the first. Neither argument is changed. */
export function transition(job: Job | null, id: string, event: JobEvent): Transition {
  const rule = jobEventRules[event.type];
  const state: JobState = job?.state ?? "None";
  const expected = rule.from.includes(state);
  if (event.type === "Funded") return applied(afterChainEvent(newJob(id, event), event, expected));
  if (job === null) return refuse("NOT_FOUND", `no job ${id}`);
  if (rule.source === "chain") return applied(afterChainEvent(job, event as JobChainEvent, expected));
  // What is known is known in every state: a repeated post is answered like the first.
  if (event.type === "JoinPosted") {
    if (job.joins.some((join) => join.point === event.point)) return { outcome: "known", job };
  } else if (event.type === "UnopenedPosted") {
    if (job.unopened.some((word) => word.point === event.point)) return { outcome: "known", job };
  } else if (event.type === "FailurePosted") {
    if (job.failures.some((failure) => failure.point === event.point)) return { outcome: "known", job };
  } else if (event.type === "AttestationPosted") {
    const own = job.attestations.filter((posted) => posted.point === event.point);
    if (own.some((posted) => posted.digest === event.digest)) return { outcome: "known", job };
    if (own.length >= maxDigestsEach) {
      return refuse(
        "LIMIT_EXCEEDED",
        `operator ${event.point} signed ${maxDigestsEach} digests for job ${id} already`,
      );
    }
  }
  if (!expected) {
    return refuse("STATE_INVALID", `job ${id} is ${state}; this needs ${rule.from.join(" or ")}`);
  }
  switch (event.type) {
    case "JoinPosted":
      return applied({ ...job, joins: byPoint([...job.joins, without(event)]) });
    case "AttestationPosted":
      return applied({ ...job, attestations: [...job.attestations, without(event)] });
    case "FailurePosted":
      return applied({ ...job, failures: byPoint([...job.failures, without(event)]) });
    case "UnopenedPosted":
      return applied({ ...job, unopened: byPoint([...job.unopened, without(event)]) });
    case "AttestationConflict":
      return applied({ ...job, attestationConflict: true });
    case "TransactionRefused":
      return applied({
        ...job,
        lastRefusal: { kind: event.kind, code: event.code, message: event.message },
      });
    default:
      return refuse("STATE_INVALID", `unknown event for job ${id}`);
  }
}

function afterChainEvent(base: Job, event: JobChainEvent, expected: boolean): Job {
  const receipt = receiptOf[event.type];
  const { txHash, timestampSec } = event.chain;
  return {
    ...base,
    // The chain's word stands even where the table did not expect it; the count makes it visible.
    state: jobEventRules[event.type].to ?? base.state,
    receipts: receipt === undefined ? base.receipts : { ...base.receipts, [receipt]: txHash },
    attestedAtSec: event.type === "Attested" ? timestampSec : base.attestedAtSec,
    budgetReturned: base.budgetReturned || event.type === "BudgetReturned",
    openChallenges: challengesAfter(base.openChallenges, event),
    heldUntilSec: event.type === "ChunkPosted" ? event.heldUntilSec : base.heldUntilSec,
    lastRefusal: null,
    updatedAtSec: timestampSec,
    anomalies: base.anomalies + (expected ? 0 : 1),
  };
}

function challengesAfter(open: OpenChallenge[], event: JobChainEvent): OpenChallenge[] {
  if (event.type === "ChunkChallenged") {
    const { operator, point, chunk, dueSec } = event;
    return [...open, { operator, point, chunk, dueSec }];
  }
  if (event.type !== "ChunkPosted" && event.type !== "OperatorExposed") return open;
  return open.filter(({ point, chunk }) => point !== event.point || chunk !== event.chunk);
}

function newJob(id: string, event: Extract<JobChainEvent, { type: "Funded" }>): Job {
  const { chain, type: _type, ...request } = event;
  return {
    id,
    state: "Funded",
    ...request,
    joins: [],
    attestations: [],
    attestationConflict: false,
    failures: [],
    unopened: [],
    budgetReturned: false,
    openChallenges: [],
    heldUntilSec: null,
    receipts: { fund: chain.txHash, join: null, attest: null, settle: null, fail: null, refund: null },
    lastRefusal: null,
    createdAtSec: chain.timestampSec,
    updatedAtSec: chain.timestampSec,
    attestedAtSec: null,
    anomalies: 0,
  };
}

/** What all three operators signed, by point. */
export interface AgreedResult {
  attestation: AttestationBody;
  /** Of the attested result root. */
  parts: ResultPartsBody;
  signatures: [string, string, string];
}

/**
 * The three attestations that agree on one digest, by point; null while there are none. An operator that
 * signed two digests counts for neither side alone: whichever digest all three signed wins.
 */
export function agreedAttestations(job: Job): AgreedResult | null {
  for (const { digest, attestation, parts } of job.attestations) {
    const signed = ([1, 2, 3] as const).map(
      (point) =>
        job.attestations.find((posted) => posted.point === point && posted.digest === digest)?.signature,
    );
    const [first, second, third] = signed;
    if (first !== undefined && second !== undefined && third !== undefined) {
      return { attestation, parts, signatures: [first, second, third] };
    }
  }
  return null;
}

/** The conflict to record after the attestations of `job`, or null when they agree so far or it is known. */
export function newConflict(job: Job): AttestationConflict | null {
  if (job.attestationConflict) return null;
  const digests = job.attestations.map(({ point, digest }) => ({ point, digest }));
  return new Set(digests.map(({ digest }) => digest)).size > 1
    ? { type: "AttestationConflict", digests }
    : null;
}

function applied(job: Job): Transition {
  return { outcome: "applied", job };
}

function refuse(code: ConstructorParameters<typeof SymbolonError>[0], message: string): Transition {
  return { outcome: "refused", error: new SymbolonError(code, message) };
}

function without<Event extends { type: string }>(event: Event): Omit<Event, "type"> {
  const { type: _type, ...rest } = event;
  return rest;
}

function byPoint<Entry extends { point: Point }>(entries: Entry[]): Entry[] {
  return entries.sort((left, right) => left.point - right.point);
}
