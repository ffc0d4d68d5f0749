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

const pattern = /^([1-9][0-9]{0,14})-(0x[0-9a-f]{40})-([1-9][0-9]{0,14})-([1-9][0-9]{0,3})$/;

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
 * Whether the relay may open this computation to a party: a joined job of this market, within the allowed
 * attempts. Who is behind the connection the relay cannot know; the parties pin each other's keys.
 */
export function admits(
  { market, database, maxAttempts }: Admission,
  computationId: string,
  partyIndex: number,
): boolean {
  const computation = parseComputationId(computationId);
  if (computation === null || ![1, 2, 3].includes(partyIndex)) return false;
  const here =
    computation.chainId === market.chainId && computation.jobEscrow === market.jobEscrow.toLowerCase();
  return (
    here && computation.attempt <= maxAttempts && database.job(computation.jobId)?.job.state === "Joined"
  );
}
