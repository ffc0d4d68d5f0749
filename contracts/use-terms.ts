/**
 * A seller's terms of use, as libraries/UseTermsCheck.sol judges them: for clients that want to know before they
 * pay, and for nodes that check again.
 */
import { StandardMerkleTree } from "@openzeppelin/merkle-tree";
import { AbiCoder, getAddress, id, keccak256, toBeHex, ZeroHash, zeroPadValue } from "ethers";
import { SymbolonError } from "../mpc/errors.ts";

const abi = AbiCoder.defaultAbiCoder();

/** In the place of an amount of privacy: an exact result, terms that allow one, a budget without a limit. */
export const exactMicroRho = (1n << 64n) - 1n;
/** An offer that does not expire. */
export const neverSec = 2 ** 40 - 1;

/** What a seller allows, and its price. Amounts of privacy are in 10^-6 rho of zCDP. */
export interface UseTerms {
  /** Price of one use. */
  priceWei: bigint;
  /** Price of each micro-rho that a use spends, on top. */
  rhoPriceWei: bigint;
  /** Most that one job may spend. */
  maxMicroRho: bigint;
  /** Last second in which a job can be created. */
  expirySec: number;
  /** Smallest number of different sellers in a job. */
  minSellers: number;
  /** Roots of the allowed values; the zero hash allows all. */
  algorithms: string;
  buyers: string;
  purposes: string;
  /** sha256 of the document with the lists behind the roots, or the zero hash. */
  document: string;
}

/** Terms that ask for nothing but the price. */
export function openTerms(priceWei: bigint): UseTerms {
  const any = { algorithms: ZeroHash, buyers: ZeroHash, purposes: ZeroHash, document: ZeroHash };
  return {
    priceWei,
    rhoPriceWei: 0n,
    maxMicroRho: exactMicroRho,
    expirySec: neverSec,
    minSellers: 0,
    ...any,
  };
}

export function useTermsHash(terms: UseTerms): string {
  const types = [
    "uint96",
    "uint96",
    "uint64",
    "uint40",
    "uint16",
    "bytes32",
    "bytes32",
    "bytes32",
    "bytes32",
  ];
  return keccak256(
    abi.encode(types, [
      terms.priceWei,
      terms.rhoPriceWei,
      terms.maxMicroRho,
      terms.expirySec,
      terms.minSellers,
      terms.algorithms,
      terms.buyers,
      terms.purposes,
      terms.document,
    ]),
  );
}

/** The upper 120 bits of the hash, which the registry keeps. */
export function useTermsTag(terms: UseTerms): bigint {
  return BigInt(useTermsHash(terms)) >> 136n;
}

/** What a use costs. An exact result spends no budget: it is sold at the price of a use, where it is sold. */
export function usePriceWei(terms: UseTerms, microRho: bigint): bigint {
  return terms.priceWei + (microRho === exactMicroRho ? 0n : terms.rhoPriceWei * microRho);
}

/** A purpose in words as the chain has it; none is the zero hash. */
export function purposeHash(purpose: string | undefined): string {
  return purpose === undefined ? ZeroHash : id(purpose);
}

/** An account as a value of a list. */
export function accountValue(address: string): string {
  return zeroPadValue(getAddress(address), 32).toLowerCase();
}

/** The root of a list of 32-byte values, each a leaf as in OpenZeppelin's standard trees; an empty list allows all. */
export function allowRoot(values: readonly string[]): string {
  return values.length === 0 ? ZeroHash : treeOf(values).root;
}

/** The proof that a value stands in the list. @throws TERMS_REFUSED when it does not */
export function allowProof(values: readonly string[], value: string): string[] {
  if (values.length === 0) return [];
  if (!values.includes(value)) throw new SymbolonError("TERMS_REFUSED", "the value is not in the list");
  return treeOf(values).getProof([value]);
}

function treeOf(values: readonly string[]): StandardMerkleTree<[string]> {
  if (new Set(values).size !== values.length) {
    throw new SymbolonError("PARAMETER_INVALID", "a list of what is allowed names something twice");
  }
  return StandardMerkleTree.of(
    values.map((value): [string] => [value]),
    ["bytes32"],
  );
}

/** Lists behind the roots of terms, as 32-byte values. Empty ones allow all. */
export interface Lists {
  algorithms: readonly string[];
  buyers: readonly string[];
  purposes: readonly string[];
}

export const noLists: Lists = { algorithms: [], buyers: [], purposes: [] };

