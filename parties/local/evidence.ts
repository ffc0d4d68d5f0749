/**
 * What a party holds of a cell: the evidence that a share tells nothing. Each party's own node could print its
 * line; here the local market, which made all keys, does it for them.
 */
import { SymbolonError } from "../../mpc/errors.ts";
import type { PartyIndex } from "../../mpc/transport/transport.ts";
import { createKernel } from "../../mpc/vector/index.ts";
import type { DataSetSchema } from "../data/schema.ts";
import { sharedColumns } from "../data/schema.ts";
import { decodeShare } from "../data-set.ts";
import { unseal } from "../sealing.ts";
import type { LocalMarket } from "./market.ts";

export interface CellAtParty {
  point: PartyIndex;
  offer: string;
  row: number;
  column: string;
  /** The party's share: a number below 2^k - 1. */
  share: bigint;
}

/**
 * One party's share of one cell, opened as that party opens it. Ask for different cells at different parties:
 * two shares of one cell are the cell.
 */
export async function cellAtParty(
  market: LocalMarket,
  schema: DataSetSchema,
  cell: { point: PartyIndex; offer: string; row: number; column: string },
): Promise<CellAtParty> {
  const { point, row, column } = cell;
  const operator = market.operators[point - 1]!;
  const offer = await market.reader.offer(cell.offer);
  const sealed = await market.bridge.downloadBlob(offer.ciphertextHashes[point - 1]!, 2 ** 30);
  const bytes = await unseal(
    operator.keys.sealKey.privateKey,
    {
      kind: "input-share",
      chainId: market.deployment.chainId,
      registry: market.deployment.jobEscrow,
      owner: offer.seller,
      nonce: offer.nonce,
      schemaHash: offer.schemaHash,
      rows: offer.rows,
      columns: offer.columns,
      operator: operator.keys.owner.address,
      point,
    },
    sealed,
  );
  const index = sharedColumns(schema).indexOf(column);
  if (index < 0 || row < 0 || row >= offer.rows) throw new SymbolonError("USAGE", "there is no such cell");
  const kernel = await createKernel(schema.fieldBits);
  const format = { rows: offer.rows, cols: offer.columns, fracBits: schema.fracBits, point, seeded: true };
  const share = decodeShare(kernel, bytes, format);
  const [value] = kernel.toBigints(kernel.slice(share, row * offer.columns + index, 1));
  return { ...cell, share: value! };
}
