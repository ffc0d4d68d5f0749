/**
 * The carry out of (known to the openers a) + (dealt v), for numbers as wide as the field: few bytes and
 * logarithmically many rounds, which suits the check of whole data sets.
 *
 * Within a block of up to four bits the generate and propagate bits of a + v are polynomials over GF(2) in
 * the bits of v, whose coefficients depend on a alone. The openers know a, and the helper dealt them shares
 * of every product of v's bits in the block (block-deal.ts), so they evaluate both without a message. One
 * round makes replicated shares of these; a tree of conjunctions finishes the carry.
 */
import { addCost, type Cost, noCost } from "../cost.ts";
import type { Party } from "../party.ts";
import type { PartyIndex } from "../transport/transport.ts";
import { and, andCost, type BitShares, bytesOf, concatBits, sliceBits, wordsOf, xor } from "./bits.ts";
import { blockWidths } from "./block-deal.ts";
import type { Roles } from "./masked-opening.ts";

/** Planes that `evaluateBlocks` returns: a generate bit a block, a propagate bit a block but the lowest. */
function blockPlanes(carryBits: number): number {
  return 2 * blockWidths(carryBits).length - 1;
}

/** Writes the generate and propagate polynomials of a block of one word of a's bits into g and p. */
function blockPolynomials(
  a: Uint32Array[],
  low: number,
  width: number,
  w: number,
  g: Uint32Array,
  p: Uint32Array,
): void {
  // Index = set of v's bits (bit i of the index: bit low + i). Grows from the lowest bit upwards:
  // G' = g_i + p_i G, P' = p_i P, with g_i = a_i v_i and p_i = a_i + v_i.
  g.fill(0);
  p.fill(0);
  const bit = a[low][w];
  g[1] = bit;
  p[0] = bit;
  p[1] = 0xffffffff;
  for (let i = 1; i < width; i++) {
    const half = 1 << i;
    const ai = a[low + i][w];
    for (let s = 0; s < half; s++) {
      g[half + s] = g[s];
      g[s] &= ai;
      p[half + s] = p[s];
      p[s] &= ai;
    }
    g[half] ^= ai;
  }
}

/**
 * An opener's additive share over GF(2) of the blocks' generate and propagate bits.
 *
 * @param a planes of the bits of a, `carryBits` or more of them, each of the same number of words.
 * @param dealt the opener's share of the dealt planes (see block-deal.ts for their order).
 * @param withConstants true at exactly one of the two openers: it adds the constant terms.
 * @returns planes G_0, ..., G_(B-1), P_1, ..., P_(B-1), one after another.
 */
export function evaluateBlocks(
  a: Uint32Array[],
  dealt: Uint32Array,
  carryBits: number,
  withConstants: boolean,
): Uint32Array {
  const words = a[0].length;
  const widths = blockWidths(carryBits);
  const out = new Uint32Array(blockPlanes(carryBits) * words);
  const g = new Uint32Array(16);
  const p = new Uint32Array(16);
  let low = 0;
  let plane = 0;
  widths.forEach((width, block) => {
    const subsets = 1 << width;
    for (let w = 0; w < words; w++) {
      blockPolynomials(a, low, width, w, g, p);
      let generate = withConstants ? g[0] : 0;
      let propagate = withConstants ? p[0] : 0;
      for (let s = 1; s < subsets; s++) {
        const v = dealt[(plane + s - 1) * words + w];
        generate ^= g[s] & v;
        propagate ^= p[s] & v;
      }
      out[block * words + w] = generate;
      if (block > 0) out[(widths.length + block - 1) * words + w] = propagate;
    }
    plane += subsets - 1;
    low += width;
  });
  return out;
}

/** What a carry is taken of: `carryBits` bits of `copies` sums, each `words` words a plane. */
export interface CarryShape {
  readonly carryBits: number;
  readonly copies: number;
  readonly words: number;
}

/** Words of a carry's input: for each copy its blocks' planes, and one that is added at the end. */
function inputWords({ carryBits, copies, words }: CarryShape): number {
  return (blockPlanes(carryBits) + 1) * words * copies;
}

