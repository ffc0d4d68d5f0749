/**
 * The states of a training, the statuses of a data owner in it, and the arrows between the states, as the
 * contract has them (libraries/TrainingStates.sol, libraries/TrainingSlots.sol). A test compares the tables for
 * all pairs.
 */

/** In the order of their numbers on chain. */
export const trainingStates = [
  "None",
  "Joining",
  "Committing",
  "Finished",
  "Failed",
  "Expired",
  "Refunded",
] as const;
export type TrainingState = (typeof trainingStates)[number];

/** In the order of their numbers on chain; none comes back. */
export const ownerStatuses = ["None", "Joined", "Left", "Withdrawn", "Convicted", "Forfeited"] as const;
export type OwnerStatus = (typeof ownerStatuses)[number];

/** Where a training can go from each state. From Committing to Joining the round counts up. */
export const trainingTransitions: Readonly<Record<TrainingState, readonly TrainingState[]>> = {
  None: ["Joining"],
  Joining: ["Committing", "Failed", "Expired"],
  Committing: ["Joining", "Finished", "Failed", "Expired"],
  Finished: [],
  Failed: ["Refunded"],
  Expired: ["Refunded"],
  Refunded: [],
};
