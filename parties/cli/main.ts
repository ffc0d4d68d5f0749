#!/usr/bin/env node
import { reportError } from "./errors.ts";
import { Output } from "./output.ts";
/** The `symbolon` command. */
import { buildProgram } from "./program.ts";

// A reader that has seen enough (`| head`) is no reason for a stack trace.
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));

const args = process.argv.slice(2);
// Known before the arguments are parsed: an error in them is to be reported in the form that was asked for.
const separator = args.indexOf("--");
const json = (separator < 0 ? args : args.slice(0, separator)).includes("--json");
const output = new Output(json);
try {
  await buildProgram(output).parseAsync(args, { from: "user" });
} catch (thrown) {
  process.exitCode = reportError(thrown, output);
}
