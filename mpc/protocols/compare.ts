import { addCost, type Cost } from "../cost.ts";
import type { Party } from "../party.ts";
import { degree2Coefficient } from "../shamir.ts";
import type { FieldArray } from "../vector/index.ts";
import {
  type CompareRequest,
  type ComparisonOpening,
  checkComparison,
  comparisonDealing,
  comparisonDealtBytes,
} from "./comparison-dealing.ts";
import { freeMaskedOpening, openMasked, openMaskedCost, type Roles } from "./masked-opening.ts";
import {
  dealOutcomes,
  dealOutcomesCost,
  findOutcomes,
  findOutcomesCost,
  outcomeElements,
} from "./outcomes.ts";
import { beginPairSum, finishPairSum, type PairSum } from "./pair-sum.ts";

/**
 * Comparison of shared values with public thresholds.
 *
 * Input: x[n] shares with |x| < 2^bitLength; thresholds[t]. Output: bits [x_i >= t_j] as field shares,
 * n * t elements, threshold after threshold.
 * Cost: 4 rounds; see `compareCost`. Opened: c to two parties (distance as for `truncate`), and to the third
 * the outcome plus a random bit. Adversary: passive. Source: docs/protocols.md; comparison by a masked
 * opening [CdH10], of bits by the search for a zero [DGK07] with a helping third party [WGC19].
 */
export async function compare(party: Party, x: FieldArray, request: CompareRequest): Promise<FieldArray> {
  const { opening, offset } = await openForComparison(party, x, request);
  const bits = await compareOpened(party, opening, offset, request);
  freeMaskedOpening(party, opening);
  return bits;
}

/** Declared cost of `compare`. */
export function compareCost(n: number, request: CompareRequest, elementBytes: number): Cost {
  return addCost(
    openMaskedCost(n, 1, elementBytes, comparisonDealtBytes(n, request)),
    compareOpenedCost(n, request, elementBytes),
  );
}

/** The first round of a comparison of values that nothing else opens. */
export async function openForComparison(
  party: Party,
  x: FieldArray,
  request: CompareRequest,
): Promise<{ opening: ComparisonOpening; offset: bigint }> {
  checkComparison(party.kernel.spec.bits, request);
  const offset = 1n << BigInt(request.bitLength);
  const dealing = await comparisonDealing(request);
  const opening = await party.openingRound("compare", (operation) =>
    openMasked(party, operation, { values: x, degree: 1, mask: "statistical", offset, dealing }),
  );
  return { opening, offset };
}

/**
 * The three rounds of a comparison after a masked opening that carried `comparisonDealing(request)`.
 * @param offset the public constant that the opening added.
 */
export async function compareOpened(
  party: Party,
  opening: ComparisonOpening,
  offset: bigint,
  request: CompareRequest,
): Promise<FieldArray> {
  const { kernel, index } = party;
  const { split } = await findOutcomes(party, opening, offset, request, undefined);
  const helpers = await dealOutcomes(party, opening, split);
  const isOpener = index !== opening.helper;
  // b = u + v - 2 u v, u dealt by the helper, v known to the openers.
  const openers = isOpener ? outcomeElements(party, split) : undefined;
  const product = await party.round("compare", async (operation) => {
    let values: FieldArray | undefined;
    if (openers !== undefined) {
      values = kernel.allocate(helpers.length);
      kernel.multiply(values, helpers, openers);
      kernel.multiplyScalar(values, values, degree2Coefficient[index] * party.embed(opening.helper));
    }
    const sum = beginPairSum(party, operation, opening, values, helpers.length);
    return exchangePairSum(party, operation, opening, sum, helpers.length);
  });
  kernel.multiplyAdd(helpers, product, -2n, helpers);
  if (openers !== undefined) {
    kernel.multiplyAdd(helpers, openers, party.embed(opening.helper), helpers);
    kernel.free(openers);
  }
  kernel.free(product);
  party.recorder?.state(kernel, { relation: "outcomes", comparison: split.operation, shares: helpers });
  return helpers;
}

/** Declared cost of `compareOpened`. */
export function compareOpenedCost(n: number, request: CompareRequest, elementBytes: number): Cost {
  const outcomes = n * request.thresholds.length;
  return [
    findOutcomesCost(n, request),
    dealOutcomesCost(outcomes, elementBytes),
    { rounds: 1, frames: 2, bytes: 2 * outcomes * elementBytes, openings: {} },
  ].reduce(addCost);
}

/**
 * The two rounds of a comparison whose outcomes b_j each multiply a value y_j, j a threshold: local values of
 * degree 2, to be reduced or truncated in one more round, of b_j y_j. The products cost no round of their own:
 * with b = u xor v, u known to the helper and v to the openers, the openers share v y while they look for u,
 * and b y = v y + u (y - 2 v y).
 * @param y n * t shares of degree 1, threshold after threshold.
 */
export async function gateOpened(
  party: Party,
  opening: ComparisonOpening,
  offset: bigint,
  request: CompareRequest,
  y: FieldArray,
): Promise<FieldArray> {
  const { kernel } = party;
  const { split, gated } = await findOutcomes(party, opening, offset, request, y);
  const helpers = await dealOutcomes(party, opening, split);
  const out = kernel.allocate(y.length);
  kernel.multiplyAdd(out, gated!, -2n, y);
  kernel.multiply(out, out, helpers);
  kernel.add(out, out, gated!);
  const shape = { rows: y.length, cols: 1 };
  party.recorder?.state(kernel, {
    relation: "local product",
    product: out,
    terms: [
      { kind: "elementwise", a: y, b: helpers, ...shape, scale: 1n },
      { kind: "elementwise", a: gated!, b: helpers, ...shape, scale: -2n },
      { kind: "linear", a: gated!, ...shape, scale: 1n },
    ],
  });
  kernel.free(helpers);
  kernel.free(gated!);
  return out;
}

/** Declared cost of `gateOpened`. */
export function gateOpenedCost(n: number, request: CompareRequest, elementBytes: number): Cost {
  const outcomes = n * request.thresholds.length;
  const gates: Cost = { rounds: 0, frames: 1, bytes: 2 * outcomes * elementBytes, openings: {} };
  return [findOutcomesCost(n, request), gates, dealOutcomesCost(outcomes, elementBytes)].reduce(addCost);
}

/** Sends and receives one pair sum that is a round by itself. */
async function exchangePairSum(
  party: Party,
  operation: number,
  roles: Roles,
  sum: PairSum,
  length: number,
): Promise<FieldArray> {
  const { helper, first, second } = roles;
  const { index } = party;
  if (sum.outgoing !== undefined) party.sendVector(index === first ? helper : first, operation, sum.outgoing);
  const bytes = length * party.kernel.spec.elementBytes;
  const received =
    index === second ? undefined : await party.receive(index === first ? second : first, operation, bytes);
  return finishPairSum(party, roles, sum, received, length);
}
