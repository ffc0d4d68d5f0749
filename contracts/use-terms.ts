/**
 * A seller's terms of use, as libraries/UseTermsCheck.sol judges them: for clients that want to know before they
 * pay, and for nodes that check again.
 */
import { StandardMerkleTree } from "@openzeppelin/merkle-tree";
import {
  AbiCoder,
  getAddress,
  id,
  keccak256,
  type Result,
  toBeHex,
  ZeroAddress,
  ZeroHash,
  zeroPadValue,
} from "ethers";
import { SymbolonError } from "../mpc/errors.ts";

const abi = AbiCoder.defaultAbiCoder();

/** In the place of an amount of privacy: an exact result, terms that allow one, a budget without a limit. */
export const exactMicroRho = (1n << 64n) - 1n;
/** An offer that does not expire. */
export const neverSec = 2 ** 40 - 1;

/**
 * What a seller allows, and its price. Amounts of privacy are in 10^-6 rho of zCDP, prices in the smallest unit of
 * the rules' token, wei where there are no rules.
 */
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
  /** What most offers have no need of; null for payment in ETH by anybody, any algorithm and any purpose. */
  rules: Rules | null;
}

export interface Rules {
  /** ERC-20 token of the prices; the zero address is ETH. */
  token: string;
  /** Whose credential lets a buyer in and gives it the discount; the zero address for nobody. */
  issuer: string;
  /** Hundredths of a percent off the price for who has a credential, at most 10,000. */
  discountBps: number;
  /** The seller's own contract that must agree; the zero address for none. */
  hook: string;
  /** Roots of the allowed values; the zero hash allows all. */
  algorithms: string;
  buyers: string;
  purposes: string;
  /** sha256 of the document with the lists behind the roots, or the zero hash. */
  document: string;
}

/** Rules that ask for nothing. */
export const openRules: Rules = {
  ...{ token: ZeroAddress, issuer: ZeroAddress, discountBps: 0, hook: ZeroAddress },
  ...{ algorithms: ZeroHash, buyers: ZeroHash, purposes: ZeroHash, document: ZeroHash },
};

/** In the place of a root of buyers: nobody is listed, so only a credential lets a buyer in. */
export const membersOnly = toBeHex(1, 32);

/** Terms that ask for nothing but the price. */
export function openTerms(priceWei: bigint): UseTerms {
  return {
    priceWei,
    rhoPriceWei: 0n,
    maxMicroRho: exactMicroRho,
    expirySec: neverSec,
    minSellers: 0,
    rules: null,
  };
}

/** None where they ask for nothing, so that they cost nothing. */
export function rulesOrNone(rules: Rules): Rules | null {
  const open = (Object.keys(openRules) as (keyof Rules)[]).every((key) => rules[key] === openRules[key]);
  return open ? null : rules;
}

/** Terms as the contract takes and emits them. */
export function encodeTerms({ rules, ...terms }: UseTerms) {
  return {
    terms: {
      price: terms.priceWei,
      rhoPrice: terms.rhoPriceWei,
      maxMicroRho: terms.maxMicroRho,
      expirySec: terms.expirySec,
      minSellers: terms.minSellers,
      rulesHash: rules === null ? ZeroHash : rulesHash(rules),
    },
    rules: rules === null ? [] : [rules],
  };
}

export function decodeTerms(terms: Result, [rules]: Result): UseTerms {
  return {
    priceWei: terms.price,
    rhoPriceWei: terms.rhoPrice,
    maxMicroRho: terms.maxMicroRho,
    expirySec: Number(terms.expirySec),
    minSellers: Number(terms.minSellers),
    rules:
      rules === undefined
        ? null
        : {
            ...{ token: rules.token, issuer: rules.issuer, discountBps: Number(rules.discountBps) },
            ...{ hook: rules.hook, algorithms: rules.algorithms, buyers: rules.buyers },
            ...{ purposes: rules.purposes, document: rules.document },
          },
  };
}

function rulesHash(rules: Rules): string {
  const types = ["address", "address", "uint16", "address", "bytes32", "bytes32", "bytes32", "bytes32"];
  return keccak256(
    abi.encode(types, [
      ...[rules.token, rules.issuer, rules.discountBps, rules.hook],
      ...[rules.algorithms, rules.buyers, rules.purposes, rules.document],
    ]),
  );
}

export function useTermsHash(useTerms: UseTerms): string {
  const { terms } = encodeTerms(useTerms);
  const types = ["uint96", "uint96", "uint64", "uint40", "uint16", "bytes32"];
  return keccak256(
    abi.encode(types, [
      ...[terms.price, terms.rhoPrice, terms.maxMicroRho],
      ...[terms.expirySec, terms.minSellers, terms.rulesHash],
    ]),
  );
}

/** The upper 190 bits of the hash, which the registry keeps. */
export function useTermsTag(terms: UseTerms): bigint {
  return BigInt(useTermsHash(terms)) >> 66n;
}

/**
 * What a use costs, rounded up. An exact result spends no budget: it is sold at the price of a use, where it is sold.
 * `vouched` says whether the buyer shows the issuer's credential.
 */
