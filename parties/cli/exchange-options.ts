/** What the commands of both sides of an exchange have in common: where the session lives. */
import type { Command } from "commander";
import { Option } from "commander";
import { Wallet } from "ethers";
import { ExchangeMarket } from "../../contracts/exchange.ts";
import type { ExchangeConnection } from "../exchange/connection.ts";
import { aloneIn } from "../exchange/folder-lock.ts";
import { openStore } from "../exchange/open-store.ts";
import { keysOf } from "./key-options.ts";
import {
  type AccountOptions,
  addKeyOptions,
  addMarketOptions,
  noteEstimate,
  withConnection,
} from "./market-options.ts";
import type { TokenBook } from "./money.ts";
import type { Output } from "./output.ts";

export interface ExchangeOptions extends AccountOptions {
  folder: string;
  store: string;
}

/** Adds `--keys`, the options of the market, `--folder` and `--store`. */
export function addExchangeOptions(made: Command, role: "seller" | "buyer"): Command {
  return addMarketOptions(addKeyOptions(made, role))
    .requiredOption("--folder <folder>", "where this side of the session is kept, secrets too")
    .addOption(
      new Option(
        "--store <place>",
        "the store that both sides reach: a folder, or the RPC address of an IPFS node (Kubo)",
      )
        .env("SYMBOLON_STORE")
        .makeOptionMandatory(),
    );
}

/** Whether a command changes something, and so has to be the only one in its folder, or only looks. */
export type FolderUse = "alone" | "looking";

/** Connects the account of `role` to the exchange; the gas of each call is shown before it is sent. */
export async function withExchange<T>(
  role: "seller" | "buyer",
  options: ExchangeOptions,
  use: FolderUse,
  output: Output,
  body: (connection: ExchangeConnection, tokens: TokenBook) => Promise<T>,
): Promise<T> {
  if (use === "alone") {
    return await aloneIn(options.folder, () => withExchange(role, options, "looking", output, body));
  }
  const { account } = await keysOf(role, options);
  return await withConnection(options, output, async ({ deployment, provider, tokens }) => {
    const wallet = new Wallet(account.privateKey.hex(), provider);
    const market = new ExchangeMarket(deployment.reviewExchange, wallet);
    market.onEstimate = (estimate) => noteEstimate(output, estimate);
    const { chainId, blockNumber } = deployment;
    const store = openStore(options.store);
    const connection = { market, account: account.address, chainId, fromBlock: blockNumber, store };
    return await body(connection, tokens);
  });
}
