/**
 * Reading a job's result: three sealed shares, checked against what the operators attested on chain, opened
 * with the buyer's key, checked to lie on one line, decoded. And the result file that people and scripts read.
 */
import { setTimeout as pause } from "node:timers/promises";
import { findAlgorithm, identify, parseParameters } from "../../algorithms/catalog.ts";
import { decodeJobSpec } from "../../algorithms/job-spec.ts";
import type { Algorithm, DecodedResult, JobShape, Plan } from "../../algorithms/manifest.ts";
import { planJob } from "../../algorithms/planner.ts";
import { type RangeReport, rangeReport } from "../../algorithms/range-report.ts";
import type { BridgeClient } from "../../bridge/client.ts";
import type { ResultParts } from "../../contracts/commitments.ts";
import type { AttestedJob, Job } from "../../contracts/market.ts";
import type { MarketReader } from "../../contracts/market-reader.ts";
import { SymbolonError, toSymbolonError } from "../../mpc/errors.ts";
import { type PartyIndex, partyIndices } from "../../mpc/transport/transport.ts";
import { createKernel, fieldSpecs } from "../../mpc/vector/index.ts";
import { type DataSetSchema, schemaHash } from "../data/schema.ts";
import { ciphertextHash, reconstructMatrix } from "../data-set.ts";
import { isHeld } from "../held-blob.ts";
import { columnScales, jobShape } from "../job-shape.ts";
import type { DiffieHellmanKey } from "../keys.ts";
import { payoutEntries } from "../payout-plan.ts";
import {
  decodeResultPayload,
  partyResultRoot,
  type ResultOrigin,
  type ResultPayload,
  resultElements,
} from "../result.ts";
import { type RunMeasurement, type RunReport, runReport } from "../run-cost.ts";
import { sealedBytes, unseal } from "../sealing.ts";
import { fetchSchema } from "./proposal.ts";

/** No restarts yet: every job has one attempt. */
const attempt = 1;

/** Room for salt, headers and measurement beside the share. */
const payloadOverheadBytes = 128 * 1024;

export type Three<T> = [T, T, T];

/** What the chain says about a finished job, and its schema. All of it public. */
export interface FinishedJob {
  job: Job & AttestedJob;
  algorithm: Algorithm;
  parameters: Record<string, unknown>;
  schema: DataSetSchema;
  shape: JobShape;
  plan: Plan;
}

/** A result that passed all checks. */
export interface JobResult extends FinishedJob {
  decoded: DecodedResult;
  measurements: Three<RunMeasurement>;
  file: ResultFile;
}

/** The result file of the command line. Amounts are decimal strings of wei, hashes 0x-hexadecimal. */
export interface ResultFile {
  job: string;
  algorithm: { id: string; version: string; hash: string };
  parameters: Record<string, unknown>;
  rows: number;
  /**
   * The schema's public bounds of each column, and whether sellers clipped to them. Where they did, metrics are
   * over clipped values, and a model expects its raw features to be clipped too.
   */
  inputs: { outOfRange: "clip" | "refuse"; bounds: Record<string, [number, number]> };
  /** Fields, formats, bits, distances and worst-case errors of the run, as they were planned. */
  ranges: RangeReport;
  model: Record<string, unknown>;
  metrics: Record<string, unknown>;
  privacy: { epsilon: number | null; delta: number | null; rho: number | null };
  /** What the payouts are in; the zero address is ETH. */
  token: string;
  payouts: { party: "seller" | "operator"; address: string; amountWei: string }[];
  run: RunReport;
  receipts: { fund: string; attest: string | null; settle: string | null };
}

interface Connection {
  bridge: BridgeClient;
  market: MarketReader;
  /** Of the data sets, where it need not come from the bridge. */
  schema?: DataSetSchema;
}

/**
 * @throws KEY_INVALID when the result was sealed to another key; STATE_INVALID before the attestation;
 * COMMITMENT_MISMATCH when the bridge's copy was altered; RESULT_TAMPERED when shares, roots and attestation do
 * not fit each other
 */
export async function fetchResult(
  connection: Connection & { resultKey: DiffieHellmanKey },
  id: string,
  onWait?: OnWait,
): Promise<JobResult> {
  const { market, resultKey } = connection;
  const finished = await fetchFinishedJob(connection, id);
  requireKey(finished, resultKey);
  const ciphertexts = await fetchCiphertexts(connection, finished, onWait);
  const payloads = await openPayloads(finished, ciphertexts, resultKey, market.deployment);
  return decodeResult(market, finished, payloads);
}

