/** Options by which a seller states its terms of use. */
import { Command, InvalidArgumentError, Option } from "commander";
import { ZeroAddress, ZeroHash } from "ethers";
import type { Offer } from "../../contracts/market-views.ts";
import type { Token } from "../../contracts/tokens.ts";
import {
  exactMicroRho,
  membersOnly,
  neverSec,
  openRules,
  openTerms,
  rhoText,
  type UseTerms,
} from "../../contracts/use-terms.ts";
import { SymbolonError } from "../../mpc/errors.ts";
import type { TermsDocument } from "../terms.ts";
import { collect, wholeNumber } from "./command.ts";
import { amountIn, type Money, parseAccount, parseMoney, type TokenBook } from "./money.ts";
import { quoted } from "./runnable.ts";

export interface TermsOptions {
  price?: Money;
  rhoPrice?: Money;
  token?: string;
  maxRho?: bigint;
  expires?: number;
  minSellers?: number;
  allowAlgorithm?: string[];
  allowBuyer?: string[];
  allowPurpose?: string[];
  issuer?: string;
  discount?: number;
  membersOnly?: boolean;
  hook?: string;
}

/** For sellers who limit privacy loss: gas is paid for an offer or listing that nobody can buy. */
export const sellsNothingNote =
  "no algorithm adds noise yet: all results are exact, and offers with a limit of privacy loss (--max-rho, --budget-rho) refuse those, so this one sells nothing for now";

export function addTermsOptions(made: Command): Command {
  return made
    .addOption(new Option("--price <amount>", "price of one use, such as 0.01eth").argParser(parseMoney))
    .addOption(
      new Option(
        "--rho-price <amount>",
        "price of each 0.000001 rho of privacy budget that a use spends",
      ).argParser(parseMoney),
    )
    .addOption(
      new Option("--token <address>", "ERC-20 token of the prices, which are plain numbers then").argParser(
        parseAccount,
      ),
    )
    .addOption(
      new Option(
        "--max-rho <rho>",
        "most privacy loss of one job (zCDP); without it exact results are allowed, and no algorithm gives others yet",
      ).argParser(parseRho),
    )
    .addOption(new Option("--expires <date>", "last moment of the offer, ISO 8601").argParser(parseDate))
    .addOption(
      new Option("--min-sellers <n>", "smallest number of different sellers in a job").argParser(
        wholeNumber(0, 65_535),
      ),
    )
    .option(
      "--allow-algorithm <id>",
      "the only algorithms that may run, each by its id; any that the operators approve by default",
      collect(String),
    )
    .option("--allow-buyer <address>", "the only accounts that may buy", collect(parseAccount))
    .option("--allow-purpose <text>", "the only purposes that a buyer may declare", collect(String))
    .addOption(
      new Option(
        "--issuer <address>",
        "account whose credential lets a buyer in that is not listed; see: symbolon seller vouch",
      ).argParser(parseAccount),
    )
    .addOption(
      new Option(
        "--discount <percent>",
        "what a credential takes off the price; 100 makes it free",
      ).argParser(parsePercent),
    )
    .option("--members-only", "nobody buys without a credential")
    .addOption(
      new Option(
        "--hook <address>",
        "a contract of the seller's own that must agree to each job (ITerms in contracts/interfaces)",
      ).argParser(parseAccount),
    );
}

/** The options of `addTermsOptions` as they were typed, for a command that repeats them; to be called before parsing. */
export function termsAsGiven(made: Command): () => string {
  const given: string[] = [];
  for (const option of addTermsOptions(new Command()).options) {
    made.on(`option:${option.name()}`, (text?: string) => {
      given.push(text === undefined ? option.long! : `${option.long} ${quoted(text)}`);
    });
  }
  return () => given.join(" ");
}

/** Terms as they are, which a relisting keeps where no option says otherwise. */
export interface CurrentTerms {
  terms: UseTerms;
  document: TermsDocument | undefined;
}

/**
 * The terms that the options state, the rest as it is or open, and the document with their lists.
 * @throws ALGORITHM_UNKNOWN; USAGE; PARAMETER_INVALID for a token that is none
 */
