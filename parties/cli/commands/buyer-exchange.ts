/** `symbolon buyer exchange`: buy the best of several raw data sets in a session of review and exchange. */
import { type Command, Option } from "commander";
import { SymbolonError } from "../../../mpc/errors.ts";
import { counted } from "../../counted.ts";
import { type Ranking, rankings } from "../../exchange/scoring.ts";
import { seatName } from "../../exchange/session.ts";
import { collector, exchangeCommand, percent, report, whole } from "../buyer-exchange-side.ts";
import { group } from "../command.ts";
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
import type { ExchangeOptions } from "../exchange-options.ts";
import { checkOutFile } from "../out-file.ts";
import type { Output } from "../output.ts";
import { open } from "./buyer-exchange-open.ts";

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
        await side.keepCollected();
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
      const as = await collector(options, output, "looking");
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
