/** Reading of a market's contracts and events, of which the typed reads are made. */
import { Contract, type Provider, type Signer, zeroPadValue } from "ethers";
import { SymbolonError } from "../mpc/errors.ts";
import { artifact, type ContractName, contractNames } from "./artifacts.ts";
import type { Deployment } from "./deployment.ts";
import {
  addressOf,
  type EventOf,
  emitterOf,
  fetchMarketEvents,
  type MarketEventType,
} from "./market-events.ts";
import { type OperatorStatus, operatorStatuses } from "./market-views.ts";
import { explainRefusal } from "./operator-status.ts";

type ContractMethod = (...args: unknown[]) => Promise<unknown>;

export class ChainReader {
  readonly deployment: Deployment;
  protected readonly runner: Signer | Provider;
  readonly #contracts: Readonly<Record<ContractName, Contract>>;

  /** @throws CONFIG_INVALID for a signer without a provider, or when the contracts are not built */
  constructor(deployment: Deployment, runner: Signer | Provider) {
    if (runner.provider === null) throw new SymbolonError("CONFIG_INVALID", "the account has no provider");
    this.deployment = deployment;
    this.runner = runner;
    this.#contracts = Object.fromEntries(
      contractNames.map((name) => [
        name,
        new Contract(addressOf(deployment, name), artifact(name).abi, runner.provider),
      ]),
    ) as Record<ContractName, Contract>;
  }

  get provider(): Provider {
    return this.runner.provider as Provider;
  }

  async blockNumber(): Promise<number> {
    return this.guard(() => this.provider.getBlockNumber());
  }

  /** "None" for an account that is not registered. */
  async operatorStatus(operator: string): Promise<OperatorStatus> {
    return this.guard(() => this.#statusOf(operator));
  }

  /** A view function's answer. */
  protected call(contract: ContractName, method: string, args: readonly unknown[]): Promise<unknown> {
    const view = this.#contracts[contract].getFunction(method) as unknown as ContractMethod;
    return this.guard(() => view(...args));
  }

  /** Unguarded: an endpoint that refuses it with the name of an operator would be asked about that one, and again. */
  async #statusOf(operator: string): Promise<OperatorStatus> {
    const view = this.#contracts.OperatorRegistry.getFunction("operators");
    const { status } = (await view(operator)) as { status: bigint };
    return operatorStatuses[Number(status)] ?? "None";
  }

  protected async guard<T>(action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (error) {
      throw await explainRefusal(error, (operator) => this.#statusOf(operator));
    }
  }

  /** Events of one type by their indexed arguments. */
  protected async eventsOf<Type extends MarketEventType>(
    type: Type,
    indexed: (string | readonly string[] | null)[],
    toBlock?: number,
  ): Promise<EventOf<Type>[]> {
    const contract = emitterOf(type);
    const topic = artifact(contract).abi.getEvent(type)?.topicHash ?? null;
    const filter = {
      address: addressOf(this.deployment, contract),
      topics: [topic, ...indexed.map(asTopic)],
      fromBlock: this.deployment.blockNumber,
      toBlock: toBlock ?? (await this.blockNumber()),
    };
    const events = await this.guard(() => fetchMarketEvents(this.provider, this.deployment, filter));
    return events as EventOf<Type>[];
  }
}

function asTopic(value: string | readonly string[] | null): string | string[] | null {
  if (value === null) return null;
  return typeof value === "string" ? zeroPadValue(value, 32) : value.map((each) => zeroPadValue(each, 32));
}
