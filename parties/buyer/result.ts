/**
 * Reading a job's result: its three shares opened, decoded, and the result file that people and scripts read.
 */
import type { Algorithm, DecodedResult } from "../../algorithms/manifest.ts";
import { type RangeReport, rangeReport } from "../../algorithms/range-report.ts";
import type { MarketReader } from "../../contracts/market-reader.ts";
import type { DataSetSchema } from "../data/schema.ts";
import { columnScales } from "../job-shape.ts";
import type { DiffieHellmanKey } from "../keys.ts";
import { payoutEntries } from "../payout-plan.ts";
import type { ResultPayload } from "../result.ts";
import { type RunMeasurement, type RunReport, runReport } from "../run-cost.ts";
import { type Connection, type FinishedJob, fetchFinishedJob } from "./finished-job.ts";
import {
  fetchCiphertexts,
  type OnWait,
  openPayloads,
  reconstructParts,
  requireKey,
  type Three,
} from "./result-shares.ts";

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
