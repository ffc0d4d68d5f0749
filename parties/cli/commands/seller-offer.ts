/** `symbolon seller offer`: share a data set and publish its terms. */
import { type Command, Option } from "commander";
import type { MarketReader } from "../../../contracts/market-reader.ts";
import { shortId, tokenOf } from "../../../contracts/use-terms.ts";
import { SymbolonError } from "../../../mpc/errors.ts";
import type { FieldBits } from "../../../mpc/vector/index.ts";
import { parseId } from "../command.ts";
import { addDialectOptions, type DialectOptions, dialectOf } from "../dialect-options.ts";
import { fieldOption } from "../field-option.ts";
import { keysOf } from "../key-options.ts";
import { type AccountOptions, accountCommand, withConnection } from "../market-options.ts";
import { idleWords } from "../offer-state.ts";
import { type Output, showBytes } from "../output.ts";
import {
  addTermsOptions,
  describeTerms,
  parseRho,
  sellsNothingNote,
  type TermsOptions,
  termsAsGiven,
  termsOf,
} from "../terms-options.ts";

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

export function offer(output: Output): Command {
  const made = accountCommand(
    "seller",
    "offer",
    "share a CSV file to an operator set and publish it under terms of use",
    "symbolon seller offer --keys seller.keys.json --data patients.csv --schema schema.json --set 0x9d41 --price 0.01eth",
  )
    .requiredOption("--data <file>", "the data set; a model update when it ends in .json")
    .addOption(
      new Option(
        "--budget-rho <rho>",
        "privacy loss (zCDP) that all jobs together may cause, for ever; without it there is no limit. No algorithm adds noise yet, so that an offer with a limit sells nothing for now",
      ).argParser(parseRho),
    )
    .addOption(
      new Option(
        "--set <name>",
        "operator set that gets the shares; can be left out when one only takes jobs",
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
  const termsOptions = termsAsGiven(made);
  return addDialectOptions(addTermsOptions(made)).action(async (options: OfferOptions) => {
    if (options.price === undefined) {
      throw new SymbolonError("USAGE", "an offer has a price", { hint: "give --price, such as 0.01eth" });
    }
    if (options.maxRho !== undefined || options.budgetRho !== undefined) output.note(sellsNothingNote);
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
        options.set === undefined ? await onlySet(reader) : await reader.setNamed(options.set);
      const published = await publishDataSet(
        { bridge, market: as(account), seller: account.address },
        {
          ...{ table, schema, operatorSet, terms },
          ...(document !== undefined && { document }),
          ...(options.budgetRho !== undefined && { budgetMicroRho: options.budgetRho }),
          ...(options.scratch !== undefined && { scratch: options.scratch }),
          ...(options.replaces !== undefined && { replaces: await reader.offerNamed(options.replaces) }),
          termsOptions: termsOptions(),
          onStep: (step) => output.note(step),
          onDoubt: (words) => output.note(words),
        },
      );
      const price = await tokens.show(terms.priceWei, tokenOf(terms));
      const words = await describeTerms(await reader.offer(published.offer), tokens);
      output.result({ ...published, seller: account.address, operatorSet, terms, schema }, () =>
        [
          `offer ${published.offer}:\n  ${published.rows} rows, ${published.columns} columns, ${price} a use`,
          `terms: ${words}`,
          `${showBytes(published.preview.sealedBytes)} of sealed shares at the bridge, commitments on chain`,
          ...Object.entries(published.preview.clipped).map(
            ([name, count]) => `${name}: ${count} ${count === 1 ? "cell" : "cells"} clipped`,
          ),
          `tx ${published.txHash}`,
        ].join("\n"),
      );
    });
  });
}

/** The one set that takes jobs. Sets of operators that left stay in the market for ever, and are no choice. */
async function onlySet(reader: MarketReader): Promise<string> {
  const all = (await reader.sets()).map(({ id }) => id);
  if (all.length === 0) throw new SymbolonError("NOT_FOUND", "there is no operator set yet");
  const idle = await reader.idleSets(all);
  const sets = all.filter((id) => !idle.has(id));
  const [first, ...others] = sets;
  if (first === undefined) {
    const why = [...idle].map(([id, members]) => `${shortId(id)}: ${idleWords(members)}`);
    throw new SymbolonError("STATE_INVALID", `no operator set takes new jobs now: ${why.join("; ")}`, {
      hint: "try again when operators are back, or have made another set",
    });
  }
  if (others.length > 0) {
    throw new SymbolonError("USAGE", `there are ${sets.length} operator sets: which is to hold the shares?`, {
      hint: `give --set with one of ${sets.join(", ")}`,
    });
  }
  return first;
}
