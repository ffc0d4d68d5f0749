/** What the commands of an operator have in common: their options, and the account that they act with. */
import type { Command } from "commander";
import type { Market } from "../../contracts/market.ts";
import type { OperatorStatus } from "../../contracts/market-views.ts";
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
  status: OperatorStatus;
}

type OnRefusal = (refusal: SymbolonError) => void;

export const refuse: OnRefusal = (refusal) => {
  throw refusal;
};

/**
 * The account of an operator that wants to change its record. Of one that was slashed hardly anything in it counts any
 * more, and of one that is leaving nothing that is about new jobs: the registry takes some of it, at the price of the
 * gas, and refuses the rest for another reason.
 * @param on takes the refusal of such a one: it is thrown to one that was slashed, and not told to one that is leaving,
 * unless this says otherwise
 * @throws STATE_INVALID for one that was slashed; USAGE, KEY_INVALID
 */
export async function operatorAccount(
  { as, reader }: MarketConnection,
  options: AccountOptions,
  on: { slashed?: OnRefusal; leaving?: OnRefusal } = {},
): Promise<OperatorAccount> {
  const keys = await keysOf("operator", options);
  const operator = keys.owner.address;
  const status = await reader.operatorStatus(operator);
  if (status === "Slashed") {
    const { slashedError } = await import("../../contracts/operator-status.ts");
    (on.slashed ?? refuse)(slashedError(operator));
  }
  if (status === "Leaving" && on.leaving !== undefined) {
    const { leavingError } = await import("../../contracts/operator-status.ts");
    on.leaving(leavingError(await reader.operator(operator)));
  }
  return { keys, operator, market: as(keys.owner), status };
}
