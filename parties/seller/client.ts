/** The seller's side as a library: share a table to an operator set, publish it, see its use, draw the pay. */
import type { BridgeClient } from "../../bridge/client.ts";
import type { Market } from "../../contracts/market.ts";
import type { IdleMember, Operator } from "../../contracts/market-views.ts";
import { standing } from "../../contracts/operator-status.ts";
import { exactMicroRho, shortId, type UseTerms } from "../../contracts/use-terms.ts";
import { SymbolonError } from "../../mpc/errors.ts";
import { type PartyIndex, partyIndices } from "../../mpc/transport/transport.ts";
import type { Kernel } from "../../mpc/vector/index.ts";
import type { Table } from "../data/csv.ts";
import type { RowSource } from "../data/rows.ts";
import { type DataSetSchema, schemaHash, schemaJson, sharedColumns } from "../data/schema.ts";
import type { PrepareOptions, SealRecipient, SharedDataSet } from "./prepare.ts";
import { checkReplacement } from "./replacement.ts";
import { withSealedFiles } from "./sealed-files.ts";

export interface OfferRequest {
  /** A table in memory, or rows that are read block by block. */
  table: Table | RowSource;
  schema: DataSetSchema;
  /** The three operators that will hold the shares; a data set cannot change them later. */
  operatorSet: string;
  terms: UseTerms;
  /** The lists of the terms, when they have any. */
  document?: Uint8Array;
  /** Micro-rho that all jobs together may spend, for ever; no limit by default. */
  budgetMicroRho?: bigint;
  /** An offer of the same data that this one takes the place of, for good. Its budget goes along by default. */
  replaces?: string;
  /** The terms as they were typed: see `ReplacementRequest`. */
  termsOptions?: string;
  kernel?: Kernel;
  /** Where the sealed shares wait for their upload; the system's folder for temporary files by default. */
  scratch?: string;
  onStep?: (step: "sharing" | "uploading" | "publishing") => void;
  /** Told what is allowed and yet may not be meant. */
  onDoubt?: (words: string) => void;
}

export interface PublishedDataSet {
  /** Its name, the data root. */
  offer: string;
  txHash: string;
  nonce: string;
  schemaHash: string;
  rows: number;
  columns: number;
  ciphertextHashes: [string, string, string];
  preview: SharedDataSet["preview"];
}

/**
 * Shares a table to the operators' keys as the chain has them, stores the sealed shares and the schema at the
 * bridge, and publishes the offer from `seller`'s account. Nothing that leaves this process shows a cell.
 * @throws the codes of `checkReplacement` and `shareDataSet`; STORAGE_FULL; STATE_INVALID when an operator is leaving; BRIDGE_UNREACHABLE;
 * CONTRACT_REVERTED, FUNDS_MISSING
 */
export async function publishDataSet(
  connection: { bridge: BridgeClient; market: Market; seller: string },
  request: OfferRequest,
): Promise<PublishedDataSet> {
  const { bridge, market, seller } = connection;
  const { deployment } = market;
  // The contract takes an offer to a set that there is not, and refuses others only when all is uploaded.
  const operators = await operatorsOfSet(market, request.operatorSet);
  const { operatorSet, terms, replaces } = request;
  const budgetMicroRho =
    replaces === undefined
      ? (request.budgetMicroRho ?? exactMicroRho)
      : await checkReplacement(connection, { ...request, replaces });
  await market.checkOffer(
    {
      ...{ operatorSet, budgetMicroRho, terms, schemaHash: schemaHash(request.schema) },
      ...{ rows: request.table.rows, columns: sharedColumns(request.schema).length },
    },
    replaces,
  );
  request.onStep?.("sharing");
  const options: PrepareOptions = {
    table: request.table,
    schema: request.schema,
    operators: recipients(operators),
    seller,
    chainId: deployment.chainId,
    registry: deployment.jobEscrow,
    ...(request.kernel === undefined ? {} : { kernel: request.kernel }),
  };
  const shared = await withSealedFiles(options, request.scratch, async (made, sealed) => {
    request.onStep?.("uploading");
    await bridge.uploadBlob(new TextEncoder().encode(schemaJson(request.schema)));
    if (request.document !== undefined) await bridge.uploadBlob(request.document);
    for (const file of sealed) await bridge.uploadBlob(file);
    return made;
  });
  request.onStep?.("publishing");
  const { preview, ...facts } = shared;
  const input = { operatorSet, budgetMicroRho, terms, ...facts };
  const { receipt, offer } =
    replaces === undefined ? await market.publishOffer(input) : await market.replaceOffer(replaces, input);
  return { offer, txHash: receipt.hash, ...facts, preview };
}

/** The operators of a set by point. @throws NOT_FOUND; STATE_INVALID when one takes no new jobs, with this hint */
export async function operatorsOfSet(
  market: Pick<Market, "set" | "operator" | "idleSets">,
  operatorSet: string,
  hint: (idle: readonly IdleMember[]) => string = () => "choose another operator set",
): Promise<[Operator, Operator, Operator]> {
  const { members } = await market.set(operatorSet);
  const idle = (await market.idleSets([operatorSet])).get(operatorSet);
  if (idle !== undefined) {
    const why = idle.map(({ operator, status }) => standing(operator, status)).join("; ");
    throw new SymbolonError(
      "STATE_INVALID",
      `operator set ${shortId(operatorSet)} takes no new jobs: ${why}`,
      { hint: hint(idle) },
    );
  }
  return (await Promise.all(members.map((address) => market.operator(address)))) as [
    Operator,
    Operator,
    Operator,
  ];
}

/** Operators by point as those to whom shares are sealed. */
export function recipients(operators: readonly [Operator, Operator, Operator]): SealRecipient[] {
  return partyIndices.map((point: PartyIndex) => {
    const { address, sealKey } = operators[point - 1]!;
    return { address, sealKey, point };
  });
}
