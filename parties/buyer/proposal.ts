/**
 * A job before it is paid: data sets, algorithm and parameters checked against each other, its cost in rounds,
 * bytes and openings, the ranges of its intermediate values, and its price. All that can be refused is refused
 * here, where it costs nobody anything.
 */

import { findAlgorithm, identify, parseParameters } from "../../algorithms/catalog.ts";
import { planOrAdvise } from "../../algorithms/fit-advice.ts";
import type { JobSpec } from "../../algorithms/job-spec.ts";
import type { Algorithm, JobShape, Plan } from "../../algorithms/manifest.ts";
import type { BridgeClient } from "../../bridge/client.ts";
import type { MarketReader } from "../../contracts/market-reader.ts";
import type { Credential, IdleMember, Offer, Operator, UseProofs } from "../../contracts/market-views.ts";
import {
  describeTermFailure,
  purposeHash,
  shortId,
  type TermFailure,
  tokenOf,
} from "../../contracts/use-terms.ts";
import { SymbolonError } from "../../mpc/errors.ts";
import { type CredentialFile, credentialsFor } from "../credentials.ts";
import { conform } from "../data/conform.ts";
import type { Table } from "../data/csv.ts";
import { type DataSetSchema, parseSchema, schemaHash, sharedColumns } from "../data/schema.ts";
import { jobShape } from "../job-shape.ts";
import { operatorsOfSet } from "../seller/client.ts";
import { proofsFor } from "../terms.ts";

/** What a buyer asks for. */
export interface JobOrder {
  algorithm: string;
  version?: string;
  parameters?: unknown;
  /** Each once, in the order in which their rows are computed on. */
  offers: readonly string[];
  /** Weight of each offer's data set in averages, in the order of `offers`; row counts by default. */
  weights?: readonly number[];
  /** The buyer's own rows, for metrics. */
  validation?: Table;
  /** What the result is for, where a seller asks. */
  purpose?: string;
  /** Of issuers that vouch for the buyer. */
  credentials?: readonly CredentialFile[];
}

export interface JobProposal {
  algorithm: Algorithm;
  identity: { id: string; version: string; hash: string };
  parameters: Record<string, unknown>;
  /** In the order of the job. */
  offers: Offer[];
  operatorSet: string;
  operators: [Operator, Operator, Operator];
  schema: DataSetSchema;
  schemaHash: string;
  weights?: number[];
  validation?: Table;
  shape: JobShape;
  plan: Plan;
  /** Hash of the purpose. */
  purpose: string;
  /** What the job shows of the sellers' lists. */
  proofs: ReadonlyMap<string, UseProofs>;
  credentials: ReadonlyMap<string, Credential>;
  /** What the offers are priced in; the zero address is ETH. */
  token: string;
  /** In the smallest unit of the token. */
  amountWei: bigint;
}

/** Canonical schemas are small; this many bytes hold 65,535 columns. */
const maxSchemaBytes = 32 * 1024 * 1024;

/**
 * Checks an order and prices it.
 * @throws ALGORITHM_UNKNOWN, PARAMETER_INVALID, NOT_FOUND, SCHEMA_MISMATCH, SHAPE_MISMATCH, RANGE_EXCEEDED,
 * the CSV_ codes for the validation table, ALGORITHM_NOT_APPROVED, TERMS_REFUSED with every term of every offer that does not hold,
 * COMMITMENT_MISMATCH when the bridge's copy of a share was altered
 */
export async function proposeJob(
  connection: { bridge: BridgeClient; market: MarketReader; buyer: string },
  order: JobOrder,
): Promise<JobProposal> {
  const { bridge, market, buyer } = connection;
  const algorithm = findAlgorithm(order.algorithm, order.version);
  const parameters = parseParameters(algorithm, order.parameters);
  const { weights } = order;
  const offers = await namedOffers(market, order);
  const operatorSet = oneSet(offers);
  const hash = oneSchema(offers);
  const schema = await fetchSchema(bridge, hash);
  if (order.validation !== undefined) conform(order.validation, schema);
  const draft = specOf(algorithm, parameters, hash, weights, order.validation, schema);
  const shape = jobShape(draft, schema, offers);
  const plan = await planOrAdvise(algorithm, shape, parameters);
  const identity = await identify(algorithm.manifest);
  const operators = await operatorsOfSet(market, operatorSet, otherOffersHint);
  const purpose = purposeHash(order.purpose);
  const proofs = await proofsFor(bridge, offers, { algorithm: identity.hash, buyer, purpose });
  const ids = offers.map((o) => o.offer);
  const credentials = credentialsFor(order.credentials ?? [], offers, market.deployment, buyer);
  const token = tokenOf(offers[0]!.terms);
  const shown = { purpose, proofs, credentials, token };
  const request = { operatorSet, algorithm: identity.hash, offers: ids, buyer, ...shown };
  refuseFailures(await market.explain(request), await successorsOf(market, offers));
  const amountWei = await market.quote(request);
  await checkStoredShares(bridge, offers);
  return {
    algorithm,
    identity,
    parameters,
    offers,
    operatorSet,
    operators,
    schema,
    schemaHash: hash,
    ...(weights && { weights: [...weights] }),
    ...(order.validation && { validation: order.validation }),
    shape,
    plan,
    ...shown,
    amountWei,
  };
}

