/** `symbolon operator`: bond, algorithms, earnings and leave of whoever runs a compute party. */
import { Argument, type Command, Option } from "commander";
import type { MarketReader } from "../../../contracts/market-reader.ts";
import { shortId } from "../../../contracts/use-terms.ts";
import { SymbolonError } from "../../../mpc/errors.ts";
import { claimPay } from "../claim-pay.ts";
import { collect, group, parseId } from "../command.ts";
import { keysOf } from "../key-options.ts";
import { type AccountOptions, withConnection } from "../market-options.ts";
import { amountIn, type Money, parseAccount, parseMoney } from "../money.ts";
import { operatorAccount, operatorCommand, refuse } from "../operator-account.ts";
import type { Output } from "../output.ts";
import { leave, withdrawBond } from "./operator-leave.ts";
import { register, update } from "./operator-registration.ts";
import { status } from "./operator-status.ts";

export function operatorCommands(output: Output): Command {
  return group(
    "operator",
    "the operator's side: bond, algorithms, earnings",
    "symbolon operator status --keys operator.keys.json",
    [
      register(output),
      update(output),
      createSet(output),
      approve(output),
      revoke(output),
      acceptToken(output),
      refuseToken(output),
      pause(output),
      resume(output),
      status(output),
      claim(output),
      leave(output),
      withdrawBond(output),
    ],
  );
}

function createSet(output: Output): Command {
  return operatorCommand(
    "create-set",
    "make three registered operators a set; the order fixes their points 1, 2, 3",
    "symbolon operator create-set 0xA... 0xB... 0xC... --keys operator.keys.json",
  )
    .argument("<members...>", "three operator accounts")
    .action((members: string[], options: AccountOptions) =>
      withConnection(options, output, async (connection) => {
        if (members.length !== 3) throw new SymbolonError("USAGE", "a set has three members");
        const { getAddress, isAddress } = await import("ethers");
        const bad = members.find((member) => !isAddress(member));
        if (bad !== undefined) throw new SymbolonError("USAGE", `${bad} is not an address`);
        const { operatorSetId } = await import("../../../contracts/commitments.ts");
        const three = members.map((member) => getAddress(member)) as [string, string, string];
        const operatorSet = operatorSetId(three);
        const { market } = await operatorAccount(connection, options);
        if ((await market.sets()).some(({ id }) => id === operatorSet)) {
          output.result(
            { operatorSet, members: three, txHash: null },
            () => `nothing to do: operator set ${operatorSet} is there already`,
          );
          return;
        }
        for (const member of three) await requireActive(market, member);
        const { hash } = await market.createSet(three);
        output.result(
          { operatorSet, members: three, txHash: hash },
          () => `operator set ${operatorSet}  tx ${hash}`,
        );
      }),
    );
}

/**
 * What can be done about a member that takes no jobs; the registry's own refusal is one for buyers, too. Commands
 * stand here without the program's name: their owner runs them, not who makes the set, with whose keys they would be
 * completed.
 */
const remedies = {
  None: "its owner registers it first: `operator register`",
  Paused: "its owner ends the pause: `operator resume`",
  Leaving: "name another operator, or wait until it has left and registers again",
  Slashed: "name another operator",
};

async function requireActive(reader: MarketReader, member: string): Promise<void> {
  const status = await reader.operatorStatus(member);
  if (status === "Active") return;
  const { standing } = await import("../../../contracts/operator-status.ts");
  throw new SymbolonError("STATE_INVALID", `a set has active members only: ${standing(member, status)}`, {
    hint: remedies[status],
  });
}

/** A manifest's id, or the hash itself. */
async function algorithmHashOf(name: string): Promise<string> {
  if (/^0x[0-9a-fA-F]{64}$/.test(name)) return name.toLowerCase();
  const { findAlgorithm, identify } = await import("../../../algorithms/catalog.ts");
  return (await identify(findAlgorithm(name).manifest)).hash;
}

/** Adds the option by which an operator says with whom; all its sets by default. */
function addSetOption(made: Command): Command {
  return made.addOption(
    new Option("--set <name>", "in this operator set only; in all of the operator's by default").argParser(
      parseId,
    ),
  );
}

async function ownSets(reader: MarketReader, operator: string, start?: string): Promise<string[]> {
  if (start !== undefined) return [await reader.setNamed(start)];
  const own = (await reader.sets()).filter(({ members }) => members.includes(operator));
  if (own.length > 0) return [...new Set(own.map(({ id }) => id))];
  throw new SymbolonError("STATE_INVALID", `operator ${operator} is in no operator set yet`, {
    hint: "an operator approves algorithms for the sets that it is in: symbolon operator create-set",
  });
}

function approve(output: Output): Command {
  return allowList(output, "approve", {
    summary:
      "run an algorithm from now on, together with the others of a set: it goes on the allow-list on chain",
    done: "approved",
    already: "is approved already",
  });
}

function revoke(output: Output): Command {
  return allowList(output, "revoke", {
    summary: "no longer run an algorithm; funded jobs are not affected",
    done: "revoked",
    already: "is not approved",
  });
}

