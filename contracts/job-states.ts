/**
 * The states of a job and the arrows between them, as the contract has them (libraries/JobStates.sol). A test
 * compares the two tables for all pairs.
 */

/** In the order of their numbers on chain. */
export const jobStates = [
  "None",
  "Funded",
  "Joined",
  "Attested",
  "Disputed",
  "Settled",
  "Failed",
  "Refunded",
] as const;

export type JobState = (typeof jobStates)[number];

/** Where a job can go from each state. */
export const jobTransitions: Readonly<Record<JobState, readonly JobState[]>> = {
  None: ["Funded"],
  Funded: ["Joined", "Failed", "Refunded"],
  Joined: ["Attested", "Failed", "Refunded"],
  Attested: ["Disputed", "Settled", "Failed"],
  Disputed: ["Settled", "Failed"],
  Settled: [],
  Failed: ["Refunded"],
  Refunded: [],
};
