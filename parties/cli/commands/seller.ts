/** `symbolon seller`: share a data set, publish its price, see its use, draw the pay. */
import { Argument, type Command, Option } from "commander";
import { shortId, tokenOf } from "../../../contracts/use-terms.ts";
import { SymbolonError } from "../../../mpc/errors.ts";
import type { FieldBits } from "../../../mpc/vector/index.ts";
import { collect, command, group, parseId } from "../command.ts";
import { addDialectOptions, type DialectOptions, dialectOf } from "../dialect-options.ts";
import { fieldOption } from "../field-option.ts";
import { keysOf } from "../key-options.ts";
import {
  type AccountOptions,
  addKeyOptions,
  addMarketOptions,
  jobsNamed,
  withConnection,
} from "../market-options.ts";
import { parseAccount } from "../money.ts";
import { writeOutFile } from "../out-file.ts";
import { type Output, showBytes, showEther } from "../output.ts";
import {
  addTermsOptions,
  describeTerms,
  parseDate,
  parseRho,
  type TermsOptions,
  termsOf,
} from "../terms-options.ts";
import { sellerExchangeCommands } from "./seller-exchange.ts";

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

function sellerCommand(name: string, summary: string, example: string): Command {
  return addMarketOptions(addKeyOptions(command(name, summary, example), "seller"));
}

interface OfferOptions extends AccountOptions, DialectOptions, TermsOptions {
  data: string;
  budgetRho?: bigint;
  set?: string;
  schema?: string;
  label?: string;
  field?: FieldBits;
  scratch?: string;
  replaces?: string;
}

function offer(output: Output): Command {
  const made = sellerCommand(
    "offer",
    "share a CSV file to an operator set and publish it under terms of use",
    "symbolon seller offer --keys seller.keys.json --data patients.csv --schema schema.json --set 0x9d41 --price 0.01eth",
  )
    .requiredOption("--data <file>", "the data set; a model update when it ends in .json")
    .addOption(
      new Option(
        "--budget-rho <rho>",
        "privacy loss (zCDP) that all jobs together may cause, for ever; without it there is no limit",
      ).argParser(parseRho),
    )
    .addOption(
      new Option(
        "--set <name>",
        "operator set that gets the shares; can be left out when there is one only",
      ).argParser(parseId),
    )
    .option(
      "--schema <file>",
      "columns and bounds; without it they are derived from the data and become public",
    )
    .option("--label <column>", "the column to predict, 0 or 1, when the schema is derived")
    .addOption(fieldOption())
    .addOption(
      new Option(
        "--replaces <offer>",
        "an offer of the same data to other operators: what is left of its privacy budget goes along, and it ends",
      ).argParser(parseId),
    )
    .option(
      "--scratch <folder>",
      "where the sealed shares wait for their upload; a temporary folder by default",
    );
  return addDialectOptions(addTermsOptions(made)).action(async (options: OfferOptions) => {
    if (options.price === undefined) {
      throw new SymbolonError("USAGE", "an offer has a price", { hint: "give --price, such as 0.01eth" });
    }
    if (options.maxRho !== undefined && options.budgetRho === undefined) {
      output.note("there is a limit for one job, but none for all jobs together: see --budget-rho");
    }
    const { readOfferData } = await import("../../seller/read-offer.ts");
    const { table, schema, derived } = await readOfferData({
      data: options.data,
      dialect: dialectOf(options),
      ...(options.schema !== undefined && { schema: options.schema }),
      ...(options.label !== undefined && { label: options.label }),
      ...(options.field !== undefined && { field: options.field }),
    });
    const { derivedBoundsNotice, describeSchema } = await import("../../data/schema.ts");
    if (derived) output.note(derivedBoundsNotice);
    output.note(describeSchema(schema));
    const { account } = await keysOf("seller", options);
    await withConnection(options, output, async ({ bridge, reader, as, tokens }) => {
      const { terms, document } = await termsOf(options, tokens);
      const { publishDataSet } = await import("../../seller/client.ts");
      const operatorSet =
        options.set === undefined ? onlySet(await reader.sets()) : await reader.setNamed(options.set);
      const published = await publishDataSet(
        { bridge, market: as(account), seller: account.address },
        {
          ...{ table, schema, operatorSet, terms },
          ...(document !== undefined && { document }),
          ...(options.budgetRho !== undefined && { budgetMicroRho: options.budgetRho }),
          ...(options.scratch !== undefined && { scratch: options.scratch }),
          ...(options.replaces !== undefined && { replaces: await reader.offerNamed(options.replaces) }),
          onStep: (step) => output.note(step),
        },
      );
      const price = await tokens.show(terms.priceWei, tokenOf(terms));
      const { budgetLeftMicroRho } = await reader.offer(published.offer);
      const words = await describeTerms(terms, budgetLeftMicroRho, tokens);
      output.result({ ...published, seller: account.address, operatorSet, terms, schema }, () =>
        [
          `offer ${published.offer}:\n  ${published.rows} rows, ${published.columns} columns, ${price} a use`,
          `terms: ${words}`,
          `${showBytes(published.preview.sealedBytes)} of sealed shares at the bridge, commitments on chain`,
          ...Object.entries(published.preview.clipped).map(
            ([name, count]) => `${name}: ${count} cells clipped`,
          ),
          `tx ${published.txHash}`,
        ].join("\n"),
      );
    });
  });
}

