/** Runs `symbolon` within the test, for commands that need a market but no process of their own. */
import { PassThrough } from "node:stream";
import { reportError } from "../../../parties/cli/errors.ts";
import { Output } from "../../../parties/cli/output.ts";
import { buildProgram } from "../../../parties/cli/program.ts";
import type { CliRun } from "./run-cli.ts";

export async function runInProcess(args: readonly string[]): Promise<CliRun> {
  const stream = () => Object.assign(new PassThrough(), { isTTY: false, columns: 100 });
  const streams = { stdout: stream(), stderr: stream() };
  const text = (part: PassThrough): string => part.read()?.toString() ?? "";
  const output = new Output(args.includes("--json"), streams, {});
  const status = await buildProgram(output)
    .parseAsync([...args], { from: "user" })
    .then(
      () => 0,
      (thrown) => reportError(thrown, output),
    );
  return { status, stdout: text(streams.stdout), stderr: text(streams.stderr) };
}
