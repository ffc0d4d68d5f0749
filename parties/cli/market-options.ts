/** How commands find a market: its contracts, a JSON-RPC endpoint, a bridge; and the account they act with. */
import { readFile } from "node:fs/promises";
import { type Command, Option } from "commander";
import { type JsonRpcProvider, Wallet } from "ethers";
import { BridgeClient, originOf, unreachableHint } from "../../bridge/client.ts";
import { type Deployment, deploymentSchema } from "../../contracts/deployment.ts";
import { Market } from "../../contracts/market.ts";
import { MarketReader } from "../../contracts/market-reader.ts";
import { connectProvider } from "../../contracts/provider.ts";
import { toChainError } from "../../contracts/revert-reasons.ts";
import type { GasEstimate } from "../../contracts/transactions.ts";
import { SymbolonError } from "../../mpc/errors.ts";
import type { AccountKey } from "../keys.ts";
import { unreadable } from "../unreadable.ts";
import { command } from "./command.ts";
import { defaultBridge, defaultRpc } from "./endpoints.ts";
import type { KeyOptions } from "./key-options.ts";
import { TokenBook } from "./money.ts";
import { type Output, showEther } from "./output.ts";
import { runnableHint } from "./runnable.ts";

export interface MarketOptions {
  rpc: string;
  bridge: string;
  deployment?: string;
}

/** Adds `--rpc`, `--bridge` and `--deployment`. */
export function addMarketOptions(made: Command): Command {
  return made
    .addOption(
      new Option("--rpc <url>", "JSON-RPC endpoint of the chain").env("SYMBOLON_RPC").default(defaultRpc),
    )
    .addOption(new Option("--bridge <url>", "the bridge").env("SYMBOLON_BRIDGE").default(defaultBridge))
    .addOption(
      deploymentOption(
        "where the contracts are, as `symbolon deploy` wrote it; without it the bridge is asked",
      ),
    );
}

function deploymentOption(description: string): Option {
  return new Option("--deployment <file>", description).env("SYMBOLON_DEPLOYMENT");
}

/** Adds `--keys` and `--passphrase-file`. */
export function addKeyOptions(made: Command, role: string): Command {
  return made
    .option("--keys <file>", `key file of the ${role} (or SYMBOLON_KEYS)`)
    .option("--passphrase-file <file>", "its passphrase (or SYMBOLON_PASSPHRASE)");
}

/** A command that acts on the market with the account of a key file. */
export function accountCommand(
  role: "seller" | "buyer",
  name: string,
  summary: string,
  example: string,
): Command {
  return addMarketOptions(addKeyOptions(command(name, summary, example), role));
}

export interface MarketConnection {
  deployment: Deployment;
  bridge: BridgeClient;
  provider: JsonRpcProvider;
  tokens: TokenBook;
  /** For reading. */
  reader: MarketReader;
  /** For acting with an account. */
  as(account: AccountKey): Market;
}

export type AccountOptions = MarketOptions & KeyOptions;

/**
 * Connects, runs `body` and disconnects.
 * @throws CONFIG_INVALID for a bad deployment or one on another chain; CHAIN_UNREACHABLE, BRIDGE_UNREACHABLE
 */
export async function withConnection<T>(
  options: MarketOptions & KeyOptions,
  output: Output,
  body: (connection: MarketConnection) => Promise<T>,
): Promise<T> {
  const bridge = new BridgeClient({ url: options.bridge });
  try {
    return await connected(options, bridge, output, body);
  } catch (error) {
    throw runnableHint(withAddress(error, options), options);
  }
}

async function connected<T>(
  options: MarketOptions,
  bridge: BridgeClient,
  output: Output,
  body: (connection: MarketConnection) => Promise<T>,
): Promise<T> {
  const deployment = await readDeployment(options, bridge, output);
  const provider = await connectProvider(options.rpc);
  try {
    const { chainId } = await provider.getNetwork();
    if (Number(chainId) !== deployment.chainId) {
      throw new SymbolonError(
        "CONFIG_INVALID",
        `the contracts are on chain ${deployment.chainId}, the endpoint is on chain ${chainId}`,
        { hint: "give the --rpc of the right chain" },
      );
    }
    await requireContracts(provider, deployment);
    return await body({
      deployment,
      bridge,
      provider,
      tokens: new TokenBook(provider),
      reader: new MarketReader(deployment, provider),
      as: ({ privateKey }) => {
        const market = new Market(deployment, new Wallet(privateKey.hex(), provider));
        market.onEstimate = (estimate) => noteEstimate(output, estimate);
        return market;
      },
    });
  } finally {
    provider.destroy();
  }
}

