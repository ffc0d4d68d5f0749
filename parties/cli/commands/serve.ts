/** `symbolon bridge` and `symbolon node`: the processes that run a market. */
import type { Command } from "commander";
import { Option } from "commander";
import { SymbolonError } from "../../../mpc/errors.ts";
import { command } from "../command.ts";
import { type KeyOptions, keysOf } from "../key-options.ts";
import type { Output } from "../output.ts";
import { untilStopped } from "../until-stopped.ts";

interface ServeOptions {
  config?: string;
  untilStdinEnds?: boolean;
}

/** For processes that start this one and want it to end with them, even when they are killed. */
const untilStdinEnds = () => new Option("--until-stdin-ends", "end when stdin does").hideHelp();

/** Loads a configuration; where `setting` is missing, says how else one comes by it. */
async function naming<T>(setting: string, way: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    if (!(error instanceof SymbolonError) || !error.message.includes(` ${setting}: `)) throw error;
    const { code, message, hint = "" } = error;
    throw new SymbolonError(code, message, { hint: `${way}; ${hint}`, cause: error });
  }
}

export function bridgeCommand(output: Output): Command {
  return command(
    "bridge",
    "run the bridge between chain, parties, sellers and buyers; logs go to stderr",
    "symbolon bridge --config bridge.json --keys bridge.keys.json",
  )
    .option("--config <file>", "JSON file; SYMBOLON_BRIDGE_... variables override its keys")
    .option("--keys <file>", "key file of the bridge, in place of a private key in the configuration")
    .option("--passphrase-file <file>", "its passphrase (or SYMBOLON_PASSPHRASE)")
    .addOption(untilStdinEnds())
    .action(async (options: ServeOptions & KeyOptions) => {
      const { loadBridgeConfig } = await import("../../../bridge/config.ts");
      const { startBridge } = await import("../../../bridge/server.ts");
      // Laid over the configuration like any other setting.
      const account =
        options.keys === undefined
          ? {}
          : { SYMBOLON_BRIDGE_PRIVATE_KEY: (await keysOf("bridge", options)).account.privateKey.hex() };
      const config = await naming("privateKey", "--keys FILE gives a key file in place of privateKey", () =>
        loadBridgeConfig(options.config, { ...process.env, ...account }),
      );
      const bridge = await startBridge({ config });
      output.result(
        { listening: bridge.url, pid: process.pid },
        () => `The bridge listens at ${bridge.url}.`,
      );
      await untilStopped(options.untilStdinEnds);
      await bridge.close();
    });
}

export function nodeCommand(output: Output): Command {
  return command("node", "run one compute party; logs go to stderr", "symbolon node --config node.json")
    .option("--config <file>", "JSON file; SYMBOLON_NODE_... variables override its keys")
    .addOption(untilStdinEnds())
    .action(async (options: ServeOptions) => {
      const { loadNodeConfig } = await import("../../compute/config.ts");
      const { startNode } = await import("../../compute/node.ts");
      const config = await naming(
        "keysFile",
        "`symbolon keys new operator` makes the file that keysFile names",
        () => loadNodeConfig(options.config),
      );
      const node = await startNode(config);
      output.result(
        { operator: node.operator, listening: node.endpoint, pid: process.pid },
        () => `The node of operator ${node.operator} listens at ${node.endpoint}.`,
      );
      await untilStopped(options.untilStdinEnds);
      await node.close();
    });
}
