/** `symbolon buyer exchange open`. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { ether } from "../../../contracts/tokens.ts";
import { showTime } from "../../exchange/phases.ts";
import { collector, exchangeCommand, percent, report, whole } from "../buyer-exchange-side.ts";
import { showTx } from "../describe-exchange.ts";
import { addDialectOptions, type DialectOptions, dialectOf } from "../dialect-options.ts";
import type { ExchangeOptions } from "../exchange-options.ts";
import { amountIn, type Money, parseAccount, parseMoney } from "../money.ts";
import type { Output } from "../output.ts";

interface OpenOptions extends ExchangeOptions, DialectOptions {
  title: string;
  schema: string;
  validation: string;
  token?: string;
  reward: Money;
  deposit: Money;
  samplingShare: number;
  minShards: number;
  shardsPerSample: number;
  rowsPerShard: number;
  hidden: number;
  width?: number;
  phase: number;
  registerFor?: number;
  sampleFor?: number;
  featuresFor?: number;
  reviewFor?: number;
  answerFor?: number;
  chooseFor?: number;
  claimFor?: number;
}

const phaseOptions = [
  ["--register-for", "for registrations"],
  ["--sample-for", "for sampling; the delay before it counts"],
  ["--features-for", "for features"],
  ["--review-for", "for scores and reviews; its first half for accusations"],
  ["--answer-for", "for answers"],
  ["--choose-for", "for the choice"],
  ["--claim-for", "for the winner's claim"],
] as const;

export function open(output: Output): Command {
  const made = exchangeCommand(
    "open",
    "offer a reward for the best data set of some columns; the money is in escrow from then on",
    " --title Tumours --schema schema.json --validation own.csv --reward 1eth --deposit 0.1eth",
  )
    .addOption(
      new Option("--title <text>", "what the session is about; public")
        .argParser(parseTitle)
        .makeOptionMandatory(),
    )
    .requiredOption("--schema <file>", "columns with bounds, and the label; public")
    .requiredOption("--validation <file>", "own rows, by which data sets are scored; they stay here")
    .addOption(
      new Option("--reward <amount>", "for the best, such as 1eth")
        .argParser(parseMoney)
        .makeOptionMandatory(),
    )
    .addOption(new Option("--deposit <amount>", "of each seller").argParser(parseMoney).makeOptionMandatory())
    .addOption(
      new Option(
        "--token <address>",
        "ERC-20 token of reward and deposit, which are plain numbers then",
      ).argParser(parseAccount),
    )
    .addOption(
      new Option("--sampling-share <percent>", "of the reward, for each reviewed seller that does not win")
        .argParser(percent)
        .default(5),
    )
    .addOption(whole("--min-shards <count>", "fewest shards of a data set", 1, 2048).default(4))
    .addOption(
      whole(
        "--shards-per-sample <count>",
        "one shard is sampled out of each so many, out of more where that would be over 64 in all",
        1,
        2048,
      ).default(4),
    )
    .addOption(whole("--rows-per-shard <count>", "rows that one key opens", 1, 131_072).default(32))
    .addOption(whole("--hidden <units>", "size of the extractor's hidden layer", 2, 256).default(64))
    .addOption(whole("--width <count>", "features a row; half the columns by default, and at most", 1, 64))
    .addOption(whole("--phase <seconds>", "length of each phase", 60, 30 * 86_400).default(86_400));
  for (const [flag, what] of phaseOptions) {
    made.addOption(whole(`${flag} <seconds>`, `another length ${what}`, 60, 30 * 86_400));
  }
  return addDialectOptions(made).action(async (options: OpenOptions) => {
    const { loadSchema } = await import("../../data/schema.ts");
    const { readTable } = await import("../../data/csv.ts");
    const schema = await loadSchema(options.schema);
    const validation = await readTable(options.validation, dialectOf(options));
    const { phase } = options;
    const as = await collector(options, output);
    await as(async (side, tokens) => {
      const token = await tokens.of(options.token ?? ether.address);
      const { session, request, txHash } = await side.open({
        ...{ title: options.title, schema, validation, token: token.address },
        rewardWei: amountIn(options.reward, token),
        depositWei: amountIn(options.deposit, token),
        samplingBps: Math.round(options.samplingShare * 100),
        minShards: options.minShards,
        shardsPerSample: options.shardsPerSample,
        rowsPerShard: options.rowsPerShard,
        hidden: options.hidden,
        ...(options.width !== undefined && { width: options.width }),
        phases: {
          register: options.registerFor ?? phase,
          sample: options.sampleFor ?? phase,
          features: options.featuresFor ?? phase,
          review: options.reviewFor ?? phase,
          answer: options.answerFor ?? phase,
          optimal: options.chooseFor ?? phase,
          claim: options.claimFor ?? phase,
        },
      });
      const { extractorHash, descriptionHash, registerBySec } = request;
      const document = { session, registerBySec, extractorHash, descriptionHash, txHash };
      await report(side, output, document, () => [
        `session ${session} takes registrations until ${showTime(registerBySec)}${showTx(txHash)}`,
        `sellers need that id and the same store; description ${descriptionHash}`,
      ]);
    });
  });
}

function parseTitle(text: string): string {
  if (text.length < 1 || text.length > 200 || /\p{C}/u.test(text)) {
    throw new InvalidArgumentError("expected 1 to 200 printable characters");
  }
  return text;
}
