/**
 * A whole market on this machine: the development chain in this process, the bridge and three compute nodes as
 * processes of their own with their own keys and connections, three registered operators that run the wanted
 * algorithms. Keys and data lie in a folder that is removed at the end.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type JsonRpcProvider, parseEther, Wallet } from "ethers";
import { identify } from "../../algorithms/catalog.ts";
import type { Manifest } from "../../algorithms/manifest.ts";
import { BridgeClient } from "../../bridge/client.ts";
import type { BridgeConfigInput } from "../../bridge/config.ts";
import { buildContracts } from "../../contracts/build.ts";
import { operatorSetId } from "../../contracts/commitments.ts";
import { deployMarket } from "../../contracts/deploy.ts";
import type { Deployment } from "../../contracts/deployment.ts";
import { type DevChain, startDevChain } from "../../contracts/dev-chain.ts";
import { Market } from "../../contracts/market.ts";
import { MarketReader } from "../../contracts/market-reader.ts";
import { openProvider } from "../../contracts/provider.ts";
import { SymbolonError } from "../../mpc/errors.ts";
import { type PartyIndex, partyIndices } from "../../mpc/transport/transport.ts";
import { createKeys, type OperatorKeys, saveKeys } from "../keys.ts";
import { registrationOf } from "../registration.ts";
import { type Child, startChild } from "./child-process.ts";

export interface MarketOptions {
  /** What the operators approve. */
  algorithms: readonly Manifest[];
  /** Fee of each operator for a job. */
  feeWei?: bigint;
  /** How long a party waits for another's message; a vanished one shows sooner. */
  roundMs?: number;
  /** How long nodes wait for inputs and for each other to join and to connect. */
  patienceMs?: number;
  /** Rows of a job that a node keeps in memory, in bytes. */
  memoryBytes?: number;
  logLevel?: "info" | "debug" | "warn";
  onStep?: (step: string) => void;
  signal?: AbortSignal;
}

export interface LocalOperator {
  point: PartyIndex;
  keys: OperatorKeys;
  node: Child;
}

export interface LocalMarket {
  deployment: Deployment;
  operatorSet: string;
  /** By point. */
  operators: [LocalOperator, LocalOperator, LocalOperator];
  bridgeProcess: Child;
  bridge: BridgeClient;
  provider: JsonRpcProvider;
  /** The market on chain, for reading. */
  reader: MarketReader;
  rpcUrl: string;
  /** Private; removed at the end. */
  folder: string;
  /** A new account with ether. */
  fund(privateKey: string, ether?: string): Promise<Wallet>;
  /** The market as seen and acted in by an account. */
  as(wallet: Wallet): Market;
}

const readyTimeoutMs = 60_000;
/** On one machine whoever is not there after some seconds is gone, unless the data is large. */
const defaultPatienceMs = 20_000;
const unbondingSec = 3600;
const graceSec = 10;
const minBondWei = parseEther("0.1");
const defaultFeeWei = parseEther("0.002");

/**
 * Runs `body` in a market that is there for it alone, and takes everything down afterwards: processes by their
 * pids, the chain, the folder. SIGINT and SIGTERM end the body through `signal` first.
 */
