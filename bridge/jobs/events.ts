/**
 * What can happen to a job, as facts in the bridge's append-only log. Three sources: the chain (final after
 * the configured confirmations), the operators (verified signatures) and the bridge itself (what became of
 * its transactions). Everything in a fact is JSON, so that the log can be read back in any later version.
 */
import type { AttestationBody, Point, ResultPartsBody } from "../schemas.ts";

/** Where on the chain a fact stands. */
export interface ChainPosition {
  blockNumber: number;
  timestampSec: number;
  txHash: string;
}

export interface FundedEvent {
  type: "Funded";
  chain: ChainPosition;
  buyer: string;
  operatorSet: string;
  algorithm: string;
  deadlineSec: number;
  resultKey: string;
  microRho: string;
  purpose: string;
  offers: string[];
  spec: string;
  token: string;
  amountWei: string;
  specHash: string;
  /** The accounts that sign for the three operators, by point, as they were when the job was funded. */
  signers: [string, string, string];
}

interface OnChain<Type extends string> {
  type: Type;
  chain: ChainPosition;
}

export type JobChainEvent =
  | FundedEvent
  | OnChain<"Joined">
  | (OnChain<"Attested"> & { resultRoot: string; payoutRoot: string; budgetSpent: string })
  | OnChain<"Disputed">
  | (OnChain<"ChunkChallenged"> & ChunkOfOperator & { dueSec: number })
  // Without the opening, which shows elements of a share: who needs it reads it from the chain.
  | (OnChain<"ChunkPosted"> & ChunkOfOperator & { heldUntilSec: number })
  | (OnChain<"OperatorExposed"> & ChunkOfOperator)
  | (OnChain<"Contested"> & { coordinate: string })
  | OnChain<"Settled">
  | (OnChain<"Failed"> & { reasons: string[] })
  | OnChain<"Overturned">
  | OnChain<"Refunded">
  | (OnChain<"Claimed"> & { index: string; account: string; amountWei: string })
  // One for each offer; 0 where its budget has no limit.
  | (OnChain<"BudgetReturned"> & { offer: string; microRho: string });

/** A chunk of the share of a result that an operator was asked for. */
interface ChunkOfOperator {
  operator: string;
  point: Point;
  chunk: number;
}

export interface JoinPosted {
  type: "JoinPosted";
  point: Point;
  operator: string;
  signature: string;
}

export interface AttestationPosted {
  type: "AttestationPosted";
  point: Point;
  operator: string;
  /** EIP-712 digest of `attestation`. */
  digest: string;
  attestation: AttestationBody;
  parts: ResultPartsBody;
  signature: string;
}

export interface FailurePosted {
  type: "FailurePosted";
  point: Point;
  operator: string;
  reason: string;
  signature: string;
}

export interface UnopenedPosted {
  type: "UnopenedPosted";
  point: Point;
  operator: string;
  signature: string;
}

export type OperatorEvent = JoinPosted | AttestationPosted | FailurePosted | UnopenedPosted;

/** The parties signed different digests; kept as evidence, since two digests of one key convict that key. */
export interface AttestationConflict {
  type: "AttestationConflict";
  digests: { point: Point; digest: string }[];
}

/** The chain, or the node before it, refused a transaction of the bridge. */
export interface TransactionRefused {
  type: "TransactionRefused";
  kind: ActionKind;
  code: string;
  message: string;
}

export type JobEvent = JobChainEvent | OperatorEvent | AttestationConflict | TransactionRefused;
export type JobEventType = JobEvent["type"];

/** Transactions that the bridge sends of its own accord. None of them needs a right: anyone may send them. */
export type ActionKind =
  | "join"
  | "attest"
  | "fail"
  | "refund"
  | "settle"
  | "expose"
  | "returnBudget"
  | "returnUnopened";
