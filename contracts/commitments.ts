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

/** All that a buyer asks for but the deadline. */
export interface SpecBinding {
  operatorSet: string;
  algorithm: string;
  resultKey: string;
  microRho: bigint;
  /** The zero hash where none is declared. */
  purpose: string;
  spec: BytesLike;
  /** Data roots, in the order in which they are computed on. */
  offers: readonly string[];
}

export function specHash(request: SpecBinding): string {
  return keccak256(
    abi.encode(
      ["bytes32", "bytes32", "bytes32", "uint64", "bytes32", "bytes32", "bytes32[]"],
      [
        request.operatorSet,
        request.algorithm,
        request.resultKey,
        request.microRho,
        request.purpose,
        keccak256(request.spec),
        request.offers,
      ],
    ),
  );
}

/** A job's terms as the calls of the escrow repeat them. Amounts in the smallest unit of the token. */
export interface JobTerms {
  buyer: string;
  /** The zero address is ETH. */
  token: string;
  amount: bigint;
  deadlineSec: number | bigint;
  specHash: string;
  /** By point. */
  signers: readonly string[];
}

/** The name of a job. */
export function jobId(terms: JobTerms): string {
  return keccak256(
    abi.encode(
      ["address", "address", "uint96", "uint64", "bytes32", "address[3]"],
      [terms.buyer, terms.token, terms.amount, terms.deadlineSec, terms.specHash, terms.signers],
    ),
  );
}

/** An attested job's outcome as the calls of the escrow repeat it. */
export interface Outcome {
  buyer: string;
  token: string;
  resultRoot: string;
  payoutRoot: string;
}

export function outcomeHash(outcome: Outcome): string {
  return keccak256(
    abi.encode(
      ["address", "address", "bytes32", "bytes32"],
      [outcome.buyer, outcome.token, outcome.resultRoot, outcome.payoutRoot],
    ),
  );
}

/** What an attested result root is the hash of. */
export interface ResultParts {
  /** Merkle roots of the parties' shares, by point. */
  roots: readonly [string, string, string];
  ciphertextHashes: readonly [string, string, string];
  fieldBits: number;
  /** Elements of the result. */
  total: number;
}

/** What is attested about a result. */
export function resultRoot({ roots, ciphertextHashes, fieldBits, total }: ResultParts): string {
  return keccak256(
    abi.encode(["bytes32[3]", "bytes32[3]", "uint8", "uint32"], [roots, ciphertextHashes, fieldBits, total]),
  );
}
