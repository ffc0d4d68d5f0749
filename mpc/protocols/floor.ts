import { addCost, type Cost } from "../cost.ts";
import type { Party } from "../party.ts";
import type { FieldArray } from "../vector/index.ts";
import { compare, compareCost } from "./compare.ts";
import type { CompareRequest } from "./comparison-dealing.ts";
import { openMaskedCost } from "./masked-opening.ts";
import { truncate } from "./truncate.ts";

export interface FloorRequest {
  /** Bits to drop, at least 1. */
  readonly shift: number;
  /** |x| < 2^bitLength for every secret value x as a signed integer; at least `shift`, at most k - 4. */
  readonly bitLength: number;
}

/**
 * Exact truncation: shares of x become shares of floor(x / 2^shift).
 *
 * A probabilistic truncation t is less than 1.5 units away, so x - t 2^shift lies between -1.5 and 1.5 times
 * 2^shift, and three comparisons of it, a few bits wide, say by how many units t is off.
 *
 * Input: x[n] shares. Output: shares[n], exact. Cost: 5 rounds, those of `truncate` and of `compare` with three
 * thresholds. Opened: what those open; the distance of the second opening is below 2^(shift + 2 - (k - 2)).
 * Adversary: passive.
 */
export async function floor(
  party: Party,
  x: FieldArray,
  { shift, bitLength }: FloorRequest,
): Promise<FieldArray> {
  const { kernel } = party;
  const out = await truncate(party, { values: x, degree: 1, shift, bitLength });
  const remainder = kernel.allocate(x.length);
  kernel.multiplyAdd(remainder, out, -(1n << BigInt(shift)), x);
  const bits = await compare(party, remainder, remainderRequest(shift));
  kernel.free(remainder);
  // floor(r / 2^shift) is -2 and one more for each threshold that is reached.
  kernel.addScalar(out, out, -2n);
  for (let j = 0; j < 3; j++) kernel.add(out, out, kernel.slice(bits, j * x.length, x.length));
  kernel.free(bits);
  return out;
}

/** Declared costs of `floor`: those of its truncation and of its comparison. */
export function floorCosts(
  n: number,
  shift: number,
  elementBytes: number,
): { truncate: Cost; compare: Cost } {
  return {
    truncate: openMaskedCost(n, 1, elementBytes),
    compare: compareCost(n, remainderRequest(shift), elementBytes),
  };
}

/** Declared cost of `floor`. */
export function floorCost(n: number, shift: number, elementBytes: number): Cost {
  const costs = floorCosts(n, shift, elementBytes);
  return addCost(costs.truncate, costs.compare);
}

function remainderRequest(shift: number): CompareRequest {
  const unit = 1n << BigInt(shift);
  return { thresholds: [-unit, 0n, unit], bitLength: shift + 1, coarseBits: 0 };
}