function onlySet(sets: readonly { id: string }[]): string {
  const [first, ...others] = sets;
  if (first === undefined) throw new SymbolonError("NOT_FOUND", "there is no operator set yet");
  if (others.length > 0) {
    throw new SymbolonError("USAGE", `there are ${sets.length} operator sets: which is to hold the shares?`, {
      hint: `give --set with one of ${sets.map(({ id }) => id).join(", ")}`,
    });
  }
  return first.id;
}

function offers(output: Output): Command {
  return sellerCommand(
    "offers",
    "the seller's offers and their use",
    "symbolon seller offers --keys seller.keys.json",
  ).action((options: AccountOptions) =>
    withConnection(options, output, async ({ reader, tokens }) => {
      const { readLedger } = await import("../../market-history.ts");
      const { account } = await keysOf("seller", options);
      const own = await reader.offers({ seller: account.address });
      const ledger = await readLedger(reader);
      const shown = own.map((o) => ({
        offer: o.offer,
        active: o.active,
        replaced: o.replaced,
        rows: o.rows,
        columns: o.columns,
        terms: o.terms,
        budgetMicroRho: o.budgetMicroRho,
        budgetLeftMicroRho: o.budgetLeftMicroRho,
        operatorSet: o.operatorSet,
        schemaHash: o.schemaHash,
        jobs: [...ledger.jobs.values()].filter((job) => job.offers.includes(o.offer)).length,
      }));
      const lines = await Promise.all(
        shown.map(async (o) => [
          shortId(o.offer),
          String(o.rows),
          String(o.columns),
          await tokens.show(o.terms.priceWei, tokenOf(o.terms)),
          await describeTerms(o.terms, o.budgetLeftMicroRho, tokens),
          o.active ? "active" : o.replaced ? "replaced" : "withdrawn",
          String(o.jobs),
        ]),
      );
      output.result({ seller: account.address, offers: shown }, () =>
        output.table(["offer", "rows", "columns", "price", "terms", "state", "jobs"], lines),
      );
    }),
  );
}

