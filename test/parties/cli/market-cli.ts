/** The command line on a market in this process, with key files for its accounts. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createKeys, saveKeys } from "../../../parties/keys.ts";
import type { MarketWorld } from "../compute/market-world.ts";
import { runInProcess } from "./in-process.ts";
import type { CliRun } from "./run-cli.ts";

export interface MarketCli {
  /** The options that lead to the market. */
  market: string[];
  /** Runs a line of words with them; an `@` before a file's name means the market's folder. */
  run(line: string): Promise<CliRun>;
  /** The same with --json: its status and its document. */
  json(line: string): Promise<{ status: number; document: ReturnType<typeof JSON.parse> }>;
  file(name: string): string;
}

/** @param accounts of the development chain by the names of their key files; buyers have the world's result key */
export async function marketCli(
  world: MarketWorld,
  accounts: Readonly<Record<string, { role: "seller" | "buyer"; account: string }>>,
): Promise<MarketCli> {
  const file = (name: string): string => join(world.folder, name);
  await writeFile(file("deployment.json"), JSON.stringify(world.deployment));
  for (const [name, { role, account: address }] of Object.entries(accounts)) {
    const account = world.chain.accounts.find((each) => each.address === address)!.privateKey;
    const resultKey = world.resultKey.privateKey.hex();
    await saveKeys(createKeys(role, { account, ...(role === "buyer" && { resultKey }) }), file(name));
  }
  const market = [
    ...["--rpc", world.chain.url, "--bridge", world.bridge.url],
    ...["--deployment", file("deployment.json")],
  ];
  const run = (line: string): Promise<CliRun> => {
    const words = line.split(" ").map((word) => (word.startsWith("@") ? file(word.slice(1)) : word));
    return runInProcess([...words, ...market]);
  };
  return {
    ...{ market, run, file },
    json: async (line) => {
      const { status, stdout } = await run(`${line} --json`);
      return { status, document: JSON.parse(stdout) };
    },
  };
}
