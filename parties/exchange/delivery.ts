/**
 * What a sampled provider delivers through the store: its encrypted shards and their features, each sealed to the
 * session's key, and a list of them. The list's sha256 is the features root on chain: whoever reads the chain finds
 * the delivery and knows that it is the one that was committed.
 *
 * Why sealed twice over: keys of shards become public on chain, with an answer some, with a claim all. A ciphertext in
 * a store that others read would be open from then on. HPKE to the collector's key of the session keeps it closed to all
 * but the collector. The list is not sealed; it tells the number of shards and hashes of ciphertexts.
 */

import { StandardMerkleTree } from "@openzeppelin/merkle-tree";
import { getBytes, keccak256 } from "ethers";
import { z } from "zod";
import { type Commitment, shardKey } from "../../contracts/exchange-commitments.ts";
import { SymbolonError } from "../../mpc/errors.ts";
import type { DataSetSchema } from "../data/schema.ts";
import { type ExchangeSealContext, seal, sealedBytes, unseal } from "../sealing.ts";
import type { Secret } from "../secret.ts";
import { addressOf, type BlobStore } from "./blob-store.ts";
import { canonicalBytes, checked, parseJson } from "./documents.ts";
import {
  decodeFeatureBlock,
  encodeFeatureBlock,
  type FeatureBlock,
  featureBlockBytes,
} from "./feature-block.ts";
import { ciphertextBytes, maxShards } from "./shards.ts";

const hex32 = z.string().regex(/^0x[0-9a-f]{64}$/);

const listSchema = z.strictObject({
  version: z.literal(1),
  session: hex32,
  /** The seat's number on chain, decimal. */
  seat: z.string().regex(/^\d{1,78}$/),
  shards: z
    .array(
      z.strictObject({
        /** sha256 of the ciphertext, as the registration's tree has it. */
        ciphertextHash: hex32,
        keyHash: hex32,
        /** Addresses of the sealed ciphertext and of its sealed features. */
        shard: hex32,
        features: hex32,
      }),
    )
    .min(1)
    .max(maxShards),
});
export type DeliveryList = z.infer<typeof listSchema>;

/** Whose delivery, to whom. */
export interface DeliveryScope {
  chainId: number;
  /** The exchange's contract. */
  exchange: string;
  session: string;
  seat: bigint;
}

/**
 * Seals and stores all shards and their features, and last the list.
 * @param shards ciphertext and features of each, in order
 * @param sealKey the session's X25519 public key
 * @returns the list's address: the features root
 */
export async function deliver(
  store: BlobStore,
  scope: DeliveryScope,
  sealKey: string,
  masterKey: Uint8Array,
  shards:
    | Iterable<{ ciphertext: Uint8Array; features: FeatureBlock }>
    | AsyncIterable<{ ciphertext: Uint8Array; features: FeatureBlock }>,
): Promise<string> {
  const list: DeliveryList = { version: 1, session: scope.session, seat: String(scope.seat), shards: [] };
  for await (const { ciphertext, features } of shards) {
    const shard = list.shards.length;
    const sealed = await seal(sealKey, contextOf(scope, "exchange-shard", shard), ciphertext);
    const block = encodeFeatureBlock(features);
    const sealedFeatures = await seal(sealKey, contextOf(scope, "exchange-features", shard), block);
    list.shards.push({
      ciphertextHash: addressOf(ciphertext),
      keyHash: keccak256(shardKey(masterKey, shard)),
      shard: await store.put(sealed),
      features: await store.put(sealedFeatures),
    });
  }
  return await store.put(canonicalBytes(list));
}

/** The addresses of all blobs of a delivery, the list last. @throws as `readDelivery` */
export async function deliveredBlobs(store: BlobStore, featuresRoot: string): Promise<string[]> {
  const { shards } = await readList(store, featuresRoot);
  return [...shards.flatMap(({ shard, features }) => [shard, features]), featuresRoot];
}

async function readList(store: BlobStore, featuresRoot: string): Promise<DeliveryList> {
  return checked(listSchema, parseJson(await store.get(featuresRoot)), "the list of a delivery");
}

/** One shard as it was delivered: whole, committed, and still encrypted. */
export interface DeliveredShard {
  index: number;
  keyHash: string;
  rows: number;
  ciphertext: Uint8Array;
  features: FeatureBlock;
}

