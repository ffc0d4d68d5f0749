/**
 * A compute node: one party's process. It follows the chain through its own endpoint, checks each job of its
 * operator sets, joins, computes with the two other parties, and attests. The bridge carries messages and
 * ciphertexts; nothing that it says is believed.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { parseUnits, Wallet } from "ethers";
import { BridgeClient, type Watch } from "../../bridge/client.ts";
import { Market } from "../../contracts/market.ts";
import { MarketReader } from "../../contracts/market-reader.ts";
import type { OperatorStatus } from "../../contracts/market-views.ts";
import { openProvider } from "../../contracts/provider.ts";
import { RecentMap } from "../../mpc/recent-map.ts";
import { MeshListener } from "../../mpc/transport/mesh.ts";
import { loadKeys, type OperatorKeys } from "../keys.ts";
import type { MarketLedger } from "../ledger.ts";
import { ChainWatch } from "./chain-watch.ts";
import { ChallengeDesk } from "./challenge-desk.ts";
import { type NodeConfig, type NodeConfigInput, parseNodeConfig } from "./config.ts";
import { EvidenceStore } from "./evidence-store.ts";
import { type HealthServer, type NodeStatus, serveHealth } from "./health.ts";
import { JobDesk } from "./job-desk.ts";
import { Journal } from "./journal.ts";
import { createNodeLogger, type Logger } from "./logger.ts";
import { ResultDelivery } from "./result-delivery.ts";
import { scratchFolder } from "./run.ts";
import { SealedStore } from "./sealed-store.ts";
import { Signatory } from "./signatory.ts";
import { JobVerifier } from "./verify.ts";

export { loadNodeConfig, type NodeConfig, nodeConfigSchema } from "./config.ts";

export interface RunningNode {
  /** Account of the operator. */
  operator: string;
  /** Where the mesh listens, `host:port`. */
  endpoint: string;
  address: { host: string; port: number };
  /** Of /healthz and /readyz, when there is one. */
  healthPort: number | undefined;
  /** Gives up running jobs with a notice, stops listening, closes the journal. Idempotent. */
  close(): Promise<void>;
}

export interface NodeOptions {
  logger?: Logger;
}

/** How long a stopping node tries to tell the bridge what it has signed. */
const closeGraceMs = 3000;
const flushMs = 2000;
const sweepMs = 3_600_000;
/** Jobs whose last state at the bridge is kept. */
const maxHints = 10_000;

/**
 * Starts a node. Jobs that it has to do with are taken up as soon as the chain and the bridge answer.
 * @throws CONFIG_INVALID, KEY_INVALID, USAGE (no key file)
 */
export async function startNode(
  input: NodeConfig | NodeConfigInput,
  options: NodeOptions = {},
): Promise<RunningNode> {
  const config = await parseNodeConfig(input);
  const keys = await loadKeys(config.keysFile, "operator", {
    passphrase: config.passphrase,
    passphraseHint: "set SYMBOLON_NODE_PASSPHRASE, or passphrase in the configuration file",
  });
  const base = options.logger ?? createNodeLogger(config.logLevel);
  const logger = base.child({ operator: keys.owner.address });
  const listener = new MeshListener();
  const address = await listener.listen(config.mesh);
  try {
    return await assemble(config, keys, listener, address, logger);
  } catch (error) {
    await listener.close();
    throw error;
  }
}

async function assemble(
  config: NodeConfig,
  keys: OperatorKeys,
  listener: MeshListener,
  address: { host: string; port: number },
  logger: Logger,
): Promise<RunningNode> {
  const { deployment, limits } = config;
  const operator = keys.owner.address;
  const bridge = new BridgeClient({ url: config.bridgeUrl, pollMs: config.pollMs });
  // What attempts of an earlier process left: the keys are gone with it.
  await rm(join(config.dataDir, scratchFolder), { recursive: true, force: true });
  const journal = new Journal(config.dataDir, deployment, operator);
  const sealed = await SealedStore.open(join(config.dataDir, "sealed"), bridge, {
    maxBytes: limits.sealedBytes,
    pinned: () => journal.undeliveredResults(),
  });
  const provider = openProvider(config.rpcUrl, deployment.chainId);
  const market = new MarketReader(deployment, provider);
  const signatory = new Signatory({ keys, market, journal, bridge, logger });
  const verifier = new JobVerifier({ config, keys, market, bridge, sealed });
  const delivery = new ResultDelivery({ journal, sealed, bridge, logger });
  const evidence = await EvidenceStore.open(join(config.dataDir, "evidence"), keys.storageKey);
  const challenges = new ChallengeDesk({
    ...{ operator, evidence, journal, logger },
    mostFeePerGas: parseUnits(`${limits.maxFeeGwei}`, "gwei"),
    market: new Market(deployment, new Wallet(keys.owner.privateKey.hex(), provider)),
  });
  const desk = new JobDesk({
    ...{ config, operator, market, journal, signatory, verifier, logger },
    nowSec: () => watch.nowSec,
    onNotice: () => watch.nudge(),
    run: { keys, bridge, listener, delivery, evidence },
  });
  const watch = new ChainWatch({
    market,
    logger,
    confirmations: config.confirmations,
    pollMs: config.pollMs,
    onLook: (ledger, nowSec) => {
      registration.look(ledger);
      desk.review(ledger, nowSec);
    },
    // Whatever became of the jobs: an answer is due all the same.
    afterLook: (ledger) =>
      void challenges.review(ledger, watch.headSec, watch.ledger === ledger ? watch.block : null),
  });
  const endpoint = `${address.host.includes(":") ? `[${address.host}]` : address.host}:${address.port}`;
  const registration = new Registration(keys, { endpoint, port: address.port }, logger);

  const status = async (): Promise<NodeStatus> => {
    const bridgeAnswers = await bridge.deployment({ signal: AbortSignal.timeout(2000) }).then(
      () => true,
      () => false,
    );
    const obstacles = [
      ...(watch.healthy ? [] : ["the chain is not read"]),
      ...registration.obstacles,
      ...(bridgeAnswers ? [] : ["the bridge does not answer"]),
      ...(watch.skipped === 0 ? [] : [`${watch.skipped} events of the chain could not be taken`]),
      ...challenges.obstacles,
    ];
    return { operator, obstacles, block: watch.block, openJobs: desk.openJobs };
  };
  let health: HealthServer | undefined;
  if (config.healthPort !== undefined) {
    health = await serveHealth(config.healthPort, status).catch((error) => {
      journal.close();
      provider.destroy();
      throw error;
    });
  }
  watch.start();
  const hints = followBridge(bridge, desk, watch, logger);
  signatory.flush();
  const flushing = setInterval(() => signatory.flush(), flushMs);
  const sweep = (): void => {
    sealed.sweep(limits.retentionSec).catch((error) => logger.warn({ err: error }, "old inputs are kept"));
  };
  sweep();
  const sweeping = setInterval(sweep, sweepMs);
  const unguard = guardRejections(logger);
  logger.info({ endpoint }, "node started");

  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    clearInterval(flushing);
    clearInterval(sweeping);
    hints.close();
    await health?.close();
    await desk.close();
    await challenges.close();
    await watch.close();
    await signatory.close(closeGraceMs);
    await delivery.close();
    await listener.close();
    provider.destroy();
    journal.close();
    unguard();
    logger.info("node stopped");
  };
  return {
    ...{ operator, endpoint, address, healthPort: health?.port },
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}

