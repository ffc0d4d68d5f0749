/**
 * What the helper of a masked opening deals for carries over the whole width of the field, in few bytes: the
 * bits v of the complement of r = r_first + r_second, cut into blocks of four, and within each block all
 * products of its bits, shared over GF(2) between the openers. The generate and propagate bits of a block of
 * the sum c + v are then *linear* in what was dealt, with coefficients from c that both openers know: four
 * levels of a carry chain cost no round at all (carry.ts).
 *
 * The helper learns nothing (it receives nothing here). The openers' shares are a pseudo-random string and
 * its sum with the dealt bits: each alone is uniform.
 */
import type { Party } from "../party.ts";
import { bytesOf, wordsFor, wordsOf } from "./bits.ts";
import type { Dealing } from "./masked-opening.ts";

/** Bits in a block; 2^4 - 1 products are dealt for each. */
const blockBits = 4;

/** Widths of the blocks that cover `carryBits`, lowest first. */
export function blockWidths(carryBits: number): number[] {
  const widths: number[] = [];
  for (let left = carryBits; left > 0; left -= blockBits) widths.push(Math.min(left, blockBits));
  return widths;
}

/** Planes dealt: for each block, a product of v's bits for each set of them but the empty one. */
function dealtPlanes(carryBits: number): number {
  return blockWidths(carryBits).reduce((sum, w) => sum + (1 << w) - 1, 0);
}

/** Deals the blocks of the lowest `carryBits` bits of v; an opener's share is one plane after another. */
export function blockDealing(carryBits: number): Dealing<Uint32Array> {
  const words = (n: number): number => dealtPlanes(carryBits) * wordsFor(n);
  return {
    byteLength: (n) => 4 * words(n),
    atHelper(party, operation, roles, firstMask, secondMask) {
      const n = firstMask.length;
      const pad = party.pairWords(roles.second, "deal", operation, words(n));
      const planes = products(party, firstMask, secondMask, carryBits);
      for (let w = 0; w < planes.length; w++) planes[w] ^= pad[w];
      return { wire: bytesOf(planes), dealt: planes };
    },
    atOpener: (party, operation, roles, n) =>
      party.index === roles.first
        ? party.pairWords(roles.second, "deal", operation, words(n))
        : new Uint32Array(0),
    complete: (_party, _dealt, bytes) => wordsOf(bytes),
  };
}

function products(
  party: Party,
  firstMask: Parameters<Dealing<unknown>["atHelper"]>[3],
  secondMask: typeof firstMask,
  carryBits: number,
): Uint32Array {
  const { kernel } = party;
  const words = wordsFor(firstMask.length);
  const sum = kernel.allocate(firstMask.length);
  kernel.add(sum, firstMask, secondMask);
  const bits = kernel.extractBits(sum, 0, carryBits);
  kernel.free(sum);

  const planes = new Uint32Array(dealtPlanes(carryBits) * words);
  const product = new Uint32Array(1 << blockBits);
  let plane = 0;
  let low = 0;
  for (const width of blockWidths(carryBits)) {
    for (let w = 0; w < words; w++) {
      for (let subset = 1; subset < 1 << width; subset++) {
        const top = 31 - Math.clz32(subset);
        const rest = subset ^ (1 << top);
        const bit = ~bits[low + top][w];
        product[subset] = rest === 0 ? bit : bit & product[rest];
        planes[(plane + subset - 1) * words + w] = product[subset];
      }
    }
    plane += (1 << width) - 1;
    low += width;
  }
  return planes;
}
