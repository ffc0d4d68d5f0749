/**
 * Names of computations on the relay: `<chainId>-<escrow>-<jobId>-<attempt>`. A party that restarts begins a
 * new attempt, so that no key, counter or message of the broken one is used again.
 */
import type { BridgeDatabase } from "../store/database.ts";

export interface Computation {
  chainId: number;
  jobEscrow: string;
  jobId: string;
  attempt: number;
}

const pattern = /^([1-9][0-9]{0,14})-(0x[0-9a-f]{40})-(0x[0-9a-f]{64})-([1-9][0-9]{0,3})$/;

/** The computation that `id` names, or null when it is not of the one form that is allowed. */
export function parseComputationId(id: string): Computation | null {
  const [, chainId, jobEscrow, jobId, attempt] = pattern.exec(id) ?? [];
  if (chainId === undefined || jobEscrow === undefined || jobId === undefined || attempt === undefined)
    return null;
  return { chainId: Number(chainId), jobEscrow, jobId, attempt: Number(attempt) };
}

export interface Admission {
  market: { chainId: number; jobEscrow: string };
  database: BridgeDatabase;
  maxAttempts: number;
}

/**
 * The JIFF key that a party must prove to hold before the relay lets it into a computation: that of the
 * operator at this point of the job's set. False for anything but a joined job of this market, within the
 * allowed attempts.
 */
export function admittedKey(
  { market, database, maxAttempts }: Admission,
  computationId: string,
  partyIndex: number,
): Uint8Array | false {
  const computation = parseComputationId(computationId);
  if (computation === null || computation.attempt > maxAttempts) return false;
  if (computation.chainId !== market.chainId || computation.jobEscrow !== market.jobEscrow.toLowerCase())
    return false;
  const job = database.job(computation.jobId)?.job;
  if (job?.state !== "Joined") return false;
  const member = database.set(job.operatorSet)?.members[partyIndex - 1];
  const operator = member === undefined ? null : database.operator(member);
  return operator === null ? false : Buffer.from(operator.jiffKey.slice(2), "hex");
}
