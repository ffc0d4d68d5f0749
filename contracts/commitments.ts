/** The hashes of libraries/MarketHashes.sol, for those who check the chain or prepare what it will check. */
import { AbiCoder, type BytesLike, keccak256 } from "ethers";

const abi = AbiCoder.defaultAbiCoder();

/** What binds the ciphertext of one share. `registry` is the JobEscrow; `point` is 1, 2 or 3. */
export interface ShareBinding {
  chainId: number | bigint;
  registry: string;
  seller: string;
  nonce: string;
  schemaHash: string;
  rows: number;
  columns: number;
  member: string;
  point: number;
  ciphertextHash: string;
}

/** The commitment to one share. 32 bytes, as all that follow. */
export function shareCommitment(share: ShareBinding): string {
  return keccak256(
    abi.encode(
      [
        "uint256",
        "address",
        "address",
        "bytes32",
        "bytes32",
        "uint32",
        "uint16",
        "address",
        "uint8",
        "bytes32",
      ],
      [
        share.chainId,
        share.registry,
        share.seller,
        share.nonce,
        share.schemaHash,
        share.rows,
        share.columns,
        share.member,
        share.point,
        share.ciphertextHash,
      ],
    ),
  );
}

export type DataSetBinding = Omit<ShareBinding, "member" | "point" | "ciphertextHash"> & {
  members: readonly string[];
  ciphertextHashes: readonly string[];
};

/** The root that an offer of these three ciphertexts has on chain. */
export function dataRoot(dataSet: DataSetBinding): string {
  const { members, ciphertextHashes, ...common } = dataSet;
  const commitments = members.map((member, index) =>
    shareCommitment({ ...common, member, point: index + 1, ciphertextHash: ciphertextHashes[index] ?? "" }),
  );
  return keccak256(abi.encode(["bytes32[3]"], [commitments]));
}

/** The id of three operators; the first stands at point 1. */
export function operatorSetId(members: readonly string[]): string {
  return keccak256(abi.encode(["address[3]"], [members]));
}

/** What a job computes on: its data sets in the order of their offers, and its parameters. */
export function inputRoot(dataRoots: readonly string[], spec: BytesLike): string {
  return keccak256(abi.encode(["bytes32[]", "bytes32"], [dataRoots, keccak256(spec)]));
}

/** All that a buyer asked for. */
export interface SpecBinding {
  algorithm: string;
  operatorSet: string;
  deadlineSec: number | bigint;
  resultKey: string;
  microRho: bigint;
  /** The zero hash where none is declared. */
  purpose: string;
  offers: readonly bigint[];
  dataRoots: readonly string[];
  spec: BytesLike;
  buyer: string;
}

/** What the operators sign when they join. */
export function specHash(request: SpecBinding): string {
  return keccak256(
    abi.encode(
      [
        ...["bytes32", "bytes32", "uint64", "bytes32", "uint64", "bytes32"],
        ...["uint256[]", "bytes32[]", "bytes32", "address"],
      ],
      [
        request.algorithm,
        request.operatorSet,
        request.deadlineSec,
        request.resultKey,
        request.microRho,
        request.purpose,
        request.offers,
        request.dataRoots,
        keccak256(request.spec),
        request.buyer,
      ],
    ),
  );
}

/** A job's terms as the calls of the escrow repeat them. */
export interface JobTerms {
  buyer: string;
  amountWei: bigint;
  deadlineSec: number | bigint;
  algorithm: string;
  specHash: string;
  inputRoot: string;
  signers: readonly string[];
}

export function termsHash(terms: JobTerms): string {
  return keccak256(
    abi.encode(
      ["address", "uint96", "uint64", "bytes32", "bytes32", "bytes32", "address[3]"],
      [
        terms.buyer,
        terms.amountWei,
        terms.deadlineSec,
        terms.algorithm,
        terms.specHash,
        terms.inputRoot,
        terms.signers,
      ],
    ),
  );
}

/** An attested job's outcome as the calls of the escrow repeat it. */
export interface Outcome {
  termsHash: string;
  buyer: string;
  resultRoot: string;
  payoutRoot: string;
}

export function outcomeHash(outcome: Outcome): string {
  return keccak256(
    abi.encode(
      ["bytes32", "address", "bytes32", "bytes32"],
      [outcome.termsHash, outcome.buyer, outcome.resultRoot, outcome.payoutRoot],
    ),
  );
}
