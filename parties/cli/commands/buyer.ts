/** `symbolon buyer`: find data sets, pay for a job, follow it, read its result, accept it or get the money back. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { rangeReport } from "../../../algorithms/range-report.ts";
import type { JobSummary } from "../../../bridge/client.ts";
import { shortId, tokenOf } from "../../../contracts/use-terms.ts";
import { SymbolonError, toSymbolonError } from "../../../mpc/errors.ts";
import { BuyerClient, type BuyerConnection } from "../../buyer/client.ts";
import type { JobProposal } from "../../buyer/proposal.ts";
import { collect, command, group, parseId, wholeNumber } from "../command.ts";
import { rangeLines } from "../describe-ranges.ts";
import { describeResult } from "../describe-result.ts";
import { addDialectOptions, type DialectOptions, dialectOf } from "../dialect-options.ts";
import { parseJsonOption } from "../json-option.ts";
import { keysOf } from "../key-options.ts";
import {
  type AccountOptions,
  addKeyOptions,
  addMarketOptions,
  type MarketConnection,
  type MarketOptions,
  withConnection,
} from "../market-options.ts";
import { amountIn, type Money, parseMoney } from "../money.ts";
import { checkOutFile, writeOutFile } from "../out-file.ts";
import { type Output, showBytes } from "../output.ts";
import { describeTerms } from "../terms-options.ts";
import { buyerExchangeCommands } from "./buyer-exchange.ts";

export function buyerCommands(output: Output): Command {
  return group("buyer", "the buyer's side: jobs and results", "symbolon buyer browse", [
    browse(output),
    run(output),
    status(output),
    result(output),
    accept(output),
    dispute(output),
    refund(output),
    buyerExchangeCommands(output),
  ]);
}

function buyerCommand(name: string, summary: string, example: string): Command {
  return addMarketOptions(addKeyOptions(command(name, summary, example), "buyer"));
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
        const offers = listed.map((o) => ({
          offer: o.offer,
          seller: o.seller,
          active: o.active,
          replaced: o.replaced,
          rows: o.rows,
          columns: o.columns,
          terms: o.terms,
          budgetMicroRho: o.budgetMicroRho,
          budgetLeftMicroRho: o.budgetLeftMicroRho,
          operatorSet: o.operatorSet,
          schemaHash: o.schemaHash,
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
            await describeTerms(o.terms, o.budgetLeftMicroRho, tokens),
            o.schemaHash.slice(0, 10),
            names(o.schemaHash),
          ]),
        );
        output.result({ offers }, () =>
          output.table(["offer", "rows", "price", "terms", "schema", "columns"], lines),
        );
      }),
    );
}

interface RunOptions extends AccountOptions, DialectOptions {
  offers: string[];
  weights?: number[];
  params?: string;
  validation?: string;
  purpose?: string;
  credential?: string[];
  maxPrice?: Money;
  duration: number;
  dryRun?: boolean;
  follow: boolean;
  accept?: boolean;
  out?: string;
}

function run(output: Output): Command {
  const made = buyerCommand(
    "run",
    "pay for a job over some offers, follow it, and read its result",
    "symbolon buyer run logistic-regression --offers 0x3fa9,0x81c2 --keys buyer.keys.json --out model.json",
  )
    .argument("<algorithm>", "see: symbolon algorithms list")
    .addOption(
      new Option("--offers <names>", "data sets, in the order in which their rows are used")
        .argParser(parseIds)
        .makeOptionMandatory(),
    )
    .addOption(
      new Option("--weights <numbers>", "what each offer weighs in averages; its rows by default").argParser(
        parseWeights,
      ),
    )
    .option("--params <json>", "the algorithm's parameters, or @FILE")
    .option("--validation <file>", "the buyer's own rows, for metrics; shared like the sellers'")
    .option("--purpose <text>", "what the result is for, where a seller's terms ask")
    .addOption(
      new Option(
        "--max-price <amount>",
        "do not pay more than this, such as 0.1eth; a plain number where the offers are priced in a token",
      ).argParser(parseMoney),
    )
    .addOption(
      new Option("--duration <seconds>", "time until the money can go back")
        .argParser(wholeNumber(60, 30 * 86400))
        .default(3600),
    )
    .option(
      "--credential <file>",
      "the word of an issuer that vouches for the buyer; may be given several times",
      collect(String),
    )
    .option("--dry-run", "check, plan and price the job, but do not pay")
    .option("--no-follow", "pay and leave; see buyer status and buyer result")
    .option("--accept", "accept a result that passes all checks at once")
    .option("--out <file>", "write the result to this file");
  return addDialectOptions(made).action(async (algorithm: string, options: RunOptions) => {
    await checkOutFile(options.out);
    const parameters = await parseJsonOption(options.params, "--params");
    const { findAlgorithm, parseParameters } = await import("../../../algorithms/catalog.ts");
    parseParameters(findAlgorithm(algorithm), parameters);
    const { readTable } = await import("../../data/csv.ts");
    const validation =
      options.validation === undefined ? undefined : await readTable(options.validation, dialectOf(options));
    const { readCredential } = await import("../../credentials.ts");
    const credentials = await Promise.all((options.credential ?? []).map(readCredential));
    await withBuyer(options, output, async (buyer, { reader, tokens }) => {
      const proposal = await buyer.propose({
        algorithm,
        parameters,
        offers: await Promise.all(options.offers.map((start) => reader.offerNamed(start))),
        ...(options.weights && { weights: options.weights }),
        ...(validation && { validation }),
        ...(options.purpose !== undefined && { purpose: options.purpose }),
        credentials,
      });
      const price = await tokens.show(proposal.amountWei, proposal.token);
      describeProposal(proposal, price, output);
      if (options.maxPrice !== undefined) {
        const most = amountIn(options.maxPrice, await tokens.of(proposal.token));
        if (proposal.amountWei > most) {
          const allowed = await tokens.show(most, proposal.token);
          throw new SymbolonError(
            "FUNDS_MISSING",
            `the job costs ${price}, more than the ${allowed} allowed`,
          );
        }
      }
      if (options.dryRun === true) {
        const { plan, token, amountWei, offers, identity } = proposal;
        output.result(
          {
            algorithm: identity,
            parameters: proposal.parameters,
            offers: offers.map((o) => o.offer),
            token,
            amountWei,
            plan,
            ranges: rangeReport(proposal.algorithm, proposal.shape, plan),
          },
          () => "nothing was paid",
        );
        return;
      }
      const funded = await buyer.fund(proposal, options.duration);
      output.note(`job ${funded.job} is funded  tx ${funded.txHash}`);
      if (!options.follow) {
        output.result(funded, () => `symbolon buyer status ${funded.job} shows how it goes`);
        return;
      }
      await follow(buyer, funded.job, output);
      let { file } = await buyer.result(funded.job);
      if (options.accept === true) {
        await buyer.accept(funded.job);
        ({ file } = await buyer.result(funded.job));
      } else output.note(`accept it with: symbolon buyer accept ${funded.job}`);
      await writeOutFile(options.out, file);
      output.result(file, () => describeResult(file, output));
    });
  });
}

/** Waits for the result and shows how the job gets on. */
async function follow(buyer: BuyerClient, job: string, output: Output): Promise<void> {
  const progress = output.progress(`job ${shortId(job)}`);
  const onView = ({ progress: report }: JobSummary): void => {
    if (report !== null) progress.update(report.done, report.total, report.phase);
  };
  await buyer.waitForResult(job, { onView }).finally(() => progress.stop());
}

