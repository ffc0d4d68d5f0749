/**
 * The messages of a training, as EIP-712 typed data in the domain of one GradientRounds on one chain, and the
 * hashes of libraries/TrainingHashes.sol.
 */
import {
  AbiCoder,
  type BytesLike,
  dataSlice,
  getAddress,
  keccak256,
  type Signer,
  type TypedDataDomain,
  TypedDataEncoder,
  type TypedDataField,
  verifyTypedData,
  ZeroAddress,
  ZeroHash,
  zeroPadBytes,
} from "ethers";
import { SymbolonError } from "../mpc/errors.ts";
import { compactSignature, reasonBytes } from "./eip712.ts";

/** Where the contract stands. */
export interface TrainingDomain {
  chainId: number;
  gradientRounds: string;
}

/** What the three operators sign about a round, once each: two different ones convict. */
export interface RoundAttestationMessage {
  training: bigint;
  round: bigint;
  inputRoot: string;
  resultRoot: string;
  payoutRoot: string;
  acceptedCount: bigint;
}

export interface RoundFailureMessage {
  training: bigint;
  round: bigint;
  /** An error code of at most 31 bytes. */
  reason: string;
}

/** What a data owner signs about its update of a round, once: two different ones cost its deposit. */
export interface UpdateCommitmentMessage {
  training: bigint;
  round: bigint;
  root: string;
}

/** A training's terms as calls repeat them, in the order of the contract. */
export interface TrainingTerms {
  modelOwner: string;
  token: string;
  reward: bigint;
  fee: bigint;
  deposit: bigint;
  rounds: bigint;
  minOwners: bigint;
  maxOwners: bigint;
  maxByzantine: bigint;
  joinSec: bigint;
  commitSec: bigint;
  attestSec: bigint;
  specHash: string;
  signers: readonly [string, string, string];
}

type Types = Record<string, TypedDataField[]>;
type Three = readonly [string, string, string];

const attestationTypes: Types = {
  RoundAttestation: [
    { name: "training", type: "uint256" },
    { name: "round", type: "uint256" },
    { name: "inputRoot", type: "bytes32" },
    { name: "resultRoot", type: "bytes32" },
    { name: "payoutRoot", type: "bytes32" },
    { name: "acceptedCount", type: "uint256" },
  ],
};
const failureTypes: Types = {
  RoundFailure: [
    { name: "training", type: "uint256" },
    { name: "round", type: "uint256" },
    { name: "reason", type: "bytes32" },
  ],
};
const commitmentTypes: Types = {
  UpdateCommitment: [
    { name: "training", type: "uint256" },
    { name: "round", type: "uint256" },
    { name: "root", type: "bytes32" },
  ],
};

const abi = AbiCoder.defaultAbiCoder();

export function trainingDomain(domain: TrainingDomain): TypedDataDomain {
  return {
    name: "Symbolon",
    version: "1",
    chainId: domain.chainId,
    verifyingContract: domain.gradientRounds,
  };
}

/** 65-byte signatures, 0x-hex, as the three functions that follow give. */
export function signRoundAttestation(
  signer: Signer,
  domain: TrainingDomain,
  message: RoundAttestationMessage,
): Promise<string> {
  return signer.signTypedData(trainingDomain(domain), attestationTypes, message);
}

export function signRoundFailure(
  signer: Signer,
  domain: TrainingDomain,
  message: RoundFailureMessage,
): Promise<string> {
  return signer.signTypedData(trainingDomain(domain), failureTypes, failureValue(message));
}

export function signUpdateCommitment(
  signer: Signer,
  domain: TrainingDomain,
  message: UpdateCommitmentMessage,
): Promise<string> {
  return signer.signTypedData(trainingDomain(domain), commitmentTypes, message);
}

/** Addresses that signed, as the three functions that follow give. @throws NOT_AUTHORISED when malformed */
export function recoverRoundAttestation(
  domain: TrainingDomain,
  message: RoundAttestationMessage,
  signature: string,
): string {
  return recover(domain, attestationTypes, message, signature);
}

