/** The tree of commands. Each file of `commands/` makes one group or command; what they need loads when they run. */
import { Command } from "commander";
import manifest from "../../package.json" with { type: "json" };
import { jsonAnywhere } from "./command.ts";
import { algorithmCommands } from "./commands/algorithms.ts";
import { buyerCommands } from "./commands/buyer.ts";
import { chainCommand, deployCommand } from "./commands/chain.ts";
import { demoCommand } from "./commands/demo.ts";
import { keyCommands } from "./commands/keys.ts";
import { localCommand } from "./commands/local.ts";
import { operatorCommands } from "./commands/operator.ts";
import { sellerCommands } from "./commands/seller.ts";
import { bridgeCommand, nodeCommand } from "./commands/serve.ts";
import { bundleCommand, verifyCommand } from "./commands/verify.ts";
import type { Output } from "./output.ts";

export function buildProgram(output: Output): Command {
  const program = jsonAnywhere(new Command("symbolon"))
    .description(manifest.description)
    .version(manifest.version)
    .helpCommand(false)
    .exitOverride()
    .configureOutput({ outputError: () => {} })
    .addHelpText("after", "\nExample:\n  $ npx symbolon demo");
  const commands = [
    demoCommand(output),
    localCommand(output),
    chainCommand(output),
    deployCommand(output),
    bridgeCommand(output),
    nodeCommand(output),
    keyCommands(output),
    operatorCommands(output),
    sellerCommands(output),
    buyerCommands(output),
    algorithmCommands(output),
    bundleCommand(output),
    verifyCommand(output),
  ];
  for (const made of commands) program.addCommand(made);
  return program;
}
