/** The Merkle tree of a job's payouts: its root is attested, its leaves are claimed. */
import { StandardMerkleTree } from "@openzeppelin/merkle-tree";
import { getAddress } from "ethers";
import { SymbolonError } from "../mpc/errors.ts";

export interface PayoutEntry {
  account: string;
  amountWei: bigint;
}

/** A payout with what its claim needs. */
export interface Payout extends PayoutEntry {
  /** Place in the list; each can be claimed once. */
  index: number;
  /** Sibling hashes from the leaf to the root. */
  proof: string[];
}

export interface PayoutTree {
  root: string;
  payouts: Payout[];
  totalWei: bigint;
}

const leafTypes = ["uint256", "address", "uint256"];

/**
 * The tree over `entries`, whose order fixes the indices. An account may stand in it more than once.
 * @throws PARAMETER_INVALID for an empty list, a negative amount or a bad address
 */
export function payoutTree(entries: readonly PayoutEntry[]): PayoutTree {
  if (entries.length === 0) throw new SymbolonError("PARAMETER_INVALID", "a job has at least one payout");
  const leaves = entries.map(({ account, amountWei }, index): [number, string, bigint] => {
    if (amountWei < 0n) throw new SymbolonError("PARAMETER_INVALID", `payout ${index} is negative`);
    try {
      return [index, getAddress(account), amountWei];
    } catch (cause) {
      throw new SymbolonError("PARAMETER_INVALID", `payout ${index} has no valid address`, { cause });
    }
  });
  const tree = StandardMerkleTree.of(leaves, leafTypes);
  const payouts = leaves.map(([index, account, amountWei]) => ({
    index,
    account,
    amountWei,
    proof: tree.getProof(index),
  }));
  const totalWei = leaves.reduce((sum, [, , amountWei]) => sum + amountWei, 0n);
  return { root: tree.root, payouts, totalWei };
}

/** Whether `payout` is a leaf under `root`. */
export function verifyPayout(root: string, payout: Payout): boolean {
  const { index, account, amountWei, proof } = payout;
  return StandardMerkleTree.verify(root, leafTypes, [index, account, amountWei], proof);
}
