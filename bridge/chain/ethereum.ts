/** The market on a JSON-RPC endpoint: reads, and the transactions of the bridge's own account. */
import { Contract, Wallet } from "ethers";
import { artifact } from "../../contracts/artifacts.ts";
import type { Deployment } from "../../contracts/deployment.ts";
import type { JobState } from "../../contracts/job-states.ts";
import { Market } from "../../contracts/market.ts";
import { chainIdOf, openProvider } from "../../contracts/provider.ts";
import { toChainError } from "../../contracts/revert-reasons.ts";
import { SymbolonError } from "../../mpc/errors.ts";
import type { Action, MarketTimes } from "../jobs/duties.ts";
import type { NewFact } from "../store/database.ts";
import type { BlockHead, MarketChain } from "./chain.ts";
import { factOf } from "./facts.ts";

export interface EthereumChainOptions {
  deployment: Deployment;
  rpcUrl: string;
  /** Key of the account that pays the gas. It has no rights in the market. */
  privateKey: string;
}

export class EthereumChain implements MarketChain {
  readonly chainId: number;
  readonly jobEscrow: string;
  readonly firstBlock: number;
  readonly #market: Market;
  readonly #escrow: Contract;
  readonly #provider: ReturnType<typeof openProvider>;
  readonly #rpcUrl: string;
  #rightChain = false;

  /** Opens no connection: an endpoint that is down now may answer later. */
  constructor({ deployment, rpcUrl, privateKey }: EthereumChainOptions) {
    this.chainId = deployment.chainId;
    this.jobEscrow = deployment.jobEscrow;
    this.firstBlock = deployment.blockNumber;
    this.#rpcUrl = rpcUrl;
    this.#provider = openProvider(rpcUrl, deployment.chainId);
    this.#escrow = new Contract(deployment.jobEscrow, artifact("JobEscrow").abi, this.#provider);
    this.#market = new Market(deployment, new Wallet(privateKey, this.#provider));
  }

  async times(): Promise<MarketTimes> {
    const { challengeWindowSec, graceSec } = await this.#market.settings();
    return { challengeWindowSec, graceSec };
  }

  /** @throws CONFIG_INVALID when the endpoint serves another chain; CHAIN_UNREACHABLE */
  async head(): Promise<BlockHead> {
    if (!this.#rightChain) {
      const found = await chainIdOf(this.#rpcUrl);
      if (found !== this.chainId) {
        throw new SymbolonError(
          "CONFIG_INVALID",
          `the endpoint serves chain ${found}, the market is on ${this.chainId}`,
        );
      }
      this.#rightChain = true;
    }
    const block = await this.#ask(() => this.#provider.getBlock("latest"));
    if (block?.hash == null) throw new SymbolonError("CHAIN_UNREACHABLE", "the endpoint has no newest block");
    return { number: block.number, hash: block.hash, timestampSec: block.timestamp };
  }

  async blockHash(number: number): Promise<string | null> {
    return (await this.#ask(() => this.#provider.getBlock(number)))?.hash ?? null;
  }

  async facts(fromBlock: number, toBlock: number): Promise<NewFact[]> {
    return (await this.#market.events(fromBlock, toBlock)).map(factOf);
  }

  jobState(jobId: string): Promise<JobState> {
    return this.#market.jobState(jobId);
  }

  async budgetReturned(jobId: string): Promise<boolean> {
    const jobOf = this.#escrow.getFunction("jobOf");
    const { budgetReturned } = (await this.#ask(() => jobOf(jobId))) as { budgetReturned: boolean };
    return budgetReturned;
  }

  async send(action: Action): Promise<{ txHash: string }> {
    return { txHash: (await this.#transact(action)).hash };
  }

  async close(): Promise<void> {
    this.#provider.destroy();
  }

  #transact(action: Action) {
    const id = action.jobId;
    switch (action.kind) {
      case "join":
        return this.#market.join(id, action.signatures);
      case "attest": {
        const { parts, signatures } = action;
        const { job, payoutRoot, budgetSpent } = action.attestation;
        return this.#market.attest({ job, parts, payoutRoot, budgetSpent: BigInt(budgetSpent) }, signatures);
      }
      case "fail": {
        const [first, second] = action.notices;
        return this.#market.fail(id, [first, second]);
      }
      case "refund":
        return this.#market.refund(id);
      case "settle":
        return this.#market.settle(id);
      case "expose":
        return this.#market.expose(id, action.point, action.chunk);
      case "returnBudget":
        return this.#market.returnBudget(id);
      case "returnUnopened":
        return this.#market.returnUnopened(id, action.signatures);
    }
  }

  async #ask<Answer>(question: () => Promise<Answer>): Promise<Answer> {
    try {
      return await question();
    } catch (error) {
      throw toChainError(error);
    }
  }
}
