/**
 * The hashes of libraries/ExchangeHashes.sol and the rules of libraries/ShardSamples.sol, for those who take part in
 * an exchange: terms and facts, the tree of encrypted shards, keys of shards, and which shards are sampled.
 */
import { StandardMerkleTree } from "@openzeppelin/merkle-tree";
import { AbiCoder, concat, getBytes, hexlify, keccak256 } from "ethers";
import { SymbolonError } from "../mpc/errors.ts";

const abi = AbiCoder.defaultAbiCoder();
const maxSamples = 64;
const maxUint16 = 0xffffn;
const keyBytes = 32;
const leafTypes = ["uint256", "bytes32", "bytes32"];

/** What a collector offers. Amounts are in the smallest unit of the token. */
export interface SessionRequest {
  /** ERC-20 token; the zero address is ETH. */
  token: string;
  reward: bigint;
  deposit: bigint;
  /** Share of the reward, in hundredths of a percent, of a reviewed provider that does not win. */
  samplingBps: number;
  minShards: number;
  shardsPerSample: number;
  registerBySec: number;
  sampleSec: number;
  featuresSec: number;
  reviewSec: number;
  answerSec: number;
  optimalSec: number;
  claimSec: number;
  secretHash: string;
  extractorHash: string;
  descriptionHash: string;
}

/** A session's terms as calls repeat them. */
export interface SessionTerms {
  collector: string;
  schedule: bigint;
  token: string;
  amounts: bigint;
  context: string;
}

/** What a provider commits itself to. */
export interface Commitment {
  shardRoot: string;
  masterKeyHash: string;
  shardCount: number;
}

/** keccak256 of abi.encode of 32-byte words. */
export function wordsHash(...words: readonly string[]): string {
  return keccak256(concat(words));
}

export function sessionTerms(collector: string, request: SessionRequest): SessionTerms {
  const durations = [
    request.sampleSec,
    request.featuresSec,
    request.reviewSec,
    request.answerSec,
    request.optimalSec,
    request.claimSec,
  ];
  const schedule = durations.reduce(
    (packed, seconds, index) => packed | (BigInt(seconds) << BigInt(40 + 32 * index)),
    BigInt(request.registerBySec),
  );
  const amounts =
    request.reward |
    (request.deposit << 88n) |
    (BigInt(request.samplingBps) << 176n) |
    (BigInt(request.minShards) << 192n) |
    (BigInt(request.shardsPerSample) << 224n);
  const context = wordsHash(request.secretHash, request.extractorHash, request.descriptionHash);
  return { collector, schedule, token: request.token, amounts, context };
}

/** What the light calls of a collector repeat as one word. */
export function conditionsHash({ token, amounts, context }: SessionTerms): string {
  return keccak256(abi.encode(["address", "uint256", "bytes32"], [token, amounts, context]));
}

export function sessionId(terms: SessionTerms): string {
  const values = [terms.collector, terms.schedule, conditionsHash(terms)];
  return keccak256(abi.encode(["address", "uint256", "bytes32"], values));
}

/** How many answers to reviews the reward pays for: nobody should answer when more reviews were asked. */
export function maxAnswers({ reward, samplingBps }: SessionRequest): bigint {
  const compensation = (reward * BigInt(samplingBps)) / 10_000n;
  return compensation === 0n ? maxUint16 : reward / compensation;
}

/** The number of a provider's seat on chain. */
export function seatId(provider: string, number: bigint | number): bigint {
  return (BigInt(provider) << 64n) | BigInt(number);
}

export function commitmentHash({ shardRoot, masterKeyHash, shardCount }: Commitment): string {
  return keccak256(abi.encode(["bytes32", "bytes32", "uint32"], [shardRoot, masterKeyHash, shardCount]));
}

/** What the collector reveals to sample a registration, in one hash with who registered what. */
export function sampleSeed(secret: string, session: string, seat: bigint, commitment: string): string {
  return keccak256(
    abi.encode(["bytes32", "bytes32", "uint256", "bytes32"], [secret, session, seat, commitment]),
  );
}

