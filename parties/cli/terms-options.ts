/** Options by which a seller states its terms of use. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { isAddress, ZeroHash } from "ethers";
import {
  exactMicroRho,
  neverSec,
  openRules,
  openTerms,
  rhoText,
  type UseTerms,
} from "../../contracts/use-terms.ts";
import type { TermsDocument } from "../terms.ts";
import { collect, parseWei, wholeNumber } from "./command.ts";
import { showEther } from "./output.ts";

export interface TermsOptions {
  price?: bigint;
  rhoPrice?: bigint;
  maxRho?: bigint;
  expires?: number;
  minSellers?: number;
  allowAlgorithm?: string[];
  allowBuyer?: string[];
  allowPurpose?: string[];
}

export function addTermsOptions(made: Command): Command {
  return made
    .addOption(new Option("--price <amount>", "price of one use").argParser(parseWei))
    .addOption(
      new Option(
        "--rho-price <amount>",
        "price of each 0.000001 rho of privacy budget that a use spends",
      ).argParser(parseWei),
    )
    .addOption(
      new Option(
        "--max-rho <rho>",
        "most privacy loss of one job (zCDP); without it exact results are allowed",
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
    .option("--allow-purpose <text>", "the only purposes that a buyer may declare", collect(String));
}

/** Terms as they are, which a relisting keeps where no option says otherwise. */
export interface CurrentTerms {
  terms: UseTerms;
  document: TermsDocument | undefined;
}

/**
 * The terms that the options state, the rest as it is or open, and the document with their lists.
 * @throws ALGORITHM_UNKNOWN
 */
export async function termsOf(
  options: TermsOptions,
  { terms, document }: CurrentTerms = { terms: openTerms(0n), document: undefined },
): Promise<{ terms: UseTerms; document?: Uint8Array }> {
  const { findAlgorithm, identify } = await import("../../algorithms/catalog.ts");
  const { withLists } = await import("../terms.ts");
  let algorithms = document?.algorithms ?? [];
  if (options.allowAlgorithm !== undefined) {
    const named = options.allowAlgorithm.map((id) => identify(findAlgorithm(id).manifest));
    algorithms = (await Promise.all(named)).map(({ hash }) => hash);
  }
  return withLists(
    {
      priceWei: options.price ?? terms.priceWei,
      rhoPriceWei: options.rhoPrice ?? terms.rhoPriceWei,
      maxMicroRho: options.maxRho ?? terms.maxMicroRho,
      expirySec: options.expires ?? terms.expirySec,
      minSellers: options.minSellers ?? terms.minSellers,
    },
    terms.rules ?? openRules,
    {
      algorithms,
      buyers: options.allowBuyer ?? document?.buyers ?? [],
      purposes: options.allowPurpose ?? document?.purposes ?? [],
    },
  );
}

/** Terms beside the price, on one line. */
export function describeTerms(terms: UseTerms, budgetLeftMicroRho: bigint): string {
  const parts: string[] = [];
  if (terms.maxMicroRho !== exactMicroRho) parts.push(`at most ${rhoText(terms.maxMicroRho)} a job`);
  if (terms.rhoPriceWei > 0n) parts.push(`${showEther(terms.rhoPriceWei)} for each 0.000001 rho`);
  if (budgetLeftMicroRho !== exactMicroRho) parts.push(`${rhoText(budgetLeftMicroRho)} left`);
  if (terms.minSellers > 1) parts.push(`${terms.minSellers} sellers or more`);
  if (terms.expirySec < neverSec) parts.push(`until ${new Date(terms.expirySec * 1000).toISOString()}`);
  const rules = terms.rules ?? openRules;
  if (rules.algorithms !== ZeroHash) parts.push("listed algorithms");
  if (rules.buyers !== ZeroHash) parts.push("listed buyers");
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

function parseDate(text: string): number {
  const sec = Math.floor(Date.parse(text) / 1000);
  // A time without its zone would mean another moment on another machine.
  if (!/^\d{4}-\d\d-\d\d(T[\d:.]+(Z|[+-]\d\d:\d\d))?$/.test(text) || !(sec <= neverSec)) {
    throw new InvalidArgumentError("expected a date such as 2027-12-31 or 2027-12-31T12:00Z");
  }
  if (sec * 1000 < Date.now()) throw new InvalidArgumentError("the date has passed");
  return sec;
}

function parseAccount(text: string): string {
  if (!isAddress(text)) throw new InvalidArgumentError("expected an account: 0x and 40 hexadecimal digits");
  return text;
}
