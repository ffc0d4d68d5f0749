/**
 * A finished job, as the chain tells of it: what ran, over what, with which plan. All of it public.
 */
import { findAlgorithm, identify, parseParameters } from "../../algorithms/catalog.ts";
import { decodeJobSpec } from "../../algorithms/job-spec.ts";
import type { Algorithm, JobShape, Plan } from "../../algorithms/manifest.ts";
import { planJob } from "../../algorithms/planner.ts";
import type { BridgeClient } from "../../bridge/client.ts";
import type { MarketReader } from "../../contracts/market-reader.ts";
import type { AttestedJob, Job } from "../../contracts/market-views.ts";
import { SymbolonError, toSymbolonError } from "../../mpc/errors.ts";
import { type DataSetSchema, schemaHash } from "../data/schema.ts";
import { jobShape } from "../job-shape.ts";
import { resultElements } from "../result.ts";
import { fetchSchema } from "./proposal.ts";

/** What the chain says about a finished job, and its schema. All of it public. */
export interface FinishedJob {
  job: Job & AttestedJob;
  algorithm: Algorithm;
  parameters: Record<string, unknown>;
  schema: DataSetSchema;
  shape: JobShape;
  plan: Plan;
}

/** Where a finished job is read. */
export interface Connection {
  bridge: BridgeClient;
  market: MarketReader;
  /** Of the data sets, where it need not come from the bridge. */
  schema?: DataSetSchema;
}

/** Everything public about a finished job. */
export async function fetchFinishedJob(connection: Connection, id: string): Promise<FinishedJob> {
  const { market } = connection;
  const known = await market.job(id);
  if (known.attestation === null) throw await noResult(market, known);
  const { parts, resultRoot, payoutRoot } = known.attestation;
  const job = { ...known, parts, resultRoot, payoutRoot };
  const spec = decodeJobSpec(Buffer.from(job.spec.slice(2), "hex"));
  const algorithm = findAlgorithm(spec.algorithm.id, spec.algorithm.version);
  await requireSameCode(algorithm, job);
  const schema = await schemaOf(connection, spec.schemaHash);
  const offers = await Promise.all(job.offers.map((offer) => market.offer(offer)));
  const shape = jobShape(spec, schema, offers);
  // As the parties do: what was left out takes its default.
  const parameters = parseParameters(algorithm, spec.parameters);
  const plan = await planJob(algorithm, shape, parameters);
  if (parts.fieldBits !== plan.fieldBits || parts.total !== resultElements(plan)) {
    throw new SymbolonError(
      "RESULT_TAMPERED",
      `the attested result of job ${id} has another field or length than was planned`,
    );
  }
  return { job, algorithm, parameters, schema, shape, plan };
}

/** Why a job has no result, and what comes next. */
export async function noResult(
  market: MarketReader,
  { job, state, deadlineSec }: Job,
): Promise<SymbolonError> {
  const refund = `symbolon buyer refund ${job}`;
  if (state === "Refunded") {
    return new SymbolonError(
      "STATE_INVALID",
      `job ${job} has no result: it is Refunded, and the money is back`,
      {
        hint: "there is nothing left to do about it: another job is ordered with `symbolon buyer run`",
      },
    );
  }
  const message = `job ${job} has no result: it is ${state}`;
  if (state === "Failed") {
    return new SymbolonError("STATE_INVALID", message, { hint: `to get the money back: ${refund}` });
  }
  // The chain takes the result of a job that was joined a while longer.
  const graceSec = state === "Joined" ? (await market.settings()).graceSec : 0;
  const end = new Date((deadlineSec + graceSec) * 1000).toISOString();
  return new SymbolonError("STATE_INVALID", message, {
    hint: `it has until ${end}; to wait for the result: symbolon buyer result ${job} --wait; to see how the job gets on: symbolon buyer status ${job}; after that time, to get the money back: ${refund}`,
  });
}

/** Anybody may have the schema, and its hash is on chain: no bridge can keep a result or a dispute back with it. */
async function schemaOf({ bridge, schema }: Connection, hash: string): Promise<DataSetSchema> {
  if (schema !== undefined) {
    if (schemaHash(schema) === hash.toLowerCase()) return schema;
    throw new SymbolonError(
      "SCHEMA_INVALID",
      "the schema that was given is not that of the job's data sets",
      {
        hint: "give the one that the sellers share, with the fieldBits with which they offered: its hash is in their offers",
      },
    );
  }
  try {
    return await fetchSchema(bridge, hash);
  } catch (thrown) {
    const { code, message, hint } = toSymbolonError(thrown);
    const missing = code === "NOT_FOUND" || code === "BRIDGE_UNREACHABLE" || code === "SCHEMA_INVALID";
    if (!missing) throw thrown;
    throw new SymbolonError(code, message, {
      hint: `${hint === undefined ? "" : `${hint}; or `}give the schema of the data sets yourself, with --schema FILE: sellers have it`,
      cause: thrown,
    });
  }
}

async function requireSameCode(algorithm: Algorithm, job: Job): Promise<void> {
  const { hash } = await identify(algorithm.manifest);
  if (hash === job.algorithm) return;
  throw new SymbolonError(
    "ALGORITHM_UNKNOWN",
    `job ${job.job} ran another build of ${algorithm.manifest.id} ${algorithm.manifest.version}`,
    { hint: "read its result with the version of this software that funded it" },
  );
}
