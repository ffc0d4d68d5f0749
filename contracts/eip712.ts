/**
 * The messages that operators sign, as EIP-712 typed data in the domain of one JobEscrow on one chain: a
 * signature holds for no other chain, contract or job. That a signing account is an operator's is said in the domain
 * of the OperatorRegistry.
 */
import {
  encodeBytes32String,
  Signature,
  type Signer,
  type TypedDataDomain,
  TypedDataEncoder,
  type TypedDataField,
  verifyTypedData,
} from "ethers";
import { SymbolonError } from "../mpc/errors.ts";
import type { Deployment } from "./deployment.ts";

/** What a domain needs of a deployment. */
export type SigningDomain = Pick<Deployment, "chainId" | "jobEscrow">;
export type RegistryDomain = Pick<Deployment, "chainId" | "operatorRegistry">;

/** An operator agrees to run a job, whose id covers all that the buyer asked for. */
export interface JoinMessage {
  job: string;
}

export interface AttestationMessage {
  job: string;
  resultRoot: string;
  payoutRoot: string;
  budgetSpent: bigint;
}

export interface FailureMessage {
  job: string;
  /** An error code of at most 31 bytes; it stands as bytes32 on chain. */
  reason: string;
}

/** Of a job that ended: none of its data was opened, so what it reserved of budgets can be spent again. */
export interface UnopenedMessage {
  job: string;
}

/** An issuer's word that a buyer belongs to those whom it vouches for. */
export interface CredentialMessage {
  buyer: string;
  /** Last second in which a job can be created with it. */
  expirySec: number;
}

/** A signing account agrees to sign for an operator. */
export interface PossessionMessage {
  operator: string;
  /** The account that signs this. */
  signer: string;
}

/** Never sent to the chain: it lets the bridge tell whose progress report it is. */
export interface ProgressMessage {
  job: string;
  phase: string;
  done: bigint;
  total: bigint;
}

type Types = Record<string, TypedDataField[]>;

const joinTypes: Types = { Join: [{ name: "job", type: "bytes32" }] };
const unopenedTypes: Types = { Unopened: [{ name: "job", type: "bytes32" }] };
const attestationTypes: Types = {
  Attestation: [
    { name: "job", type: "bytes32" },
    { name: "resultRoot", type: "bytes32" },
    { name: "payoutRoot", type: "bytes32" },
    { name: "budgetSpent", type: "uint256" },
  ],
};
const failureTypes: Types = {
  Failure: [
    { name: "job", type: "bytes32" },
    { name: "reason", type: "bytes32" },
  ],
};
const credentialTypes: Types = {
  Credential: [
    { name: "buyer", type: "address" },
    { name: "expirySec", type: "uint64" },
  ],
};
const possessionTypes: Types = {
  ProofOfPossession: [
    { name: "operator", type: "address" },
    { name: "signer", type: "address" },
  ],
};
const progressTypes: Types = {
  Progress: [
    { name: "job", type: "bytes32" },
    { name: "phase", type: "string" },
    { name: "done", type: "uint64" },
    { name: "total", type: "uint64" },
  ],
};

export function signingDomain({ chainId, jobEscrow }: SigningDomain): TypedDataDomain {
  return { name: "Symbolon", version: "1", chainId, verifyingContract: jobEscrow };
}

export function registryDomain({ chainId, operatorRegistry }: RegistryDomain): TypedDataDomain {
  return { name: "Symbolon", version: "1", chainId, verifyingContract: operatorRegistry };
}

/** 65-byte signatures, 0x-hex, as the functions that follow give. */
export function signJoin(signer: Signer, deployment: SigningDomain, message: JoinMessage): Promise<string> {
  return signer.signTypedData(signingDomain(deployment), joinTypes, message);
}

export function signAttestation(
  signer: Signer,
  deployment: SigningDomain,
  message: AttestationMessage,
): Promise<string> {
  return signer.signTypedData(signingDomain(deployment), attestationTypes, message);
}

export function signFailure(
  signer: Signer,
  deployment: SigningDomain,
  message: FailureMessage,
): Promise<string> {
  return signer.signTypedData(signingDomain(deployment), failureTypes, failureValue(message));
}

