/**
 * A chain in memory for tests of the bridge alone: blocks are made by hand, may be taken back, and the
 * endpoint can be switched off. It keeps no escrow; the tests with the real contracts are in market.slow.test.ts.
 */
import { getAddress, keccak256, toUtf8Bytes, ZeroAddress, ZeroHash } from "ethers";
import type { BlockHead, MarketChain } from "../../bridge/chain/chain.ts";
import type { Action, MarketTimes } from "../../bridge/jobs/duties.ts";
import type { ChainPosition, JobChainEvent } from "../../bridge/jobs/events.ts";
import type { ResultPartsBody } from "../../bridge/schemas.ts";
import type { NewFact } from "../../bridge/store/database.ts";
import type { MarketFact } from "../../bridge/store/market-events.ts";
import type { JobState } from "../../contracts/job-states.ts";
import { exactMicroRho } from "../../contracts/use-terms.ts";
import { SymbolonError } from "../../mpc/errors.ts";

export const hashOf = (text: string): string => keccak256(toUtf8Bytes(text));
/** Names as the contracts give them; a test calls its jobs and offers by a number or a word. */
export const jobOf = (label: string | number): string => hashOf(`job ${label}`);
export const offerOf = (label: string | number): string => hashOf(`offer ${label}`);
export const addressOf = (text: string): string => getAddress(`0x${hashOf(text).slice(2, 42)}`);

/** The parts of a result. */
export function partsOf(label: string): ResultPartsBody {
  const three = (what: string) => [1, 2, 3].map((point) => hashOf(`${label} ${what} ${point}`));
  return {
    roots: three("root") as ResultPartsBody["roots"],
    ciphertextHashes: three("sealed") as ResultPartsBody["ciphertextHashes"],
    fieldBits: 61,
    total: 70,
  };
}

type WithoutPosition<Event> = Event extends { chain: ChainPosition } ? Omit<Event, "chain"> : never;

export type MemoryFact =
  | { jobId: string; event: WithoutPosition<JobChainEvent> }
  | { jobId: null; event: WithoutPosition<MarketFact> };

export class MemoryChain implements MarketChain {
  readonly chainId = 31337;
  readonly jobEscrow = addressOf("escrow");
  readonly firstBlock = 1;
  readonly blocks: { hash: string; timestampSec: number; facts: NewFact[] }[] = [];
  readonly states = new Map<string, JobState>();
  /** Jobs whose budget is back. */
  readonly returned = new Set<string>();
  readonly sent: Action[] = [];
  unreachable = false;
  /** What `send` does after it was noted. */
  onSend: (action: Action) => Promise<{ txHash: string }> = async () => ({ txHash: hashOf("tx") });
  #forks = 0;

  /** Adds a block with these facts; block numbers count from 1. */
  mine(facts: MemoryFact[] = [], timestampSec = 1000 + this.blocks.length): void {
    const blockNumber = this.blocks.length + 1;
    const hash = hashOf(`block ${blockNumber} of fork ${this.#forks}`);
    const placed = facts.map(({ jobId, event }, index) => {
      const txHash = hashOf(`${hash}:${index}`);
      return { key: `${txHash}:0`, jobId, event: { ...event, chain: { blockNumber, timestampSec, txHash } } };
    });
    this.blocks.push({ hash, timestampSec, facts: placed as NewFact[] });
  }

  /** Takes the newest `count` blocks back. Blocks mined from now on have other hashes. */
  reorganise(count: number): void {
    this.blocks.splice(this.blocks.length - count, count);
    this.#forks += 1;
  }

  async times(): Promise<MarketTimes> {
    return { challengeWindowSec: 60, graceSec: 30 };
  }

  async head(): Promise<BlockHead> {
    this.#answer();
    const last = this.blocks.at(-1);
    return {
      number: this.blocks.length,
      hash: last?.hash ?? hashOf("genesis"),
      timestampSec: last?.timestampSec ?? 1000,
    };
  }

  async blockHash(number: number): Promise<string | null> {
    this.#answer();
    return this.blocks[number - 1]?.hash ?? null;
  }

  async facts(fromBlock: number, toBlock: number): Promise<NewFact[]> {
    this.#answer();
    return this.blocks.slice(fromBlock - 1, toBlock).flatMap(({ facts }) => facts);
  }

  async jobState(jobId: string): Promise<JobState> {
    this.#answer();
    return this.states.get(jobId) ?? "None";
  }

  async budgetReturned(jobId: string): Promise<boolean> {
    this.#answer();
    return this.returned.has(jobId);
  }

  async send(action: Action): Promise<{ txHash: string }> {
    this.#answer();
    this.sent.push(action);
    return this.onSend(action);
  }

  async close(): Promise<void> {}

  #answer(): void {
    if (this.unreachable) throw new SymbolonError("CHAIN_UNREACHABLE", "switched off");
  }
}

/** A funded job of three operators, by default far from its deadline. */
export function funded(
  overrides: Partial<Omit<Extract<JobChainEvent, { type: "Funded" }>, "type" | "chain">> = {},
) {
  return {
    type: "Funded" as const,
    buyer: addressOf("buyer"),
    operatorSet: hashOf("set"),
    algorithm: hashOf("algorithm"),
    deadlineSec: 4_000_000_000,
    resultKey: hashOf("result key"),
    microRho: String(exactMicroRho),
    purpose: ZeroHash,
    offers: [offerOf(1), offerOf(2)],
    spec: "0x7b7d",
    token: ZeroAddress,
    amountWei: "1000000000000000000",
    specHash: hashOf("spec"),
    signers: [1, 2, 3].map((point) => addressOf(`signer ${point}`)) as [string, string, string],
    ...overrides,
  };
}
