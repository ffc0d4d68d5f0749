/** What a market's chain tells, typed. */
import { type JobTerms, type Outcome, type ResultParts, specHash } from "./commitments.ts";
import type { JobState } from "./job-states.ts";
import type { AttestedOutcome, EventPosition, FundedJob, PublishedOffer } from "./market-events.ts";
import type { UseTerms } from "./use-terms.ts";

export const operatorStatuses = ["None", "Active", "Paused", "Leaving", "Slashed"] as const;
export type OperatorStatus = (typeof operatorStatuses)[number];

export interface Operator {
  address: string;
  status: OperatorStatus;
  signer: string;
  sealKey: string;
  channelKey: string;
  jiffKey: string;
  endpoint: string;
  feeWei: bigint;
  bondWei: bigint;
  /** When the bond can be withdrawn; null while the operator takes jobs. */
  withdrawableAtSec: number | null;
}

export interface OperatorSet {
  id: string;
  /** By point: the first stands at 1. */
  members: [string, string, string];
}

/** A member for whose sake its set takes no new jobs. */
export interface IdleMember {
  operator: string;
  status: OperatorStatus;
}

/** An offer as it stands now; `terms` are today's, `offer` its name, the data root. */
export interface Offer extends PublishedOffer {
  active: boolean;
  /** Another offer of the same data took its place, for good. */
  replaced: boolean;
  budgetLeftMicroRho: bigint;
  published: EventPosition;
}

/** An offer and one in its place. What jobs give back to the old one later can go to further ones. */
export interface Replacement {
  offer: string;
  replacement: string;
}

/** A job as it stands now. */
export interface Job extends FundedJob {
  /** Of what the buyer asked for; part of the terms whose hash is the job's name. */
  specHash: string;
  state: JobState;
  members: [string, string, string];
  /** Whether the three operators joined, whatever came of it. */
  joined: boolean;
  /** Last second of the challenge window, once attested. */
  windowEndSec: number | null;
  /** What is not yet paid out, once attested. */
  unclaimedWei: bigint | null;
  attestation: (EventPosition & AttestedOutcome) | null;
  funded: EventPosition;
}

/** A job and what was attested of it: all that the calls of its disputes repeat. */
export interface AttestedJob extends FundedJob {
  parts: ResultParts;
  /** Of the parts. */
  resultRoot: string;
  payoutRoot: string;
}

/** A chunk that a party owes. */
export interface OpenChallenge {
  chunk: number;
  /** Last second in which it can be posted. */
  dueSec: number;
}

/** A job's terms as the contracts' calls repeat them. */
export function termsOf(job: FundedJob): JobTerms {
  const { buyer, token, amountWei: amount, deadlineSec, signers } = job;
  return { buyer, token, amount, deadlineSec, specHash: specHash(job), signers };
}

/** The same of its outcome. */
export function outcomeOf({ buyer, token, resultRoot, payoutRoot }: Outcome): Outcome {
  return { buyer, token, resultRoot, payoutRoot };
}

/** What one party of a job is paid at the prices of its funding. */
export interface JobPrices {
  /** In the order of the job's offers. */
  offers: {
    offer: string;
    seller: string;
    rows: number;
    terms: UseTerms;
    /** Whether the buyer showed a credential of its issuer. */
    vouched: boolean;
    priceWei: bigint;
  }[];
  /** By point. */
  operators: { operator: string; feeWei: bigint }[];
  totalWei: bigint;
}

/** What a job asks of offers, and what the terms ask to be shown. */
export interface UseRequest {
  /** Each once, in the order in which they are computed on. */
  offers: readonly string[];
  /** What the result spends of each budget; without it the result is exact. */
  microRho?: bigint;
  /** Hash of the declared purpose. */
  purpose?: string;
  /** ERC-20 token that the buyer pays in; ETH by default. */
  token?: string;
  /** By offer, where its rules have lists. */
  proofs?: ReadonlyMap<string, UseProofs>;
  /** By offer, where its issuer vouches for the buyer. */
  credentials?: ReadonlyMap<string, Credential>;
  /** By offer, the terms that the buyer has seen: with others the job is refused. Today's by default. */
  terms?: ReadonlyMap<string, UseTerms>;
}

export interface UseProofs {
  algorithm: readonly string[];
  buyer: readonly string[];
  purpose: readonly string[];
}

/** What an issuer gave a buyer. */
export interface Credential {
  /** Last second in which a job can be created with it. */
  expirySec: number;
  /** 65 bytes, 0x-hex, over the EIP-712 message of the same name. */
  signature: string;
}

export interface QuoteRequest extends UseRequest {
  operatorSet: string;
  algorithm: string;
  buyer: string;
}
