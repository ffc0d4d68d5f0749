/** From a table to what an offer needs: three sealed shares and the facts that stand on chain. No network. */
import { SymbolonError } from "../../mpc/errors.ts";
import { randomBytes } from "../../mpc/random.ts";
import { type PartyIndex, partyIndices } from "../../mpc/transport/transport.ts";
import { createKernel, type Kernel } from "../../mpc/vector/index.ts";
import { conform } from "../data/conform.ts";
import type { Table } from "../data/csv.ts";
import { scaleMatrix, scalingOf } from "../data/scaling.ts";
import { type DataSetSchema, schemaHash, sharedColumns } from "../data/schema.ts";
import { ciphertextHash, shareMatrix } from "../data-set.ts";
import { type InputSealContext, seal } from "../sealing.ts";

/** One of the three operators of a set, from the registry on chain. */
export interface SealRecipient {
  address: string;
  /** X25519 public key as 0x and 64 hexadecimal digits. */
  sealKey: string;
  /** Place in the operator set, from 1. */
  point: PartyIndex;
}

export interface PrepareOptions {
  table: Table;
  schema: DataSetSchema;
  operators: readonly SealRecipient[];
  /** Account of the data's owner: the seller, or the buyer when this is validation data. */
  seller: string;
  chainId: bigint | number;
  /** The offer registry, or for validation data the escrow. */
  registry: string;
  /** A kernel of the schema's field; by default one is made. */
  kernel?: Kernel;
}

export interface PreparedDataSet {
  /** 32 fresh bytes, 0x-hexadecimal: the same table shared again is another data set. */
  nonce: string;
  schemaHash: string;
  rows: number;
  /** Shared columns, the label included. */
  columns: number;
  /** One for each operator in the order of the points. */
  sealed: [Uint8Array, Uint8Array, Uint8Array];
  /** sha256 of each. */
  ciphertextHashes: [string, string, string];
  /** For the seller's own eyes: what was shared, and how many cells of which column were clipped. */
  preview: { columns: string[]; rows: number; clipped: Record<string, number>; sealedBytes: number };
}

/**
 * Checks the table against the schema, scales the features to [-1, 1] by its public bounds, shares features
 * and label (the last column, 0 or 1), and seals share i to operator i.
 * @throws the CSV_ codes of `conform`; USAGE for operators that are not three distinct ones at points 1, 2, 3;
 * KEY_INVALID for a seal key that is none; FIELD_ENCODING when the field is too small for the fractional bits
 */
export async function prepareDataSet(options: PrepareOptions): Promise<PreparedDataSet> {
  const { table, schema } = options;
  const operators = orderedOperators(options.operators);
  const kernel = options.kernel ?? (await createKernel(schema.fieldBits));
  if (kernel.spec.bits !== schema.fieldBits) {
    throw new SymbolonError("FIELD_ENCODING", "The kernel is of another field than the schema.");
  }
  const { rows, features, label, clipped } = conform(table, schema);
  scaleMatrix(features, scalingOf(schema), features);
  const names = sharedColumns(schema);
  const matrix = label === undefined ? features : appendColumn(features, label, schema.columns.length);
  const shares = shareMatrix(kernel, matrix, rows, names.length, schema.fracBits);
  const facts = {
    nonce: `0x${randomBytes(32).toString("hex")}`,
    schemaHash: schemaHash(schema),
    rows,
    columns: names.length,
  };
  const sealed: Uint8Array[] = [];
  // One after the other: three large seals at once would triple the memory in use.
  for (const { address, sealKey, point } of operators) {
    const context: InputSealContext = {
      kind: "input-share",
      chainId: options.chainId,
      registry: options.registry,
      owner: options.seller,
      ...facts,
      operator: address,
      point,
    };
    const share = shares[point - 1]!;
    sealed.push(await seal(sealKey, context, share));
    share.fill(0);
  }
  return {
    ...facts,
    sealed: sealed as PreparedDataSet["sealed"],
    ciphertextHashes: sealed.map(ciphertextHash) as PreparedDataSet["ciphertextHashes"],
    preview: {
      columns: names,
      rows,
      clipped,
      sealedBytes: sealed.reduce((sum, { length }) => sum + length, 0),
    },
  };
}

function orderedOperators(operators: readonly SealRecipient[]): SealRecipient[] {
  const ordered = partyIndices.map((point) => operators.filter((operator) => operator.point === point));
  // Two shares with one operator, or readable with one key, would give it the data.
  const distinct = (values: string[]) => new Set(values).size === 3;
  if (
    operators.length !== 3 ||
    ordered.some((at) => at.length !== 1) ||
    !distinct(operators.map(({ address }) => address.toLowerCase())) ||
    !distinct(operators.map(({ sealKey }) => sealKey.toLowerCase()))
  ) {
    throw new SymbolonError(
      "USAGE",
      "A data set is shared to three distinct operators at points 1, 2 and 3.",
    );
  }
  return ordered.flat();
}

function appendColumn(matrix: Float64Array, column: Float64Array, width: number): Float64Array {
  const wider = new Float64Array(matrix.length + column.length);
  for (let row = 0; row < column.length; row++) {
    wider.set(matrix.subarray(row * width, (row + 1) * width), row * (width + 1));
    wider[row * (width + 1) + width] = column[row]!;
  }
  return wider;
}