/** Live events of the bridge: they tell when to look at the chain, and when a peer has given up. */
function followBridge(bridge: BridgeClient, desk: JobDesk, watch: ChainWatch, logger: Logger): Watch {
  const states = new RecentMap<string, string>(maxHints);
  let silent = false;
  return bridge.watchJobs(
    (view) => {
      silent = false;
      desk.hear(view);
      const known = `${view.state} ${view.failures.length}`;
      if (states.get(view.id) === known) return;
      states.set(view.id, known);
      watch.nudge();
    },
    {},
    (error) => {
      if (!silent) logger.warn({ err: error }, "the bridge does not answer");
      silent = true;
    },
  );
}

/** What is logged of an operator that is registered with the keys of this node. */
const registeredAs: Record<Exclude<OperatorStatus, "None">, string> = {
  Active: "registered",
  Paused: "registered, but paused: it takes no new jobs until `symbolon operator resume`",
  Leaving: "registered, but leaving: it takes no new jobs",
  Slashed: "slashed: its bond is gone, and it takes no new jobs any more",
};

/** Whether the registry has this operator with the keys of this node; says so whenever it changes. */
class Registration {
  readonly #keys: OperatorKeys;
  readonly #listening: { endpoint: string; port: number };
  readonly #logger: Logger;
  #endpoint: string | undefined;
  status = "not looked up yet";

  constructor(keys: OperatorKeys, listening: { endpoint: string; port: number }, logger: Logger) {
    this.#keys = keys;
    this.#listening = listening;
    this.#logger = logger;
  }

  /** One whose operator takes no new jobs still has those that were funded before: that is none. */
  get obstacles(): string[] {
    return Object.values(registeredAs).includes(this.status) ? [] : [`operator ${this.status}`];
  }

  look(ledger: MarketLedger): void {
    this.#comparePort(ledger.operator(this.#keys.owner.address)?.endpoint);
    const status = this.#statusIn(ledger);
    if (status === this.status) return;
    this.status = status;
    this.#logger[status === registeredAs.Active ? "info" : "warn"](`operator ${status}`);
  }

  /** A router may map one port to the other; more often one of them was mistyped. */
  #comparePort(registered: string | undefined): void {
    if (registered === undefined || registered === this.#endpoint) return;
    this.#endpoint = registered;
    if (registered.endsWith(`:${this.#listening.port}`)) return;
    this.#logger.warn(
      `the registered endpoint is ${registered}, this node listens at ${this.#listening.endpoint}`,
    );
  }

  #statusIn(ledger: MarketLedger): string {
    const { owner, signer, sealKey, channelKey, jiffKey } = this.#keys;
    const registered = ledger.operator(owner.address);
    if (registered === undefined || registered.status === "None") return "not registered yet";
    // Whatever its keys are.
    if (registered.status === "Slashed") return registeredAs.Slashed;
    const pairs = [
      [registered.signer, signer.address],
      [registered.sealKey, sealKey.publicKey],
      [registered.channelKey, channelKey.publicKey],
      [registered.jiffKey, jiffKey.publicKey],
    ] as const;
    return pairs.every(([there, here]) => there.toLowerCase() === here.toLowerCase())
      ? registeredAs[registered.status]
      : "registered with other keys than this node's: it will refuse every job";
  }
}

/** A promise that somebody forgot must not end the process and all its other jobs; it is a defect and is logged. */
function guardRejections(logger: Logger): () => void {
  const log = (reason: unknown): void => logger.error({ err: reason }, "unhandled rejection");
  process.on("unhandledRejection", log);
  return () => process.off("unhandledRejection", log);
}
