/** A bridge on a chain in memory with three operators who can sign: what the HTTP tests share. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeBytes32String, HDNodeWallet, id as keccakOf, Wallet } from "ethers";
import pino from "pino";
import { buildBridge } from "../../bridge/app.ts";
import { type BridgeConfigInput, parseBridgeConfig } from "../../bridge/config.ts";
import type { BridgeApp } from "../../bridge/routes/context.ts";
import type { AttestationBody, Point } from "../../bridge/schemas.ts";
import { resultRoot } from "../../contracts/commitments.ts";
import { addressOf, funded, hashOf, jobOf, MemoryChain, partsOf } from "./memory-chain.ts";

/** The EIP-712 types, written out once more: the bridge must agree with what operators sign. */
const types = {
  Join: [{ name: "job", type: "bytes32" }],
  Unopened: [{ name: "job", type: "bytes32" }],
  Attestation: [
    { name: "job", type: "bytes32" },
    { name: "resultRoot", type: "bytes32" },
    { name: "payoutRoot", type: "bytes32" },
    { name: "budgetSpent", type: "uint256" },
  ],
  Failure: [
    { name: "job", type: "bytes32" },
    { name: "reason", type: "bytes32" },
  ],
  Progress: [
    { name: "job", type: "bytes32" },
    { name: "phase", type: "string" },
    { name: "done", type: "uint64" },
    { name: "total", type: "uint64" },
  ],
};

export interface TestOperator {
  address: string;
  signer: Wallet;
}

export class TestMarket {
  readonly chain = new MemoryChain();
  readonly operators: [TestOperator, TestOperator, TestOperator];
  readonly setId = hashOf("set");
  readonly deployment = {
    chainId: 31337,
    operatorRegistry: addressOf("operator registry"),
    jobEscrow: this.chain.jobEscrow,
    disputes: addressOf("disputes"),
    gradientRounds: addressOf("rounds"),
    reviewExchange: addressOf("exchange"),
    blockNumber: 1,
  };
  /** Every line that the bridge logged. */
  readonly logged: string[] = [];
  readonly #domain = {
    name: "Symbolon",
    version: "1",
    chainId: 31337,
    verifyingContract: this.chain.jobEscrow,
  };
  #folder = "";
  #apps: BridgeApp[] = [];

  constructor() {
    const made = ([1, 2, 3] as const).map((point) => ({
      address: addressOf(`operator ${point}`),
      signer: new Wallet(keccakOf(`signer ${point}`)),
    }));
    this.operators = made as [TestOperator, TestOperator, TestOperator];
    this.chain.mine(
      made.map(({ address, signer }) => ({
        jobId: null,
        event: {
          type: "OperatorRegistered" as const,
          operator: address,
          signer: signer.address,
          sealKey: hashOf("seal"),
          channelKey: hashOf("channel"),
          jiffKey: hashOf("jiff"),
          endpoint: "127.0.0.1:9001",
          feeWei: "7",
        },
      })),
    );
    const members = made.map(({ address }) => address) as [string, string, string];
    this.chain.mine([{ jobId: null, event: { type: "SetCreated", set: this.setId, members } }]);
  }

  /** Starts a bridge on this market; a second one goes on with the data of the first. */
  async bridge(settings: Partial<BridgeConfigInput> = {}): Promise<BridgeApp> {
    this.#folder ||= await mkdtemp(join(tmpdir(), "symbolon-bridge-"));
    const config = parseBridgeConfig({
      dataDir: this.#folder,
      rpcUrl: "http://127.0.0.1:1",
      privateKey: HDNodeWallet.createRandom().privateKey,
      deployment: this.deployment,
      confirmations: 0,
      pollMs: 5,
      logLevel: "debug",
      ...settings,
    });
    const { createLogger } = await import("../../bridge/logger.ts");
    const logger = createLogger("debug", { write: (line: string) => this.logged.push(line) });
    const app = await buildBridge({
      config: { ...config, deployment: this.deployment },
      chain: this.chain,
      logger: settings.logLevel === "silent" ? pino({ level: "silent" }) : logger,
      retryBackOffMs: 5,
    });
    await app.ready();
    this.#apps.push(app);
    return app;
  }

  get signers(): [string, string, string] {
    const [first, second, third] = this.operators;
    return [first.signer.address, second.signer.address, third.signer.address];
  }

  /** The funding of a job that the three operators can sign for. */
  funding(overrides: Parameters<typeof funded>[0] = {}) {
    return funded({ operatorSet: this.setId, signers: this.signers, ...overrides });
  }

  get folder(): string {
    return this.#folder;
  }

  /** Funds job `id` and waits until the bridge shows it. */
  async fund(app: BridgeApp, jobId: string, overrides: Parameters<typeof funded>[0] = {}): Promise<void> {
    this.chain.mine([{ jobId, event: this.funding(overrides) }]);
    this.chain.states.set(jobId, "Funded");
    await this.until(app, jobId, (job) => job.state === "Funded");
  }

  /** Waits until the bridge's view of a job satisfies `done`. */
  async until(
    app: BridgeApp,
    jobId: string,
    done: (job: { state: string } & Record<string, never>) => boolean,
  ): Promise<void> {
    for (let i = 0; i < 400; i++) {
      const response = await app.inject({ url: `/v1/jobs/${jobId}` });
      if (response.statusCode === 200 && done(response.json())) return;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    throw new Error(`job ${jobId} did not get there`);
  }

  async join(point: Point, jobId = jobOf(1), by = point) {
    const { address } = this.operators[point - 1]!;
    const signature = await this.#sign(by, { Join: types.Join }, { job: jobId });
    return { operator: address, signature };
  }

  async unopened(point: Point, jobId = jobOf(1), by = point) {
    const { address } = this.operators[point - 1]!;
    const signature = await this.#sign(by, { Unopened: types.Unopened }, { job: jobId });
    return { operator: address, signature };
  }

  attestation(overrides: Partial<AttestationBody> = {}): AttestationBody {
    return {
      job: jobOf(1),
      resultRoot: resultRoot(partsOf("result")),
      payoutRoot: hashOf("payout"),
      budgetSpent: "0",
      ...overrides,
    };
  }

  async attest(point: Point, overrides: Partial<AttestationBody> = {}, parts = partsOf("result")) {
    const attestation = this.attestation(overrides);
    return {
      operator: this.operators[point - 1]!.address,
      point,
      attestation,
      parts,
      signature: await this.#sign(point, { Attestation: types.Attestation }, attestation),
    };
  }

  async fail(point: Point, reason = "PEER_LOST", jobId = jobOf(1)) {
    const signature = await this.#sign(
      point,
      { Failure: types.Failure },
      { job: jobId, reason: encodeBytes32String(reason) },
    );
    return { operator: this.operators[point - 1]!.address, point, reason, signature };
  }

  async progress(point: Point, phase: string, done: number, total: number, jobId = jobOf(1)) {
    const signature = await this.#sign(
      point,
      { Progress: types.Progress },
      { job: jobId, phase, done, total },
    );
    return { operator: this.operators[point - 1]!.address, point, phase, done, total, signature };
  }

  async close(): Promise<void> {
    for (const app of this.#apps) await app.close();
    this.#apps = [];
    if (this.#folder !== "") await rm(this.#folder, { recursive: true, force: true });
  }

  #sign(by: Point, type: Record<string, { name: string; type: string }[]>, message: object): Promise<string> {
    return this.operators[by - 1]!.signer.signTypedData(this.#domain, type, message);
  }
}