export function signUnopened(
  signer: Signer,
  deployment: SigningDomain,
  message: UnopenedMessage,
): Promise<string> {
  return signer.signTypedData(signingDomain(deployment), unopenedTypes, message);
}

export function signCredential(
  signer: Signer,
  deployment: SigningDomain,
  message: CredentialMessage,
): Promise<string> {
  return signer.signTypedData(signingDomain(deployment), credentialTypes, message);
}

export function signProgress(
  signer: Signer,
  deployment: SigningDomain,
  message: ProgressMessage,
): Promise<string> {
  return signer.signTypedData(signingDomain(deployment), progressTypes, message);
}

export function signPossession(
  signer: Signer,
  deployment: RegistryDomain,
  message: PossessionMessage,
): Promise<string> {
  return signer.signTypedData(registryDomain(deployment), possessionTypes, message);
}

/** Addresses that signed, as the functions that follow give. @throws NOT_AUTHORISED when malformed */
export function recoverJoin(deployment: SigningDomain, message: JoinMessage, signature: string): string {
  return recover(signingDomain(deployment), joinTypes, message, signature);
}

export function recoverAttestation(
  deployment: SigningDomain,
  message: AttestationMessage,
  signature: string,
): string {
  return recover(signingDomain(deployment), attestationTypes, message, signature);
}

export function recoverFailure(
  deployment: SigningDomain,
  message: FailureMessage,
  signature: string,
): string {
  return recover(signingDomain(deployment), failureTypes, failureValue(message), signature);
}

export function recoverUnopened(
  deployment: SigningDomain,
  message: UnopenedMessage,
  signature: string,
): string {
  return recover(signingDomain(deployment), unopenedTypes, message, signature);
}

export function recoverCredential(
  deployment: SigningDomain,
  message: CredentialMessage,
  signature: string,
): string {
  return recover(signingDomain(deployment), credentialTypes, message, signature);
}

export function recoverProgress(
  deployment: SigningDomain,
  message: ProgressMessage,
  signature: string,
): string {
  return recover(signingDomain(deployment), progressTypes, message, signature);
}

export function recoverPossession(
  deployment: RegistryDomain,
  message: PossessionMessage,
  signature: string,
): string {
  return recover(registryDomain(deployment), possessionTypes, message, signature);
}

/** The digest that a party signs once for a job; it is written to disk before. */
export function attestationDigest(deployment: SigningDomain, message: AttestationMessage): string {
  return TypedDataEncoder.hash(signingDomain(deployment), attestationTypes, message);
}

/** A reason as it stands on chain. @throws PARAMETER_INVALID beyond 31 bytes */
export function reasonBytes(reason: string): string {
  try {
    return encodeBytes32String(reason);
  } catch (cause) {
    throw new SymbolonError("PARAMETER_INVALID", "the reason of a failure has at most 31 bytes", { cause });
  }
}

/** A signature in the two words (EIP-2098) that the contract takes. @throws NOT_AUTHORISED when malformed */
export function compactSignature(signature: string): [string, string] {
  const { r, yParityAndS } = parse(signature);
  return [r, yParityAndS];
}

/**
 * Refuses what the contract would refuse: the other half of a malleable signature above all. Otherwise a
 * bridge could collect three signatures that it can never submit.
 */
function parse(signature: string): Signature {
  return orMalformed(() => {
    const parsed = Signature.from(signature);
    if (!parsed.isValid()) throw new Error("non-canonical s");
    return parsed;
  });
}

function recover(domain: TypedDataDomain, types: Types, message: object, signature: string): string {
  const parsed = parse(signature);
  // Not every pair of numbers is a signature by somebody.
  return orMalformed(() => verifyTypedData(domain, types, message, parsed));
}

function orMalformed<T>(action: () => T): T {
  try {
    return action();
  } catch (cause) {
    throw new SymbolonError("NOT_AUTHORISED", "the signature is malformed", { cause });
  }
}

function failureValue({ job, reason }: FailureMessage) {
  return { job, reason: reasonBytes(reason) };
}