/** Logs of an address without code are none: a chain that is not the market's would look like an empty market. */
async function requireContracts(provider: JsonRpcProvider, { jobEscrow }: Deployment): Promise<void> {
  const code = await provider.getCode(jobEscrow).catch((error) => {
    throw toChainError(error);
  });
  if (code !== "0x") return;
  throw new SymbolonError(
    "CONFIG_INVALID",
    `there is no contract of this market at that address: the chain has nothing at the escrow's, ${jobEscrow}`,
    {
      hint: "check chain and addresses of the deployment; on a chain that was started anew, deploy again",
    },
  );
}

/** Says what a transaction takes before it is sent. */
export function noteEstimate(output: Output, { method, gas, mostWei }: GasEstimate): void {
  output.note(`${method}: about ${gas} gas, at most ${showEther(mostWei)}`);
}

/** Jobs by the first digits of their names; undefined stays, and means all. */
export async function jobsNamed(
  reader: MarketReader,
  starts: readonly string[] | undefined,
): Promise<string[] | undefined> {
  return starts && (await Promise.all(starts.map((start) => reader.jobNamed(start))));
}

/** Connects to the chain at `--rpc`. @throws CHAIN_UNREACHABLE */
export async function connectChain(rpc: string): Promise<JsonRpcProvider> {
  return await connectProvider(rpc).catch((error) => {
    throw withAddress(error, { rpc });
  });
}

const whereBridge = "is the bridge running there? --bridge URL or SYMBOLON_BRIDGE names another";

/** What the client of a bridge or chain does not know: which option says where they are. */
function withAddress(error: unknown, { rpc }: Pick<MarketOptions, "rpc">): unknown {
  if (!(error instanceof SymbolonError)) return error;
  const { code, message, stack } = error;
  if (code === "BRIDGE_UNREACHABLE" && message.startsWith("the bridge at ")) {
    return Object.assign(
      new SymbolonError(code, message, {
        // Whoever threw it may have added what can be done without the bridge.
        hint: (error.hint ?? unreachableHint).replace(unreachableHint, whereBridge),
        cause: error.cause,
      }),
      { stack },
    );
  }
  // An endpoint that does answer may be said to be unreachable too, when another transaction was faster.
  const endpoint = "the JSON-RPC endpoint ";
  if (code === "CHAIN_UNREACHABLE" && message.startsWith(endpoint)) {
    return Object.assign(
      new SymbolonError(code, `${endpoint}at ${originOf(rpc)} ${message.slice(endpoint.length)}`, {
        hint: "is a chain running there? --rpc URL or SYMBOLON_RPC names another",
        cause: error.cause,
      }),
      { stack },
    );
  }
  return error;
}

async function readDeployment(
  options: MarketOptions,
  bridge: BridgeClient,
  output: Output,
): Promise<Deployment> {
  if (options.deployment === undefined || options.deployment === "") {
    const named = await bridge.deployment().catch((error) => {
      if (!(error instanceof SymbolonError) || error.code !== "BRIDGE_UNREACHABLE") throw error;
      const { code, message, hint, cause } = error;
      throw new SymbolonError(code, message, {
        hint: `${hint}; or say with --deployment FILE where the contracts are`,
        cause,
      });
    });
    output.note(
      `Contracts as the bridge names them: escrow ${named.jobEscrow}, exchange ${named.reviewExchange}. Give --deployment FILE not to depend on its word.`,
    );
    return deploymentSchema.parse(named);
  }
  return await readDeploymentFile(options.deployment);
}

/** @throws CONFIG_INVALID */
async function readDeploymentFile(file: string): Promise<Deployment> {
  const text = await readFile(file, "utf8").catch((cause) => {
    throw new SymbolonError("CONFIG_INVALID", `the deployment file ${file} ${unreadable(cause)}`, { cause });
  });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new SymbolonError("CONFIG_INVALID", `the deployment file ${file} is not JSON`, { cause });
  }
  const parsed = deploymentSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new SymbolonError("CONFIG_INVALID", `${file} is not a deployment document`, {
    hint: "`symbolon deploy --out FILE` writes one",
  });
}
