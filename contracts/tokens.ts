/** What a job is paid in: ETH, or an ERC-20 token. */
import {
  Contract,
  formatUnits,
  isCallException,
  type Provider,
  parseUnits,
  Signature,
  type Signer,
  type TypedDataDomain,
  ZeroAddress,
} from "ethers";
import { SymbolonError } from "../mpc/errors.ts";

export interface Token {
  /** The zero address is ETH. */
  address: string;
  symbol: string;
  decimals: number;
}

export const ether: Token = { address: ZeroAddress, symbol: "ETH", decimals: 18 };

const abi = [
  "function symbol() view returns (string)",
  "function decimals() view returns (uint8)",
  "function balanceOf(address) view returns (uint256)",
  "function allowance(address,address) view returns (uint256)",
  "function nonces(address) view returns (uint256)",
  "function eip712Domain() view returns (bytes1,string,string,uint256,address,bytes32,uint256[])",
];
/** A symbol is shown to people, so it may not hold what a terminal would obey. */
const printable = /^[\x21-\x7e]{1,12}$/;

/**
 * What a token calls itself. Symbols are not unique: who pays looks at the address.
 * @throws PARAMETER_INVALID when there is no ERC-20 token with decimals at that address
 */
export async function readToken(provider: Provider, address: string): Promise<Token> {
  if (address === ZeroAddress) return ether;
  const contract = new Contract(address, abi, provider);
  try {
    const [symbol, decimals] = await Promise.all([
      contract.getFunction("symbol")() as Promise<string>,
      contract.getFunction("decimals")() as Promise<bigint>,
    ]);
    const shown = printable.test(symbol) ? symbol : address.slice(0, 10);
    return { address, symbol: shown, decimals: Number(decimals) };
  } catch (cause) {
    if (!isCallException(cause) && (cause as { code?: string }).code !== "BAD_DATA") throw cause;
    throw new SymbolonError("PARAMETER_INVALID", `there is no ERC-20 token at ${address}`, { cause });
  }
}

/** An amount for people. */
export function showAmount(amount: bigint, token: Token): string {
  return `${formatUnits(amount, token.decimals).replace(/\.0$/, "")} ${token.symbol}`;
}

/** A decimal number of tokens in the smallest unit. @throws PARAMETER_INVALID */
export function parseAmount(text: string, token: Token): bigint {
  try {
    const amount = parseUnits(text, token.decimals);
    if (amount < 0n) throw new Error("negative");
    return amount;
  } catch (cause) {
    throw new SymbolonError("PARAMETER_INVALID", `${text} is no amount of ${token.symbol}`, {
      hint: `give a number with at most ${token.decimals} decimals`,
      cause,
    });
  }
}

export async function balanceOf(provider: Provider, token: string, account: string): Promise<bigint> {
  if (token === ZeroAddress) return provider.getBalance(account);
  return new Contract(token, abi, provider).getFunction("balanceOf")(account) as Promise<bigint>;
}

export async function allowanceOf(
  provider: Provider,
  token: string,
  owner: string,
  spender: string,
): Promise<bigint> {
  return new Contract(token, abi, provider).getFunction("allowance")(owner, spender) as Promise<bigint>;
}

export interface SignedPermit {
  value: bigint;
  deadlineSec: number;
  v: number;
  r: string;
  s: string;
}

const permitTypes = {
  Permit: [
    { name: "owner", type: "address" },
    { name: "spender", type: "address" },
    { name: "value", type: "uint256" },
    { name: "nonce", type: "uint256" },
    { name: "deadline", type: "uint256" },
  ],
};
/** Bits of ERC-5267's `fields`: which of the domain's values a token uses. */
const domainFields = { name: 1, version: 2, chainId: 4, verifyingContract: 8 };

/**
 * The holder's permission to take `value`, as EIP-2612 has it; undefined where the token does not say its signing
 * domain (ERC-5267): then it must be approved by a transaction.
 */
export async function signPermit(
  signer: Signer,
  token: string,
  spender: string,
  value: bigint,
  deadlineSec: number,
): Promise<SignedPermit | undefined> {
  const contract = new Contract(token, abi, signer.provider);
  const owner = await signer.getAddress();
  let domain: TypedDataDomain;
  let nonce: bigint;
  try {
    const [bits, name, version, chainId, verifyingContract] = (await contract.getFunction(
      "eip712Domain",
    )()) as [string, string, string, bigint, string];
    nonce = (await contract.getFunction("nonces")(owner)) as bigint;
    const told = { name, version, chainId, verifyingContract };
    domain = Object.fromEntries(
      Object.entries(domainFields)
        .filter(([, bit]) => (Number(bits) & bit) !== 0)
        .map(([field]) => [field, told[field as keyof typeof told]]),
    );
  } catch {
    return undefined;
  }
  // A domain of another contract or chain would make this a signature over something else.
  const network = await signer.provider!.getNetwork();
  const own =
    domain.verifyingContract?.toLowerCase() === token.toLowerCase() && domain.chainId === network.chainId;
  if (!own) return undefined;
  const message = { owner, spender, value, nonce, deadline: deadlineSec };
  const { v, r, s } = Signature.from(await signer.signTypedData(domain, permitTypes, message));
  return { value, deadlineSec, v, r, s };
}
