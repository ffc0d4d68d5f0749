/** From a table to what an offer needs: three sealed shares and the facts that stand on chain. No network. */
import { createHash } from "node:crypto";
import { SymbolonError } from "../../mpc/errors.ts";
import { randomBytes } from "../../mpc/random.ts";
import { type PartyIndex, partyIndices } from "../../mpc/transport/transport.ts";
import { createKernel, type Kernel } from "../../mpc/vector/index.ts";
import { type ConformedRows, Conformer } from "../data/conform.ts";
import type { Table } from "../data/csv.ts";
import { type RowSource, rowsOf } from "../data/rows.ts";
import { scaleMatrix, scalingOf } from "../data/scaling.ts";
import { type DataSetSchema, schemaHash, sharedColumns } from "../data/schema.ts";
import { dataSetShareBytes, MatrixSharer, rowsPerBlock } from "../data-set.ts";
import { type InputSealContext, Sealer } from "../sealing.ts";

/** One of the three operators of a set, from the registry on chain. */
export interface SealRecipient {
  address: string;
  /** X25519 public key as 0x and 64 hexadecimal digits. */
  sealKey: string;
  /** Place in the operator set, from 1. */
  point: PartyIndex;
}

export interface PrepareOptions {
  /** A table in memory, or rows that are read block by block. */
  table: Table | RowSource;
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

/** What stands on chain about a shared data set, and what its owner likes to know. */
export interface SharedDataSet {
  /** 32 fresh bytes, 0x-hexadecimal: the same table shared again is another data set. */
  nonce: string;
  schemaHash: string;
  rows: number;
  /** Shared columns, the label included. */
  columns: number;
  /** sha256 of each ciphertext in the order of the points. */
  ciphertextHashes: [string, string, string];
  /** For the seller's own eyes: what was shared, and how many cells of which column were clipped. */
  preview: { columns: string[]; rows: number; clipped: Record<string, number>; sealedBytes: number };
}

/** Takes the next bytes of the sealed share for a point. */
export type SealedSink = (point: PartyIndex, bytes: Uint8Array) => Promise<void> | void;

/**
 * Checks the rows against the schema, scales the features to [-1, 1] by its public bounds, shares features
 * and label (the last column, 0 or 1), and seals share i to operator i. The sealed shares go to `sink` part by
 * part, so besides a block of rows and a chunk of each seal nothing is held in memory; they are worth nothing
 * unless the promise resolves.
 * @throws the CSV_ codes of `conform`; CSV_CHANGED; USAGE for operators that are not three distinct ones at
 * points 1, 2, 3; KEY_INVALID for a seal key that is none; FIELD_ENCODING when the field is too small for the
 * fractional bits
 */
export async function shareDataSet(options: PrepareOptions, sink: SealedSink): Promise<SharedDataSet> {
  const { schema } = options;
  const source = "values" in options.table ? rowsOf(options.table) : options.table;
  const operators = orderedOperators(options.operators);
  const kernel = options.kernel ?? (await createKernel(schema.fieldBits));
  if (kernel.spec.bits !== schema.fieldBits) {
    throw new SymbolonError("FIELD_ENCODING", "The kernel is of another field than the schema.");
  }
  const names = sharedColumns(schema);
  const { rows } = source;
  const columns = names.length;
  const facts = {
    nonce: `0x${randomBytes(32).toString("hex")}`,
    schemaHash: schemaHash(schema),
    rows,
    columns,
  };
  const outlets: Outlet[] = [];
  for (const operator of operators) {
    const context: InputSealContext = {
      kind: "input-share",
      chainId: options.chainId,
      registry: options.registry,
      owner: options.seller,
      ...facts,
      operator: operator.address,
      point: operator.point,
    };
    const bytes = dataSetShareBytes(kernel.spec, rows, columns, operator.point);
    const sealer = await Sealer.begin(operator.sealKey, context, bytes);
    outlets.push(new Outlet(operator.point, sealer, sink));
  }
  const conformer = new Conformer(source, schema);
  const sharer = new MatrixSharer(kernel, { rows, cols: columns, fracBits: schema.fracBits });
  await toEach(outlets, sharer.headers());
  for await (const block of source.blocks(rowsPerBlock(columns))) {
    const conformed = conformer.take(block);
    // The rest is only read to count what else does not fit.
    if (conformer.fits) await toEach(outlets, sharer.share(scaledMatrix(conformed, schema)));
  }
  const clipped = conformer.finish();
  for (const outlet of outlets) await outlet.finish();
  return {
    ...facts,
    ciphertextHashes: outlets.map(({ hash }) => hash) as SharedDataSet["ciphertextHashes"],
    preview: {
      columns: names,
      rows,
      clipped,
      sealedBytes: outlets.reduce((sum, { bytes }) => sum + bytes, 0),
    },
  };
}

export interface PreparedDataSet extends SharedDataSet {
  /** The sealed shares in the order of the points. */
  sealed: [Uint8Array, Uint8Array, Uint8Array];
}

/** `shareDataSet` for a small data set: the sealed shares stay in memory. */
export async function prepareDataSet(options: PrepareOptions): Promise<PreparedDataSet> {
  const parts: Uint8Array[][] = [[], [], []];
  const shared = await shareDataSet(options, (point, bytes) => {
    parts[point - 1]!.push(bytes);
  });
  return {
    ...shared,
    sealed: parts.map((list) => Uint8Array.from(Buffer.concat(list))) as PreparedDataSet["sealed"],
  };
}

/** One operator's share on its way out: sealed, hashed, counted. */
class Outlet {
  readonly #point: PartyIndex;
  readonly #sealer: Sealer;
  readonly #sink: SealedSink;
  readonly #hasher = createHash("sha256");
  bytes = 0;
  /** 0x and the sha256 of the sealed share, once it is finished. */
  hash = "";

  constructor(point: PartyIndex, sealer: Sealer, sink: SealedSink) {
    this.#point = point;
    this.#sealer = sealer;
    this.#sink = sink;
  }

  async push(share: Uint8Array): Promise<void> {
    if (this.bytes === 0) await this.#write(this.#sealer.header);
    for (const chunk of await this.#sealer.push(share)) await this.#write(chunk);
    share.fill(0);
  }

  async finish(): Promise<void> {
    await this.#write(await this.#sealer.finish());
    this.hash = `0x${this.#hasher.digest("hex")}`;
  }

  async #write(bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return;
    this.bytes += bytes.length;
    this.#hasher.update(bytes);
    await this.#sink(this.#point, bytes);
  }
}

async function toEach(outlets: readonly Outlet[], shares: readonly Uint8Array[]): Promise<void> {
  for (const [i, outlet] of outlets.entries()) await outlet.push(shares[i]!);
}

/** Features scaled to [-1, 1], then the label: rows x shared columns. */
function scaledMatrix({ rows, features, label }: ConformedRows, schema: DataSetSchema): Float64Array {
  scaleMatrix(features, scalingOf(schema), features);
  if (label === undefined) return features;
  const width = schema.columns.length;
  const matrix = new Float64Array(rows * (width + 1));
  for (let row = 0; row < rows; row++) {
    matrix.set(features.subarray(row * width, (row + 1) * width), row * (width + 1));
    matrix[row * (width + 1) + width] = label[row]!;
  }
  return matrix;
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
