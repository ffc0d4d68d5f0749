/**
 * What the bridge owes a job at a moment: a pure function of the job and the clock. It is asked again and
 * again (after each event and on a timer) and depends on the state alone, so that a restart, a lost
 * transaction or someone else's transaction need no special case.
 */
import { exactMicroRho } from "../../contracts/use-terms.ts";
import type { Point } from "../schemas.ts";
import { type AgreedResult, agreedAttestations, type Job } from "./transitions.ts";

export type Action =
  | { kind: "join"; jobId: string; signatures: [string, string, string] }
  | ({ kind: "attest"; jobId: string } & AgreedResult)
  | { kind: "fail"; jobId: string; notices: [Notice, Notice] }
  | { kind: "refund"; jobId: string }
  | { kind: "settle"; jobId: string }
  | { kind: "expose"; jobId: string; point: number; chunk: number }
  | { kind: "returnBudget"; jobId: string }
  | { kind: "returnUnopened"; jobId: string; signatures: [string, string, string] };

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

/** What the deployment fixed for all its jobs. */
export interface MarketTimes {
  challengeWindowSec: number;
  /** How long after its deadline a joined job's result is still taken. */
  graceSec: number;
}

const latestOf = ({ chainSec, wallSec }: Clock): number => Math.max(chainSec, wallSec);

/**
 * The transactions that are due for `job`, none of which waits for another. What comes back of privacy budgets has
 * nothing to do with the refund: a buyer that refuses its money must not keep the sellers from their budget.
 */
export function dueActions(job: Job, clock: Clock, times: MarketTimes): Action[] {
  return [stepDue(job, clock, times), returnDue(job, clock, times)].filter((action) => action !== null);
}

/**
 * The next step in the job's life. A finished result goes before failure notices: when all three signed it, the
 * buyer has what was paid for.
 */
function stepDue(job: Job, clock: Clock, times: MarketTimes): Action | null {
  const jobId = job.id;
  const latestSec = latestOf(clock);
  if (job.state === "Failed") return { kind: "refund", jobId };
  if (job.state === "Attested" || job.state === "Disputed") {
    // Whoever waits for its pay must not depend on the buyer to end a challenge that nobody answered.
    const overdue = job.openChallenges.find(({ dueSec }) => latestSec > dueSec);
    if (job.state === "Disputed" && overdue !== undefined)
      return { kind: "expose", jobId, point: overdue.point, chunk: overdue.chunk };
    if (job.openChallenges.length > 0) return null;
    return latestSec > contestedUntilSec(job, times) ? { kind: "settle", jobId } : null;
  }
  if (job.state !== "Funded" && job.state !== "Joined") return null;
  const lastSec = lastSecOf(job, times);
  const agreed = agreedAttestations(job);
  if (job.state === "Joined" && agreed !== null && clock.chainSec < lastSec) {
    return { kind: "attest", jobId, ...agreed };
  }
  const [first, second] = job.failures;
  if (first !== undefined && second !== undefined) {
    return { kind: "fail", jobId, notices: [noticeOf(first), noticeOf(second)] };
  }
  if (latestSec > lastSec) return { kind: "refund", jobId };
  const signatures = allThree(job.joins);
  return job.state === "Funded" && signatures !== null ? { kind: "join", jobId, signatures } : null;
}

/** Last second in which somebody may still show that an attested result is false. */
function contestedUntilSec(job: Job, { challengeWindowSec }: MarketTimes): number {
  return Math.max((job.attestedAtSec ?? 0) + challengeWindowSec, job.heldUntilSec ?? 0);
}

/** What the job reserved of privacy budgets, where it ended without having spent it. */
function returnDue(job: Job, clock: Clock, times: MarketTimes): Action | null {
  const jobId = job.id;
  if (job.budgetReturned || !hasEnded(job, clock, times) || !reservedBudget(job)) return null;
  if (!wasJoined(job)) return { kind: "returnBudget", jobId };
  const signatures = allThree(job.unopened);
  return signatures === null ? null : { kind: "returnUnopened", jobId, signatures };
}

/** An exact result is none of a budget's business. What was attested is spent, whatever became of it. */
export function reservedBudget(job: Job): boolean {
  return BigInt(job.microRho) !== exactMicroRho && job.attestedAtSec === null;
}

export function wasJoined(job: Job): boolean {
  return job.receipts.join !== null;
}

/** Whether the job can go nowhere but back to its buyer. */
export function hasEnded(job: Job, clock: Clock, times: MarketTimes): boolean {
  if (job.state === "Funded" || job.state === "Joined") return latestOf(clock) > lastSecOf(job, times);
  return job.state === "Failed" || job.state === "Refunded";
}

/** Last second in which the job can get on. */
export function lastSecOf(job: Pick<Job, "state" | "deadlineSec">, { graceSec }: MarketTimes): number {
  return job.deadlineSec + (job.state === "Joined" ? graceSec : 0);
}

/** A moment of which a part is what the deployment fixed, so that it can be stored before that is known. */
export interface Moment {
  sec: number;
  /** What comes on top of `sec`. */
  plus: keyof MarketTimes | null;
}

/**
 * From which moment on `dueActions` may find something to do, so that jobs that only wait need not be looked at:
 * second 0 for what is due at any time, null for never.
 */
export function waitsUntil(job: Job): Moment | null {
  const now: Moment = { sec: 0, plus: null };
  switch (job.state) {
    case "Attested":
      return { sec: job.attestedAtSec ?? 0, plus: "challengeWindowSec" };
    case "Disputed": {
      const dueSec = Math.min(...job.openChallenges.map((challenge) => challenge.dueSec));
      if (job.openChallenges.length > 0) return { sec: dueSec, plus: null };
      return { sec: job.attestedAtSec ?? 0, plus: "challengeWindowSec" };
    }
    case "Funded":
    case "Joined": {
      const start = { chainSec: 0, wallSec: 0 };
      const plus = job.state === "Joined" ? "graceSec" : null;
      const isDue = stepDue(job, start, { challengeWindowSec: 0, graceSec: 0 }) !== null;
      return isDue ? now : { sec: job.deadlineSec, plus };
    }
    case "Failed":
      return now;
    case "Refunded": {
      const canReturn = reservedBudget(job) && (!wasJoined(job) || allThree(job.unopened) !== null);
      return canReturn && !job.budgetReturned ? now : null;
    }
    default:
      return null;
  }
}

/** True when the job should have ended by now and has not: what an operator of the bridge must look at. */
export function isStuck(job: Job, clock: Clock, times: MarketTimes): boolean {
  const latestSec = latestOf(clock);
  const openUntilSec = contestedUntilSec(job, times);
  switch (job.state) {
    case "Funded":
    case "Joined":
      return latestSec > lastSecOf(job, times);
    case "Failed":
      return latestSec > job.deadlineSec;
    case "Attested":
      return latestSec > Math.max(job.deadlineSec, openUntilSec);
    case "Disputed": {
      const dueSecs = job.openChallenges.map(({ dueSec }) => dueSec);
      return (
        latestSec > (dueSecs.length > 0 ? Math.max(...dueSecs) : Math.max(job.deadlineSec, openUntilSec))
      );
    }
    default:
      return false;
  }
}

function noticeOf({ point, reason, signature }: Notice): Notice {
  return { point, reason, signature };
}

/** The signatures of the three points, which stand in their order; null while one is missing. */
function allThree(posts: readonly { signature: string }[]): [string, string, string] | null {
  const [one, two, three] = posts;
  if (one === undefined || two === undefined || three === undefined) return null;
  return [one.signature, two.signature, three.signature];
}
