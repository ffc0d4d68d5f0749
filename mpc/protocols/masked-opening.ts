import { type ElementStream, inBlocks } from "../blocks.ts";
import type { Cost } from "../cost.ts";
import type { Party } from "../party.ts";
import { degree1Coefficient, degree2Coefficient } from "../shamir.ts";
import { nextParty, type PartyIndex, previousParty } from "../transport/transport.ts";
import { type FieldArray, type Kernel, randomBlock } from "../vector/index.ts";

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
export interface MaskedOpening<Dealt = unknown> extends Roles {
  /** c: at the openers. */
  readonly opened?: FieldArray;
  /** r_first and r_second: each where it is known. */
  readonly firstMask?: FieldArray;
  readonly secondMask?: FieldArray;
  /** What this party has of the dealing, if there was one. */
  readonly dealt?: Dealt;
}

/**
 * What the helper tells the openers about r_first + r_second in the same round, shared between the two: the
 * first opener derives its part from the key that it has with the helper, the second gets the rest.
 */
export interface Dealing<Dealt> {
  /** Bytes that the helper adds to its frame to the second opener, for n values. */
  byteLength(n: number): number;
  atHelper(
    party: Party,
    operation: number,
    roles: Roles,
    firstMask: FieldArray,
    secondMask: FieldArray,
  ): { wire: Uint8Array; dealt: Dealt };
  /** Called while the opener waits for its peers: whatever the pair keys alone give is best made here. */
  atOpener(party: Party, operation: number, roles: Roles, n: number): Dealt;
  /** Adds what the second opener received; `bytes` are valid until this returns. */
  complete(party: Party, dealt: Dealt, bytes: Uint8Array): Dealt;
}

