/**
 * Scalar arithmetic in F_p, p = 2^k - 1, on bigint: the reference that the vector kernels are tested
 * against, and what protocols use for their few public constants.
 */
import { modInv, modPow, toZn } from "bigint-crypto-utils";
import { SymbolonError } from "./errors.ts";

/** Operations on canonical elements: integers in [0, p). Every operand is reduced first. */
export interface Field {
  readonly bits: number;
  /** p = 2^bits - 1. */
  readonly modulus: bigint;
  /** The element congruent to any integer, negative ones included. */
  reduce(value: bigint): bigint;
  add(a: bigint, b: bigint): bigint;
  subtract(a: bigint, b: bigint): bigint;
  negate(a: bigint): bigint;
  multiply(a: bigint, b: bigint): bigint;
  /** a^exponent, exponent >= 0. */
  power(a: bigint, exponent: bigint): bigint;
  /** 1 / a; a = 0 throws RANGE_EXCEEDED. */
  inverse(a: bigint): bigint;
  /** The representative in (-p/2, p/2). */
  toSigned(a: bigint): bigint;
  /** Whether the value is canonical: an integer in [0, p). */
  isElement(value: bigint): boolean;
}

/** The field of 2^bits - 1 elements; 2^bits - 1 must be prime, which is the caller's (tested) table. */
export function createField(bits: number): Field {
  const modulus = (1n << BigInt(bits)) - 1n;
  const reduce = (value: bigint) => toZn(value, modulus);
  return {
    bits,
    modulus,
    reduce,
    add: (a, b) => reduce(a + b),
    subtract: (a, b) => reduce(a - b),
    negate: (a) => reduce(-a),
    multiply: (a, b) => reduce(a * b),
    power: (a, exponent) => modPow(a, exponent, modulus),
    inverse: (a) => {
      if (reduce(a) === 0n) throw new SymbolonError("RANGE_EXCEEDED", "zero has no inverse");
      return modInv(a, modulus);
    },
    toSigned: (a) => {
      const element = reduce(a);
      return element > modulus >> 1n ? element - modulus : element;
    },
    isElement: (value) => value >= 0n && value < modulus,
  };
}
