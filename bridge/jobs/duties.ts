/**
 * What the bridge owes a job at a moment: a pure function of the job and the clock. It is asked again and
 * again (after each event and on a timer) and depends on the state alone, so that a restart, a lost
 * transaction or someone else's transaction need no special case.
 */

import type { AttestationBody, Point } from "../schemas.ts";
import { agreedAttestations, type Job } from "./transitions.ts";

export type Action =
  | { kind: "join"; jobId: string; signatures: [string, string, string] }
  | { kind: "attest"; jobId: string; attestation: AttestationBody; signatures: [string, string, string] }
  | { kind: "fail"; jobId: string; notices: [Notice, Notice] }
  | { kind: "refund"; jobId: string }
  | { kind: "settle"; jobId: string };

/** One operator's word that the job failed. */
export interface Notice {
  point: Point;
  reason: string;
  signature: string;
}

export interface Clock {
  /** Time stamp of the newest block. */
  chainSec: number;
  /** The wall clock. A quiet chain's newest block may be old, while the next one will carry this time. */
  wallSec: number;
}

/**
 * The transaction that is due for `job`, or null. A finished result goes before failure notices: when all
 * three signed it, the buyer has what was paid for.
 */
export function dueAction(job: Job, clock: Clock, challengeWindowSec: number): Action | null {
  const latestSec = Math.max(clock.chainSec, clock.wallSec);
  const jobId = job.id;
  if (job.state === "Failed") return { kind: "refund", jobId };
  if (job.state === "Attested") {
    const openUntilSec = (job.attestedAtSec ?? latestSec) + challengeWindowSec;
    return latestSec > openUntilSec ? { kind: "settle", jobId } : null;
  }
  if (job.state !== "Funded" && job.state !== "Joined") return null;
  const agreed = agreedAttestations(job);
  if (job.state === "Joined" && agreed !== null && clock.chainSec < job.deadlineSec) {
    return { kind: "attest", jobId, attestation: agreed.attestation, signatures: agreed.signatures };
  }
  const [first, second] = job.failures;
  if (first !== undefined && second !== undefined) {
    return { kind: "fail", jobId, notices: [noticeOf(first), noticeOf(second)] };
  }
  if (latestSec > job.deadlineSec) return { kind: "refund", jobId };
  const [one, two, three] = job.joins;
  if (job.state === "Funded" && one !== undefined && two !== undefined && three !== undefined) {
    return { kind: "join", jobId, signatures: [one.signature, two.signature, three.signature] };
  }
  return null;
}

/**
 * From which second on `dueAction` may find something to do, so that jobs that only wait need not be looked
 * at: 0 for what is due at any time, null for never. For an attested job it is the second of its attestation,
 * to which the challenge window is added by whoever knows it.
 */
export function waitsUntilSec(job: Job): number | null {
  if (job.state === "Attested") return job.attestedAtSec ?? 0;
  if (job.state !== "Funded" && job.state !== "Joined") return job.state === "Failed" ? 0 : null;
  return dueAction(job, { chainSec: 0, wallSec: 0 }, 0) === null ? job.deadlineSec : 0;
}

function noticeOf({ point, reason, signature }: Notice): Notice {
  return { point, reason, signature };
}

/** True when the job should have ended by now and has not: what an operator of the bridge must look at. */
export function isStuck(job: Job, clock: Clock, challengeWindowSec: number): boolean {
  const latestSec = Math.max(clock.chainSec, clock.wallSec);
  if (job.state === "Attested") {
    return latestSec > Math.max(job.deadlineSec, (job.attestedAtSec ?? 0) + challengeWindowSec);
  }
  return ["Funded", "Joined", "Failed"].includes(job.state) && latestSec > job.deadlineSec;
}
