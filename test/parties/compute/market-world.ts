/** A whole market in one process for tests: a development chain, the bridge, three nodes with their own keys. */
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type JsonRpcProvider, Wallet } from "ethers";
import pino from "pino";
import { findAlgorithm, identify } from "../../../algorithms/catalog.ts";
import { BridgeClient } from "../../../bridge/client.ts";
import { parseBridgeConfig } from "../../../bridge/config.ts";
import { type RunningBridge, startBridge } from "../../../bridge/server.ts";
import { buildContracts } from "../../../contracts/build.ts";
import { operatorSetId } from "../../../contracts/commitments.ts";
import { deployMarket } from "../../../contracts/deploy.ts";
import type { Deployment } from "../../../contracts/deployment.ts";
import { type DevChain, startDevChain } from "../../../contracts/dev-chain.ts";
import { Market } from "../../../contracts/market.ts";
import { openProvider } from "../../../contracts/provider.ts";
import { openTerms } from "../../../contracts/use-terms.ts";
import type { PartyIndex } from "../../../mpc/transport/transport.ts";
import { BuyerClient } from "../../../parties/buyer/client.ts";
import type { NodeConfigInput } from "../../../parties/compute/config.ts";
import { createNodeLogger } from "../../../parties/compute/logger.ts";
import { type RunningNode, startNode } from "../../../parties/compute/node.ts";
import type { Table } from "../../../parties/data/csv.ts";
import { type DataSetSchema, deriveSchema } from "../../../parties/data/schema.ts";
import { createKeys, type DiffieHellmanKey, type OperatorKeys, saveKeys } from "../../../parties/keys.ts";
import { registrationOf } from "../../../parties/registration.ts";
import { publishDataSet } from "../../../parties/seller/client.ts";

/** Rows of numbers as a table. */
export function tableOf(columns: string[], rows: number[][]): Table {
  return { file: "test.csv", columns, rows: rows.length, values: Float64Array.from(rows.flat()) };
}

export const columns = ["height", "weight"];
export const tables: readonly Table[] = [
  tableOf(columns, [
    [1.5, 50],
    [1.75, 70.5],
    [2, 90],
  ]),
  tableOf(columns, [
    [1.6, 61],
    [1.7, 58],
  ]),
];

export class MarketWorld {
  readonly folder: string;
  readonly chain: DevChain;
  readonly provider: JsonRpcProvider;
  readonly deployment: Deployment;
  readonly operators: OperatorKeys[];
  bridge: RunningBridge;
  readonly client: BridgeClient;
  readonly operatorSet: string;
  readonly ports: number[];
  readonly schema: DataSetSchema = deriveSchema(tables);
  /** Every line that a node logged. */
  readonly logged: string[] = [];
  readonly nodes = new Map<PartyIndex, RunningNode>();
  readonly resultKey: DiffieHellmanKey = createKeys("buyer").resultKey;
  /** Accounts 5 to 8 sell, the ones after buy, each once before one buys again. */
  #buyer = 8;

  private constructor(
    fields: Pick<
      MarketWorld,
      | "folder"
      | "chain"
      | "provider"
      | "deployment"
      | "operators"
      | "bridge"
      | "client"
      | "operatorSet"
      | "ports"
    >,
  ) {
    this.folder = fields.folder;
    this.chain = fields.chain;
    this.provider = fields.provider;
    this.deployment = fields.deployment;
    this.operators = fields.operators;
    this.bridge = fields.bridge;
    this.client = fields.client;
    this.operatorSet = fields.operatorSet;
    this.ports = fields.ports;
  }

  static async open(algorithms: string[] = ["statistics"]): Promise<MarketWorld> {
    await buildContracts();
    const folder = await mkdtemp(join(tmpdir(), "symbolon-test-"));
    const chain = await startDevChain();
    const provider = openProvider(chain.url, 31337);
    const wallet = (index: number) => new Wallet(chain.accounts[index]!.privateKey, provider);
    const deployment = await deployMarket(wallet(0), {
      challengeWindowSec: 3600,
      graceSec: 600,
      challengeFeeWei: 1000n,
      responseSec: 600,
      minBondWei: 1000n,
      unbondingSec: 3600,
    });
    const ports = await freePorts(3);
    const operators = [1, 2, 3].map((index) =>
      createKeys("operator", { owner: chain.accounts[index]!.privateKey }),
    );
    for (const [i, keys] of operators.entries()) {
      const market = new Market(deployment, wallet(i + 1));
      const node = { endpoint: `127.0.0.1:${ports[i]}`, feeWei: 100n + BigInt(i) };
      await market.registerOperator(await registrationOf(keys, deployment, node));
      await saveKeys(keys, join(folder, `operator-${i + 1}.json`));
    }
    const members = operators.map(({ owner }) => owner.address) as [string, string, string];
    await new Market(deployment, wallet(1)).createSet(members);
    const operatorSet = operatorSetId(members);
    for (const i of [1, 2, 3]) {
      const market = new Market(deployment, wallet(i));
      for (const id of algorithms) {
        await market.approve(operatorSet, (await identify(findAlgorithm(id).manifest)).hash);
      }
    }
    const bridge = await bridgeOf(folder, chain, deployment, 0);
    const client = new BridgeClient({ url: bridge.url, pollMs: 100 });
    return new MarketWorld({
      ...{ folder, chain, provider, deployment, operators, bridge, client, operatorSet, ports },
    });
  }

