/**
 * Turns what an operator posts into a fact, or refuses it. A post counts only when its EIP-712 signature
 * recovers to the signing account that the chain fixed for that point when the job was funded, and the operator
 * stands at that point of the job's set. Who delivers the post does not matter.
 */
import { getAddress } from "ethers";
import { resultRoot } from "../../contracts/commitments.ts";
import type { Deployment } from "../../contracts/deployment.ts";
import {
  attestationDigest,
  recoverAttestation,
  recoverFailure,
  recoverJoin,
  recoverProgress,
  recoverUnopened,
} from "../../contracts/eip712.ts";
import { SymbolonError } from "../../mpc/errors.ts";
import type {
  AttestationPost,
  FailurePost,
  JoinPost,
  Point,
  ProgressPost,
  SetView,
  UnopenedPost,
} from "../schemas.ts";
import type { AttestationPosted, FailurePosted, JoinPosted, UnopenedPosted } from "./events.ts";
import type { Job } from "./transitions.ts";

export interface PostContext {
  deployment: Deployment;
  job: Job;
  /** The job's operator set. */
  set: SetView;
}

export function acceptJoin(context: PostContext, post: JoinPost): JoinPosted {
  const point = pointOf(context, post.operator);
  const signer = recover(() => recoverJoin(context.deployment, { job: context.job.id }, post.signature));
  requireSigner(context, point, signer);
  const { signature } = post;
  return { type: "JoinPosted", point, operator: getAddress(post.operator), signature };
}

/** Whether the job has come so far is for the caller to check. */
export function acceptUnopened(context: PostContext, post: UnopenedPost): UnopenedPosted {
  const point = pointOf(context, post.operator);
  const signer = recover(() => recoverUnopened(context.deployment, { job: context.job.id }, post.signature));
  requireSigner(context, point, signer);
  const { signature } = post;
  return { type: "UnopenedPosted", point, operator: getAddress(post.operator), signature };
}

/** The parts must be those that were signed: an operator that named others would keep the buyer from every dispute. */
export function acceptAttestation(context: PostContext, post: AttestationPost): AttestationPosted {
  requirePoint(context, post.operator, post.point);
  const { attestation, parts } = post;
  if (attestation.job !== context.job.id) {
    throw new SymbolonError("USAGE", `the attestation is for job ${attestation.job}, not ${context.job.id}`);
  }
  if (resultRoot(parts) !== attestation.resultRoot) {
    throw new SymbolonError("USAGE", "the parts of the result do not have the attested root");
  }
  const typed = { ...attestation, budgetSpent: BigInt(attestation.budgetSpent) };
  const signer = recover(() => recoverAttestation(context.deployment, typed, post.signature));
  requireSigner(context, post.point, signer);
  return {
    type: "AttestationPosted",
    point: post.point,
    operator: getAddress(post.operator),
    digest: attestationDigest(context.deployment, typed),
    attestation,
    parts,
    signature: post.signature,
  };
}

export function acceptFailure(context: PostContext, post: FailurePost): FailurePosted {
  requirePoint(context, post.operator, post.point);
  const notice = { job: context.job.id, reason: post.reason };
  const signer = recover(() => recoverFailure(context.deployment, notice, post.signature));
  requireSigner(context, post.point, signer);
  const { point, reason, signature } = post;
  return { type: "FailurePosted", point, operator: getAddress(post.operator), reason, signature };
}

/** Checks a progress report; it is not a fact and is not logged. */
export function acceptProgress(context: PostContext, post: ProgressPost): void {
  requirePoint(context, post.operator, post.point);
  if (post.done > post.total) throw new SymbolonError("USAGE", "progress beyond its total");
  const { phase, done, total } = post;
  const message = { job: context.job.id, phase, done: BigInt(done), total: BigInt(total) };
  const signer = recover(() => recoverProgress(context.deployment, message, post.signature));
  requireSigner(context, post.point, signer);
}

/** The point of an operator in the job's set. @throws NOT_AUTHORISED when it is not in the set */
function pointOf(context: PostContext, operator: string): Point {
  const index = context.set.members.findIndex((member) => member.toLowerCase() === operator.toLowerCase());
  if (index < 0) throw notAuthorised(context, "the operator is not in the operator set");
  return (index + 1) as Point;
}

function requirePoint(context: PostContext, operator: string, point: Point): void {
  if (pointOf(context, operator) !== point)
    throw notAuthorised(context, `the operator does not stand at point ${point}`);
}

function requireSigner(context: PostContext, point: Point, recovered: string | null): void {
  if (recovered?.toLowerCase() !== context.job.signers[point - 1]!.toLowerCase()) {
    throw notAuthorised(context, "the signature is not of the operator's signing account");
  }
}

/** A malformed signature recovers to nobody. */
function recover(recovery: () => string): string | null {
  try {
    return recovery();
  } catch {
    return null;
  }
}

function notAuthorised(context: PostContext, why: string): SymbolonError {
  return new SymbolonError("NOT_AUTHORISED", `job ${context.job.id}: ${why}`);
}
