/** `symbolon buyer exchange`: buy the best of several raw data sets in a session of review and exchange. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { ether } from "../../../contracts/tokens.ts";
import { SymbolonError } from "../../../mpc/errors.ts";
import { counted } from "../../counted.ts";
import type { NextStep } from "../../exchange/next-step.ts";
import { showTime } from "../../exchange/phases.ts";
import { type Ranking, rankings } from "../../exchange/scoring.ts";
import { seatName } from "../../exchange/session.ts";
import { command, group, wholeNumber } from "../command.ts";
import {
  describeNext,
  describeSession,
  listSeats,
  nextDocument,
  reviewDocument,
  reviewTable,
  scoreDocument,
  scoreTable,
  seatNames,
  sessionDocument,
  showTx,
} from "../describe-exchange.ts";
import { addDialectOptions, type DialectOptions, dialectOf } from "../dialect-options.ts";
import { addExchangeOptions, type ExchangeOptions, withExchange } from "../exchange-options.ts";
import { amountIn, type Money, parseAccount, parseMoney, type TokenBook } from "../money.ts";
import { checkOutFile } from "../out-file.ts";
import type { Output } from "../output.ts";

export function buyerExchangeCommands(output: Output): Command {
  return group(
    "exchange",
    "buy the best of several raw data sets, seen through features and samples; see docs/exchange.md",
    "symbolon buyer exchange status --folder session --store store --keys buyer.keys.json",
    [
      open(output),
      sample(output),
      score(output),
      accuse(output),
      review(output),
      choose(output),
      collect(output),
      close(output),
      status(output),
    ],
  );
}

const rest = "--folder session --store store --keys buyer.keys.json";

function exchangeCommand(name: string, summary: string, details = ""): Command {
  const example = `symbolon buyer exchange ${name}${details} ${rest}`;
  return addExchangeOptions(command(name, summary, example), "buyer");
}

async function collector(options: ExchangeOptions, output: Output) {
  const { ExchangeCollector } = await import("../../exchange/collector.ts");
  type Side = InstanceType<typeof ExchangeCollector>;
  return <T>(body: (side: Side, tokens: TokenBook) => Promise<T>): Promise<T> =>
    withExchange("buyer", options, output, (connection, tokens) =>
      body(new ExchangeCollector(connection, options.folder), tokens),
    );
}

/** The result of a step, with what is next and by when. */
async function report(
  side: { status(): Promise<{ next: NextStep | null }> },
  output: Output,
  document: object,
  words: () => string[],
): Promise<void> {
  const { next } = await side.status();
  output.result({ ...document, next: nextDocument("buyer", next) }, () =>
    [...words(), describeNext("buyer", next)].join("\n"),
  );
}

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

