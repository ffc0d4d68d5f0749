/**
 * Runs the bridge as a process: `node bridge/server.ts [--config FILE]`. When it listens, it writes one JSON
 * line with its address to stdout; everything else goes to the log on stderr.
 */
import { parseArgs } from "node:util";
import { SymbolonError, toSymbolonError } from "../mpc/errors.ts";
import { type BridgeOptions, buildBridge } from "./app.ts";
import { EthereumChain } from "./chain/ethereum.ts";
import { loadBridgeConfig } from "./config.ts";
import type { BridgeApp } from "./routes/context.ts";

export interface RunningBridge {
  /** Base address, without a slash at the end. */
  url: string;
  app: BridgeApp;
  close(): Promise<void>;
}

/** Builds the bridge and listens on the configured host and port. @throws CONFIG_INVALID */
export async function startBridge(options: Omit<BridgeOptions, "chain">): Promise<RunningBridge> {
  const { host, port, deployment, rpcUrl, privateKey } = options.config;
  const chain = new EthereumChain({ deployment, rpcUrl, privateKey });
  const app = await buildBridge({ ...options, chain });
  try {
    await app.listen({ host, port });
  } catch (error) {
    await app.close();
    throw new SymbolonError("CONFIG_INVALID", `cannot listen on ${host} port ${port}`, {
      hint: "is the port taken, or the address not of this machine?",
      cause: error,
    });
  }
  const address = app.server.address();
  const boundPort = typeof address === "object" && address !== null ? address.port : port;
  const shownHost = host.includes(":") ? `[${host}]` : host;
  return { url: `http://${shownHost}:${boundPort}`, app, close: () => app.close() };
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { config: { type: "string" } } });
  const bridge = await startBridge({ config: await loadBridgeConfig(values.config) });
  process.stdout.write(`${JSON.stringify({ listening: bridge.url })}\n`);
  const stop = (): void => {
    bridge.close().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  };
  process.once("SIGINT", stop);
  process.once("SIGTERM", stop);
}

if (import.meta.main) {
  main().catch((thrown) => {
    const error = toSymbolonError(thrown);
    process.stderr.write(`${JSON.stringify({ error })}\n`);
    process.exit(error.exitCode);
  });
}
