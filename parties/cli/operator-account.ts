/** What the commands of an operator have in common: their options, and the account that they act with. */
import type { Command } from "commander";
import type { Market } from "../../contracts/market.ts";
import { SymbolonError } from "../../mpc/errors.ts";
import type { OperatorKeys } from "../keys.ts";
import { command } from "./command.ts";
import { type KeyOptions, keysOf, publicKeysOf } from "./key-options.ts";
import {
  type AccountOptions,
  addKeyOptions,
  addMarketOptions,
  type MarketConnection,
} from "./market-options.ts";

export function operatorCommand(name: string, summary: string, example: string): Command {
  return addMarketOptions(addKeyOptions(command(name, summary, example), "operator"));
}

/** For commands that only read. @throws USAGE, KEY_INVALID */
export async function operatorAddress(options: KeyOptions): Promise<string> {
  const { getAddress, isAddress } = await import("ethers");
  const { owner } = await publicKeysOf("operator", options);
  if (owner !== undefined && isAddress(owner)) return getAddress(owner);
  throw new SymbolonError("KEY_INVALID", "the public part of the key file has no address of an owner");
}

export interface OperatorAccount {
  keys: OperatorKeys;
  operator: string;
  market: Market;
}

/**
 * The account of an operator that wants to change its record. Of one that was slashed hardly anything in it counts any
 * more: the registry takes some of it, at the price of the gas, and refuses the rest for another reason.
 * @param onSlashed for what still counts: takes the refusal, which is thrown otherwise
 * @throws STATE_INVALID for one that was slashed; USAGE, KEY_INVALID
 */
export async function operatorAccount(
  { as, reader }: MarketConnection,
  options: AccountOptions,
  onSlashed: (refusal: SymbolonError) => void = (refusal) => {
    throw refusal;
  },
): Promise<OperatorAccount> {
  const keys = await keysOf("operator", options);
  const operator = keys.owner.address;
  if ((await reader.operatorStatus(operator)) === "Slashed") {
    const { slashedError } = await import("../../contracts/operator-status.ts");
    onSlashed(slashedError(operator));
  }
  return { keys, operator, market: as(keys.owner) };
}
