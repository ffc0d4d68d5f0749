/**
 * Second-price sealed-bid auction over one bid of each seller, as an ordinary JIFF program: the highest bid
 * wins, the lowest index among equals, and pays the second highest. Nobody learns a bid; the result is shares
 * of the winner's index (from 0) and of the price.
 *
 * JIFF's own `slt` on a field of 127 bits decomposes into 127 bits three times over, some seconds each. Bids
 * have few bits, so the comparison here is the bounded one [Catrina, de Hoogh 2010]: for a, b below 2^l,
 * x = a - b + 2^l has l + 1 bits and its top bit says whether a >= b. With r = r_low + 2^l r_high, whose l low
 * bits are shared one by one, c = x + r is opened; x mod 2^l is c mod 2^l - r_low, plus 2^l if that borrows,
 * which a comparison of a public number with shared bits tells. All pairs are compared at once.
 *
 * Then bidder i's rank is the number of others that beat it, the ranks are 0 to n - 1 without ties, and
 * "rank is 0" and "rank is 1" are polynomials in the rank through public points.
 *
 * Opened: one c for each pair of bidders. Its statistical distance from what does not depend on the bids is
 * below 2^(2 - maskBits), maskBits = bits of p - l - 3: for p = 2^127 - 1 and l = 16, 2^-106.
 * Cost: see `auctionCost`; about l + 10 rounds. Three processes on two cores: 0.4 s for
 * 3 bids, 0.8 s for 5.
 */
import { SymbolonError } from "../../mpc/errors.ts";
import type {
  JiffHandle,
  JiffNumber,
  JiffOperations,
  JiffProgram,
  SecretShare,
} from "../../mpc/jiff-program.ts";
import { randomBytes } from "../../mpc/random.ts";

export interface AuctionParameters {
  /** Bids are integers in [0, 2^bidBits); 1 to 32. */
  bidBits: number;
}

/** Bidders at most: the number of comparisons grows with its square. */
export const maxBidders = 16;

/**
 * @param inputs one array of one share per seller: its bid, whose range the caller has checked
 * @returns shares of [index of the winner, second highest bid]
 * @throws PARAMETER_INVALID, SHAPE_MISMATCH, RANGE_EXCEEDED when the field is too small
 */
export const secondPriceAuction: JiffProgram<AuctionParameters> = async (jiff, inputs, { bidBits }) => {
  checkParameters(inputs, bidBits);
  const bids = inputs.map(([bid]) => bid!);
  const pairs = bids.flatMap((_, i) => bids.slice(i + 1).map((_, k): [number, number] => [i, i + 1 + k]));
  const differences = pairs.map(([i, j]) => bids[i]!.ssub(bids[j]!));
  const notBelow = await compareWithZero(jiff, differences, bidBits);

  const zero = bids[0]!.cmult(0);
  const ranks = bids.map(() => zero);
  for (const [index, [i, j]] of pairs.entries()) {
    // Of equals the earlier one wins, so `i` beats `j` exactly when its bid is not below.
    ranks[j] = ranks[j]!.sadd(notBelow[index]!);
    ranks[i] = ranks[i]!.sadd(notBelow[index]!.not());
  }
  const [isFirst, isSecond] = [0, 1].map((rank) =>
    indicatorCoefficients(modulusOf(jiff), bids.length, rank),
  ) as [bigint[], bigint[]];
  let winner = zero;
  let price = zero;
  for (const [i, rank] of ranks.entries()) {
    const powers = powersOf(rank, bids.length - 1);
    winner = winner.sadd(combine(jiff, powers, isFirst).cmult(i));
    price = price.sadd(combine(jiff, powers, isSecond).smult(bids[i]!));
  }
  return [winner, price];
};

/** What the auction costs each party, exactly, for so many bidders. */
export function auctionCost(bidders: number, bidBits: number): JiffOperations {
  const pairs = (bidders * (bidders - 1)) / 2;
  const randomBits = pairs * bidBits;
  // A random bit is the exclusive or of three. Then one product a bit of each comparison, the powers of the
  // ranks, and one product for each bid in the price.
  const products = 2 * randomBits + pairs * bidBits + bidders * (bidders - 1);
  const shares = pairs + randomBits + products;
  return { shares, openings: pairs, products, messagesSent: 2 * (shares + pairs) };
}

/**
 * Statistical distance of all that the auction opens: each pair's opening is below 2^(2 - w) with masks of w bits.
 * @throws RANGE_EXCEEDED when the field has no room for masks, PARAMETER_INVALID
 */
export function auctionDistance(bidders: number, bidBits: number, modulus: bigint): number {
  checkSize(bidders, bidBits);
  return ((bidders * (bidders - 1)) / 2) * 2 ** (2 - maskBits(modulus, bidBits));
}

/** The same function on numbers. */
export function secondPriceAuctionPlain(bids: readonly bigint[]): [winner: number, price: bigint] {
  if (bids.length < 2) throw new SymbolonError("PARAMETER_INVALID", "an auction needs two bids");
  const order = bids.map((bid, index) => ({ bid, index }));
  order.sort((a, b) => (a.bid === b.bid ? a.index - b.index : a.bid < b.bid ? 1 : -1));
  return [order[0]!.index, order[1]!.bid];
}