/**
 * What a seat is bound to: the commitment and, in the order in which they come about, the seed, the root of the
 * features, and the hash of the sampled keys.
 */
export function factsHash(commitment: string, ...later: readonly string[]): string {
  return later.reduce((facts, next) => wordsHash(facts, next), commitment);
}

/** How many shards are sampled: one for each started `shardsPerSample`, at most 64. */
export function sampleCount(shardCount: number, shardsPerSample: number): number {
  return Math.min(Math.ceil(shardCount / shardsPerSample), maxSamples);
}

/**
 * The sampled shards of a seed, in ascending order, which is the one in which they are opened: one of each of as many
 * strata, equal but for one shard.
 */
export function sampledIndices(seed: string, shardCount: number, shardsPerSample: number): number[] {
  const samples = sampleCount(shardCount, shardsPerSample);
  const size = Math.floor(shardCount / samples);
  const larger = shardCount % samples;
  return Array.from({ length: samples }, (_, place) => {
    const first = place * size + Math.min(place, larger);
    const random = BigInt(keccak256(abi.encode(["bytes32", "uint256"], [seed, first])));
    return first + Number(random % BigInt(place < larger ? size + 1 : size));
  });
}

/**
 * The key of one shard, 32 bytes: keccak256 of the master key and the index. A secret of fixed length before the
 * message makes Keccak a pseudorandom function [BDPV11], so the keys of some shards tell nothing about those of others.
 * @throws KEY_INVALID for a master key of another length than 32 bytes
 */
export function shardKey(masterKey: Uint8Array, index: number): Buffer {
  if (masterKey.length !== keyBytes) {
    throw new SymbolonError("KEY_INVALID", `a master key has ${keyBytes} bytes, not ${masterKey.length}`);
  }
  return Buffer.from(getBytes(keccak256(abi.encode(["bytes32", "uint256"], [masterKey, index]))));
}

/** keccak256 over the sampled keys in a row. */
export function keysHash(keys: readonly Uint8Array[]): string {
  return keccak256(concat([...keys]));
}

/** One sampled shard, as its provider opens it. */
export interface ShardOpening {
  key: string;
  ciphertextHash: string;
  proof: string[];
}

export interface ShardTree {
  commitment: Commitment;
  /** Opens the shards at `indices`. */
  open(indices: readonly number[]): ShardOpening[];
}

/**
 * The tree over shards that were encrypted under the keys which `masterKey` derives. The master key is for one
 * registration: it becomes public when the data set is sold.
 * @param ciphertextHashes 32 bytes of each shard's ciphertext, in order
 * @throws PARAMETER_INVALID without shards, KEY_INVALID
 */
export function shardTree(masterKey: Uint8Array, ciphertextHashes: readonly string[]): ShardTree {
  if (ciphertextHashes.length === 0) {
    throw new SymbolonError("PARAMETER_INVALID", "a data set has at least one shard");
  }
  const leaves = ciphertextHashes.map((ciphertextHash, index): [number, string, string] => [
    index,
    ciphertextHash,
    keccak256(shardKey(masterKey, index)),
  ]);
  const tree = StandardMerkleTree.of(leaves, leafTypes);
  const open = (indices: readonly number[]) =>
    indices.map((index) => {
      const leaf = leaves[index];
      if (leaf === undefined) throw new SymbolonError("PARAMETER_INVALID", `there is no shard ${index}`);
      return {
        key: hexlify(shardKey(masterKey, index)),
        ciphertextHash: leaf[1],
        proof: tree.getProof(index),
      };
    });
  const commitment = {
    shardRoot: tree.root,
    masterKeyHash: keccak256(masterKey),
    shardCount: ciphertextHashes.length,
  };
  return { commitment, open };
}

/** Whether an opened shard is the one at `index` under the committed root. */
export function verifyOpening(shardRoot: string, index: number, opening: ShardOpening): boolean {
  const leaf = [index, opening.ciphertextHash, keccak256(getBytes(opening.key))];
  return StandardMerkleTree.verify(shardRoot, leafTypes, leaf, opening.proof);
}