function relist(output: Output): Command {
  const made = sellerCommand(
    "relist",
    "change terms of an offer for jobs to come, or list a withdrawn one again; the data is not shared again, and terms that no option names stay",
    "symbolon seller relist 0x3fa9 --price 0.02eth --keys seller.keys.json",
  ).argument("<offer>", "its name, or the first digits of it", parseId);
  return addTermsOptions(made).action((start: string, options: AccountOptions & TermsOptions) =>
    withConnection(options, output, async ({ as, bridge, tokens }) => {
      const { account } = await keysOf("seller", options);
      const { fetchDocument } = await import("../../terms.ts");
      const id = await as(account).offerNamed(start);
      const before = (await as(account).offer(id)).terms;
      const current = { terms: before, document: await fetchDocument(bridge, id, before) };
      const { terms, document } = await termsOf(options, tokens, current);
      if (document !== undefined) await bridge.uploadBlob(document);
      const { hash } = await as(account).relist(id, terms);
      const { budgetLeftMicroRho } = await as(account).offer(id);
      const price = await tokens.show(terms.priceWei, tokenOf(terms));
      const words = await describeTerms(terms, budgetLeftMicroRho, tokens);
      output.result({ offer: id, terms, budgetLeftMicroRho, txHash: hash }, () =>
        [`offer ${shortId(id)} costs ${price} a use from now on  tx ${hash}`, `terms: ${words}`].join("\n"),
      );
    }),
  );
}

function returnBudget(output: Output): Command {
  return sellerCommand(
    "return-budget",
    "take back the privacy budget that a job reserved and never used: it ended before the operators joined",
    "symbolon seller return-budget 0x5c1e --keys seller.keys.json",
  )
    .argument("<job>", "its name, or the first digits of it", parseId)
    .action((start: string, options: AccountOptions) =>
      withConnection(options, output, async ({ as }) => {
        const { account } = await keysOf("seller", options);
        const job = await as(account).jobNamed(start);
        const { hash } = await as(account).returnBudget(job);
        output.result({ job, txHash: hash }, () => `the budget of job ${shortId(job)} is back  tx ${hash}`);
      }),
    );
}

function withdrawOffer(output: Output): Command {
  return sellerCommand(
    "withdraw-offer",
    "take an offer from the market; funded jobs are not affected",
    "symbolon seller withdraw-offer 0x3fa9 --keys seller.keys.json",
  )
    .argument("<offer>", "its name, or the first digits of it", parseId)
    .action((start: string, options: AccountOptions) =>
      withConnection(options, output, async ({ as }) => {
        const { account } = await keysOf("seller", options);
        const id = await as(account).offerNamed(start);
        const { hash } = await as(account).withdrawOffer(id);
        output.result({ offer: id, txHash: hash }, () => `offer ${shortId(id)} is withdrawn  tx ${hash}`);
      }),
    );
}

function vouch(output: Output): Command {
  return sellerCommand(
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
  return sellerCommand(
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
          state,
        ]),
      );
      output.result({ account: account.address, claimableWei, claimedWei, jobs: shown }, () =>
        [
          output.table(["job", "pay", "state"], lines),
          `${showEther(claimableWei)} can be claimed, ${showEther(claimedWei)} was claimed, tokens not counted`,
        ].join("\n"),
      );
    }),
  );
}

function claim(output: Output): Command {
  return sellerCommand(
    "claim",
    "draw the pay of settled jobs",
    "symbolon seller claim --keys seller.keys.json",
  )
    .option("--job <id>", "of this job only; may be given several times", collect(parseId))
    .action((options: AccountOptions & { job?: string[] }) =>
      withConnection(options, output, async ({ as, tokens }) => {
        const { claimEarnings } = await import("../../seller/earnings.ts");
        const { account } = await keysOf("seller", options);
        const claimed = await claimEarnings(
          as(account),
          account.address,
          await jobsNamed(as(account), options.job),
        );
        const paid = await Promise.all(claimed.paid.map((p) => tokens.show(p.amountWei, p.token)));
        output.result(
          { ...claimed, account: account.address },
          () => `${paid.join(", ")} of job ${claimed.jobs.map(shortId).join(", ")}  tx ${claimed.txHash}`,
        );
      }),
    );
}
