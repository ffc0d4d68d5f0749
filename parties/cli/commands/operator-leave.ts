/** `symbolon operator leave` and `symbolon operator withdraw-bond`: the way out of the market. */
import type { Command } from "commander";
import type { Market } from "../../../contracts/market.ts";
import type { OwedChunks } from "../../owed-chunks.ts";
import { describeOwed, whatOwedIsAnsweredBy } from "../describe-owed.ts";
import { type AccountOptions, withConnection } from "../market-options.ts";
import { operatorAccount, operatorCommand } from "../operator-account.ts";
import { type Output, showEther } from "../output.ts";

export function leave(output: Output): Command {
  return operatorCommand(
    "leave",
    "take no new jobs and start the delay of the bond",
    "symbolon operator leave --keys operator.keys.json",
  ).action((options: AccountOptions) =>
    withConnection(options, output, async (connection) => {
      const { operator, market } = await operatorAccount(connection, options);
      const owed = await warnOfOwed(market, operator, output);
      const { hash } = await market.requestUnbond();
      const { withdrawableAtSec } = await market.operator(operator);
      const at = new Date((withdrawableAtSec ?? 0) * 1000).toISOString();
      output.result(
        { operator, withdrawableAtSec, owed, txHash: hash },
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
      const { operator, market, status } = await operatorAccount(connection, options);
      const back = status === "None" ? await market.bondReturn(operator) : undefined;
      if (back !== undefined) {
        const { amountWei, timestampSec: atSec, txHash } = back;
        const at = new Date(atSec * 1000).toISOString();
        output.result(
          { operator, txHash: null, bondReturn: { amountWei, atSec, txHash } },
          () =>
            `nothing to do: the bond of ${showEther(amountWei)} is back already, since ${at}  tx ${txHash}`,
        );
        return;
      }
      const owed = await warnOfOwed(market, operator, output);
      const { hash } = await market.withdrawBond();
      output.result({ operator, owed, txHash: hash }, () => `the bond is back  tx ${hash}`);
    }),
  );
}

/** Whoever leaves tends to switch the node off, which costs the bond where an answer is owed. */
async function warnOfOwed(market: Market, operator: string, output: Output): Promise<OwedChunks> {
  const { owedChunks } = await import("../../owed-chunks.ts");
  const { chainTimeSec } = await import("../../chain-time.ts");
  const owed = await owedChunks(market, operator);
  const phrases = describeOwed(owed, await chainTimeSec(market));
  if (phrases.length > 0) {
    output.note(
      `operator ${operator} owes buyers parts of results: ${phrases.join("; ")}\n  ${whatOwedIsAnsweredBy}`,
    );
  }
  return owed;
}
