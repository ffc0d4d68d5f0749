/** The collector's look at opened shards: what the chain cannot judge. */
import { getBytes } from "ethers";
import { shardKey } from "../../contracts/exchange-commitments.ts";
import { type ErrorCode, toSymbolonError } from "../../mpc/errors.ts";
import type { DataSetSchema } from "../data/schema.ts";
import { type DeliveredShard, isKeyOf } from "./delivery.ts";
import type { Extractor } from "./extractor.ts";
import { sameFeatures } from "./feature-block.ts";
import { decryptShard, type LabelledRows, type ShardPlace } from "./shards.ts";

/** What is wrong with one shard, in a code and words that show no row. */
export interface ShardProblem {
  shard: number;
  code: ErrorCode;
  message: string;
}

export interface OpeningScope {
  session: string;
  seat: bigint;
  shardCount: number;
  schema: DataSetSchema;
  extractor: Extractor;
}

/**
 * Decrypts a delivered shard with its revealed key and compares it with what was delivered for it: the key is the
 * committed one, the rows fit the schema, and they give the committed features and labels exactly.
 */
export function openShard(
  { session, seat, shardCount, schema, extractor }: OpeningScope,
  shard: DeliveredShard,
  key: string,
): { rows: LabelledRows } | { problem: ShardProblem } {
  const problem = (code: ErrorCode, message: string) => ({ problem: { shard: shard.index, code, message } });
  if (!isKeyOf(shard, key)) return problem("KEY_INVALID", "the revealed key is not the committed one");
  const place: ShardPlace = { session, seat, index: shard.index, shardCount };
  try {
    const rows = decryptShard(getBytes(key), place, shard.ciphertext, schema);
    if (rows.rows !== shard.rows) return problem("SHAPE_MISMATCH", "it holds another number of rows");
    if (!sameFeatures(extractor.extract(rows), shard.features)) {
      return problem("COMMITMENT_MISMATCH", "the committed features or labels are not those of its rows");
    }
    return { rows };
  } catch (error) {
    const { code, message } = toSymbolonError(error);
    return problem(code, message);
  }
}

/** The key of a shard under a revealed master key. */
export function keyUnder(masterKey: string, index: number): string {
  return `0x${shardKey(getBytes(masterKey), index).toString("hex")}`;
}