function parseIds(text: string): string[] {
  return text.split(",").map((part) => parseId(part.trim()));
}

function parseWeights(text: string): number[] {
  return text.split(",").map((part) => {
    const weight = Number(part);
    if (part.trim() === "" || !Number.isFinite(weight) || weight <= 0) {
      throw new InvalidArgumentError("expected positive numbers, as 1,3,2");
    }
    return weight;
  });
}

function describeProposal(proposal: JobProposal, price: string, output: Output): void {
  const { algorithm, plan, identity, offers, shape } = proposal;
  const { rounds, bytes, openings } = plan.declaration;
  const rows = shape.inputs.reduce((sum, input) => sum + input.rows, 0);
  output.note(
    `${identity.id} ${identity.version} over ${offers.length} ${offers.length === 1 ? "offer" : "offers"}, ${rows} rows, costs ${price}`,
  );
  output.note(`${rounds} rounds, ${showBytes(bytes)} between the parties; ${openedWords(openings)}`);
  for (const line of rangeLines(rangeReport(algorithm, shape, plan))) output.note(line);
}

function openedWords(openings: Record<string, number>): string {
  const entries = Object.entries(openings);
  if (entries.length === 0) return "nothing is opened to them";
  return `opened to them: ${entries.map(([label, count]) => `${count} ${label}`).join(", ")}`;
}

function status(output: Output): Command {
  return addMarketOptions(command("status", "where a job stands", "symbolon buyer status 0x5c1e"))
    .argument("<job>", "its name, or the first digits of it", parseId)
    .action((start: string, options: MarketOptions) =>
      withConnection(options, output, async ({ reader, bridge, tokens }) => {
        const id = await reader.jobNamed(start);
        const job = await reader.job(id);
        // The chain decides; what the bridge adds is progress.
        const view = await bridge.job(id).catch(() => null);
        const { state, buyer, token, amountWei, deadlineSec, offers, windowEndSec } = job;
        const joins = view?.joins ?? [];
        const progress = view?.progress ?? null;
        const failures = view?.failures ?? [];
        const document = {
          job: id,
          state,
          buyer,
          token,
          amountWei,
          deadlineSec,
          windowEndSec,
          offers,
          joins,
          progress,
          failures,
        };
        const escrowed = await tokens.show(amountWei, token);
        output.result(document, () =>
          output.table(
            ["job", id],
            [
              ["state", state],
              ["buyer", buyer],
              ["escrowed", escrowed],
              ["offers", offers.map(shortId).join(", ")],
              ["deadline", new Date(deadlineSec * 1000).toISOString()],
              ["joined", joins.join(", ") || "nobody yet"],
              ["progress", progress === null ? "" : `${progress.phase} ${progress.done}/${progress.total}`],
              ...failures.map(({ point, reason }) => [`party ${point}`, reason]),
            ],
          ),
        );
      }),
    );
}

