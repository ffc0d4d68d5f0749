/** `symbolon seller`: share a data set, publish its price, see its use, draw the pay. */
import { Argument, type Command, Option } from "commander";
import { shortId } from "../../../contracts/use-terms.ts";
import { claimPay } from "../claim-pay.ts";
import { collect, group, parseId } from "../command.ts";
import { keysOf } from "../key-options.ts";
import { type AccountOptions, accountCommand, withConnection } from "../market-options.ts";
import { parseAccount } from "../money.ts";
import { writeOutFile } from "../out-file.ts";
import { type Output, showEther } from "../output.ts";
import { parseDate } from "../terms-options.ts";
import { sellerExchangeCommands } from "./seller-exchange.ts";
import { offers, relist, returnBudget, withdrawOffer } from "./seller-listings.ts";
import { offer } from "./seller-offer.ts";

export function sellerCommands(output: Output): Command {
  return group(
    "seller",
    "the seller's side: offers and earnings",
    "symbolon seller offers --keys seller.keys.json",
    [
      offer(output),
      offers(output),
      relist(output),
      withdrawOffer(output),
      returnBudget(output),
      vouch(output),
      earnings(output),
      claim(output),
      sellerExchangeCommands(output),
    ],
  );
}

function vouch(output: Output): Command {
  return accountCommand(
    "seller",
    "vouch",
    "say that a buyer belongs to those whom this account vouches for: offers with this --issuer let it in, at their discount",
    "symbolon seller vouch 0xB... --expires 2027-12-31 --out credential.json --keys hospital.keys.json",
  )
    .addArgument(new Argument("<buyer>", "the buyer's account").argParser(parseAccount))
    .addOption(
      new Option("--expires <date>", "last moment in which a job can be created with it")
        .argParser(parseDate)
        .makeOptionMandatory(),
    )
    .option("--out <file>", "write the credential to this file, for the buyer")
    .action((buyer: string, options: AccountOptions & { expires: number; out?: string }) =>
      withConnection(options, output, async ({ deployment }) => {
        const { issueCredential } = await import("../../credentials.ts");
        const { account } = await keysOf("seller", options);
        const credential = await issueCredential(account, deployment, buyer, options.expires);
        await writeOutFile(options.out, credential);
        output.result(credential, () =>
          options.out === undefined
            ? JSON.stringify(credential, null, 2)
            : `the credential of ${buyer} is in ${options.out}`,
        );
      }),
    );
}

function earnings(output: Output): Command {
  return accountCommand(
    "seller",
    "earnings",
    "what jobs owe and paid to the seller",
    "symbolon seller earnings --keys seller.keys.json",
  ).action((options: AccountOptions) =>
    withConnection(options, output, async ({ reader, tokens }) => {
      const { earningsOf } = await import("../../seller/earnings.ts");
      const { account } = await keysOf("seller", options);
      const { jobs, claimableWei, claimedWei } = await earningsOf(reader, account.address);
      const shown = jobs.map(({ job, state, token, amountWei }) => ({ job, state, token, amountWei }));
      const lines = await Promise.all(
        shown.map(async ({ job, state, token, amountWei }) => [
          shortId(job),
          await tokens.show(amountWei, token),
          state === "settleable" ? "window over: claim settles it" : state,
        ]),
      );
      output.result({ account: account.address, claimableWei, claimedWei, jobs: shown }, () =>
        [
          lines.length === 0
            ? `no job owes or paid anything to ${account.address}: see symbolon seller offers for their use`
            : output.table(["job", "pay", "state"], lines),
          `${showEther(claimableWei)} can be claimed, ${showEther(claimedWei)} was claimed, tokens not counted`,
        ].join("\n"),
      );
    }),
  );
}

function claim(output: Output): Command {
  return accountCommand(
    "seller",
    "claim",
    "draw the pay of settled jobs; jobs whose challenge window is over are settled first, each by a transaction that costs gas",
    "symbolon seller claim --keys seller.keys.json",
  )
    .option("--job <id>", "of this job only; may be given several times", collect(parseId))
    .action((options: AccountOptions & { job?: string[] }) =>
      withConnection(options, output, async (connection) => {
        const { account } = await keysOf("seller", options);
        await claimPay(connection, account, options.job, output);
      }),
    );
}
