/**
 * The three shares of a result: fetched from the bridge, opened with the buyer's key, each held against what its
 * operator attested on chain, and together against a line.
 */
import { setTimeout as pause } from "node:timers/promises";
import type { BridgeClient } from "../../bridge/client.ts";
import type { ResultParts } from "../../contracts/commitments.ts";
import type { Job } from "../../contracts/market-views.ts";
import { SymbolonError } from "../../mpc/errors.ts";
import { type PartyIndex, partyIndices } from "../../mpc/transport/transport.ts";
import { createKernel, fieldSpecs } from "../../mpc/vector/index.ts";
import { ciphertextHash, reconstructMatrix } from "../data-set.ts";
import { isHeld } from "../held-blob.ts";
import type { DiffieHellmanKey } from "../keys.ts";
import {
  decodeResultPayload,
  partyResultRoot,
  type ResultOrigin,
  type ResultPayload,
  resultElements,
} from "../result.ts";
import { sealedBytes, unseal } from "../sealing.ts";
import type { FinishedJob } from "./finished-job.ts";

/** No restarts yet: every job has one attempt. */
const attempt = 1;

/** Room for salt, headers and measurement beside the share. */
const payloadOverheadBytes = 128 * 1024;

export type Three<T> = [T, T, T];

/** Whose sealed shares of a result the bridge has. */
export async function deliveredBy(
  bridge: BridgeClient,
  { ciphertextHashes }: Pick<ResultParts, "ciphertextHashes">,
): Promise<PartyIndex[]> {
  const held = await Promise.all(ciphertextHashes.map((hash) => isHeld(bridge, hash)));
  return partyIndices.filter((point) => held[point - 1]);
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
  connection: { bridge: BridgeClient },
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
  { bridge }: { bridge: BridgeClient },
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

/** @throws KEY_INVALID when the result was sealed to another key */
export function requireKey({ job }: FinishedJob, resultKey: DiffieHellmanKey): void {
  if (job.resultKey.toLowerCase() === resultKey.publicKey.toLowerCase()) return;
  throw new SymbolonError("KEY_INVALID", `the result of job ${job.job} is sealed to another result key`, {
    hint: "use the key file with which the job was funded",
  });
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

function tampered(message: string): SymbolonError {
  return new SymbolonError("RESULT_TAMPERED", message);
}
