/** What all commands have in common: an example in their help, `--json`, errors that are thrown. */
import { Command, InvalidArgumentError, Option } from "commander";

/** A command that throws instead of exiting. `example` is one or more lines as one would type them. */
export function command(name: string, summary: string, example: string): Command {
  const made = new Command(name).description(summary).exitOverride();
  made.configureOutput({ outputError: () => {} });
  made.option("--json", "print one JSON document on stdout");
  const lines = example.split("\n").map((line) => `  $ ${line}`);
  made.addHelpText("after", `\nExample:\n${lines.join("\n")}`);
  return made;
}

/** A group of commands; alone it shows its help and is a usage error. */
export function group(name: string, summary: string, example: string, commands: Command[]): Command {
  const made = new Command(name).description(summary).exitOverride();
  made.configureOutput({ outputError: () => {} });
  made.helpCommand(false);
  jsonAnywhere(made);
  made.addHelpText("after", `\nExample:\n  $ ${example}`);
  for (const sub of commands) made.addCommand(sub);
  return made;
}

/** Accepts `--json` before the name of a command too; whether it was given is known from the arguments. */
export function jsonAnywhere(made: Command): Command {
  return made.addOption(new Option("--json", "print one JSON document on stdout").hideHelp());
}

/** A number with its unit `eth`, `gwei` or `wei`, in wei. Without a unit, 1 would be next to nothing or a fortune. */
export function parseWei(text: string): bigint {
  const match = /^(\d+)(?:\.(\d+))?(eth|gwei|wei)$/i.exec(text.replaceAll("_", ""));
  const decimals = { eth: 18, gwei: 9, wei: 0 }[
    (match?.[3] ?? "eth").toLowerCase() as "eth" | "gwei" | "wei"
  ];
  const fraction = match?.[2] ?? "";
  if (match === null || fraction.length > decimals) {
    throw new InvalidArgumentError("expected an amount with its unit, such as 0.01eth, 5gwei or 1000wei");
  }
  return BigInt(match[1]! + fraction.padEnd(decimals, "0"));
}

/** A whole number from `low` to `high`. */
export function wholeNumber(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < low || value > high) {
      throw new InvalidArgumentError(`expected a whole number from ${low} to ${high}`);
    }
    return value;
  };
}

/** The name of a job, an offer or an operator set: a hash, or its first digits, which the chain completes. */
export function parseId(text: string): string {
  const digits = text.toLowerCase().replace(/^0x/, "");
  if (!/^[0-9a-f]{4,64}$/.test(digits)) {
    throw new InvalidArgumentError("expected a name such as 0x3fa9c20b, of 4 to 64 hexadecimal digits");
  }
  return `0x${digits}`;
}

/** Collects an option that may be given several times. */
export function collect<T>(parse: (text: string) => T): (text: string, before: T[] | undefined) => T[] {
  return (text, before = []) => [...before, parse(text)];
}
