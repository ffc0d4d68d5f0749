/** Amounts of ETH and of tokens on the command line. */
import { InvalidArgumentError } from "commander";
import { getAddress, isAddress, type Provider } from "ethers";
import { ether, parseAmount, readToken, showAmount, type Token } from "../../contracts/tokens.ts";
import { SymbolonError } from "../../mpc/errors.ts";
import { parseWei } from "./command.ts";
import { showEther } from "./output.ts";

/** An amount before it is known in which token: ETH with its unit, or a plain number of tokens. */
export type Money = { wei: bigint } | { tokens: string };

/** Reads `0.01eth`, `5gwei`, `1000wei`, or for a token `2.5`. */
export function parseMoney(text: string): Money {
  if (/^\d+(\.\d+)?$/.test(text)) return { tokens: text };
  return { wei: parseWei(text) };
}

/** The amount in the smallest unit. @throws USAGE for a unit of ETH where a token is meant, and the other way */
export function amountIn(money: Money, token: Token): bigint {
  const inEther = token === ether;
  if ("wei" in money) {
    if (inEther) return money.wei;
    throw new SymbolonError("USAGE", `a price in ${token.symbol} is a plain number, such as 2.5`);
  }
  if (!inEther) return parseAmount(money.tokens, token);
  if (/^0+(\.0*)?$/.test(money.tokens)) return 0n;
  throw new SymbolonError("USAGE", `the amount ${money.tokens} has no unit`, {
    hint: "give it as 0.01eth, 5gwei or 1000wei; a plain number is an amount in a token, with --token",
  });
}

export function parseAccount(text: string): string {
  if (!isAddress(text)) throw new InvalidArgumentError("expected an account: 0x and 40 hexadecimal digits");
  return getAddress(text);
}

/** What tokens call themselves, each asked once. */
export class TokenBook {
  readonly #provider: Provider;
  readonly #known = new Map<string, Promise<Token>>([[ether.address, Promise.resolve(ether)]]);

  constructor(provider: Provider) {
    this.#provider = provider;
  }

  /** @throws PARAMETER_INVALID when there is no token */
  of(address: string): Promise<Token> {
    let token = this.#known.get(address);
    if (token === undefined) {
      token = readToken(this.#provider, address);
      this.#known.set(address, token);
    }
    return token;
  }

  /** For people: an offer in a token that does not answer hides no other. */
  async show(amount: bigint, address: string): Promise<string> {
    if (address === ether.address) return showEther(amount);
    const token = await this.of(address).catch(() => undefined);
    return token === undefined ? `${amount} units of ${address}` : showAmount(amount, token);
  }
}
