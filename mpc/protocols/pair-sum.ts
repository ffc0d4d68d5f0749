/**
 * The sum of two private values, one at each opener of a masked opening, as a degree-1 sharing: degree
 * reduction where the helper has nothing to add, with one message less.
 *
 * With v_1 + v_2 the wanted sum, v_1 - rho goes from the first opener to the helper and v_2 + rho - sigma
 * from the second to the first; rho is known to the openers, sigma to the helper and the second. Each of the
 * three terms is then known to exactly one pair, and what is sent is uniform to its receiver.
 *
 * Cost: part of a round, 2 n elements over all links. Opened: nothing. Adversary: passive. Source: [CDI05].
 */
import type { Party } from "../party.ts";
import type { PartyIndex } from "../transport/transport.ts";
import type { FieldArray } from "../vector/index.ts";
import type { Roles } from "./masked-opening.ts";

export interface PairSum {
  readonly operation: number;
  /** Terms known here, by the party that does not know them. */
  readonly terms: Map<PartyIndex, FieldArray>;
  /** What this party sends: the first opener to the helper, the second to the first. */
  readonly outgoing?: FieldArray;
}

/**
 * Masks this party's values, inside a round.
 * @param values an opener's summands, overwritten; nothing at the helper.
 */
export function beginPairSum(
  party: Party,
  operation: number,
  { helper, first, second }: Roles,
  values: FieldArray | undefined,
  length: number,
): PairSum {
  const { kernel, index } = party;
  const terms = new Map<PartyIndex, FieldArray>();
  const sigma = index === first ? undefined : party.pairVector(first, "zero", operation, length);
  if (sigma !== undefined) terms.set(first, sigma);
  if (values === undefined) return { operation, terms };
  party.recorder?.state(kernel, { relation: "summand", operation, values });
  const rho = party.pairVector(helper, "zero", operation, length);
  if (index === first) kernel.subtract(values, values, rho);
  else {
    kernel.add(values, values, rho);
    kernel.subtract(values, values, sigma!);
  }
  kernel.free(rho);
  terms.set(index === first ? second : helper, values);
  return { operation, terms, outgoing: values };
}

/**
 * This party's shares of the sums; frees the terms.
 * @param bytes what came from the first opener, at the helper; from the second, at the first; unused else.
 */
export function finishPairSum(
  party: Party,
  { helper, first, second }: Roles,
  { operation, terms }: PairSum,
  bytes: Uint8Array | undefined,
  length: number,
): FieldArray {
  const { kernel, index } = party;
  if (bytes !== undefined) {
    const received = kernel.allocate(length);
    kernel.decode(received, bytes);
    terms.set(index === first ? helper : second, received);
  }
  const [[excluded, one], [otherExcluded, two]] = terms;
  kernel.multiplyScalar(one, one, party.embed(excluded));
  kernel.multiplyAdd(one, two, party.embed(otherExcluded), one);
  kernel.free(two);
  party.recorder?.state(kernel, { relation: "sum", operation, shares: one });
  return one;
}