function result(output: Output): Command {
  return buyerCommand(
    "result",
    "fetch, check, decrypt and decode the result of a job",
    "symbolon buyer result 0x5c1e --keys buyer.keys.json --out model.json",
  )
    .argument("<job>", "its name, or the first digits of it", parseId)
    .option("--wait", "wait until the job has a result")
    .option("--out <file>", "write the result to this file")
    .action((start: string, options: AccountOptions & { wait?: boolean; out?: string }) =>
      withBuyer(options, output, async (buyer, { reader }) => {
        await checkOutFile(options.out);
        const id = await reader.jobNamed(start);
        if (options.wait === true) await follow(buyer, id, output);
        const { file } = await buyer.result(id);
        await writeOutFile(options.out, file);
        output.result(file, () => describeResult(file, output));
      }),
    );
}

function accept(output: Output): Command {
  return buyerCommand(
    "accept",
    "accept a result: sellers and operators are paid at once instead of after the challenge window",
    "symbolon buyer accept 0x5c1e --keys buyer.keys.json",
  )
    .argument("<job>", "its name, or the first digits of it", parseId)
    .option("--unread", "also when the result cannot be read: nothing of it can be disputed any more")
    .action((start: string, options: AccountOptions & { unread?: boolean }) =>
      withBuyer(options, output, async (buyer, { reader }, connection) => {
        const id = await reader.jobNamed(start);
        const { readResult } = await import("../../buyer/dispute.ts");
        if (options.unread !== true) await readResult(connection, id);
        const { txHash } = await buyer.accept(id);
        output.result({ job: id, txHash }, () => `job ${shortId(id)} is accepted  tx ${txHash}`);
      }),
    );
}

function refund(output: Output): Command {
  return buyerCommand(
    "refund",
    "take the money of a failed or expired job back",
    "symbolon buyer refund 0x5c1e --keys buyer.keys.json",
  )
    .argument("<job>", "its name, or the first digits of it", parseId)
    .action((start: string, options: AccountOptions) =>
      withBuyer(options, output, async (buyer, { reader }) => {
        const id = await reader.jobNamed(start);
        if ((await reader.jobState(id)) === "Refunded") {
          output.result(
            { job: id, state: "Refunded", txHash: null },
            () => `the money of job ${shortId(id)} is back already`,
          );
          return;
        }
        const { txHash } = await buyer.refund(id);
        output.result(
          { job: id, state: "Refunded", txHash },
          () => `the money of job ${shortId(id)} is back  tx ${txHash}`,
        );
      }),
    );
}

function dispute(output: Output): Command {
  return buyerCommand(
    "dispute",
    "check the result of a job, and prove on chain what is wrong with it: the money comes back",
    "symbolon buyer dispute 0x5c1e --keys buyer.keys.json",
  )
    .argument("<job>", "its name, or the first digits of it", parseId)
    .option(
      "--disclose",
      "ask on chain for a share that was not delivered: each operator can then put the result together",
    )
    .option("--out <file>", "write the result to this file, when there is one in the end")
    .addHelpText(
      "after",
      [
        "",
        "Shares that contradict each other are shown to the chain, with up to 64 numbers of the result around the",
        "contradiction. A share that was not delivered is asked for on chain, for a fee a chunk of 64 numbers; an",
        "operator that does not post it in time loses its bond.",
      ].join("\n"),
    )
    .action((start: string, options: AccountOptions & { disclose?: boolean; out?: string }) =>
      withBuyer(options, output, async (_buyer, { reader }, connection) => {
        await checkOutFile(options.out);
        const id = await reader.jobNamed(start);
        const { disputeResult } = await import("../../buyer/dispute-steps.ts");
        const end = await disputeResult(connection, id, {
          disclose: options.disclose === true,
          onStep: (line) => output.note(line),
        });
        if (end.result !== null) await writeOutFile(options.out, end.result.file);
        const { outcome, txHash } = end;
        const document = { job: id, outcome, txHash, result: end.result?.file ?? null };
        output.result(document, () => end.words);
      }),
    );
}

async function withBuyer(
  options: AccountOptions,
  output: Output,
  body: (buyer: BuyerClient, market: MarketConnection, connection: BuyerConnection) => Promise<void>,
): Promise<void> {
  const { account, resultKey } = await keysOf("buyer", options);
  await withConnection(options, output, (market) => {
    const connection = {
      ...{ bridge: market.bridge, market: market.as(account), buyer: account.address, resultKey },
    };
    return body(new BuyerClient(connection), market, connection);
  });
}