export interface DeliveryReader {
  store: BlobStore;
  scope: DeliveryScope;
  commitment: Commitment;
  schema: DataSetSchema;
  rowsPerShard: number;
  /** Features a row. */
  width: number;
  sealPrivateKey: Secret;
}

/**
 * Fetches a delivery shard by shard and checks that it is complete: the list names the registered shards and no others,
 * every ciphertext is the registered one, every shard but the last is full, and every block of features has its shape.
 * Whether ciphertexts decrypt, and features are those of the rows, is for the review.
 * @throws NOT_FOUND, STORE_UNREACHABLE, LIMIT_EXCEEDED; COMMITMENT_MISMATCH, SEAL_INVALID, SHAPE_MISMATCH,
 * PARAMETER_INVALID for a delivery that is not what was committed
 */
export async function* readDelivery(
  reader: DeliveryReader,
  featuresRoot: string,
): AsyncGenerator<DeliveredShard> {
  const { store, scope, commitment, schema, rowsPerShard, width, sealPrivateKey } = reader;
  if (commitment.shardCount > maxShards) {
    throw new SymbolonError(
      "LIMIT_EXCEEDED",
      `${commitment.shardCount} shards were registered, ${maxShards} is the most`,
    );
  }
  const list = await readList(store, featuresRoot);
  if (list.session !== scope.session || list.seat !== String(scope.seat)) {
    throw new SymbolonError("COMMITMENT_MISMATCH", "the list is of another session or seat");
  }
  requireRegistered(list, commitment);
  for (const [index, entry] of list.shards.entries()) {
    const most = sealedBytes(ciphertextBytes(rowsPerShard, schema));
    const sealed = await store.get(entry.shard, most);
    const ciphertext = await unseal(sealPrivateKey, contextOf(scope, "exchange-shard", index), sealed);
    if (addressOf(ciphertext) !== entry.ciphertextHash) {
      throw new SymbolonError("COMMITMENT_MISMATCH", `shard ${index} is not the one that was registered`);
    }
    const rows = rowsOf(ciphertext, schema);
    const isLast = index === list.shards.length - 1;
    // A sample counts shards: were some smaller, few bad rows could fill as many shards as many good ones.
    if (rows === undefined || rows > rowsPerShard || (!isLast && rows !== rowsPerShard)) {
      throw new SymbolonError(
        "SHAPE_MISMATCH",
        `shard ${index} does not have the session's ${rowsPerShard} rows`,
      );
    }
    const mostFeatures = sealedBytes(featureBlockBytes(rows, width));
    const sealedFeatures = await store.get(entry.features, mostFeatures);
    const block = await unseal(sealPrivateKey, contextOf(scope, "exchange-features", index), sealedFeatures);
    const features = decodeFeatureBlock(block, rows, width);
    yield { index, keyHash: entry.keyHash, rows, ciphertext, features };
  }
}

/** The tree of a list must be the registered one. @throws COMMITMENT_MISMATCH */
function requireRegistered({ shards }: DeliveryList, { shardRoot, shardCount }: Commitment): void {
  const leaves = shards.map(({ ciphertextHash, keyHash }, index): [number, string, string] => [
    index,
    ciphertextHash,
    keyHash,
  ]);
  const tree = StandardMerkleTree.of(leaves, ["uint256", "bytes32", "bytes32"]);
  if (shards.length !== shardCount || tree.root !== shardRoot) {
    throw new SymbolonError("COMMITMENT_MISMATCH", "the list names other shards than were registered");
  }
}

/** The number of rows that a ciphertext of this length holds, from 1; undefined when it holds no whole number. */
function rowsOf(ciphertext: Uint8Array, schema: DataSetSchema): number | undefined {
  const rows =
    (ciphertext.length - ciphertextBytes(0, schema)) /
    (ciphertextBytes(1, schema) - ciphertextBytes(0, schema));
  return Number.isInteger(rows) && rows >= 1 ? rows : undefined;
}

function contextOf(
  scope: DeliveryScope,
  kind: ExchangeSealContext["kind"],
  shard: number,
): ExchangeSealContext {
  return { kind, ...scope, shard };
}

/** Whether a revealed key is the committed one of a shard. */
export function isKeyOf(shard: Pick<DeliveredShard, "keyHash">, key: string): boolean {
  return keccak256(getBytes(key)) === shard.keyHash;
}