/** @throws KEY_INVALID when the result was sealed to another key */
export function requireKey({ job }: FinishedJob, resultKey: DiffieHellmanKey): void {
  if (job.resultKey.toLowerCase() === resultKey.publicKey.toLowerCase()) return;
  throw new SymbolonError("KEY_INVALID", `the result of job ${job.job} is sealed to another result key`, {
    hint: "use the key file with which the job was funded",
  });
}

/** The result behind three shares that fit their roots. @throws RESULT_TAMPERED when they lie on no line */
export async function decodeResult(
  market: MarketReader,
  finished: FinishedJob,
  payloads: Three<Pick<ResultPayload, "share" | "measurement">>,
): Promise<JobResult> {
  const values = await reconstructParts(finished, payloads);
  const decoded = decodeParts(finished, values);
  const measurements = payloads.map(({ measurement }) => measurement) as Three<RunMeasurement>;
  const file = await resultFile(market, finished, decoded, measurements);
  return { ...finished, decoded, measurements, file };
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

/** Whose sealed shares of a result the bridge has. */
export async function deliveredBy(
  bridge: BridgeClient,
  { ciphertextHashes }: Pick<ResultParts, "ciphertextHashes">,
): Promise<PartyIndex[]> {
  const held = await Promise.all(ciphertextHashes.map((hash) => isHeld(bridge, hash)));
  return partyIndices.filter((point) => held[point - 1]);
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

/** How long the parties get to deliver their sealed shares after the chain has their attestation. */
const deliveryMs = 60_000;

/** Told again and again while shares are not there: whose, since when, and how long they get. */
export type OnWait = (missing: readonly PartyIndex[], waitedMs: number, patienceMs: number) => void;

/**
 * The three sealed payloads by point. The parties deliver them once the chain has the attestation, so they may
 * be a moment behind it. @throws COMMITMENT_MISMATCH, PEER_TIMEOUT
 */
export async function fetchCiphertexts(
  connection: Pick<Connection, "bridge">,
  finished: FinishedJob,
  onWait: OnWait = () => {},
): Promise<Three<Uint8Array>> {
  const missing = new Set(partyIndices);
  const since = Date.now();
  const all = partyIndices.map(async (point) => {
    const sealed = await fetchCiphertext(connection, finished, point, deliveryMs, () =>
      onWait([...missing], Date.now() - since, deliveryMs),
    );
    missing.delete(point);
    return sealed;
  });
  return (await Promise.all(all)) as Three<Uint8Array>;
}

/** One of them. @throws COMMITMENT_MISMATCH, PEER_TIMEOUT when it is not there after `patienceMs` */
export async function fetchCiphertext(
  { bridge }: Pick<Connection, "bridge">,
  { job, plan }: FinishedJob,
  point: PartyIndex,
  patienceMs = deliveryMs,
  onMissing: () => void = () => {},
): Promise<Uint8Array> {
  const limit = sealedBytes(
    resultElements(plan) * fieldSpecs[plan.fieldBits].elementBytes + payloadOverheadBytes,
  );
  const until = Date.now() + patienceMs;
  for (;;) {
    try {
      return await bridge.downloadBlob(job.parts.ciphertextHashes[point - 1]!, limit);
    } catch (error) {
      const missing = error instanceof SymbolonError && error.code === "NOT_FOUND";
      if (!missing) throw error;
      if (Date.now() > until) throw notDelivered(point);
      onMissing();
      await pause(200);
    }
  }
}

function notDelivered(point: PartyIndex): SymbolonError {
  return new SymbolonError("PEER_TIMEOUT", `party ${point} has not delivered its share of the result`);
}

/** Opens the payloads and checks each against its operator's root. @throws RESULT_TAMPERED, SEAL_INVALID */
export async function openPayloads(
  finished: FinishedJob,
  ciphertexts: Three<Uint8Array>,
  resultKey: DiffieHellmanKey,
  deployment: { chainId: number; jobEscrow: string },
): Promise<Three<ResultPayload>> {
  const open = (point: PartyIndex): Promise<ResultPayload> =>
    openPayload(finished, point, ciphertexts[point - 1]!, resultKey, deployment);
  return [await open(1), await open(2), await open(3)];
}

/** One of them. @throws RESULT_TAMPERED, SEAL_INVALID */
export async function openPayload(
  { job }: FinishedJob,
  point: PartyIndex,
  sealed: Uint8Array,
  resultKey: DiffieHellmanKey,
  deployment: { chainId: number; jobEscrow: string },
): Promise<ResultPayload> {
  if (ciphertextHash(sealed) !== job.parts.ciphertextHashes[point - 1]) {
    throw tampered(`the sealed result of party ${point} is not the one that was attested`);
  }
  const origin = originOf(job, point);
  const { operator } = origin;
  const plaintext = await unseal(
    resultKey.privateKey,
    {
      kind: "result-share",
      chainId: deployment.chainId,
      escrow: deployment.jobEscrow,
      jobId: job.job,
      buyer: job.buyer,
      ...{ operator, point, attempt },
    },
    sealed,
  );
  const payload = decodeResultPayload(plaintext);
  if (partyResultRoot(origin, payload.salt, payload.share) !== job.parts.roots[point - 1]) {
    throw tampered(`the result share of party ${point} is not the one that it attested`);
  }
  return payload;
}

/** Whose share of which result. */
export function originOf(job: Pick<Job, "job" | "members">, point: PartyIndex): ResultOrigin {
  return { jobId: job.job, attempt, operator: job.members[point - 1]!, point };
}

/** The numbers behind three shares, by part of the result. @throws RESULT_TAMPERED when they lie on no line */
export async function reconstructParts(
  { plan }: Pick<FinishedJob, "plan">,
  payloads: Three<Pick<ResultPayload, "share">>,
): Promise<Record<string, Float64Array>> {
  const kernel = await createKernel(plan.fieldBits);
  const shares = payloads.map(({ share }) => share) as Three<Uint8Array>;
  let raw: Float64Array;
  try {
    raw = reconstructMatrix(kernel, shares, { rows: resultElements(plan), cols: 1, fracBits: 0 });
  } catch (error) {
    if (!(error instanceof SymbolonError)) throw error;
    const inconsistent = error.code === "SHARES_INCONSISTENT";
    throw tampered(
      inconsistent
        ? "the three result shares do not lie on one line: one of the parties sent a wrong one"
        : "a result share is malformed",
    );
  }
  const parts: Record<string, Float64Array> = {};
  let at = 0;
  for (const { name, rows, cols, fracBits } of plan.parts) {
    const scale = 2 ** -fracBits;
    parts[name] = raw.slice(at, at + rows * cols).map((value) => value * scale);
    at += rows * cols;
  }
  return parts;
}

function decodeParts(finished: FinishedJob, values: Record<string, Float64Array>): DecodedResult {
  const { algorithm, shape, parameters } = finished;
  return algorithm.decode(values, { shape, parameters, columns: decodedColumns(algorithm, finished.schema) });
}

/** The columns that a result speaks of: the features, and the label where the algorithm takes it for a column. */
export function decodedColumns(algorithm: Algorithm, schema: DataSetSchema) {
  const features = columnScales(schema);
  const asColumn = algorithm.manifest.input.label === "optional" && schema.label !== undefined;
  return asColumn ? [...features, { name: schema.label!.name, center: 0, halfRange: 1 }] : features;
}

async function resultFile(
  market: MarketReader,
  finished: FinishedJob,
  decoded: DecodedResult,
  measurements: Three<RunMeasurement>,
): Promise<ResultFile> {
  const { job, algorithm, shape, plan, parameters } = finished;
  const events = await market.jobEvents(job.job);
  const { offers, operators } = await market.jobPrices(job);
  const entries = payoutEntries({
    amountWei: job.amountWei,
    offers,
    operators: operators.map(({ operator, feeWei }) => ({ address: operator, feeWei })),
  });
  return {
    job: job.job,
    algorithm: { id: algorithm.manifest.id, version: algorithm.manifest.version, hash: job.algorithm },
    parameters,
    // Of model updates, the rows that they were computed over.
    rows: shape.inputs.reduce((sum, input) => sum + input.weight, 0),
    inputs: {
      outOfRange: finished.schema.outOfRange,
      bounds: Object.fromEntries(finished.schema.columns.map(({ name, min, max }) => [name, [min, max]])),
    },
    ranges: rangeReport(algorithm, shape, plan),
    model: decoded.model,
    metrics: decoded.metrics,
    // No algorithm of this version adds noise.
    privacy: { epsilon: null, delta: null, rho: null },
    token: job.token,
    payouts: entries.map(({ party, account, amountWei }) => ({
      party,
      address: account,
      amountWei: String(amountWei),
    })),
    run: runReport(plan.declaration, measurements),
    receipts: {
      fund: job.funded.txHash,
      attest: events.find(({ type }) => type === "JobAttested")?.txHash ?? null,
      settle: events.find(({ type }) => type === "JobSettled")?.txHash ?? null,
    },
  };
}

function tampered(message: string): SymbolonError {
  return new SymbolonError("RESULT_TAMPERED", message);
}
