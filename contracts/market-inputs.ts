/** What the transactions of a market take: what its callers hand in, and how the contracts take it. */
import { type BytesLike, ZeroHash } from "ethers";
import type { ResultParts } from "./commitments.ts";
import { compactSignature } from "./eip712.ts";
import type { UseRequest } from "./market-views.ts";
import type { Payout } from "./payouts.ts";
import type { UseTerms } from "./use-terms.ts";

export interface OperatorInput {
  /** Account that signs for the operator. */
  signer: string;
  /** X25519 public keys, 32 bytes as 0x-hex. */
  sealKey: string;
  channelKey: string;
  jiffKey: string;
  /** host:port of the operator's node. */
  endpoint: string;
  feeWei: bigint;
}

/** A signing account's proof of possession, 65 bytes as 0x-hex: `signPossession`. */
export interface PossessionProof {
  possession: string;
}

/** What of an offer is known only when its data are shared. */
export interface SharedAnew {
  nonce: string;
  /** sha256 of the sealed share of each point. */
  ciphertextHashes: readonly [string, string, string];
}

/** In its place before: no share has this hash, and it costs as much gas as one. */
const noHash = `0x${"11".repeat(32)}`;
export const sharedLater: SharedAnew = { nonce: noHash, ciphertextHashes: [noHash, noHash, noHash] };

export interface OfferInput extends SharedAnew {
  operatorSet: string;
  schemaHash: string;
  rows: number;
  columns: number;
  /** What all jobs together may spend, for ever. */
  budgetMicroRho: bigint;
  terms: UseTerms;
}

export interface JobInput extends UseRequest {
  algorithm: string;
  operatorSet: string;
  deadlineSec: number;
  /** X25519 public key, 32 bytes as 0x-hex. */
  resultKey: string;
  /** Canonical JSON. */
  spec: BytesLike;
  /** What the buyer agreed to pay; without it, what the reader's quote says now. */
  amountWei?: bigint;
}

/** What happened by point: who signed a join or an attestation. 65-byte signatures as 0x-hex. */
export type ThreeSignatures = readonly [string, string, string];

export interface FailureNotice {
  point: 1 | 2 | 3;
  /** An error code. */
  reason: string;
  signature: string;
}

/** What three operators attest together. */
export interface AttestedResult {
  job: string;
  parts: ResultParts;
  payoutRoot: string;
  budgetSpent: bigint;
}

/** One payout of one job. */
export interface ClaimInput extends Payout {
  job: string;
}

/** As the registry takes them. */
export function operatorArguments(input: OperatorInput & Partial<PossessionProof>): unknown[] {
  const { signer, sealKey, channelKey, jiffKey, endpoint, feeWei, possession } = input;
  const proof = possession === undefined ? [ZeroHash, ZeroHash] : compactSignature(possession);
  return [{ signer, sealKey, channelKey, jiffKey }, endpoint, feeWei, proof];
}

/** As the escrow takes it. */
export function payoutArgument({ index, account, amountWei }: Omit<Payout, "proof">) {
  return { index, account, amount: amountWei };
}
