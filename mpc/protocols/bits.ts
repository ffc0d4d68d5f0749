import type { Cost } from "../cost.ts";
import { SymbolonError } from "../errors.ts";
import type { Party } from "../party.ts";
import type { PrssPurpose } from "../prss.ts";

/**
 * Bits shared over GF(2) in replicated form: b = c1 + c2 + c3, component c_m known to both parties other
 * than m. A party holds the components of the next and of the previous party. 32 bits a word.
 */
export interface BitShares {
  /** Component `party.next`. */
  readonly next: Uint32Array;
  /** Component `party.previous`. */
  readonly previous: Uint32Array;
}

export const wordsFor = (bits: number): number => Math.ceil(bits / 32);

export function bytesOf(words: Uint32Array): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
}

/** Words from received bytes, which may lie at any address; a copy. (`slice` of a Buffer would be none.) */
export function wordsOf(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(new Uint8Array(bytes).buffer);
}

export function xorWords(a: Uint32Array, b: Uint32Array): Uint32Array {
  const out = new Uint32Array(a.length);
  for (let i = 0; i < out.length; i++) out[i] = a[i] ^ b[i];
  return out;
}

/** Sum over GF(2); local. */
export function xor(a: BitShares, b: BitShares): BitShares {
  return { next: xorWords(a.next, b.next), previous: xorWords(a.previous, b.previous) };
}

export function sliceBits(a: BitShares, from: number, to: number): BitShares {
  return { next: a.next.subarray(from, to), previous: a.previous.subarray(from, to) };
}

export function concatBits(list: readonly BitShares[]): BitShares {
  const length = list.reduce((sum, x) => sum + x.next.length, 0);
  const out = { next: new Uint32Array(length), previous: new Uint32Array(length) };
  let at = 0;
  for (const x of list) {
    out.next.set(x.next, at);
    out.previous.set(x.previous, at);
    at += x.next.length;
  }
  return out;
}

/** Uniform bits that nobody knows, with no message [CDI05]. */
export function randomBits(party: Party, purpose: PrssPurpose, operation: number, words: number): BitShares {
  return {
    next: party.pairWords(party.next, purpose, operation, words),
    previous: party.pairWords(party.previous, purpose, operation, words),
  };
}

/**
 * Conjunction of shared bits. Party i computes the products that it can, hides their sum with a zero sharing
 * and sends it to the next party, so that the sum becomes a component known to a pair.
 *
 * Cost: 1 round, one bit a party. Opened: nothing. Adversary: passive. Source: [AFLNO16].
 */
export async function and(party: Party, a: BitShares, b: BitShares): Promise<BitShares> {
  return party.round("and", async (operation) => {
    const words = a.next.length;
    const zero = randomBits(party, "bit-zero", operation, words);
    const own = new Uint32Array(words);
    for (let w = 0; w < words; w++) {
      own[w] =
        (a.next[w] & (b.next[w] ^ b.previous[w])) ^
        (a.previous[w] & b.next[w]) ^
        zero.next[w] ^
        zero.previous[w];
    }
    party.send(party.next, operation, [bytesOf(own)]);
    const received = wordsOf(await party.receive(party.previous, operation, 4 * words));
    const out = { next: received, previous: own };
    party.recorder?.state(party.kernel, { relation: "conjunction", operation, a, b, out });
    return out;
  });
}

/** Declared cost of `and`. */
export function andCost(words: number): Cost {
  return { rounds: 1, frames: 3, bytes: 12 * words, openings: {} };
}

/**
 * Opens shared bits to all. Each party gets its missing component from both neighbours and compares.
 *
 * Cost: 1 round, two bits a party for each bit. Opened: the bits, counted under `label`.
 * @param count how many of the bits have a meaning; those that fill up words have none
 * @throws SHARES_INCONSISTENT when the two copies differ.
 */
export async function openBits(
  party: Party,
  a: BitShares,
  label: string,
  count: number,
): Promise<Uint32Array> {
  return party.openingRound("open", async (operation) => {
    party.countOpening(label, count);
    const words = a.next.length;
    party.send(party.next, operation, [bytesOf(a.next)]);
    party.send(party.previous, operation, [bytesOf(a.previous)]);
    const one = wordsOf(await party.receive(party.previous, operation, 4 * words));
    const two = wordsOf(await party.receive(party.next, operation, 4 * words));
    const out = new Uint32Array(words);
    for (let w = 0; w < words; w++) {
      if (one[w] !== two[w]) {
        throw new SymbolonError(
          "SHARES_INCONSISTENT",
          `two parties sent different components of opened bits (${label})`,
        );
      }
      out[w] = a.next[w] ^ a.previous[w] ^ one[w];
    }
    party.recorder?.state(party.kernel, { relation: "bit opening", operation, bits: a, value: out });
    return out;
  });
}

/** Declared cost of `openBits`. */
export function openBitsCost(words: number, label: string, count: number): Cost {
  return { rounds: 1, frames: 6, bytes: 24 * words, openings: { [label]: count } };
}
