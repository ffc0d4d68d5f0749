import type { Command } from "commander";
import { describe, expect, it } from "vitest";
import { findAlgorithm } from "../../../algorithms/catalog.ts";
import { Output } from "../../../parties/cli/output.ts";
import { buildProgram } from "../../../parties/cli/program.ts";

/** Every command with its full name. */
function walk(command: Command, name: string): { name: string; command: Command }[] {
  const own = { name, command };
  return [own, ...command.commands.flatMap((sub) => walk(sub, `${name} ${sub.name()}`))];
}

function helpOf(command: Command): string {
  let text = "";
  command.configureOutput({
    writeOut: (part) => {
      text += part;
    },
  });
  command.outputHelp();
  return text;
}

const all = walk(buildProgram(new Output(false)), "symbolon");
const leaves = all.filter(({ command }) => command.commands.length === 0);

describe("the tree of commands", () => {
  it.each(all)("$name has help with an example", ({ command }) => {
    expect(helpOf(command)).toMatch(/\nExample:\n {2}\$ \S/);
  });

  it.each(leaves)("$name takes --json, and its example calls it", ({ name, command }) => {
    expect(command.options.some(({ long }) => long === "--json")).toBe(true);
    expect(helpOf(command)).toContain(`$ ${name}`);
  });

  it("says how updates are written wherever their files are asked for", () => {
    const form = '[...] or { "rows": n, "update": [...] }';
    const local = leaves.find(({ name }) => name === "symbolon local")!.command;
    expect(helpOf(local).replace(/\s+/g, " ")).toContain(form);
    expect(findAlgorithm("gradient-aggregation").manifest.input.description).toContain(form);
  });

  it("has the commands that people and scripts rely on", () => {
    const names = leaves.map(({ name }) => name.replace(/^symbolon /, ""));
    expect(names).toEqual(
      expect.arrayContaining([
        "demo",
        "local",
        "chain",
        "deploy",
        "bridge",
        "node",
        "keys new",
        "operator register",
        "operator approve",
        "operator revoke",
        "operator status",
        "operator claim",
        "operator withdraw-bond",
        "seller offer",
        "seller offers",
        "seller relist",
        "seller withdraw-offer",
        "seller earnings",
        "seller claim",
        "buyer browse",
        "buyer jobs",
        "buyer run",
        "buyer status",
        "buyer result",
        "buyer accept",
        "buyer refund",
        ...["open", "sample", "score", "accuse", "review", "choose", "collect", "close", "status"].map(
          (name) => `buyer exchange ${name}`,
        ),
        ...["register", "features", "answer", "claim", "withdraw", "status"].map(
          (name) => `seller exchange ${name}`,
        ),
        "algorithms list",
        "algorithms show",
        "bundle",
        "verify",
      ]),
    );
  });
});
