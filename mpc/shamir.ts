/**
 * Shamir's scheme with three parties at the points 1, 2, 3 and one corrupt party tolerated, and the public
 * constants that its linear algebra needs [Sha79]. Everything here is a number modulo p = 2^k - 1, to be
 * multiplied onto shares; nothing is secret.
 */
import { modInv, toZn } from "bigint-crypto-utils";
import type { PartyIndex } from "./transport/transport.ts";

/** Number of corrupt parties tolerated. (JIFF calls t + 1 its `threshold`.) */
export const threshold = 1;

/**
 * Interpolation at 0 of a degree-2 polynomial given at 1, 2, 3: value = 3 s1 - 3 s2 + s3.
 * These turn the parties' local products into an additive sharing of the product.
 */
export const degree2Coefficient: Readonly<Record<PartyIndex, bigint>> = { 1: 3n, 2: -3n, 3: 1n };

/** Coefficients by modulus and points: protocols ask for the same few in every round, and inverting is slow. */
const coefficients = new Map<bigint, Map<string, bigint>>();

/** (a / b) mod p for small integers. */
function ratio(a: number, b: number, modulus: bigint): bigint {
  let known = coefficients.get(modulus);
  if (known === undefined) {
    known = new Map();
    coefficients.set(modulus, known);
  }
  const name = `${a}/${b}`;
  let value = known.get(name);
  if (value === undefined) {
    value = toZn(BigInt(a) * modInv(BigInt(b), modulus), modulus);
    known.set(name, value);
  }
  return value;
}

/** Interpolation at 0 of a line given at `own` and `other`: the coefficient of the share at `own`. */
export function degree1Coefficient(own: PartyIndex, other: PartyIndex, modulus: bigint): bigint {
  return ratio(other, other - own, modulus);
}

/**
 * The share at point `at` of the line through (0, 1) and (`excluded`, 0): a value known to both parties
 * other than `excluded` becomes a degree-1 sharing when each multiplies it by this [CDI05].
 */
export function embedCoefficient(at: PartyIndex, excluded: PartyIndex, modulus: bigint): bigint {
  return ratio(excluded - at, excluded, modulus);
}

/** The share at point `at` of the line through (0, 0) and (`own`, 1). */
export function slopeCoefficient(at: PartyIndex, own: PartyIndex, modulus: bigint): bigint {
  return ratio(at, own, modulus);
}

/** Shares of `secret` at the points 1, 2, 3 with the given slope. */
export function shareScalar(secret: bigint, slope: bigint, modulus: bigint): [bigint, bigint, bigint] {
  return [
    toZn(secret + slope, modulus),
    toZn(secret + 2n * slope, modulus),
    toZn(secret + 3n * slope, modulus),
  ];
}

/** Whether three shares lie on one line. */
export function isConsistent(shares: readonly [bigint, bigint, bigint], modulus: bigint): boolean {
  return toZn(shares[0] - 2n * shares[1] + shares[2], modulus) === 0n;
}

/** The secret of a consistent sharing. */
export function reconstructScalar(shares: readonly [bigint, bigint, bigint], modulus: bigint): bigint {
  return toZn(2n * shares[0] - shares[1], modulus);
}
