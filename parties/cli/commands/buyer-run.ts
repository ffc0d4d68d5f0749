/** `symbolon buyer run`: from an order to its result. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { rangeReport } from "../../../algorithms/range-report.ts";
import { SymbolonError } from "../../../mpc/errors.ts";
import type { JobProposal } from "../../buyer/proposal.ts";
import { withBuyer } from "../buyer-connection.ts";
import { collect, parseId, wholeNumber } from "../command.ts";
import { rangeLines } from "../describe-ranges.ts";
import { describeResult } from "../describe-result.ts";
import { addDialectOptions, type DialectOptions, dialectOf } from "../dialect-options.ts";
import { followToResult } from "../follow-job.ts";
import { parseJsonOption } from "../json-option.ts";
import { type AccountOptions, accountCommand } from "../market-options.ts";
import { amountIn, type Money, parseMoney } from "../money.ts";
import { checkOutFile, writeOutFile } from "../out-file.ts";
import { type Output, showBytes } from "../output.ts";
import { runnable } from "../runnable.ts";

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

export function run(output: Output): Command {
  const made = accountCommand(
    "buyer",
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
            { hint: "nothing was paid; allow more with --max-price, or use fewer or cheaper offers" },
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
        output.result(funded, () =>
          runnable(`to see how it goes: symbolon buyer status ${funded.job}`, options),
        );
        return;
      }
      let { file } = await followToResult(buyer, funded.job, output, options);
      if (options.accept === true) {
        await buyer.accept(funded.job);
        ({ file } = await buyer.result(funded.job));
      } else output.note(runnable(`accept it with: symbolon buyer accept ${funded.job}`, options));
      await writeOutFile(options.out, file);
      output.result(file, () => describeResult(file, output, options.out));
    });
  });
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
