import { PassThrough } from "node:stream";
import { CommanderError } from "commander";
import { describe, expect, it } from "vitest";
import { SymbolonError } from "../../../mpc/errors.ts";
import { asCliError, reportError } from "../../../parties/cli/errors.ts";
import { Output, type OutputStreams, showBytes, showEther, showSpan } from "../../../parties/cli/output.ts";

interface Captured {
  streams: OutputStreams;
  out(): string;
  err(): string;
}

function capture(terminal = false): Captured {
  const stream = () => Object.assign(new PassThrough(), { isTTY: terminal, columns: 100 });
  const streams = { stdout: stream(), stderr: stream() };
  const text = (part: PassThrough) => () => part.read()?.toString() ?? "";
  return { streams, out: text(streams.stdout), err: text(streams.stderr) };
}

const escapeCode = String.fromCharCode(27);

describe("Output", () => {
  it("prints one JSON document on stdout and everything else on stderr with --json", () => {
    const { streams, out, err } = capture();
    const output = new Output(true, streams, {});
    output.say("a story");
    output.note("a remark");
    output.progress("training").update(1, 2);
    output.result({ amountWei: 10n ** 20n, list: [1] }, () => "words");
    expect(JSON.parse(out())).toEqual({ amountWei: "100000000000000000000", list: [1] });
    expect(err()).toBe("a story\na remark\n     training 1/2\n");
  });

  it("prints words and no colour where stdout is no terminal", () => {
    const { streams, out } = capture();
    const output = new Output(false, streams, {});
    output.result({}, () => output.table(["name", "value"], [["a", output.colors.red("1")]]));
    expect(out()).toBe("name  value\na     1\n");
  });

  it("colours on a terminal, but not with NO_COLOR", () => {
    expect(new Output(false, capture(true).streams, {}).colors.red("x")).toContain(escapeCode);
    expect(new Output(false, capture(true).streams, { NO_COLOR: "1" }).colors.red("x")).toBe("x");
  });

  it("shows progress in a line for each tenth, beginning again with a new phase", () => {
    const { streams, err } = capture();
    const progress = new Output(false, streams, {}).progress("job");
    for (let done = 0; done <= 100; done++) progress.update(done, 100, "training");
    progress.update(0, 1, "sealing");
    progress.stop();
    const lines = err().trimEnd().split("\n");
    expect(lines).toHaveLength(12);
    expect(lines[1]).toBe("     job: training 10/100");
    expect(lines[11]).toBe("     job: sealing");
  });

  it("draws a bar on a terminal, on stderr", () => {
    const { streams, out, err } = capture(true);
    const progress = new Output(false, streams, {}).progress("job");
    progress.update(1, 2);
    progress.stop();
    expect(out()).toBe("");
    expect(err()).toContain("1/2");
  });

  it.each([
    [0n, "0 ETH"],
    [1n, "1 wei"],
    [10n ** 18n, "1 ETH"],
    [36n * 10n ** 15n, "0.036 ETH"],
    [1234567890123456789n, "1.234567 ETH"],
  ])("shows %s wei as %s", (wei, text) => {
    expect(showEther(wei)).toBe(text);
  });

  it.each([
    [999, "999 B"],
    [1000, "1.00 kB"],
    [10_300_000, "10.3 MB"],
  ])("shows %s bytes as %s", (bytes, text) => {
    expect(showBytes(bytes)).toBe(text);
  });

  it.each([
    [1, "1 second"],
    [119, "119 seconds"],
    [121, "3 minutes"],
    [47 * 3600, "47 hours"],
    [30 * 86_400 + 1, "31 days"],
  ])("a span of %i s is %s", (seconds, text) => {
    expect(showSpan(seconds)).toBe(text);
  });
});

describe("errors on the command line", () => {
  it("gives code, message and hint as JSON, and the exit status of the kind", () => {
    const { streams, out } = capture();
    const error = new SymbolonError("FUNDS_MISSING", "too little", { hint: "send more" });
    expect(reportError(error, new Output(true, streams, {}))).toBe(3);
    expect(JSON.parse(out())).toEqual({
      error: { code: "FUNDS_MISSING", message: "too little", hint: "send more" },
    });
  });

  it("says in JSON that there is no hint, and never breaks a message into lines", () => {
    const { streams, out } = capture();
    reportError(new SymbolonError("USAGE", "no such option\n  (or is it?)\n"), new Output(true, streams, {}));
    expect(JSON.parse(out())).toEqual({
      error: { code: "USAGE", message: "no such option (or is it?)", hint: null },
    });
  });

  it("makes usage errors of commander's, but not of asking for help", () => {
    expect(
      asCliError(new CommanderError(1, "commander.unknownOption", "error: unknown option '--x'")),
    ).toMatchObject({
      code: "USAGE",
      message: "unknown option '--x'",
    });
    expect(asCliError(new CommanderError(0, "commander.helpDisplayed", "(outputHelp)"))).toBeNull();
  });

  it("exits 1 on a defect", () => {
    expect(reportError(new TypeError("x"), new Output(false, capture().streams, {}))).toBe(1);
  });
});
