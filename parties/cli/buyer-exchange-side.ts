/** What the commands of an exchange's buyer have in common. */
import { type Command, InvalidArgumentError, Option } from "commander";
import type { NextStep } from "../exchange/next-step.ts";
import { command, wholeNumber } from "./command.ts";
import { describeNext, nextDocument } from "./describe-exchange.ts";
import {
  addExchangeOptions,
  type ExchangeOptions,
  type FolderUse,
  withExchange,
} from "./exchange-options.ts";
import type { TokenBook } from "./money.ts";
import type { Output } from "./output.ts";

const rest = "--folder session --store store --keys buyer.keys.json";

/** A command about a session of the buyer. */
export function exchangeCommand(name: string, summary: string, details = ""): Command {
  const example = `symbolon buyer exchange ${name}${details} ${rest}`;
  return addExchangeOptions(command(name, summary, example), "buyer");
}

/** Runs bodies with the session in `--folder`. */
export async function collector(options: ExchangeOptions, output: Output, use: FolderUse = "alone") {
  const { ExchangeCollector } = await import("../exchange/collector.ts");
  type Side = InstanceType<typeof ExchangeCollector>;
  return <T>(body: (side: Side, tokens: TokenBook) => Promise<T>): Promise<T> =>
    withExchange("buyer", options, use, output, (connection, tokens) =>
      body(new ExchangeCollector(connection, options.folder), tokens),
    );
}

/** The result of a step, with what is next and by when. */
export async function report(
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

/** An option of a whole number. */
export function whole(flags: string, description: string, low: number, high: number): Option {
  return new Option(flags, description).argParser(wholeNumber(low, high));
}

/** 0 to 100 with at most two decimals: hundredths of a percent are what the chain counts in. */
export function percent(text: string): number {
  const value = Number(text);
  if (!/^\d+(\.\d{1,2})?$/.test(text) || value > 100) {
    throw new InvalidArgumentError("expected a percentage from 0 to 100 with at most two decimals");
  }
  return value;
}