export interface MaskedOpeningRequest<Dealt> {
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
  readonly dealing?: Dealing<Dealt>;
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
 * One round, to be called inside `party.openingRound`.
 *
 * Degree 2: the parties' summands l_i d_i go from the helper to both openers and between the openers: 4 n
 * elements. They are hidden by a zero sharing: each opener adds what it has in common with the helper, and the
 * helper subtracts both; what the openers have in common would hide nothing from them. Degree 1: the openers
 * exchange their shares of c: 2 n elements.
 *
 * An opener learns c only: with degree 2 the summands are uniform but for their sum, with degree 1 the line
 * through its own share and c determines the other opener's share.
 */
export async function openMasked<Dealt>(
  party: Party,
  operation: number,
  request: MaskedOpeningRequest<Dealt>,
): Promise<MaskedOpening<Dealt>> {
  const { values, degree, mask, offset, dealing } = request;
  const { kernel, index } = party;
  const n = values.length;
  const roles = rolesOf(operation);
  const { helper, first, second } = roles;
  party.countOpening(maskedValuesLabel, n);
  const maskBits = mask === "statistical" ? kernel.spec.bits - 2 : kernel.spec.bits;
  // The pair {helper, first} excludes the second opener, and the other way round.
  const maskOf = (excluded: PartyIndex): FieldArray =>
    party.pairVector(excluded, "mask", operation, n, maskBits);
  const zerosOf = (excluded: PartyIndex): ElementStream => party.pairElements(excluded, "zero", operation);
  const bytes = n * kernel.spec.elementBytes;
  const dealtBytes = dealing?.byteLength(n) ?? 0;

  if (index === helper) {
    const firstMask = maskOf(second);
    const secondMask = maskOf(first);
    let summands: FieldArray | undefined;
    if (degree === 2) {
      const [firstZeros, secondZeros] = [zerosOf(second), zerosOf(first)];
      summands = inCanonicalBlocks(kernel, n, (own, start, length) => {
        kernel.multiplyScalar(own, kernel.slice(values, start, length), degree2Coefficient[index]);
        firstZeros.subtractFrom(own);
        secondZeros.subtractFrom(own);
        // The helper knows both masks, so it alone adds them, and the offset.
        kernel.add(own, own, kernel.slice(firstMask, start, length));
        kernel.add(own, own, kernel.slice(secondMask, start, length));
        kernel.addScalar(own, own, offset);
      });
      // The first opener is not kept waiting for the dealing.
      party.send(first, operation, kernel.planes(summands));
    }
    const made = dealing?.atHelper(party, operation, roles, firstMask, secondMask);
    const wire = summands === undefined ? [] : kernel.planes(summands);
    if (made !== undefined) wire.push(made.wire);
    if (wire.length > 0) party.send(second, operation, wire);
    if (summands !== undefined) kernel.free(summands);
    return stated(party, operation, request, { ...roles, firstMask, secondMask, dealt: made?.dealt });
  }

  const partner = index === first ? second : first;
  // This opener's summand; what it receives is added to it, and the sum is c.
  let opened: FieldArray;
  let known: FieldArray;
  if (degree === 2) {
    const zeros = zerosOf(partner);
    opened = inCanonicalBlocks(kernel, n, (own, start, length) => {
      kernel.multiplyScalar(own, kernel.slice(values, start, length), degree2Coefficient[index]);
      zeros.addTo(own);
    });
    party.send(partner, operation, kernel.planes(opened));
    known = maskOf(partner);
  } else {
    const mask = maskOf(partner);
    opened = inCanonicalBlocks(kernel, n, (own, start, length) => {
      kernel.addScalar(own, kernel.slice(values, start, length), offset);
      kernel.multiplyAdd(own, kernel.slice(mask, start, length), party.embed(partner), own);
    });
    party.send(partner, operation, kernel.planes(opened));
    known = mask;
  }
  let dealt = dealing?.atOpener(party, operation, roles, n);
  const summandBytes = degree === 2 ? bytes : 0;
  const fromHelperBytes = summandBytes + (index === second ? dealtBytes : 0);
  let fromHelper: Uint8Array | undefined;
  if (fromHelperBytes > 0) {
    const frame = await party.receive(helper, operation, fromHelperBytes);
    fromHelper = frame.subarray(0, summandBytes);
    if (dealing !== undefined && index === second)
      dealt = dealing.complete(party, dealt!, frame.subarray(summandBytes));
  }
  const fromPartner = await party.receive(partner, operation, bytes);
  const { modulus } = kernel.spec;
  const block = kernel.allocate(Math.min(n, randomBlock));
  inBlocks(n, (start, length) => {
    const sum = kernel.slice(opened, start, length);
    const received = kernel.slice(block, 0, length);
    if (degree === 2) {
      kernel.decodeSlice(received, fromHelper!, start);
      kernel.add(sum, sum, received);
      kernel.decodeSlice(received, fromPartner, start);
      kernel.add(sum, sum, received);
    } else {
      kernel.decodeSlice(received, fromPartner, start);
      kernel.multiplyScalar(sum, sum, degree1Coefficient(index, partner, modulus));
      kernel.multiplyAdd(sum, received, degree1Coefficient(partner, index, modulus), sum);
    }
  });
  kernel.free(block);
  const masks = index === first ? { firstMask: known } : { secondMask: known };
  return stated(party, operation, request, { ...roles, opened, ...masks, dealt });
}

function stated<Dealt>(
  party: Party,
  operation: number,
  { values, degree, offset }: MaskedOpeningRequest<Dealt>,
  opening: MaskedOpening<Dealt>,
): MaskedOpening<Dealt> {
  const { opened, firstMask, secondMask } = opening;
  party.recorder?.state(party.kernel, {
    relation: "masked opening",
    ...{ operation, values, degree, offset, opened, firstMask, secondMask },
  });
  return opening;
}

/** An array that `work` fills block by block, each made canonical while it is in the cache. */
function inCanonicalBlocks(
  kernel: Kernel,
  n: number,
  work: (own: FieldArray, start: number, length: number) => void,
): FieldArray {
  const out = kernel.allocate(n);
  inBlocks(n, (start, length) => {
    const own = kernel.slice(out, start, length);
    work(own, start, length);
    kernel.canonicalise(own);
  });
  return out;
}

/** Frees what an opening holds in kernel memory. */
export function freeMaskedOpening(party: Party, opening: MaskedOpening): void {
  for (const a of [opening.opened, opening.firstMask, opening.secondMask]) {
    if (a !== undefined) party.kernel.free(a);
  }
}

/** Declared cost of `openMasked`; `dealtBytes` is the dealing's `byteLength(n)`. */
export function openMaskedCost(n: number, degree: 1 | 2, elementBytes: number, dealtBytes = 0): Cost {
  const openings = { [maskedValuesLabel]: n };
  return degree === 2
    ? { rounds: 1, frames: 4, bytes: 4 * n * elementBytes + dealtBytes, openings }
    : { rounds: 1, frames: dealtBytes > 0 ? 3 : 2, bytes: 2 * n * elementBytes + dealtBytes, openings };
}
