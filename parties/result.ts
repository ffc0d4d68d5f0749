/**
 * The result of a job as it leaves a compute party: the payload that is sealed to the buyer, and the roots
 * that the parties attest to.
 *
 * Payload, secret (it holds a share):
 *
 *     offset 0   "SYMR"
 *            4   version (u8), 1
 *            5   0 (3 bytes)
 *            8   salt (32 bytes, random)
 *           40   length of the measurement (u32, little-endian)
 *           44   measurement, UTF-8 JSON
 *            …   share, as `data-set.ts` writes an N x 1 matrix: all parts of the result in the plan's order
 *
 * Root of a party: an OpenZeppelin standard Merkle tree over chunks of 64 elements. A leaf is
 *
 *     keccak256(keccak256(abi.encode(chunk salt, job, attempt, operator, point, chunk index, N, chunk hash)))
 *
 * and the chunk hash is the keccak256 of its elements, each as 16 bytes, big-endian: the form in which a
 * contract can check an opened chunk and compute with it (interfaces/IDisputes.sol). The salt keeps a leaf from
 * telling a share that can be guessed; each chunk has its own, keccak256(abi.encode(salt, chunk index)), so that one
 * that was opened tells nothing about the others. What is attested as `resultRoot` (contracts/commitments.ts) is one
 * hash over the roots and the sealed results of all three.
 */
import { StandardMerkleTree } from "@openzeppelin/merkle-tree";
import { AbiCoder, keccak256 } from "ethers";
import type { AttestationPost } from "../bridge/client.ts";
import type { ChunkOpening } from "../contracts/market-events.ts";
import { SymbolonError } from "../mpc/errors.ts";
import { randomBytes } from "../mpc/random.ts";
import type { PartyIndex } from "../mpc/transport/transport.ts";
import { type FieldBits, fieldSpecs } from "../mpc/vector/index.ts";
import { measurementSchema, type RunMeasurement } from "./run-cost.ts";

export interface ResultPayload {
  /** 32 bytes. */
  salt: Uint8Array;
  measurement: RunMeasurement;
  /** Bytes of the share, see `data-set.ts`. */
  share: Uint8Array;
}

/** Which party's result of which job: part of every leaf. */
export interface ResultOrigin {
  jobId: string;
  attempt: number;
  /** Address of the operator. */
  operator: string;
  point: PartyIndex;
}

/** Elements in a leaf. */
export const chunkElements = 64;
/** Bytes of an element in a chunk's preimage. */
export const chunkElementBytes = 16;
export const resultSaltBytes = 32;

const magic = new TextEncoder().encode("SYMR");
const version = 1;
const headerBytes = 44;
const maxMeasurementBytes = 65_536;

/** A fresh salt for one party's result. */
export function resultSalt(): Uint8Array {
  return Uint8Array.from(randomBytes(resultSaltBytes));
}

export function encodeResultPayload({ salt, measurement, share }: ResultPayload): Uint8Array {
  if (salt.length !== resultSaltBytes) throw new SymbolonError("USAGE", "a result's salt has 32 bytes");
  const json = new TextEncoder().encode(JSON.stringify(measurementSchema.parse(measurement)));
  if (json.length > maxMeasurementBytes)
    throw new SymbolonError("LIMIT_EXCEEDED", "the measurement is too long");
  const bytes = new Uint8Array(headerBytes + json.length + share.length);
  bytes.set(magic);
  bytes[4] = version;
  bytes.set(salt, 8);
  new DataView(bytes.buffer).setUint32(40, json.length, true);
  bytes.set(json, headerBytes);
  bytes.set(share, headerBytes + json.length);
  return bytes;
}

/** Views of `bytes`, not copies. @throws RESULT_TAMPERED for anything that `encodeResultPayload` does not write */
export function decodeResultPayload(bytes: Uint8Array): ResultPayload {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const known =
    bytes.length >= headerBytes &&
    magic.every((byte, i) => bytes[i] === byte) &&
    bytes[4] === version &&
    bytes.subarray(5, 8).every((byte) => byte === 0);
  if (!known) throw malformed();
  const end = headerBytes + view.getUint32(40, true);
  if (end - headerBytes > maxMeasurementBytes || end > bytes.length) throw malformed();
  return {
    salt: bytes.subarray(8, 8 + resultSaltBytes),
    measurement: readMeasurement(bytes.subarray(headerBytes, end)),
    share: bytes.subarray(end),
  };
}

function readMeasurement(bytes: Uint8Array): RunMeasurement {
  try {
    return measurementSchema.parse(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)));
  } catch {
    throw malformed();
  }
}

function malformed(): SymbolonError {
  return new SymbolonError("RESULT_TAMPERED", "a party's result is malformed");
}

const leafTypes = ["bytes32", "bytes32", "uint256", "address", "uint8", "uint256", "uint256", "bytes32"];

