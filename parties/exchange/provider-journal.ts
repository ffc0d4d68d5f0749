/** What the provider of a session must not forget, and its data set as it lies there; see `journal.ts`. */
import { getBytes } from "ethers";
import { z } from "zod";
import { seatId, shardKey, shardTree } from "../../contracts/exchange-commitments.ts";
import { SymbolonError } from "../../mpc/errors.ts";
import { conform } from "../data/conform.ts";
import type { Table } from "../data/csv.ts";
import type { DataSetSchema } from "../data/schema.ts";
import type { SessionDescription } from "./documents.ts";
import type { Extractor } from "./extractor.ts";
import type { FeatureBlock } from "./feature-block.ts";
import type { Journal } from "./journal.ts";
import { cutShards, decryptShard, type LabelledRows } from "./shards.ts";

const hex32 = z.string().regex(/^0x[0-9a-f]{64}$/);

export const providerJournal = z.strictObject({
  version: z.literal(1),
  side: z.literal("provider"),
  chainId: z.int().positive(),
  exchange: z.string(),
  account: z.string(),
  session: hex32,
  /** The seat's number among the account's, decimal. */
  number: z.string().regex(/^\d{1,20}$/),
  /** Secret until it is sold. */
  masterKey: hex32,
  rows: z.int().positive(),
  /** Of the shards in order; the ciphertexts lie beside the journal under these addresses. */
  ciphertextHashes: z.array(hex32).min(1),
  /** Address of the delivery's list, once everything is in the store. */
  featuresRoot: hex32.optional(),
});
export type ProviderJournal = z.infer<typeof providerJournal>;

/** The own shards from the journal's folder, with their rows. */
export async function* ownShards(
  journal: Journal<ProviderJournal>,
  schema: DataSetSchema,
): AsyncGenerator<{ ciphertext: Uint8Array; rows: LabelledRows }> {
  const { session, account, number, masterKey, ciphertextHashes } = journal.content;
  const seat = seatId(account, BigInt(number));
  for (const [index, address] of ciphertextHashes.entries()) {
    const ciphertext = await journal.blobs.get(address);
    const place = { session, seat, index, shardCount: ciphertextHashes.length };
    yield { ciphertext, rows: decryptShard(shardKey(getBytes(masterKey), index), place, ciphertext, schema) };
  }
}

export async function* withFeatures(
  shards: AsyncIterable<{ ciphertext: Uint8Array; rows: LabelledRows }>,
  extractor: Extractor,
): AsyncGenerator<{ ciphertext: Uint8Array; features: FeatureBlock }> {
  for await (const { ciphertext, rows } of shards) yield { ciphertext, features: extractor.extract(rows) };
}

/** A registration that goes on has to be of the rows that it was begun with. @throws USAGE; the codes of `conform` */
export async function requireSameRows(
  journal: Journal<ProviderJournal>,
  { schema, rowsPerShard }: SessionDescription,
  table: Table,
): Promise<void> {
  const asked = cutShards(conform(table, schema), schema, rowsPerShard);
  let index = 0;
  let same = asked.length === journal.content.ciphertextHashes.length;
  for await (const { rows } of ownShards(journal, schema)) {
    const { features, label } = asked[index++] ?? rows;
    same &&= sameNumbers(features, rows.features) && sameNumbers(label, rows.label);
  }
  if (same) return;
  throw new SymbolonError(
    "USAGE",
    `${journal.folder} holds the registration of other rows than ${table.file}`,
    {
      hint: "give the same file to go on with it, or another --folder to register another data set",
    },
  );
}

function sameNumbers(one: Float64Array, other: Float64Array): boolean {
  return one.length === other.length && one.every((value, at) => value === other[at]);
}

/** The tree that the registration is committed to. */
export function treeOf({ masterKey, ciphertextHashes }: ProviderJournal) {
  return shardTree(getBytes(masterKey), ciphertextHashes);
}