export async function withMarket<T>(
  options: MarketOptions,
  body: (market: LocalMarket, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const interrupt = (): void =>
    controller.abort(new SymbolonError("RUN_ABORTED", "interrupted; the market was taken down"));
  process.on("SIGINT", interrupt);
  process.on("SIGTERM", interrupt);
  options.signal?.addEventListener("abort", () => controller.abort(options.signal?.reason), { once: true });
  const cleanUp: (() => Promise<unknown> | unknown)[] = [];
  try {
    const { signal } = controller;
    const market = await startMarket(options, signal, (action) => cleanUp.push(action));
    // Without the bridge nobody would hear of the job's end; a lost node is for the others to report.
    void market.bridgeProcess.ended.then(() =>
      controller.abort(new SymbolonError("BRIDGE_UNREACHABLE", "the bridge process has ended")),
    );
    const interrupted = new Promise<never>((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      if (signal.aborted) reject(signal.reason);
    });
    return await Promise.race([body(market, signal), interrupted]);
  } finally {
    process.off("SIGINT", interrupt);
    process.off("SIGTERM", interrupt);
    // Last made, first ended; one that fails does not keep the others.
    for (const action of cleanUp.reverse()) await Promise.resolve(action()).catch(() => undefined);
  }
}

async function startMarket(
  options: MarketOptions,
  signal: AbortSignal,
  atEnd: (action: () => Promise<unknown> | unknown) => void,
): Promise<LocalMarket> {
  const { onStep = () => {}, logLevel = "info", patienceMs = defaultPatienceMs } = options;
  const folder = await mkdtemp(join(tmpdir(), "symbolon-local-"));
  atEnd(() => rm(folder, { recursive: true, force: true }));
  onStep("building the contracts");
  await buildContracts();
  onStep("starting the chain");
  const chain = await startDevChain();
  atEnd(() => chain.close());
  const provider = openProvider(chain.url, 31337);
  atEnd(() => provider.destroy());
  const faucet = new Faucet(chain, provider);
  onStep("deploying the contracts");
  const deployment = await deployMarket(await faucet.fund(Wallet.createRandom().privateKey), {
    challengeWindowSec: 3600,
    minBondWei,
    unbondingSec,
    graceSec,
    challengeFeeWei: parseEther("0.001"),
    responseSec: 600,
  });
  signal.throwIfAborted();

  onStep("starting bridge and nodes");
  const operatorKeys = partyIndices.map(() => createKeys("operator"));
  const ports = await freePorts(partyIndices.length + 1);
  const bridgeUrl = `http://127.0.0.1:${ports[partyIndices.length]}`;
  const members = operatorKeys.map(({ owner }) => owner.address) as [string, string, string];
  const as = (wallet: Wallet): Market => new Market(deployment, wallet);
  // Registered before the nodes start: each looks itself up.
  await Promise.all(
    operatorKeys.map(async (keys, i) => {
      const market = as(await faucet.fund(keys.owner.privateKey.hex()));
      const node = { endpoint: `127.0.0.1:${ports[i]}`, feeWei: options.feeWei ?? defaultFeeWei };
      await market.registerOperator(await registrationOf(keys, deployment, node));
    }),
  );
  await as(await faucet.fund(Wallet.createRandom().privateKey)).createSet(members);
  const operatorSet = operatorSetId(members);
  await Promise.all(
    operatorKeys.map(async ({ owner }) => {
      const market = as(new Wallet(owner.privateKey.hex(), provider));
      for (const manifest of options.algorithms) {
        await market.approve(operatorSet, (await identify(manifest)).hash);
      }
    }),
  );

  const bridgeKeys = createKeys("bridge");
  await faucet.fund(bridgeKeys.account.privateKey.hex());
  const bridgeConfig: BridgeConfigInput = {
    port: ports[partyIndices.length]!,
    dataDir: join(folder, "bridge"),
    rpcUrl: chain.url,
    privateKey: bridgeKeys.account.privateKey.hex(),
    deployment,
    confirmations: 0,
    pollMs: 200,
    logLevel,
  };
  const starts: Promise<Child>[] = [];
  // Whatever has started when another fails is ended too.
  atEnd(async () => {
    const started = await Promise.allSettled(starts);
    await Promise.all(
      started.map((start) => (start.status === "fulfilled" ? start.value.stop() : undefined)),
    );
  });
  starts.push(
    startChild({
      name: "bridge",
      args: ["bridge", "--config", await configFile(folder, "bridge", bridgeConfig)],
      logFile: join(folder, "bridge.log"),
      readyTimeoutMs,
    }),
  );
  for (const point of partyIndices) {
    const keysFile = join(folder, `operator-${point}.keys.json`);
    await saveKeys(operatorKeys[point - 1]!, keysFile);
    const config = {
      rpcUrl: chain.url,
      bridgeUrl,
      keysFile,
      dataDir: join(folder, `node-${point}`),
      deployment,
      mesh: { port: ports[point - 1]! },
      pollMs: 250,
      confirmations: 0,
      logLevel,
      limits: {
        minRemainingSec: 5,
        ...{ verifyMs: patienceMs, joinMs: patienceMs, connectMs: patienceMs },
        ...(options.memoryBytes === undefined ? {} : { memoryBytes: options.memoryBytes }),
        ...(options.roundMs === undefined ? {} : { roundMs: options.roundMs }),
      },
    };
    starts.push(
      startChild({
        name: `node ${point}`,
        args: ["node", "--config", await configFile(folder, `node-${point}`, config)],
        logFile: join(folder, `node-${point}.log`),
        readyTimeoutMs,
      }),
    );
  }
  const [bridgeProcess, ...nodes] = await Promise.all(starts);
  signal.throwIfAborted();
  return {
    deployment,
    operatorSet: operatorSetId(members),
    operators: partyIndices.map((point) => ({
      point,
      keys: operatorKeys[point - 1]!,
      node: nodes[point - 1]!,
    })) as LocalMarket["operators"],
    bridgeProcess: bridgeProcess!,
    bridge: new BridgeClient({ url: bridgeUrl, pollMs: 500 }),
    provider,
    reader: new MarketReader(deployment, provider),
    rpcUrl: chain.url,
    folder,
    fund: (privateKey, ether) => faucet.fund(privateKey, ether),
    as,
  };
}

async function configFile(folder: string, name: string, config: object): Promise<string> {
  const file = join(folder, `${name}.json`);
  await writeFile(file, JSON.stringify(config), { mode: 0o600, flag: "wx" });
  return file;
}

/** Ports that were free a moment ago: operators register theirs before their nodes listen. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve, reject) => {
          server.once("error", reject);
          server.listen(0, "127.0.0.1", () => {
            const address = server.address();
            resolve(typeof address === "object" && address !== null ? address.port : 0);
          });
        }),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** Gives ether of a development account to others, one transaction after the other. */
class Faucet {
  readonly #rich: Wallet;
  readonly #provider: JsonRpcProvider;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(chain: DevChain, provider: JsonRpcProvider) {
    this.#provider = provider;
    this.#rich = new Wallet(chain.accounts[0]!.privateKey, provider);
  }

  fund(privateKey: string, ether = "10"): Promise<Wallet> {
    const wallet = new Wallet(privateKey, this.#provider);
    const funded = this.#queue.then(async () => {
      const sent = await this.#rich.sendTransaction({ to: wallet.address, value: parseEther(ether) });
      await sent.wait();
      return wallet;
    });
    this.#queue = funded.catch(() => undefined);
    return funded;
  }
}