/** The tree over a party's result share: its root, and proofs of single chunks. @throws RESULT_TAMPERED */
export function partyResultTree(origin: ResultOrigin, salt: Uint8Array, share: Uint8Array) {
  const chunks = resultChunks(share);
  const total = chunks.reduce((sum, { length }) => sum + length / chunkElementBytes, 0);
  const { jobId, attempt, operator, point } = origin;
  const leaves = chunks.map((chunk, index) => [
    chunkSalt(salt, index),
    jobId,
    attempt,
    operator,
    point,
    index,
    total,
    keccak256(chunk),
  ]);
  return StandardMerkleTree.of(leaves, leafTypes);
}

/**
 * Opens chunks of a party's share: each with what a contract needs to check it. The tree is built once.
 * @throws RESULT_TAMPERED; the function, USAGE for a chunk that the share does not have
 */
export function chunkOpener(
  origin: ResultOrigin,
  salt: Uint8Array,
  share: Uint8Array,
): (index: number) => ChunkOpening {
  const chunks = resultChunks(share);
  const tree = partyResultTree(origin, salt, share);
  return (index) => {
    const elements = chunks[index];
    if (elements === undefined) throw new SymbolonError("USAGE", `the share has no chunk ${index}`);
    const proof = tree.getProof(index);
    return { salt: chunkSalt(salt, index), attempt: origin.attempt, elements, proof };
  };
}

/** The same for one chunk alone. */
export function openChunk(
  origin: ResultOrigin,
  salt: Uint8Array,
  share: Uint8Array,
  index: number,
): ChunkOpening {
  return chunkOpener(origin, salt, share)(index);
}

/** The root that a party commits to. 32 bytes, 0x-hexadecimal. @throws RESULT_TAMPERED */
export function partyResultRoot(origin: ResultOrigin, salt: Uint8Array, share: Uint8Array): string {
  return partyResultTree(origin, salt, share).root;
}

/** Elements of a whole result, all its parts in a row. */
export function resultElements({ parts }: { parts: readonly { rows: number; cols: number }[] }): number {
  return parts.reduce((sum, { rows, cols }) => sum + rows * cols, 0);
}

/** The salt of one chunk's leaf, from that of the whole share. */
export function chunkSalt(salt: Uint8Array, index: number): string {
  return keccak256(AbiCoder.defaultAbiCoder().encode(["bytes32", "uint256"], [toHex(salt), index]));
}

/** What is attested about a result. */
export type ResultParts = AttestationPost["parts"];

/** Layout of a share's bytes, see `data-set.ts`. */
const shareHeaderBytes = 16;
const shareBlockElements = 2 ** 16;

/**
 * The elements of an N x 1 share in chunks of 64, each element as 16 bytes, big-endian.
 * @throws RESULT_TAMPERED when the bytes are no such share
 */
export function resultChunks(share: Uint8Array): Uint8Array[] {
  const { view, field, total } = layoutOf(share);
  const chunks: Uint8Array[] = [];
  for (let block = 0; block < total; block += shareBlockElements) {
    const size = Math.min(shareBlockElements, total - block);
    const start = shareHeaderBytes + block * field.elementBytes;
    for (let first = 0; first < size; first += chunkElements) {
      const length = Math.min(chunkElements, size - first);
      const chunk = new Uint8Array(length * chunkElementBytes);
      const out = new DataView(chunk.buffer);
      for (let i = 0; i < length; i++) {
        let value = 0n;
        for (let limb = field.limbs - 1; limb >= 0; limb--) {
          const word = view.getUint32(start + 4 * (limb * size + first + i), true);
          value = (value << BigInt(field.limbBits)) | BigInt(word);
        }
        out.setBigUint64(i * chunkElementBytes, value >> 64n);
        out.setBigUint64(i * chunkElementBytes + 8, value & 0xffff_ffff_ffff_ffffn);
      }
      chunks.push(chunk);
    }
  }
  return chunks;
}

/** How many elements an N x 1 share has. @throws RESULT_TAMPERED */
export function shareElements(share: Uint8Array): number {
  return layoutOf(share).total;
}

function layoutOf(share: Uint8Array) {
  if (share.length < shareHeaderBytes) throw malformed();
  const view = new DataView(share.buffer, share.byteOffset, share.byteLength);
  const field = fieldSpecs[share[5] as FieldBits];
  const total = view.getUint32(8, true);
  const fits =
    field !== undefined &&
    total > 0 &&
    view.getUint32(12, true) === 1 &&
    share.length === shareHeaderBytes + total * field.elementBytes;
  if (!fits) throw malformed();
  return { view, field, total };
}

function toHex(bytes: Uint8Array): string {
  return `0x${Buffer.from(bytes).toString("hex")}`;
}
