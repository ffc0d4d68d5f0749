/** `symbolon operator leave` and `symbolon operator withdraw-bond`: the way out of the market. */
import type { Command } from "commander";
import { type AccountOptions, withConnection } from "../market-options.ts";
import { operatorAccount, operatorCommand } from "../operator-account.ts";
import type { Output } from "../output.ts";

export function leave(output: Output): Command {
  return operatorCommand(
    "leave",
    "take no new jobs and start the delay of the bond",
    "symbolon operator leave --keys operator.keys.json",
  ).action((options: AccountOptions) =>
    withConnection(options, output, async (connection) => {
      const { operator, market } = await operatorAccount(connection, options);
      const { hash } = await market.requestUnbond();
      const { withdrawableAtSec } = await market.operator(operator);
      const at = new Date((withdrawableAtSec ?? 0) * 1000).toISOString();
      output.result(
        { operator, withdrawableAtSec, txHash: hash },
        () => `leaving; the bond can be withdrawn from ${at} on  tx ${hash}`,
      );
    }),
  );
}

export function withdrawBond(output: Output): Command {
  return operatorCommand(
    "withdraw-bond",
    "get the bond back after leaving and its delay",
    "symbolon operator withdraw-bond --keys operator.keys.json",
  ).action((options: AccountOptions) =>
    withConnection(options, output, async (connection) => {
      const { operator, market } = await operatorAccount(connection, options);
      const { hash } = await market.withdrawBond();
      output.result({ operator, txHash: hash }, () => `the bond is back  tx ${hash}`);
    }),
  );
}