/**
 * One round: the openers' additive shares become replicated shares.
 *
 * The component that first opener and helper know is pseudo-random; the first opener sends its share, masked
 * by both its keys, to the second, and the second its share, masked by its key with the first, to the helper.
 * @param local an opener's shares; nothing at the helper.
 */
export async function shareBlocks(
  party: Party,
  { helper, first, second }: Roles,
  local: readonly Uint32Array[],
  shape: CarryShape,
): Promise<BitShares> {
  const { index } = party;
  const words = inputWords(shape);
  return party.round("carry", async (operation) => {
    // Components by the party that does not know them; the masks are those of zero sharings.
    const components = new Map<PartyIndex, Uint32Array>();
    if (index !== second) components.set(second, party.pairWords(second, "bit-zero", operation, words));
    if (index !== helper) {
      const own = new Uint32Array(words);
      let at = 0;
      for (const part of local) {
        own.set(part, at);
        at += part.length;
      }
      const shared = party.pairWords(helper, "bit-zero", operation, words);
      for (let w = 0; w < words; w++) own[w] ^= shared[w];
      if (index === first) {
        const mask = components.get(second)!;
        for (let w = 0; w < words; w++) own[w] ^= mask[w];
      }
      party.send(index === first ? second : helper, operation, [bytesOf(own)]);
      components.set(index === first ? helper : first, own);
    }
    if (index !== first) {
      const from = index === second ? first : second;
      const received = wordsOf(await party.receive(from, operation, 4 * words));
      components.set(index === second ? helper : first, received);
    }
    const out = { next: components.get(party.next)!, previous: components.get(party.previous)! };
    party.recorder?.state(party.kernel, { relation: "bit sharing", operation, local, out });
    return out;
  });
}

/** Declared cost of `shareBlocks`. */
export function shareBlocksCost(shape: CarryShape): Cost {
  return { rounds: 1, frames: 2, bytes: 8 * inputWords(shape), openings: {} };
}

/**
 * The carries out of all blocks, by a binary tree of (G, P) o (G', P') = (G + P G', P P'), plus the last plane.
 * One round a level.
 *
 * @param bits for each copy: planes G_0 ... G_(B-1), P_1 ... P_(B-1), and one that is added at the end.
 */
export async function carryTree(party: Party, bits: BitShares, shape: CarryShape): Promise<BitShares> {
  const { carryBits, copies, words } = shape;
  const blocks = blockWidths(carryBits).length;
  const planes = blockPlanes(carryBits) + 1;
  const planeOf = (plane: number): BitShares =>
    concatBits(
      Array.from({ length: copies }, (_, copy) => {
        const at = (copy * planes + plane) * words;
        return sliceBits(bits, at, at + words);
      }),
    );
  // Lowest first; the lowest group needs no propagate bit.
  let groups = Array.from({ length: blocks }, (_, b) => ({
    generate: planeOf(b),
    propagate: b > 0 ? planeOf(blocks + b - 1) : undefined,
  }));
  const size = words * copies;
  while (groups.length > 1) {
    const left: BitShares[] = [];
    const right: BitShares[] = [];
    for (let b = 0; b + 1 < groups.length; b += 2) {
      const high = groups[b + 1].propagate!;
      left.push(high);
      right.push(groups[b].generate);
      if (b > 0) {
        left.push(high);
        right.push(groups[b].propagate!);
      }
    }
    const products = await and(party, concatBits(left), concatBits(right));
    let at = 0;
    const take = (): BitShares => {
      at += size;
      return sliceBits(products, at - size, at);
    };
    const merged: typeof groups = [];
    for (let b = 0; b < groups.length; b += 2) {
      if (b + 1 === groups.length) {
        merged.push(groups[b]);
        continue;
      }
      const generate = xor(groups[b + 1].generate, take());
      merged.push({ generate, propagate: b > 0 ? take() : undefined });
    }
    groups = merged;
  }
  return xor(groups[0].generate, planeOf(planes - 1));
}

/** Declared cost of `carryTree`. */
export function carryTreeCost({ carryBits, copies, words }: CarryShape): Cost {
  let cost = noCost;
  for (let blocks = blockWidths(carryBits).length; blocks > 1; blocks = Math.ceil(blocks / 2)) {
    cost = addCost(cost, andCost((2 * Math.floor(blocks / 2) - 1) * words * copies));
  }
  return cost;
}