export async function termsOf(
  options: TermsOptions,
  tokens: TokenBook,
  { terms, document }: CurrentTerms = { terms: openTerms(0n), document: undefined },
): Promise<{ terms: UseTerms; document?: Uint8Array }> {
  const { findAlgorithm, identify } = await import("../../algorithms/catalog.ts");
  const { withLists } = await import("../terms.ts");
  let algorithms = document?.algorithms ?? [];
  if (options.allowAlgorithm !== undefined) {
    const named = options.allowAlgorithm.map((id) => identify(findAlgorithm(id).manifest));
    algorithms = (await Promise.all(named)).map(({ hash }) => hash);
  }
  const rules = terms.rules ?? openRules;
  const token = await tokens.of(options.token ?? rules.token);
  requireNewPrices(options, terms, token);
  const issuer = options.issuer ?? rules.issuer;
  if (issuer === ZeroAddress && (options.discount !== undefined || options.membersOnly === true)) {
    throw new SymbolonError("USAGE", "who vouches for members?", { hint: "give --issuer ADDRESS" });
  }
  const listsBuyers = options.allowBuyer !== undefined;
  if (listsBuyers && options.membersOnly === true) {
    throw new SymbolonError(
      "USAGE",
      "--members-only leaves out all who have no credential; --allow-buyer does not",
    );
  }
  return withLists(
    {
      priceWei: options.price === undefined ? terms.priceWei : amountIn(options.price, token),
      rhoPriceWei: options.rhoPrice === undefined ? terms.rhoPriceWei : amountIn(options.rhoPrice, token),
      maxMicroRho: options.maxRho ?? terms.maxMicroRho,
      expirySec: options.expires ?? terms.expirySec,
      minSellers: options.minSellers ?? terms.minSellers,
    },
    {
      ...{ token: token.address, issuer, hook: options.hook ?? rules.hook },
      discountBps: options.discount === undefined ? rules.discountBps : options.discount,
      buyers: options.membersOnly === true ? membersOnly : listsBuyers ? ZeroHash : rules.buyers,
    },
    {
      algorithms,
      buyers: options.allowBuyer ?? (options.membersOnly === true ? [] : (document?.buyers ?? [])),
      purposes: options.allowPurpose ?? document?.purposes ?? [],
    },
  );
}

/** A price stays when the terms do, but not when the token changes: the same number would be another price. */
function requireNewPrices(options: TermsOptions, terms: UseTerms, token: Token): void {
  const before = terms.rules?.token ?? ZeroAddress;
  if (token.address === before) return;
  const kept =
    (options.price === undefined && terms.priceWei > 0n) ||
    (options.rhoPrice === undefined && terms.rhoPriceWei > 0n);
  if (kept) throw new SymbolonError("USAGE", "with another token all prices must be given again");
}

type OfferTerms = Pick<Offer, "terms" | "budgetMicroRho" | "budgetLeftMicroRho">;

/** Terms beside the price, on one line. */
export async function describeTerms(
  { terms, budgetMicroRho, budgetLeftMicroRho }: OfferTerms,
  tokens: TokenBook,
): Promise<string> {
  const parts: string[] = [];
  if (terms.maxMicroRho !== exactMicroRho) parts.push(`at most ${rhoText(terms.maxMicroRho)} a job`);
  const rules = terms.rules ?? openRules;
  if (terms.rhoPriceWei > 0n) {
    parts.push(`${await tokens.show(terms.rhoPriceWei, rules.token)} for each 0.000001 rho`);
  }
  // What had no limit has nothing left once it is replaced, for it all went along.
  if (budgetMicroRho !== exactMicroRho) parts.push(`${rhoText(budgetLeftMicroRho)} left`);
  if (terms.minSellers > 1) parts.push(`${terms.minSellers} sellers or more`);
  if (terms.expirySec < neverSec) parts.push(`until ${new Date(terms.expirySec * 1000).toISOString()}`);
  if (rules.algorithms !== ZeroHash) parts.push("listed algorithms");
  if (rules.buyers === membersOnly) parts.push(`members of ${rules.issuer} only`);
  else if (rules.buyers !== ZeroHash) parts.push("listed buyers");
  if (rules.discountBps > 0) parts.push(`${rules.discountBps / 100} % off for members of ${rules.issuer}`);
  if (rules.hook !== ZeroAddress) parts.push(`if contract ${rules.hook} agrees`);
  if (rules.purposes !== ZeroHash) parts.push("listed purposes");
  return parts.length === 0 ? "any use" : parts.join(", ");
}

/** An amount of rho as micro-rho. */
export function parseRho(text: string): bigint {
  const value = Number(text);
  if (!/^\d+(\.\d{1,6})?$/.test(text) || value > 1e9) {
    throw new InvalidArgumentError("expected an amount of rho with at most six decimals, such as 0.125");
  }
  return BigInt(Math.round(value * 1e6));
}

/** Seconds of a date in ISO 8601 that has not passed. */
export function parseDate(text: string): number {
  const sec = Math.floor(Date.parse(text) / 1000);
  // A time without its zone would mean another moment on another machine.
  if (!/^\d{4}-\d\d-\d\d(T[\d:.]+(Z|[+-]\d\d:\d\d))?$/.test(text) || !(sec <= neverSec)) {
    throw new InvalidArgumentError("expected a date such as 2027-12-31 or 2027-12-31T12:00Z");
  }
  if (sec * 1000 < Date.now()) throw new InvalidArgumentError("the date has passed");
  return sec;
}

/** Hundredths of a percent. */
function parsePercent(text: string): number {
  const value = Number(text);
  if (!/^\d+(\.\d{1,2})?$/.test(text) || value > 100) {
    throw new InvalidArgumentError("expected a percentage from 0 to 100, with at most two decimals");
  }
  return Math.round(value * 100);
}
