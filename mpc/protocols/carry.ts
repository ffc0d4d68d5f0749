/**
 * The carry out of (public-to-the-openers a) + (dealt v), the heart of every comparison.
 *
 * Within a block of up to four bits the generate and propagate bits of a + v are polynomials over GF(2) in
 * the bits of v, whose coefficients depend on a alone. The openers know a, and the helper dealt them shares
 * of every product of v's bits in the block, so they evaluate both without a message.
 */
import { blockWidths } from "./deal.ts";

/** Planes that `evaluateBlocks` returns: a generate bit a block, a propagate bit a block but the lowest. */
export function blockPlanes(carryBits: number): number {
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
 * @param dealt the opener's share of the dealt planes (see deal.ts for their order).
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
