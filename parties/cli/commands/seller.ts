/** `symbolon seller`: share a data set, publish its price, see its use, draw the pay. */
import { type Command, Option } from "commander";
import { exactMicroRho } from "../../../contracts/use-terms.ts";
import { SymbolonError } from "../../../mpc/errors.ts";
import type { FieldBits } from "../../../mpc/vector/index.ts";
import { collect, command, group, parseId } from "../command.ts";
import { addDialectOptions, type DialectOptions, dialectOf } from "../dialect-options.ts";
import { fieldOption } from "../field-option.ts";
import { keysOf } from "../key-options.ts";
import { type AccountOptions, addKeyOptions, addMarketOptions, withConnection } from "../market-options.ts";
import { type Output, showBytes, showEther } from "../output.ts";
import { addTermsOptions, describeTerms, parseRho, type TermsOptions, termsOf } from "../terms-options.ts";
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
}

function offer(output: Output): Command {
  const made = sellerCommand(
    "offer",
    "share a CSV file to an operator set and publish it under terms of use",
    "symbolon seller offer --keys seller.keys.json --data patients.csv --schema schema.json --set 0x... --price 0.01eth",
  )
    .requiredOption("--data <file>", "the data set; a model update when it ends in .json")
    .addOption(
      new Option(
        "--budget-rho <rho>",
        "privacy loss (zCDP) that all jobs together may cause, for ever; without it there is no limit",
      ).argParser(parseRho),
    )
    .option("--set <hash>", "operator set that gets the shares; can be left out when there is one only")
    .option(
      "--schema <file>",
      "columns and bounds; without it they are derived from the data and become public",
    )
    .option("--label <column>", "the column to predict, 0 or 1, when the schema is derived")
    .addOption(fieldOption())
    .option(
      "--scratch <folder>",
      "where the sealed shares wait for their upload; a temporary folder by default",
    );
  return addDialectOptions(addTermsOptions(made)).action(async (options: OfferOptions) => {
    if (options.price === undefined) {
      throw new SymbolonError("USAGE", "an offer has a price", { hint: "give --price, such as 0.01eth" });
    }
    const { terms, document } = await termsOf(options);
    if (terms.maxMicroRho !== exactMicroRho && options.budgetRho === undefined) {
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
    await withConnection(options, output, async ({ bridge, reader, as }) => {
      const { publishDataSet } = await import("../../seller/client.ts");
      const operatorSet = options.set ?? onlySet(await reader.sets());
      const published = await publishDataSet(
        { bridge, market: as(account), seller: account.address },
        {
          ...{ table, schema, operatorSet, terms },
          ...(document !== undefined && { document }),
          ...(options.budgetRho !== undefined && { budgetMicroRho: options.budgetRho }),
          ...(options.scratch !== undefined && { scratch: options.scratch }),
          onStep: (step) => output.note(step),
        },
      );
      output.result({ ...published, seller: account.address, operatorSet, terms, schema }, () =>
        [
          `offer ${published.offer}: ${published.rows} rows, ${published.columns} columns, ${showEther(terms.priceWei)} a use`,
          `terms: ${describeTerms(terms, options.budgetRho ?? exactMicroRho)}`,
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
    withConnection(options, output, async ({ reader }) => {
      const { readLedger } = await import("../../market-history.ts");
      const { account } = await keysOf("seller", options);
      const own = await reader.offers({ seller: account.address });
      const ledger = await readLedger(reader);
      const shown = own.map((o) => ({
        offer: o.offer,
        active: o.active,
        rows: o.rows,
        columns: o.columns,
        terms: o.terms,
        budgetMicroRho: o.budgetMicroRho,
        budgetLeftMicroRho: o.budgetLeftMicroRho,
        operatorSet: o.operatorSet,
        schemaHash: o.schemaHash,
        jobs: [...ledger.jobs.values()].filter((job) => job.offers.includes(o.offer)).length,
      }));
      output.result({ seller: account.address, offers: shown }, () =>
        output.table(
          ["offer", "rows", "columns", "price", "terms", "state", "jobs"],
          shown.map((o) => [
            String(o.offer),
            String(o.rows),
            String(o.columns),
            showEther(o.terms.priceWei),
            describeTerms(o.terms, o.budgetLeftMicroRho),
            o.active ? "active" : "withdrawn",
            String(o.jobs),
          ]),
        ),
      );
    }),
  );
}

function relist(output: Output): Command {
  const made = sellerCommand(
    "relist",
    "change terms of an offer for jobs to come, or list a withdrawn one again; the data is not shared again, and terms that no option names stay",
    "symbolon seller relist 3 --price 0.02eth --keys seller.keys.json",
  ).argument("<offer>", "its number", parseId);
  return addTermsOptions(made).action((id: bigint, options: AccountOptions & TermsOptions) =>
    withConnection(options, output, async ({ as, bridge }) => {
      const { account } = await keysOf("seller", options);
      const { fetchDocument } = await import("../../terms.ts");
      const before = (await as(account).offer(id)).terms;
      const current = { terms: before, document: await fetchDocument(bridge, id, before) };
      const { terms, document } = await termsOf(options, current);
      if (document !== undefined) await bridge.uploadBlob(document);
      const { hash } = await as(account).relist(id, terms);
      const { budgetLeftMicroRho } = await as(account).offer(id);
      output.result({ offer: id, terms, budgetLeftMicroRho, txHash: hash }, () =>
        [
          `offer ${id} costs ${showEther(terms.priceWei)} a use from now on  tx ${hash}`,
          `terms: ${describeTerms(terms, budgetLeftMicroRho)}`,
        ].join("\n"),
      );
    }),
  );
}

function returnBudget(output: Output): Command {
  return sellerCommand(
    "return-budget",
    "take back the privacy budget that a job reserved and never used: it ended before the operators joined",
    "symbolon seller return-budget 7 --keys seller.keys.json",
  )
    .argument("<job>", "its number", parseId)
    .action((job: bigint, options: AccountOptions) =>
      withConnection(options, output, async ({ as }) => {
        const { account } = await keysOf("seller", options);
        const { hash } = await as(account).returnBudget(job);
        output.result({ job, txHash: hash }, () => `the budget of job ${job} is back  tx ${hash}`);
      }),
    );
}

function withdrawOffer(output: Output): Command {
  return sellerCommand(
    "withdraw-offer",
    "take an offer from the market; funded jobs are not affected",
    "symbolon seller withdraw-offer 3 --keys seller.keys.json",
  )
    .argument("<offer>", "its number", parseId)
    .action((id: bigint, options: AccountOptions) =>
      withConnection(options, output, async ({ as }) => {
        const { account } = await keysOf("seller", options);
        const { hash } = await as(account).withdrawOffer(id);
        output.result({ offer: id, txHash: hash }, () => `offer ${id} is withdrawn  tx ${hash}`);
      }),
    );
}

function earnings(output: Output): Command {
  return sellerCommand(
    "earnings",
    "what jobs owe and paid to the seller",
    "symbolon seller earnings --keys seller.keys.json",
  ).action((options: AccountOptions) =>
    withConnection(options, output, async ({ reader }) => {
      const { earningsOf } = await import("../../seller/earnings.ts");
      const { account } = await keysOf("seller", options);
      const { jobs, claimableWei, claimedWei } = await earningsOf(reader, account.address);
      const shown = jobs.map(({ job, state, amountWei }) => ({ job, state, amountWei }));
      output.result({ account: account.address, claimableWei, claimedWei, jobs: shown }, () =>
        [
          output.table(
            ["job", "pay", "state"],
            shown.map(({ job, amountWei, state }) => [String(job), showEther(amountWei), state]),
          ),
          `${showEther(claimableWei)} can be claimed, ${showEther(claimedWei)} was claimed`,
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
    .action((options: AccountOptions & { job?: bigint[] }) =>
      withConnection(options, output, async ({ as }) => {
        const { claimEarnings } = await import("../../seller/earnings.ts");
        const { account } = await keysOf("seller", options);
        const claimed = await claimEarnings(as(account), account.address, options.job);
        output.result(
          { ...claimed, account: account.address },
          () => `${showEther(claimed.amountWei)} of job ${claimed.jobs.join(", ")}  tx ${claimed.txHash}`,
        );
      }),
    );
}