/** Puts an algorithm on the allow-lists of the operator's sets, or takes it off; where it changes nothing, it sends nothing. */
function allowList(
  output: Output,
  verb: "approve" | "revoke",
  words: { summary: string; done: string; already: string },
): Command {
  const made = operatorCommand(
    verb,
    words.summary,
    `symbolon operator ${verb} logistic-regression --keys operator.keys.json`,
  ).argument("<algorithm>", "its name, for the version in this checkout, or a hash");
  return addSetOption(made).action((name: string, options: AccountOptions & { set?: string }) =>
    withConnection(options, output, async (connection) => {
      const algorithm = await algorithmHashOf(name);
      const { operator, market } = await operatorAccount(connection, options, {
        leaving: verb === "approve" ? refuse : ({ message }) => output.note(message),
      });
      const operatorSets = await ownSets(market, operator, options.set);
      const unchanged: string[] = [];
      const txHashes: string[] = [];
      const lines: string[] = [];
      for (const set of operatorSets) {
        const which = `${shortId(algorithm)} in set ${shortId(set)}`;
        if ((await market.isApproved(operator, set, algorithm)) === (verb === "approve")) {
          unchanged.push(set);
          lines.push(`nothing to do: ${which} ${words.already}`);
          continue;
        }
        const { hash } = await market[verb](set, algorithm);
        txHashes.push(hash);
        lines.push(`${words.done} ${which}  tx ${hash}`);
      }
      output.result({ operator, algorithm, operatorSets, unchanged, txHashes }, () => lines.join("\n"));
    }),
  );
}

function acceptToken(output: Output): Command {
  return operatorCommand(
    "accept-token",
    "take jobs that are paid in an ERC-20 token",
    "symbolon operator accept-token 0xT... --fee 2.5 --keys operator.keys.json",
  )
    .addArgument(new Argument("<token>", "address of the token").argParser(parseAccount))
    .addOption(
      new Option("--fee <amount>", "fee for a job, a plain number of tokens")
        .argParser(parseMoney)
        .makeOptionMandatory(),
    )
    .action((address: string, options: AccountOptions & { fee: Money }) =>
      withConnection(options, output, async (connection) => {
        const { tokens } = connection;
        const { operator, market } = await operatorAccount(connection, options, { leaving: refuse });
        const token = await tokens.of(address);
        const fee = amountIn(options.fee, token);
        const { hash } = await market.acceptToken(address, fee);
        const shown = await tokens.show(fee, address);
        output.result(
          { operator, token: address, fee, txHash: hash },
          () => `takes jobs in ${token.symbol} for ${shown}  tx ${hash}`,
        );
      }),
    );
}

function refuseToken(output: Output): Command {
  return operatorCommand(
    "refuse-token",
    "no longer take jobs that are paid in a token; funded jobs are not affected",
    "symbolon operator refuse-token 0xT... --keys operator.keys.json",
  )
    .addArgument(new Argument("<token>", "address of the token").argParser(parseAccount))
    .action((token: string, options: AccountOptions) =>
      withConnection(options, output, async (connection) => {
        const { operator, market, status } = await operatorAccount(connection, options, {
          leaving: ({ message }) => output.note(message),
        });
        // Who is not registered is told so by the registry.
        if (status !== "None" && (await market.tokenFee(operator, token)) === null) {
          output.result(
            { operator, token, txHash: null },
            () => `nothing to do: it takes no jobs in ${token} as it is`,
          );
          return;
        }
        const { hash } = await market.refuseToken(token);
        output.result({ operator, token, txHash: hash }, () => `takes no jobs in ${token}  tx ${hash}`);
      }),
    );
}

function pause(output: Output): Command {
  return operatorCommand(
    "pause",
    "take no new jobs until resumed; funded jobs and all payments go on",
    "symbolon operator pause --keys operator.keys.json",
  ).action((options: AccountOptions) =>
    withConnection(options, output, async (connection) => {
      const { operator, market } = await operatorAccount(connection, options);
      const { hash } = await market.pause();
      output.result({ operator, txHash: hash }, () => `takes no new jobs  tx ${hash}`);
    }),
  );
}

function resume(output: Output): Command {
  return operatorCommand(
    "resume",
    "take new jobs again after a pause",
    "symbolon operator resume --keys operator.keys.json",
  ).action((options: AccountOptions) =>
    withConnection(options, output, async (connection) => {
      const { operator, market } = await operatorAccount(connection, options);
      const { hash } = await market.resume();
      output.result({ operator, txHash: hash }, () => `takes new jobs  tx ${hash}`);
    }),
  );
}

function claim(output: Output): Command {
  return operatorCommand(
    "claim",
    "draw the fees of settled jobs",
    "symbolon operator claim --keys operator.keys.json",
  )
    .option("--job <id>", "of this job only; may be given several times", collect(parseId))
    .action((options: AccountOptions & { job?: string[] }) =>
      withConnection(options, output, async (connection) => {
        const { owner } = await keysOf("operator", options);
        await claimPay(connection, owner, options.job, output);
      }),
    );
}