export function usePriceWei(terms: UseTerms, microRho: bigint, vouched = false): bigint {
  const full = terms.priceWei + (microRho === exactMicroRho ? 0n : terms.rhoPriceWei * microRho);
  if (!vouched || terms.rules === null) return full;
  return (full * BigInt(10_000 - terms.rules.discountBps) + 9999n) / 10_000n;
}

/** What the prices of terms are in. */
export function tokenOf(terms: UseTerms): string {
  return terms.rules?.token ?? ZeroAddress;
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
  /** The zero address is ETH. */
  token: string;
  microRho: bigint;
  purpose: string;
  /** When the job was created. */
  atSec: number;
}

/**
 * The terms that a job does not keep, as the contract judges them in the transaction that creates it; but for
 * listing, terms, budget and the seller's own contract, which only the chain's state of that moment tells.
 * `vouched` says whether the chain took an issuer's credential for that offer.
 */
export function termFailures(
  job: JobFacts,
  offers: readonly { offer: string; seller: string; terms: UseTerms; vouched: boolean; lists: Lists }[],
): TermFailure[] {
  const sellers = new Set(offers.map(({ seller }) => seller.toLowerCase())).size;
  return offers.flatMap(({ offer, terms: asked, vouched, lists }) => {
    const failures: TermFailure[] = [];
    const judge = (term: Term, holds: boolean, found: bigint | string, limit: bigint | string): void => {
      if (!holds) failures.push({ offer, term, found: toBeHex(found, 32), asked: toBeHex(limit, 32) });
    };
    const listed = (values: readonly string[], value: string): boolean =>
      values.length === 0 || values.includes(value);
    const none = asked.rules ?? openRules;
    judge("Expiry", job.atSec <= asked.expirySec, BigInt(job.atSec), BigInt(asked.expirySec));
    judge("MaxRho", job.microRho <= asked.maxMicroRho, job.microRho, asked.maxMicroRho);
    judge("MinSellers", sellers >= asked.minSellers, BigInt(sellers), BigInt(asked.minSellers));
    const [token, paidIn] = [accountValue(tokenOf(asked)), accountValue(job.token)];
    judge("Token", paidIn === token, paidIn, token);
    judge("Algorithm", listed(lists.algorithms, job.algorithm), job.algorithm, none.algorithms);
    const buyer = accountValue(job.buyer);
    const mayBuy = none.buyers !== membersOnly && listed(lists.buyers, buyer);
    judge("Buyer", vouched || mayBuy, buyer, none.buyers);
    judge("Purpose", listed(lists.purposes, job.purpose), job.purpose, none.purposes);
    return failures;
  });
}

export const terms = [
  "Listing",
  "Terms",
  "Expiry",
  "MaxRho",
  "Budget",
  "MinSellers",
  "Token",
  "Algorithm",
  "Buyer",
  "Purpose",
  "Hook",
] as const;
/** The terms by which an offer can refuse a job, in the order of the contract's numbers. */
export type Term = (typeof terms)[number];

/** A term that does not hold: what the job has and what the offer asks for, as the contract's words. */
export interface TermFailure {
  /** Its data root. */
  offer: string;
  term: Term;
  found: string;
  asked: string;
}

/** What the contract finds of an offer that was replaced, see libraries/Listings.sol. */
const replacedStatus = 3n;

/** A term that does not hold, in words: what is wrong, and what to change. */
export function describeTermFailure({ offer: root, term, found, asked }: TermFailure): {
  message: string;
  hint: string;
} {
  const offer = shortId(root);
  const rho = (word: string): string =>
    BigInt(word) === exactMicroRho ? "exact results" : rhoText(BigInt(word));
  switch (term) {
    case "Listing":
      if (BigInt(found) === replacedStatus) {
        return {
          message: `offer ${offer} was replaced by another of the same data`,
          hint: "use the offer in its place",
        };
      }
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
    case "Token":
      return {
        message: `offer ${offer} is paid in ${currency(asked)}, this job in ${currency(found)}`,
        hint: "offers of one job are paid in one token; choose those of one",
      };
    case "Algorithm":
      return {
        message: `offer ${offer} does not allow algorithm ${found}`,
        hint: "its terms list those that it allows",
      };
    case "Buyer":
      return {
        message: `offer ${offer} is not sold to account 0x${found.slice(-40)}`,
        hint: "ask the seller to put the account on its list, or show a credential of its issuer",
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
    case "Hook":
      return {
        message: `offer ${offer} asks contract 0x${asked.slice(-40)}, which does not agree`,
        hint: "ask the seller what its contract wants",
      };
  }
}

function currency(word: string): string {
  return BigInt(word) === 0n ? "ETH" : `token 0x${word.slice(-40)}`;
}

/** The first digits of a job's or an offer's name, for people. Commands take them where they fit only one. */
export function shortId(id: string): string {
  return id.slice(0, 12);
}

/** An amount of privacy for people. */
export function rhoText(microRho: bigint): string {
  return microRho === exactMicroRho ? "no limit" : `rho ${Number(microRho) / 1e6}`;
}

function time(word: string): string {
  const seconds = Number(BigInt(word));
  return seconds > 8_640_000_000_000 ? `second ${seconds}` : new Date(seconds * 1000).toISOString();
}
