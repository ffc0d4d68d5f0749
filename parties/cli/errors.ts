/**
 * How errors leave the command line: a message and a hint on stderr, or one JSON document on stdout, and the
 * exit status of the error's kind (see mpc/errors.ts).
 */
import { CommanderError } from "commander";
import { SymbolonError, toSymbolonError } from "../../mpc/errors.ts";
import type { Output } from "./output.ts";

/** Commander's ways of saying that the user asked for help or the version, which is no error. */
const harmless = new Set(["commander.helpDisplayed", "commander.version"]);

/** What a thrown value means for the command line; null when it is no error at all. */
export function asCliError(thrown: unknown): SymbolonError | null {
  if (thrown instanceof CommanderError) {
    if (harmless.has(thrown.code)) return null;
    const message =
      thrown.code === "commander.help" ? "a command is missing" : thrown.message.replace(/^error: /, "");
    return new SymbolonError("USAGE", message, { hint: "--help shows how each command is called" });
  }
  return toSymbolonError(thrown);
}

/** Reports an error and says with which status to exit. */
export function reportError(thrown: unknown, output: Output): number {
  const error = asCliError(thrown);
  if (error === null) return 0;
  if (output.json) output.result({ error }, () => "");
  else {
    output.note(`${output.colors.red("error")} ${error.code}: ${error.message}`);
    if (error.hint !== undefined) output.note(`  ${error.hint}`);
  }
  if (process.env.SYMBOLON_DEBUG === "1" && error.stack !== undefined) output.note(error.stack);
  return error.exitCode;
}
