import type { Cost } from "../cost.ts";
import type { Party } from "../party.ts";
import { degree1Coefficient, degree2Coefficient } from "../shamir.ts";
import { nextParty, type PartyIndex, previousParty } from "../transport/transport.ts";
import type { FieldArray } from "../vector/index.ts";
import { type Deal, dealBytes, deriveDeal, prepareDeal, type ReceivedDeal, readDeal } from "./deal.ts";

/**
 * The opening on which truncation and comparison stand: two parties, the openers, learn
 *
 *   c = x + offset + r_first + r_second,
 *
 * where r_first is known to the helper and the first opener, r_second to the helper and the second opener.
 * The helper knows both masks and not c. A third mask, known to both openers, would hide nothing from them.
 *
 * The roles rotate with the number of the round, so that the load is even.
 */
export interface MaskedOpening {
  readonly helper: PartyIndex;
  readonly first: PartyIndex;
  readonly second: PartyIndex;
  /** c: at the openers. */
  readonly opened?: FieldArray;
  /** r_first and r_second: each where it is known. */
  readonly firstMask?: FieldArray;
  readonly secondMask?: FieldArray;
  /** What the helper dealt along with it. */
  readonly dealt?: ReceivedDeal;
}

export interface MaskedOpeningRequest {
  /** Degree 1: shares. Degree 2: local products, not yet multiplied by interpolation coefficients. */
  readonly values: FieldArray;
  readonly degree: 1 | 2;
  /**
   * "statistical": masks uniform below 2^(k-2), c is then the integer sum, without reduction mod p, as long
   * as |x| + offset < 2^(k-2). "uniform": masks uniform on the field, c hides x perfectly and is reduced.
   */
  readonly mask: "statistical" | "uniform";
  /** A public constant added to every value. */
  readonly offset: bigint;
  /** Bits that the helper deals in the same round. */
  readonly deal?: Deal;
}

/** Label of what the openers see: counted at every party, whether it is an opener or the helper. */
export const maskedValuesLabel = "masked values";

export interface Roles {
  readonly helper: PartyIndex;
  readonly first: PartyIndex;
  readonly second: PartyIndex;
}

/** Who does what in the round with this number. */
export function rolesOf(operation: number): Roles {
  const helper = ((operation % 3) + 1) as PartyIndex;
  return { helper, first: nextParty(helper), second: previousParty(helper) };
}

/**
 * One round, to be called inside `party.round`.
 *
 * Degree 2: the parties' summands l_i d_i, hidden by a zero sharing, go from the helper to both openers and
 * between the openers: 4 n elements. Degree 1: the openers exchange their shares of c: 2 n elements.
 * An opener learns c only: with degree 2 the summands are uniform but for their sum, with degree 1 the line
 * through its own share and c determines the other opener's share.
 */
export async function openMasked(
  party: Party,
  operation: number,
  { values, degree, mask, offset, deal }: MaskedOpeningRequest,
): Promise<MaskedOpening> {
  const { kernel, index } = party;
  const n = values.length;
  const roles = rolesOf(operation);
  const { helper, first, second } = roles;
  party.meter.countOpening(maskedValuesLabel, n);
  const maskBits = mask === "statistical" ? kernel.spec.bits - 2 : kernel.spec.bits;
  // The pair {helper, first} excludes the second opener, and the other way round.
  const firstMask = index === second ? undefined : party.pairVector(second, "mask", operation, n, maskBits);
  const secondMask = index === first ? undefined : party.pairVector(first, "mask", operation, n, maskBits);

  const own = degree === 2 ? party.zeroVector(operation, n) : kernel.allocate(n);
  if (degree === 2) {
    kernel.multiplyAdd(own, values, degree2Coefficient[index], own);
    if (index === helper) {
      // The helper knows both masks, so it alone adds them, and the offset.
      kernel.add(own, own, firstMask!);
      kernel.add(own, own, secondMask!);
      kernel.addScalar(own, own, offset);
    }
  } else if (index !== helper) {
    const known = index === first ? firstMask! : secondMask!;
    kernel.addScalar(own, values, offset);
    kernel.multiplyAdd(own, known, party.embed(index === first ? second : first), own);
  }

  const bytes = n * kernel.spec.elementBytes;
  const summandBytes = degree === 2 ? bytes : 0;
  const dealtBytes = deal === undefined ? 0 : dealBytes(deal, n, kernel.spec.elementBytes);
  if (index === helper) {
    const wire = degree === 2 ? [kernel.encode(own)] : [];
    kernel.free(own);
    const dealt = deal && prepareDeal(party, operation, roles, deal, firstMask!, secondMask!);
    if (degree === 2) party.send(first, operation, wire);
    if (summandBytes + dealtBytes > 0) party.send(second, operation, [...wire, ...(dealt?.parts ?? [])]);
    return { ...roles, firstMask, secondMask, dealt: dealt?.kept };
  }

  const partner = index === first ? second : first;
  party.sendVector(partner, operation, own);
  const dealt =
    deal !== undefined && index === first ? deriveDeal(party, operation, roles, deal, n) : undefined;
  let received: ReceivedDeal | undefined = dealt;
  const fromHelperBytes = summandBytes + (index === second ? dealtBytes : 0);
  const opened = kernel.allocate(n);
  if (fromHelperBytes > 0) {
    const fromHelper = await party.receive(helper, operation, fromHelperBytes);
    if (degree === 2) kernel.decode(opened, fromHelper.subarray(0, bytes));
    if (deal !== undefined && index === second) {
      received = readDeal(party, operation, deal, n, fromHelper.subarray(summandBytes));
    }
  }
  const fromPartner = await party.receiveVector(partner, operation, n);
  if (degree === 2) {
    kernel.add(opened, opened, own);
    kernel.add(opened, opened, fromPartner);
  } else {
    kernel.multiplyScalar(opened, own, degree1Coefficient(index, partner, kernel.spec.modulus));
    kernel.multiplyAdd(opened, fromPartner, degree1Coefficient(partner, index, kernel.spec.modulus), opened);
  }
  kernel.free(own);
  kernel.free(fromPartner);
  return { ...roles, opened, firstMask, secondMask, dealt: received };
}

/** Frees what an opening holds in kernel memory. */
export function freeMaskedOpening(party: Party, opening: MaskedOpening): void {
  for (const a of [opening.opened, opening.firstMask, opening.secondMask, opening.dealt?.helperBits]) {
    if (a !== undefined) party.kernel.free(a);
  }
}

/** Declared cost of `openMasked`. */
export function openMaskedCost(n: number, degree: 1 | 2, elementBytes: number, deal?: Deal): Cost {
  const dealt = deal === undefined ? 0 : dealBytes(deal, n, elementBytes);
  return degree === 2
    ? { rounds: 1, frames: 4, bytes: 4 * n * elementBytes + dealt }
    : { rounds: 1, frames: dealt > 0 ? 3 : 2, bytes: 2 * n * elementBytes + dealt };
}
