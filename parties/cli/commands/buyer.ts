/** `symbolon buyer`: find data sets, pay for a job, follow it, read its result, accept it or get the money back. */
import { type Command, Option } from "commander";
import { shortId, tokenOf } from "../../../contracts/use-terms.ts";
import { toSymbolonError } from "../../../mpc/errors.ts";
import { command, group, parseId } from "../command.ts";
import { addMarketOptions, type MarketOptions, withConnection } from "../market-options.ts";
import { offerDocument, stateWords } from "../offer-state.ts";
import type { Output } from "../output.ts";
import { describeTerms } from "../terms-options.ts";
import { buyerExchangeCommands } from "./buyer-exchange.ts";
import { jobs } from "./buyer-jobs.ts";
import { accept, dispute, refund, result } from "./buyer-result.ts";
import { run } from "./buyer-run.ts";
import { status } from "./buyer-status.ts";

export function buyerCommands(output: Output): Command {
  return group("buyer", "the buyer's side: jobs and results", "symbolon buyer browse", [
    browse(output),
    jobs(output),
    run(output),
    status(output),
    result(output),
    accept(output),
    dispute(output),
    refund(output),
    buyerExchangeCommands(output),
  ]);
}

function browse(output: Output): Command {
  return addMarketOptions(
    command("browse", "the offers of the market with their columns", "symbolon buyer browse"),
  )
    .addOption(new Option("--set <name>", "of this operator set only").argParser(parseId))
    .option("--all", "withdrawn and replaced ones too")
    .action((options: MarketOptions & { set?: string; all?: boolean }) =>
      withConnection(options, output, async ({ reader, bridge, tokens }) => {
        const { fetchSchema } = await import("../../buyer/proposal.ts");
        const all = await reader.offers(
          options.set === undefined ? {} : { operatorSet: await reader.setNamed(options.set) },
        );
        const listed = all.filter(({ active }) => active || options.all === true);
        const hashes = [...new Set(listed.map(({ schemaHash }) => schemaHash))];
        // A schema that the bridge does not have hides its offer's columns, not the offer.
        const troubles = new Set<string>();
        const unavailable = (thrown: unknown): null => {
          const { code, message } = toSymbolonError(thrown);
          if (code !== "NOT_FOUND") troubles.add(message);
          return null;
        };
        const schemas = new Map(
          await Promise.all(
            hashes.map(async (hash) => [hash, await fetchSchema(bridge, hash).catch(unavailable)] as const),
          ),
        );
        for (const trouble of troubles) output.note(`columns cannot be shown: ${trouble}`);
        const replacements = await reader.replacements();
        const idle = await reader.idleSets(listed.map(({ operatorSet }) => operatorSet));
        const offers = listed.map((o) => ({
          ...offerDocument(o, replacements, idle),
          seller: o.seller,
          schema: schemas.get(o.schemaHash) ?? null,
        }));
        const names = (hash: string): string => {
          const schema = schemas.get(hash);
          if (!schema) return "schema not available";
          const shown = schema.columns.slice(0, 4).map(({ name }) => name);
          const more = schema.columns.length > 4 ? ` and ${schema.columns.length - 4} more` : "";
          return `${shown.join(", ")}${more}${schema.label ? `; label ${schema.label.name}` : ""}`;
        };
        const lines = await Promise.all(
          offers.map(async (o) => [
            shortId(o.offer),
            String(o.rows),
            await tokens.show(o.terms.priceWei, tokenOf(o.terms)),
            await describeTerms(o, tokens),
            shortId(o.operatorSet),
            o.schemaHash.slice(0, 10),
            names(o.schemaHash),
            stateWords(o),
          ]),
        );
        output.result({ offers }, () =>
          offers.length === 0
            ? noOffers(all.length, options)
            : output.table(["offer", "rows", "price", "terms", "set", "schema", "columns", "state"], lines),
        );
      }),
    );
}

/** Why there is nothing to see, and what to try. */
function noOffers(ended: number, { set }: { set?: string }): string {
  const where = set === undefined ? "" : " to this operator set";
  if (ended > 0) {
    return `no offer${where} is for sale; --all shows ${ended} that ${ended === 1 ? "was" : "were"} withdrawn or replaced`;
  }
  return set === undefined
    ? "nobody has offered anything in this market yet: symbolon seller offer does"
    : "there are no offers to this operator set; without --set those to all sets are shown";
}