/** What terms are held against. */
export interface JobFacts {
  buyer: string;
  algorithm: string;
  microRho: bigint;
  purpose: string;
  /** When the job was created. */
  atSec: number;
}

/**
 * The terms that a job does not keep, as the contract judges them in the transaction that creates it; but for
 * listing, terms and budget, which only the chain's state of that moment tells.
 */
export function termFailures(
  job: JobFacts,
  offers: readonly { offer: bigint; seller: string; terms: UseTerms; lists: Lists }[],
): TermFailure[] {
  const sellers = new Set(offers.map(({ seller }) => seller.toLowerCase())).size;
  return offers.flatMap(({ offer, terms: asked, lists }) => {
    const failures: TermFailure[] = [];
    const judge = (term: Term, holds: boolean, found: bigint | string, limit: bigint | string): void => {
      if (!holds) failures.push({ offer, term, found: toBeHex(found, 32), asked: toBeHex(limit, 32) });
    };
    const listed = (values: readonly string[], value: string): boolean =>
      values.length === 0 || values.includes(value);
    judge("Expiry", job.atSec <= asked.expirySec, BigInt(job.atSec), BigInt(asked.expirySec));
    judge("MaxRho", job.microRho <= asked.maxMicroRho, job.microRho, asked.maxMicroRho);
    judge("Algorithm", listed(lists.algorithms, job.algorithm), job.algorithm, asked.algorithms);
    const buyer = accountValue(job.buyer);
    judge("Buyer", listed(lists.buyers, buyer), buyer, asked.buyers);
    judge("Purpose", listed(lists.purposes, job.purpose), job.purpose, asked.purposes);
    judge("MinSellers", sellers >= asked.minSellers, BigInt(sellers), BigInt(asked.minSellers));
    return failures;
  });
}

export const terms = [
  "Listing",
  "Terms",
  "Expiry",
  "MaxRho",
  "Budget",
  "Algorithm",
  "Buyer",
  "Purpose",
  "MinSellers",
] as const;
/** The terms by which an offer can refuse a job, in the order of the contract's numbers. */
export type Term = (typeof terms)[number];

/** A term that does not hold: what the job has and what the offer asks for, as the contract's words. */
export interface TermFailure {
  offer: bigint;
  term: Term;
  found: string;
  asked: string;
}

/** A term that does not hold, in words: what is wrong, and what to change. */
export function describeTermFailure({ offer, term, found, asked }: TermFailure): {
  message: string;
  hint: string;
} {
  const rho = (word: string): string =>
    BigInt(word) === exactMicroRho ? "exact results" : rhoText(BigInt(word));
  switch (term) {
    case "Listing":
      return { message: `offer ${offer} is not for sale`, hint: "leave it out of the job" };
    case "Terms":
      return { message: `offer ${offer} has other terms now`, hint: "look at the offer again" };
    case "Expiry":
      return {
        message: `offer ${offer} expired at ${time(asked)}`,
        hint: "leave it out, or ask the seller to relist it",
      };
    case "MaxRho":
      return {
        message: `offer ${offer} allows at most ${rho(asked)} a job, this job takes ${rho(found)}`,
        hint: "ask for a result with more noise, or leave the offer out",
      };
    case "Budget":
      return {
        message: `offer ${offer} has a privacy budget of ${rho(asked)} left, this job takes ${rho(found)}`,
        hint: "ask for a result with more noise, or leave the offer out",
      };
    case "Algorithm":
      return {
        message: `offer ${offer} does not allow algorithm ${found}`,
        hint: "its terms list those that it allows",
      };
    case "Buyer":
      return {
        message: `offer ${offer} is not sold to account 0x${found.slice(-40)}`,
        hint: "ask the seller to put the account on its list",
      };
    case "Purpose":
      return BigInt(found) === 0n
        ? {
            message: `offer ${offer} asks for a purpose`,
            hint: "give --purpose with one of those in its terms",
          }
        : {
            message: `offer ${offer} does not allow this purpose`,
            hint: "its terms list those that it allows",
          };
    case "MinSellers":
      return {
        message: `offer ${offer} is used with data of at least ${BigInt(asked)} sellers, this job has ${BigInt(found)}`,
        hint: "add offers of other sellers",
      };
  }
}

/** An amount of privacy for people. */
export function rhoText(microRho: bigint): string {
  return microRho === exactMicroRho ? "no limit" : `rho ${Number(microRho) / 1e6}`;
}

function time(word: string): string {
  const seconds = Number(BigInt(word));
  return seconds > 8_640_000_000_000 ? `second ${seconds}` : new Date(seconds * 1000).toISOString();
}