function open(output: Output): Command {
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

function sample(output: Output): Command {
  return exchangeCommand("sample", "sample the registered data sets, one of each seller").action(
    async (options: ExchangeOptions) => {
      const as = await collector(options, output);
      await as(async (side) => {
        const { sampled, leftOut, txHashes } = await side.sample();
        const document = { sampled: seatNames(sampled), leftOut: seatNames(leftOut), txHashes };
        const already = txHashes.length === 0 ? " already" : "";
        await report(side, output, document, () => [
          `sampled ${counted(sampled.length, "data set")}${already}${listSeats(sampled)}`,
          ...(leftOut.length > 0
            ? [`left out, as further ones of the same seller${listSeats(leftOut)}`]
            : []),
        ]);
      });
    },
  );
}

interface RankOptions {
  by?: Ranking;
}

function addRanking(made: Command): Command {
  return made.addOption(
    new Option("--by <measure>", "what the order goes by").choices([...rankings]).default(rankings[0]),
  );
}

function score(output: Output): Command {
  const made = addRanking(
    exchangeCommand(
      "score",
      "fetch what was delivered, train on each seller's features, and test on the own rows",
      " --validation own.csv",
    ).requiredOption("--validation <file>", "the rows that the session was opened with"),
  );
  return addDialectOptions(made).action(
    async (options: ExchangeOptions & DialectOptions & RankOptions & { validation: string }) => {
      const { readTable } = await import("../../data/csv.ts");
      const validation = await readTable(options.validation, dialectOf(options));
      const as = await collector(options, output);
      await as(async (side) => {
        const { seats } = await side.score(validation);
        const ranking = await side.ranking(options.by);
        const refused = seats.flatMap(({ seat, result: { problem } }) =>
          problem === undefined ? [] : [{ seat: seatName(seat.seat), problem }],
        );
        await report(side, output, { ranking: ranking.map(scoreDocument), refused }, () => [
          scoreTable(ranking, output),
          ...refused.map(({ seat, problem }) => `${seat}: no score, ${problem.code}: ${problem.message}`),
        ]);
      });
    },
  );
}

function accuse(output: Output): Command {
  return exchangeCommand(
    "accuse",
    "say on chain that sampled sellers without a score delivered nothing: they put the features on chain or lose the deposit",
  ).action(async (options: ExchangeOptions) => {
    const as = await collector(options, output);
    await as(async (side) => {
      const { accused, txHashes } = await side.accuse();
      await report(side, output, { accused: seatNames(accused), txHashes }, () => {
        if (accused.length === 0) return ["nobody is accused: every sampled data set has a score"];
        const already = txHashes.length === 0 ? " already" : "";
        return [`${accused.length} accused${already}${listSeats(accused)}`];
      });
    });
  });
}

function review(output: Output): Command {
  return addRanking(exchangeCommand("review", "ask the best sellers to open their samples", " --top 3"))
    .addOption(whole("--top <count>", "so many of the ranking", 1, 1000).default(3))
    .action(async (options: ExchangeOptions & RankOptions & { top: number }) => {
      const as = await collector(options, output);
      await as(async (side) => {
        const { asked, txHashes } = await side.review(options.top, options.by);
        const already = txHashes.length === 0 ? " already" : "";
        await report(side, output, { asked: asked.map(scoreDocument), txHashes }, () => [
          `asked ${asked.length} for their samples${already}`,
          scoreTable(asked, output),
        ]);
      });
    });
}

interface ChooseOptions extends ExchangeOptions, RankOptions {
  minAgreement: number;
  dryRun?: boolean;
}

function choose(output: Output): Command {
  return addRanking(
    exchangeCommand("choose", "look at the opened samples and name the best that passes the winner"),
  )
    .addOption(
      new Option(
        "--min-agreement <percent>",
        "of the reviewed labels, with which the own private model must agree",
      )
        .argParser(percent)
        .default(0),
    )
    .option("--dry-run", "look at the samples and name nobody")
    .action(async (options: ChooseOptions) => {
      const as = await collector(options, output);
      await as(async (side) => {
        if (options.dryRun === true) {
          const reviews = await side.reviews(options.by);
          await report(side, output, { winner: null, reviews: reviews.map(reviewDocument) }, () => [
            reviewTable(reviews, output),
          ]);
          return;
        }
        const chosen = await side.choose({ by: options.by, minAgreement: options.minAgreement / 100 });
        const winner = seatName(chosen.winner.seat);
        const { reviews, txHash } = chosen;
        await report(side, output, { winner, reviews: reviews.map(reviewDocument), txHash }, () => [
          reviewTable(reviews, output),
          `the winner is ${winner}${showTx(txHash)}`,
        ]);
      });
    });
}

function collect(output: Output): Command {
  return exchangeCommand(
    "collect",
    "after the winner's claim: decrypt the data set and write it as CSV",
    " --out bought.csv",
  )
    .requiredOption("--out <file>", "file to write; it must not exist, but with these very rows")
    .action(async (options: ExchangeOptions & { out: string }) => {
      await checkOutFile(options.out);
      const { writeRows } = await import("../../exchange/rows-file.ts");
      const as = await collector(options, output);
      await as(async (side) => {
        const { seat, schema, shards, problems } = await side.collect();
        await writeRows(options.out, shards, schema);
        const rows = shards.reduce((sum, shard) => sum + shard.rows, 0);
        if (problems.length > 0) {
          const shown = problems.slice(0, 5).map(({ shard, message }) => `shard ${shard}: ${message}`);
          throw new SymbolonError(
            "COMMITMENT_MISMATCH",
            `${problems.length} of ${seat.commitment.shardCount} shards are not what was committed; ${shown.join("; ")}`,
            { hint: `the ${rows} rows of the others are in ${options.out}` },
          );
        }
        const document = { seat: seatName(seat.seat), rows, file: options.out };
        await report(side, output, document, () => [`${counted(rows, "row")} in ${options.out}`]);
      });
    });
}

function close(output: Output): Command {
  return exchangeCommand(
    "close",
    "take back what nobody is owed: the reward when nobody was paid, and deposits that were forfeited",
  ).action(async (options: ExchangeOptions) => {
    const as = await collector(options, output);
    await as(async (side) => {
      const { forfeited, closed, txHashes } = await side.close();
      const already = txHashes.length === 0 ? " already" : "";
      await report(side, output, { forfeited: seatNames(forfeited), closed, txHashes }, () => [
        ...(forfeited.length > 0 ? [`deposits forfeited${already}${listSeats(forfeited)}`] : []),
        ...(closed ? [`the session is closed${already}, and the rest of the reward is back`] : []),
      ]);
    });
  });
}

function status(output: Output): Command {
  return exchangeCommand("status", "the session's phases and data sets, with the scores so far").action(
    async (options: ExchangeOptions) => {
      const as = await collector(options, output);
      await as(async (side, tokens) => {
        const { record, ranking, next } = await side.status();
        const words = await describeSession(record, tokens, output);
        const document = { ...sessionDocument(record), ranking: ranking.map(scoreDocument) };
        output.result({ ...document, next: nextDocument("buyer", next) }, () =>
          [
            words,
            ...(ranking.length > 0 ? [scoreTable(ranking, output)] : []),
            describeNext("buyer", next),
          ].join("\n"),
        );
      });
    },
  );
}

function whole(flags: string, description: string, low: number, high: number): Option {
  return new Option(flags, description).argParser(wholeNumber(low, high));
}

function parseTitle(text: string): string {
  if (text.length < 1 || text.length > 200 || /\p{C}/u.test(text)) {
    throw new InvalidArgumentError("expected 1 to 200 printable characters");
  }
  return text;
}

/** 0 to 100 with at most two decimals: hundredths of a percent are what the chain counts in. */
function percent(text: string): number {
  const value = Number(text);
  if (!/^\d+(\.\d{1,2})?$/.test(text) || value > 100) {
    throw new InvalidArgumentError("expected a percentage from 0 to 100 with at most two decimals");
  }
  return value;
}
