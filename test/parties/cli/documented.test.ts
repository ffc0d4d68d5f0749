/** The commands of the guide to operating a market: they exist, with their options, and start from where it says. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { expect, test } from "vitest";
import { Output } from "../../../parties/cli/output.ts";
import { buildProgram } from "../../../parties/cli/program.ts";

const root = join(import.meta.dirname, "..", "..", "..");
const guide = readFileSync(join(root, "docs", "operating.md"), "utf8");
const lines = [...guide.matchAll(/^```sh\n(.*?)^```/gms)].flatMap(([, block]) => block!.trim().split("\n"));
const commands = lines.flatMap((line) => /^npx symbolon (.*)$/.exec(line)?.[1] ?? []);

/** The command that a line names, the words that lead to it taken off. */
function commandOf(words: string[]): Command {
  let found: Command = buildProgram(new Output(false));
  for (const word of words) {
    const next = found.commands.find((command) => command.name() === word);
    if (next === undefined) break;
    found = next;
  }
  return found;
}

test.each(commands)("symbolon %s", (line) => {
  const words = line.split(" ");
  const command = commandOf(words);
  expect(command.commands, `${line} names no command`).toEqual([]);
  const options = words.filter((word) => word.startsWith("--"));
  const known = command.options.map(({ long }) => long);
  expect(known).toEqual(expect.arrayContaining(options));
  for (const { long, mandatory } of command.options) if (mandatory) expect(options).toContain(long);
});

test("an offer names its operator set: with a second set in the market it has to", () => {
  const walkThrough = commands.filter((line) => line.startsWith("seller offer") && line.includes("--schema"));
  expect(walkThrough).toHaveLength(1);
  expect(walkThrough[0]).toContain(" --set 0xSET ");
});

test("what is started without npx is found from the folder of the market", () => {
  const started = guide.match(/\S*main\.ts\b/g) ?? [];
  expect(started.length).toBeGreaterThan(0);
  for (const path of started) expect(existsSync(join(root, "market", path)), path).toBe(true);
  for (const [, node] of guide.matchAll(/(\S*node)(?: --\S+)* \S*main\.ts/g)) {
    expect(node!.replace("`", "")).toBe("../node_modules/.bin/node");
  }
});