/** For each x in (-2^l, 2^l): a shared bit, 1 where x >= 0. */
async function compareWithZero(
  jiff: JiffHandle,
  differences: readonly SecretShare[],
  bits: number,
): Promise<SecretShare[]> {
  const modulus = modulusOf(jiff);
  const number = (value: bigint): JiffNumber => jiff.helpers.BigNumber(value.toString());
  const range = 1n << BigInt(bits);
  await preprocessed(jiff, () => {
    void jiff.preprocessing("rejection_sampling", differences.length, null, 2, null, null, null, null, {
      lower_bound: 0,
      upper_bound: number(range),
    });
  });
  const masks = differences.map(() => {
    const low = jiff.protocols.bits.rejection_sampling(0, number(range), 2);
    const high = sumOf(Object.values(jiff.share(number(randomBelow(maskBits(modulus, bits))))));
    return { low, lowValue: jiff.protocols.bits.bit_composition(low), high };
  });
  const zero = differences[0]!.cmult(0);
  const inverse = number(inverseOf(range, modulus));
  return Promise.all(
    differences.map(async (difference, index) => {
      const { low, lowValue, high } = masks[index]!;
      const shifted = difference.cadd(number(range));
      const opened = await shifted
        .sadd(lowValue)
        .sadd(high.cmult(number(range)))
        .open();
      const openedLow = BigInt(opened.toString(10)) % range;
      // Borrow: openedLow < r_low. With a bit more, JIFF never takes its short cut for constants that do not
      // fit, and the cost does not depend on what was opened.
      const borrow = jiff.protocols.bits.cgteq([...low, zero], number(openedLow + 1n)) as SecretShare;
      const rest = lowValue
        .cmult(-1)
        .cadd(number(openedLow))
        .sadd(borrow.cmult(number(range)));
      return shifted.ssub(rest).cmult(inverse);
    }),
  );
}

function preprocessed(jiff: JiffHandle, announce: () => void): Promise<void> {
  announce();
  return new Promise((resolve) => jiff.executePreprocessing(resolve));
}

/** x, x^2, ... x^count. */
function powersOf(x: SecretShare, count: number): SecretShare[] {
  const powers = [x];
  // x^i from its halves: a depth of log2(count) rounds.
  for (let i = 2; i <= count; i++) powers.push(powers[(i >> 1) - 1]!.smult(powers[i - (i >> 1) - 1]!));
  return powers;
}

/** coefficients[0] + coefficients[1] x + ..., for the powers of x. */
function combine(
  jiff: JiffHandle,
  powers: readonly SecretShare[],
  coefficients: readonly bigint[],
): SecretShare {
  const number = (value: bigint): JiffNumber => jiff.helpers.BigNumber(value.toString());
  const terms = powers.map((power, i) => power.cmult(number(coefficients[i + 1]!)));
  return sumOf(terms).cadd(number(coefficients[0]!));
}

/** The polynomial of degree count - 1 over the field that is 1 at `point` and 0 at the others of 0..count-1. */
function indicatorCoefficients(modulus: bigint, count: number, point: number): bigint[] {
  let coefficients = [1n];
  let denominator = 1n;
  for (let other = 0; other < count; other++) {
    if (other === point) continue;
    // Times (x - other).
    const next = [0n, ...coefficients];
    for (const [i, c] of coefficients.entries()) next[i] = next[i]! - c * BigInt(other);
    coefficients = next;
    denominator *= BigInt(point - other);
  }
  const scale = inverseOf(denominator, modulus);
  return coefficients.map((c) => mod(c * scale, modulus));
}

function checkParameters(inputs: readonly (readonly SecretShare[])[], bidBits: number): void {
  checkSize(inputs.length, bidBits);
  if (inputs.some((values) => values.length !== 1)) {
    throw new SymbolonError("SHAPE_MISMATCH", "each seller of an auction gives one value, its bid");
  }
}

function checkSize(bidders: number, bidBits: number): void {
  if (!Number.isInteger(bidBits) || bidBits < 1 || bidBits > 32) {
    throw new SymbolonError("PARAMETER_INVALID", "bids have 1 to 32 bits");
  }
  if (bidders < 2 || bidders > maxBidders) {
    throw new SymbolonError("PARAMETER_INVALID", `an auction has 2 to ${maxBidders} bidders`);
  }
}

/** Bits of each party's high mask: three of them, shifted by `bits`, and x must stay below p. */
function maskBits(modulus: bigint, bits: number): number {
  const width = modulus.toString(2).length - bits - 3;
  if (width < 42) {
    throw new SymbolonError("RANGE_EXCEEDED", "the field is too small to mask bids of this many bits");
  }
  return width;
}

function randomBelow(bits: number): bigint {
  return BigInt.asUintN(bits, BigInt(`0x${randomBytes(Math.ceil(bits / 8)).toString("hex")}`));
}

const sumOf = (shares: readonly SecretShare[]): SecretShare => shares.reduce((sum, share) => sum.sadd(share));
const modulusOf = (jiff: JiffHandle): bigint => BigInt(jiff.Zp.toString(10));
const mod = (value: bigint, modulus: bigint): bigint => ((value % modulus) + modulus) % modulus;

/** By Fermat's little theorem. */
function inverseOf(value: bigint, modulus: bigint): bigint {
  let result = 1n;
  let base = mod(value, modulus);
  for (let exponent = modulus - 2n; exponent > 0n; exponent >>= 1n) {
    if (exponent & 1n) result = (result * base) % modulus;
    base = (base * base) % modulus;
  }
  return result;
}
