/** `symbolon seller exchange`: sell a raw data set in a session of review and exchange. */
import { type Command, InvalidArgumentError } from "commander";
import { sampleCount } from "../../../contracts/exchange-commitments.ts";
import { counted } from "../../counted.ts";
import { lostBecause, type NextStep } from "../../exchange/next-step.ts";
import { command, group, wholeNumber } from "../command.ts";
import {
  answerWords,
  claimWords,
  describeMoney,
  describeNext,
  describeSession,
  describeWait,
  featuresWords,
  listSeats,
  nextDocument,
  sessionDocument,
  showTx,
  stepWords,
  withdrawWords,
} from "../describe-exchange.ts";
import { addDialectOptions, type DialectOptions, dialectOf } from "../dialect-options.ts";
import {
  addExchangeOptions,
  type ExchangeOptions,
  type FolderUse,
  withExchange,
} from "../exchange-options.ts";
import type { TokenBook } from "../money.ts";
import type { Output } from "../output.ts";
import { heardWhenInterrupted } from "../until-stopped.ts";

export function sellerExchangeCommands(output: Output): Command {
  return group(
    "exchange",
    "sell a raw data set in a session that a buyer opened; see docs/exchange.md",
    "symbolon seller exchange status --folder session --store store --keys seller.keys.json",
    [
      register(output),
      followed(output),
      features(output),
      answer(output),
      claim(output),
      withdraw(output),
      status(output),
    ],
  );
}

const rest = "--folder session --store store --keys seller.keys.json";

function exchangeCommand(name: string, summary: string, details = ""): Command {
  const example = `symbolon seller exchange ${name}${details} ${rest}`;
  return addExchangeOptions(command(name, summary, example), "seller");
}

async function provider(options: ExchangeOptions, output: Output, use: FolderUse = "alone") {
  const { ExchangeProvider } = await import("../../exchange/provider.ts");
  type Side = InstanceType<typeof ExchangeProvider>;
  return <T>(body: (side: Side, tokens: TokenBook) => Promise<T>): Promise<T> =>
    withExchange("seller", options, use, output, (connection, tokens) =>
      body(new ExchangeProvider(connection, options.folder), tokens),
    );
}

/** The result of a step, with what is next and by when. */
async function report(
  side: { status(): Promise<{ next: NextStep | null }> },
  output: Output,
  document: object,
  words: () => string,
): Promise<void> {
  const { next } = await side.status();
  output.result({ ...document, next: nextDocument("seller", next) }, () =>
    [words(), describeNext("seller", next)].join("\n"),
  );
}

interface RegisterOptions extends ExchangeOptions, DialectOptions {
  data: string;
}

function register(output: Output): Command {
  const made = exchangeCommand(
    "register",
    "encrypt a CSV file in shards, deposit, and register it; nothing of it leaves this machine yet",
    " 0x1f... --data patients.csv",
  )
    .argument("<session>", "its id", parseSession)
    .requiredOption("--data <file>", "the rows to sell, with the session's columns");
  return addDialectOptions(made).action(async (session: string, options: RegisterOptions) => {
    const { readTable } = await import("../../data/csv.ts");
    const table = await readTable(options.data, dialectOf(options));
    const { seatName } = await import("../../exchange/session.ts");
    const as = await provider(options, output);
    await as(async (side, tokens) => {
      const { record, documents } = await side.look(session);
      const { description, extractor } = documents;
      const money = await describeMoney(record.request, tokens);
      output.note(
        `${description.title}: ${money}; a sampled data set's labels and ${extractor.lastLayer.length} features a row of ${description.schema.columns.length} columns go to the buyer before any pay`,
      );
      const { seat, rows, txHash } = await side.register(session, table);
      const others = record.seats.filter(
        (each) => each.provider === seat.provider && each.seat !== seat.seat,
      );
      if (others.length > 0) {
        output.note(
          `this account has registered another data set in this session${listSeats(others)}: of each account one is sampled`,
        );
      }
      const { shardCount } = seat.commitment;
      const sampledShards = sampleCount(shardCount, record.request.shardsPerSample);
      await report(
        side,
        output,
        {
          session,
          seat: seatName(seat.seat),
          rows,
          shards: shardCount,
          sampledShards,
          shardRoot: seat.commitment.shardRoot,
          txHash,
        },
        () =>
          [
            `${counted(rows, "row")} in ${counted(shardCount, "shard")} registered as seat ${seatName(seat.seat)}${showTx(txHash)}`,
            `a review would open ${counted(sampledShards, "shard")}`,
          ].join("\n"),
      );
    });
  });
}

