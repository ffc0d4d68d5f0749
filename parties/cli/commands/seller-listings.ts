/** What a seller does with the offers that it has: look at them, change their terms, take them from the market. */
import type { Command } from "commander";
import type { MarketReader } from "../../../contracts/market-reader.ts";
import type { Replacement } from "../../../contracts/market-views.ts";
import { shortId, tokenOf, useTermsHash } from "../../../contracts/use-terms.ts";
import { parseId } from "../command.ts";
import { keysOf } from "../key-options.ts";
import { type AccountOptions, accountCommand, withConnection } from "../market-options.ts";
import { linksOf, offerDocument, stateWords } from "../offer-state.ts";
import type { Output } from "../output.ts";
import { runnable } from "../runnable.ts";
import {
  addTermsOptions,
  describeTerms,
  sellsNothingNote,
  type TermsOptions,
  termsOf,
} from "../terms-options.ts";

export function offers(output: Output): Command {
  return accountCommand(
    "seller",
    "offers",
    "the seller's offers and their use",
    "symbolon seller offers --keys seller.keys.json",
  ).action((options: AccountOptions) =>
    withConnection(options, output, async ({ reader, tokens }) => {
      const { readLedger } = await import("../../market-history.ts");
      const { account } = await keysOf("seller", options);
      const own = await reader.offers({ seller: account.address });
      const ledger = await readLedger(reader);
      const replacements = await reader.replacements();
      const idle = await reader.idleSets(own.map(({ operatorSet }) => operatorSet));
      const shown = own.map((o) => ({
        ...offerDocument(o, replacements, idle),
        jobs: [...ledger.jobs.values()].filter((job) => job.offers.includes(o.offer)).length,
      }));
      const lines = await Promise.all(
        shown.map(async (o) => [
          shortId(o.offer),
          String(o.rows),
          String(o.columns),
          await tokens.show(o.terms.priceWei, tokenOf(o.terms)),
          await describeTerms(o, tokens),
          stateWords(o),
          String(o.jobs),
        ]),
      );
      output.result({ seller: account.address, offers: shown }, () =>
        lines.length === 0
          ? `${account.address} has no offers: symbolon seller offer makes one`
          : output.table(["offer", "rows", "columns", "price", "terms", "state", "jobs"], lines),
      );
    }),
  );
}

export function relist(output: Output): Command {
  const made = accountCommand(
    "seller",
    "relist",
    "change terms of an offer for jobs to come, or list a withdrawn one again; the data is not shared again, and terms that no option names stay",
    "symbolon seller relist 0x3fa9 --price 0.02eth --keys seller.keys.json",
  ).argument("<offer>", "its name, or the first digits of it", parseId);
  return addTermsOptions(made).action((start: string, options: AccountOptions & TermsOptions) =>
    withConnection(options, output, async ({ as, bridge, tokens }) => {
      const { account } = await keysOf("seller", options);
      const market = as(account);
      const { fetchDocument } = await import("../../terms.ts");
      const id = await market.offerNamed(start);
      const { terms: before, active, replaced } = await market.ownOffer(id);
      if (replaced) {
        const { endedError } = await import("../../seller/replacement.ts");
        throw await endedError(market, id, (successor) => `symbolon seller relist ${successor}`);
      }
      const current = { terms: before, document: await fetchDocument(bridge, id, before) };
      const { terms, document } = await termsOf(options, tokens, current);
      // The contract would take the same terms again, and everything would stay as it is but the seller's money.
      const same = active && useTermsHash(terms) === useTermsHash(before);
      if (document !== undefined && !same) await bridge.uploadBlob(document);
      if (!same && options.maxRho !== undefined) output.note(sellsNothingNote);
      const txHash = same ? null : (await market.relist(id, terms)).hash;
      const listed = await market.offer(id);
      const { budgetLeftMicroRho } = listed;
      const price = await tokens.show(terms.priceWei, tokenOf(terms));
      const words = await describeTerms({ ...listed, terms }, tokens);
      output.result({ offer: id, terms, budgetLeftMicroRho, txHash }, () =>
        [
          txHash === null
            ? `offer ${shortId(id)} costs ${price} a use and has these terms already: nothing is to be done`
            : `offer ${shortId(id)} costs ${price} a use from now on  tx ${txHash}`,
          `terms: ${words}`,
        ].join("\n"),
      );
    }),
  );
}

export function withdrawOffer(output: Output): Command {
  return accountCommand(
    "seller",
    "withdraw-offer",
    "take an offer from the market; funded jobs are not affected",
    "symbolon seller withdraw-offer 0x3fa9 --keys seller.keys.json",
  )
    .argument("<offer>", "its name, or the first digits of it", parseId)
    .action((start: string, options: AccountOptions) =>
      withConnection(options, output, async ({ as }) => {
        const { account } = await keysOf("seller", options);
        const market = as(account);
        const id = await market.offerNamed(start);
        const offer = await market.ownOffer(id);
        if (!offer.active) {
          const replacements = await market.replacements();
          const state = stateWords({ ...offer, ...linksOf(id, replacements) });
          const onSale = await onSaleInPlaceOf(market, id, replacements);
          const withdrawals = onSale.map((each) => `symbolon seller withdraw-offer ${each}`).join(" and ");
          output.result({ offer: id, txHash: null, onSale }, () =>
            onSale.length === 0
              ? `offer ${shortId(id)} is ${state} already: nothing is to be done`
              : runnable(
                  `offer ${shortId(id)} is ${state}, and the same data stay on sale in its place; to withdraw them: ${withdrawals}`,
                  options,
                ),
          );
          return;
        }
        const { hash } = await market.withdrawOffer(id);
        output.result({ offer: id, txHash: hash }, () => `offer ${shortId(id)} is withdrawn  tx ${hash}`);
      }),
    );
}

/** The offers for sale of the same data: those in the place of an offer, and in the places of these. */
async function onSaleInPlaceOf(
  market: MarketReader,
  offer: string,
  replacements: readonly Replacement[],
): Promise<string[]> {
  const { replacedBy } = linksOf(offer, replacements);
  const found = replacedBy.map(async (id) => {
    const { active } = await market.offer(id);
    return [...(active ? [id] : []), ...(await onSaleInPlaceOf(market, id, replacements))];
  });
  return (await Promise.all(found)).flat();
}

export function returnBudget(output: Output): Command {
  return accountCommand(
    "seller",
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