/** A buyer cannot choose who computes on an offer's data: its seller has shared them to one set. */
function otherOffersHint(idle: readonly IdleMember[]): string {
  const others =
    "use offers to another operator set: `symbolon buyer browse` says of each whether its set takes jobs, `--set` shows those to one";
  return idle.every(({ status }) => status === "Paused")
    ? `try again later, for a pause can end; or ${others}`
    : others;
}

/** @throws TERMS_REFUSED with every term that does not hold */
function refuseFailures(failures: readonly TermFailure[], successors: readonly string[]): void {
  if (failures.length === 0) return;
  const words = failures.map(describeTermFailure);
  throw new SymbolonError("TERMS_REFUSED", words.map(({ message }) => message).join("; "), {
    hint: [...new Set(words.map(({ hint }) => hint)), ...successors].join("; "),
  });
}

/** Which offers stand in the place of those that were replaced, in words. */
async function successorsOf(market: MarketReader, offers: readonly Offer[]): Promise<string[]> {
  if (!offers.some(({ replaced }) => replaced)) return [];
  const ids = offers.map(({ offer }) => offer);
  const replacements = (await market.replacements()).filter(({ offer }) => ids.includes(offer));
  return replacements.map(
    ({ offer, replacement }) => `${shortId(replacement)} is in the place of ${shortId(offer)}`,
  );
}

/** The specification but for the commitments to the validation data, which are made when the job is funded. */
export function specOf(
  algorithm: Algorithm,
  parameters: Record<string, unknown>,
  hash: string,
  weights: readonly number[] | undefined,
  validation: Table | undefined,
  schema: DataSetSchema,
): JobSpec {
  const { id, version } = algorithm.manifest;
  const none = `0x${"00".repeat(32)}`;
  return {
    version: 1,
    algorithm: { id, version },
    parameters: parameters as JobSpec["parameters"],
    schemaHash: hash,
    ...(weights && { weights: [...weights] }),
    ...(validation && {
      validation: {
        nonce: none,
        rows: validation.rows,
        columns: sharedColumns(schema).length,
        ciphertextHashes: [none, none, none] as [string, string, string],
      },
    }),
  };
}

/** A schema by its hash. @throws NOT_FOUND, SCHEMA_INVALID */
export async function fetchSchema(bridge: BridgeClient, hash: string): Promise<DataSetSchema> {
  const bytes = await bridge.downloadBlob(hash, maxSchemaBytes);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new SymbolonError("SCHEMA_INVALID", "the schema of the data sets is not JSON", { cause });
  }
  const schema = parseSchema(value);
  if (schemaHash(schema) !== hash.toLowerCase()) {
    throw new SymbolonError("SCHEMA_INVALID", "the schema of the data sets is not in canonical form");
  }
  return schema;
}

async function namedOffers(market: MarketReader, { offers: ids, weights }: JobOrder): Promise<Offer[]> {
  if (ids.length === 0) throw new SymbolonError("USAGE", "a job needs at least one offer");
  if (new Set(ids).size !== ids.length) throw new SymbolonError("USAGE", "an offer is named twice");
  if (weights !== undefined && weights.length !== ids.length) {
    throw new SymbolonError("USAGE", "the weights are not one for each offer");
  }
  return Promise.all(ids.map((id) => market.offer(id)));
}

function oneSet(offers: readonly Offer[]): string {
  const [first] = offers;
  const other = offers.find(({ operatorSet }) => operatorSet !== first!.operatorSet);
  if (other !== undefined) {
    throw new SymbolonError(
      "USAGE",
      `offers ${first!.offer} and ${other.offer} are shared to different operator sets`,
      { hint: "a job uses data sets of one operator set" },
    );
  }
  return first!.operatorSet;
}

function oneSchema(offers: readonly Offer[]): string {
  const [first] = offers;
  const differing = offers.filter(({ schemaHash: hash }) => hash !== first!.schemaHash);
  if (differing.length > 0) {
    throw new SymbolonError(
      "SCHEMA_MISMATCH",
      `offers ${differing.map(({ offer }) => offer).join(", ")} have another schema than offer ${first!.offer}`,
      { hint: "the data sets of a job need the same columns, bounds and format" },
    );
  }
  return first!.schemaHash;
}

/** The buyer does not pay for shares that the bridge has lost or that were altered in its store. */
async function checkStoredShares(bridge: BridgeClient, offers: readonly Offer[]): Promise<void> {
  for (const { offer, ciphertextHashes } of offers) {
    for (const hash of ciphertextHashes) {
      const held = await bridge.hasBlob(hash).catch((error) => {
        if (error instanceof SymbolonError && error.code === "COMMITMENT_MISMATCH") {
          throw new SymbolonError(
            "COMMITMENT_MISMATCH",
            `a sealed share of offer ${offer} at the bridge is not the one that was committed on chain`,
            { hint: "nothing was paid; tell the seller, who can store it again", cause: error },
          );
        }
        throw error;
      });
      if (!held) {
        throw new SymbolonError("NOT_FOUND", `the bridge does not hold the shares of offer ${offer}`, {
          hint: "nothing was paid; tell the seller, who can store them again",
        });
      }
    }
  }
}