function followed(output: Output): Command {
  return exchangeCommand(
    "follow",
    "once registered: do each step when it is due, until the session is over for the data set",
  )
    .option("--poll <seconds>", "how often to look", wholeNumber(1, 3600), 15)
    .addHelpText(
      "after",
      [
        "",
        "It delivers when the buyer has sampled, answers a review, claims as the winner and withdraws what is owed.",
        "It can be interrupted and given again at any time; while it does not run, nothing is done.",
      ].join("\n"),
    )
    .action(async (options: ExchangeOptions & { poll: number }) => {
      const { follow } = await import("../../exchange/follow.ts");
      const as = await provider(options, output);
      await as(async (side, tokens) => {
        const say = (words: string) => output.note(`${new Date().toISOString()} ${words}`);
        say("follows this session; it may be interrupted, and the same command goes on");
        const end = await heardWhenInterrupted(
          () => say("nothing is done from now on; to go on, give the same command again"),
          () =>
            follow(side, {
              pollMs: options.poll * 1000,
              onDone: async (step) => say(await stepWords(step, tokens)),
              onWait: (next) => say(describeWait(next)),
              onTrouble: ({ code, message, hint }) => {
                const advice = hint === undefined ? "" : `; ${hint}`;
                say(`${code}: ${message}${advice}; it is tried again`);
              },
              onRecovered: () => say("the trouble is over"),
            }),
        );
        const { lost = null } = end;
        const steps = end.steps.map(({ command, result }) => ({ command, ...result }));
        output.result({ steps, lost, next: null }, () => {
          const commands = steps.map((step) => step.command).join(", ");
          const words = steps.length === 0 ? "nothing was left to do" : `done: ${commands}`;
          const loss = lost === null ? [] : [`the deposit is the buyer's: ${lost}`];
          return [words, ...loss, describeNext("seller", null)].join("\n");
        });
      });
    });
}

function features(output: Output): Command {
  return exchangeCommand(
    "features",
    "once sampled: deliver encrypted shards and features, sealed to the buyer, and state their root on chain",
  ).action(async (options: ExchangeOptions) => {
    const as = await provider(options, output);
    await as(async (side) => {
      const delivery = await side.features();
      const { featuresRoot, delivered, txHash } = delivery;
      await report(side, output, { featuresRoot, delivered, txHash }, () => featuresWords(delivery));
    });
  });
}

function answer(output: Output): Command {
  return exchangeCommand("answer", "open the sampled shards for a review that the buyer asked").action(
    async (options: ExchangeOptions) => {
      const as = await provider(options, output);
      await as(async (side) => {
        const opened = await side.answer();
        await report(side, output, opened, () => answerWords(opened));
      });
    },
  );
}

function claim(output: Output): Command {
  return exchangeCommand("claim", "as the winner: reveal the master key, and be paid").action(
    async (options: ExchangeOptions) => {
      const as = await provider(options, output);
      await as(async (side, tokens) => {
        const paid = await side.claim();
        const words = await claimWords(paid, tokens);
        await report(side, output, paid, () => words);
      });
    },
  );
}

function withdraw(output: Output): Command {
  return exchangeCommand(
    "withdraw",
    "take back the deposit, and the compensation for an answered review, once the data set can go no further",
  ).action(async (options: ExchangeOptions) => {
    const as = await provider(options, output);
    await as(async (side, tokens) => {
      const paid = await side.withdraw();
      const words = await withdrawWords(paid, tokens);
      await report(side, output, paid, () => words);
    });
  });
}

function status(output: Output): Command {
  return exchangeCommand("status", "the session's phases, and how far the data set is in it").action(
    async (options: ExchangeOptions) => {
      const as = await provider(options, output, "looking");
      await as(async (side, tokens) => {
        const { record, seat, token, amountWei, next } = await side.status();
        const own = { state: seat?.state ?? null, heldWei: amountWei };
        const words = await describeSession(record, tokens, output);
        const held = await tokens.show(amountWei, token);
        const lost = seat === undefined ? undefined : lostBecause(record, seat);
        output.result({ ...sessionDocument(record), own, next: nextDocument("seller", next) }, () =>
          [
            words,
            `this data set: ${seat === undefined ? "not registered" : seat.state}${lost === undefined ? "" : `; its deposit is the buyer's: ${lost}`}${amountWei === 0n ? "" : `; the seat holds ${held} that can be withdrawn`}`,
            describeNext("seller", next),
          ].join("\n"),
        );
      });
    },
  );
}

function parseSession(text: string): string {
  if (!/^0x[0-9a-fA-F]{64}$/.test(text)) {
    throw new InvalidArgumentError("expected a session's id: 0x and 64 hexadecimal digits");
  }
  return text.toLowerCase();
}