  /** Stops the bridge and starts it again at the same address. */
  async restartBridge(): Promise<void> {
    const port = Number(new URL(this.bridge.url).port);
    await this.bridge.close();
    this.bridge = await bridgeOf(this.folder, this.chain, this.deployment, port);
  }

  config(point: PartyIndex, limits: NodeConfigInput["limits"] = {}): NodeConfigInput {
    return {
      rpcUrl: this.chain.url,
      bridgeUrl: this.bridge.url,
      keysFile: join(this.folder, `operator-${point}.json`),
      dataDir: join(this.folder, `node-${point}`),
      deployment: this.deployment,
      mesh: { port: this.ports[point - 1]! },
      confirmations: 0,
      pollMs: 100,
      limits: { minRemainingSec: 5, connectMs: 15_000, ...limits },
    };
  }

  async start(
    point: PartyIndex,
    limits: NodeConfigInput["limits"] = {},
    mesh: NodeConfigInput["mesh"] = {},
  ): Promise<RunningNode> {
    const logger = createNodeLogger("debug", {
      write: (line: string) => {
        this.logged.push(line);
      },
    });
    const config = this.config(point, limits);
    const node = await startNode({ ...config, mesh: { ...config.mesh, ...mesh } }, { logger });
    this.nodes.set(point, node);
    return node;
  }

  async stop(point: PartyIndex): Promise<void> {
    await this.nodes.get(point)?.close();
    this.nodes.delete(point);
  }

  /** The market as an account sees it. */
  account(index: number): { market: Market; address: string } {
    const { privateKey, address } = this.chain.accounts[index]!;
    return { market: new Market(this.deployment, new Wallet(privateKey, this.provider)), address };
  }

  /** Publishes the tables, each by a seller of its own. */
  async offers(
    which: readonly Table[] = tables,
    schema = this.schema,
  ): Promise<{ id: string; seller: string; hashes: string[] }[]> {
    const offers: { id: string; seller: string; hashes: string[] }[] = [];
    for (const [i, table] of which.entries()) {
      const { market, address } = this.account(5 + i);
      const published = await publishDataSet(
        { bridge: this.client, market, seller: address },
        { table, schema, operatorSet: this.operatorSet, terms: openTerms(1000n) },
      );
      offers.push({ id: published.offer, seller: address, hashes: published.ciphertextHashes });
    }
    return offers;
  }

  buyer(): { client: BuyerClient; market: Market; address: string } {
    this.#buyer = this.#buyer + 1 < this.chain.accounts.length ? this.#buyer + 1 : 9;
    const { market, address } = this.account(this.#buyer);
    const client = new BuyerClient({
      bridge: this.client,
      market,
      buyer: address,
      resultKey: this.resultKey,
    });
    return { client, market, address };
  }

  async close(): Promise<void> {
    for (const node of this.nodes.values()) await node.close();
    await this.bridge.close();
    this.provider.destroy();
    await this.chain.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}

function bridgeOf(
  folder: string,
  chain: DevChain,
  deployment: Deployment,
  port: number,
): Promise<RunningBridge> {
  const config = parseBridgeConfig({
    port,
    dataDir: join(folder, "bridge"),
    rpcUrl: chain.url,
    privateKey: chain.accounts[4]!.privateKey,
    deployment,
    confirmations: 0,
    pollMs: 50,
  });
  // Where tests that search everything the bridge leaves behind find it.
  const file = join(folder, "bridge", "log.jsonl");
  const logger = pino({ level: "debug" }, pino.destination({ dest: file, mkdir: true, sync: true }));
  return startBridge({ logger, config: { ...config, deployment } });
}

/** Ports that were free a moment ago: operators register theirs before their nodes listen. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports: number[] = [];
  for (const server of servers) {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
    const address = server.address();
    if (typeof address === "object" && address !== null) ports.push(address.port);
  }
  for (const server of servers) await new Promise((resolve) => server.close(resolve));
  return ports;
}