export function recoverRoundFailure(
  domain: TrainingDomain,
  message: RoundFailureMessage,
  signature: string,
): string {
  return recover(domain, failureTypes, failureValue(message), signature);
}

export function recoverUpdateCommitment(
  domain: TrainingDomain,
  message: UpdateCommitmentMessage,
  signature: string,
): string {
  return recover(domain, commitmentTypes, message, signature);
}

/** The digest that a party signs once for a round; it is written to disk before. */
export function roundAttestationDigest(domain: TrainingDomain, message: RoundAttestationMessage): string {
  return TypedDataEncoder.hash(trainingDomain(domain), attestationTypes, message);
}

// ---- hashes --------------------------------------------------------------------------------------------

/**
 * The commitment of three sealed shares by one owner: of an update, or, with training and round 0, of the
 * initial model by the model owner.
 */
export function sharesCommitment(
  domain: TrainingDomain,
  shares: { training: bigint; round: bigint; owner: string; ciphertextHashes: Three },
): string {
  const { training, round, owner, ciphertextHashes } = shares;
  return keccak256(
    abi.encode(
      ["uint256", "address", "uint256", "uint256", "address", "bytes32[3]"],
      [domain.chainId, domain.gradientRounds, training, round, owner, ciphertextHashes],
    ),
  );
}

/** What a training computes with, beside numbers. */
export function trainingSpecHash(spec: {
  algorithm: string;
  operatorSet: string;
  modelRoot: string;
  spec: BytesLike;
}): string {
  return keccak256(
    abi.encode(
      ["bytes32", "bytes32", "bytes32", "bytes32"],
      [spec.algorithm, spec.operatorSet, spec.modelRoot, keccak256(spec.spec)],
    ),
  );
}

export function trainingTermsHash(terms: TrainingTerms): string {
  const amounts = ["uint96", "uint96", "uint96", "uint16", "uint16", "uint16", "uint16"];
  return keccak256(
    abi.encode(
      ["address", "address", ...amounts, "uint32", "uint32", "uint32", "bytes32", "address[3]"],
      Object.values(inOrder(terms)),
    ),
  );
}

/** The chain of commitments that begins with the terms: 20 bytes and 12 zeros. */
export function inputChain(termsHash: string, roots: readonly string[]): string {
  return roots.reduce(
    (chain, root) => firstTwenty(keccak256(abi.encode(["bytes32", "bytes32"], [chain, root]))),
    firstTwenty(termsHash),
  );
}

/** What a round's payouts are bound to on chain. */
export function roundOutcomeHash(payoutRoot: string, token: string = ZeroAddress): string {
  return keccak256(abi.encode(["bytes32", "address"], [payoutRoot, getAddress(token)]));
}

function firstTwenty(hash: string): string {
  return zeroPadBytes(dataSlice(hash, 0, 20), ZeroHash.length / 2 - 1);
}

function inOrder(terms: TrainingTerms): TrainingTerms {
  const { modelOwner, token, reward, fee, deposit, rounds, minOwners, maxOwners, maxByzantine } = terms;
  const { joinSec, commitSec, attestSec, specHash, signers } = terms;
  const numbers = { reward, fee, deposit, rounds, minOwners, maxOwners, maxByzantine };
  return { modelOwner, token, ...numbers, joinSec, commitSec, attestSec, specHash, signers };
}

function recover(domain: TrainingDomain, types: Types, message: object, signature: string): string {
  // Refuses what the contract would refuse, the other half of a malleable signature above all.
  compactSignature(signature);
  try {
    return verifyTypedData(trainingDomain(domain), types, message, signature);
  } catch (cause) {
    throw new SymbolonError("NOT_AUTHORISED", "the signature is malformed", { cause });
  }
}

function failureValue({ training, round, reason }: RoundFailureMessage) {
  return { training, round, reason: reasonBytes(reason) };
}
