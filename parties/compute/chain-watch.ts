/**
 * Follows the market on the chain through this operator's own endpoint: reads the events of final blocks (those
 * with enough blocks on top) and keeps the ledger of them. What the bridge says can make it look sooner, never
 * make it believe something.
 */
import { getAddress, type Log, type Provider } from "ethers";
import type { MarketEvent } from "../../contracts/market-events.ts";
import type { MarketReader } from "../../contracts/market-reader.ts";
import { SymbolonError, toSymbolonError } from "../../mpc/errors.ts";
import { MarketLedger } from "../ledger.ts";
import type { Logger } from "./logger.ts";

export interface ChainWatchOptions {
  market: MarketReader;
  confirmations: number;
  pollMs: number;
  logger: Logger;
  /** After how long the chain is read anew, where the endpoint left events out. */
  rereadMs?: number;
  /** Called after each look, also when nothing happened: time has passed. Never called twice at once. */
  onLook: (ledger: MarketLedger, nowSec: number) => void;
  /** Called after that, also where the chain could not be read or `onLook` threw, with what was known last. */
  afterLook: (ledger: MarketLedger) => void;
}

/** Public endpoints answer for a limited number of blocks at a time. */
const blocksPerRequest = 2000;
const defaultRereadMs = 600_000;

export class ChainWatch {
  readonly #options: Required<ChainWatchOptions>;
  readonly #provider: Provider;
  #ledger = new MarketLedger();
  /** The one that a look was complete with: another may be read just now, from the first block. */
  #known = this.#ledger;
  /** Last block that the ledger holds. */
  #last: { number: number; hash: string } | undefined;
  #headSec = 0;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #again = false;
  #closed = false;
  #failing = false;
  #rightChain = false;
  /** Events that the ledger lacks. */
  #skipped = new Set<string>();
  /** Those of which it was said. */
  readonly #told = new Set<string>();
  #beganMs = performance.now();

  constructor(options: ChainWatchOptions) {
    this.#options = { rereadMs: defaultRereadMs, ...options };
    this.#provider = options.market.provider;
  }

  get ledger(): MarketLedger {
    return this.#ledger;
  }

  /** Last block whose events the ledger holds; null before the first look. */
  get block(): number | null {
    return this.#last?.number ?? null;
  }

  /** How many events could not be taken. */
  get skipped(): number {
    return this.#skipped.size;
  }

  /** Whether the last look at the chain went well. */
  get healthy(): boolean {
    return this.#last !== undefined && !this.#failing;
  }

  /** Time of the newest block that was seen, in seconds. */
  get headSec(): number {
    return this.#headSec;
  }

  /** The chain's time: of the newest block, or this machine's clock where that is ahead. Seconds. */
  get nowSec(): number {
    return Math.max(this.#headSec, Math.floor(Date.now() / 1000));
  }

  /** Looks at the chain now and from then on at every interval. */
  start(): void {
    this.nudge();
    this.#timer = setInterval(() => this.nudge(), this.#options.pollMs);
  }

  /** Looks at the chain soon: at once, or once more after the look that is under way. */
  nudge(): void {
    if (this.#closed) return;
    if (this.#looking !== undefined) {
      this.#again = true;
      return;
    }
    this.#looking = this.#look().finally(() => {
      this.#looking = undefined;
      if (!this.#again) return;
      this.#again = false;
      this.nudge();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    await this.#looking;
  }

  async #look(): Promise<void> {
    const { logger, onLook, afterLook } = this.#options;
    try {
      await this.#read();
      if (this.#failing) logger.info("the chain answers again");
      this.#failing = false;
      this.#known = this.#ledger;
    } catch (thrown) {
      if (!this.#failing) logger.warn({ err: toSymbolonError(thrown) }, "the chain cannot be read");
      this.#failing = true;
    }
    if (this.#closed) return;
    if (!this.#failing) this.#say(() => onLook(this.#known, this.nowSec));
    this.#say(() => afterLook(this.#known));
  }

  #say(call: () => void): void {
    try {
      call();
    } catch (thrown) {
      this.#options.logger.error({ err: thrown }, "what the chain tells could not be acted on");
    }
  }

  async #read(): Promise<void> {
    const { market, confirmations } = this.#options;
    await this.#checkChain();
    const head = await this.#provider.getBlock("latest");
    if (head === null) throw new SymbolonError("CHAIN_UNREACHABLE", "the endpoint has no newest block");
    this.#headSec = head.timestamp;
    const final = head.number - confirmations;
    if (this.#last !== undefined) {
      const same = await this.#provider.getBlock(this.#last.number);
      // Some endpoints answer so from a machine that is behind.
      if (same === null) throw new SymbolonError("CHAIN_UNREACHABLE", "the endpoint lacks a block");
      if (same.hash !== this.#last.hash) {
        // Deeper than the confirmations: nothing that was read is certain any more.
        this.#options.logger.error({ block: this.#last.number }, "the chain was reorganised; reading anew");
        this.#readAnew();
      }
    }
    // The endpoint may have lagged behind itself.
    if (this.#skipped.size > 0 && performance.now() - this.#beganMs > this.#options.rereadMs)
      this.#readAnew();
    const from = this.#last === undefined ? market.deployment.blockNumber : this.#last.number + 1;
    for (let first = from; first <= final && !this.#closed; first += blocksPerRequest) {
      const last = Math.min(final, first + blocksPerRequest - 1);
      const block = await this.#provider.getBlock(last);
      if (block?.hash == null) throw new SymbolonError("CHAIN_UNREACHABLE", "the endpoint lacks a block");
      const events = await market.events(first, last, (log) =>
        this.#skip(log.transactionHash, log.index, namesIn(log)),
      );
      for (const event of events) this.#apply(event);
      this.#last = { number: last, hash: block.hash };
    }
  }

  /**
   * What the endpoint left out or garbled must not keep this node from all the rest, challenges above all. But jobs that
   * the event may have been about are given up.
   */
  #apply(event: MarketEvent): void {
    try {
      this.#ledger.apply(event);
    } catch (thrown) {
      this.#skip(event.txHash, event.logIndex, namesOf(event), thrown);
    }
  }

  #skip(tx: string, log: number, names: readonly string[], thrown?: unknown): void {
    this.#ledger.doubt(names);
    const key = `${tx}/${log}`;
    this.#skipped.add(key);
    if (this.#told.has(key)) return;
    this.#told.add(key);
    const err = thrown === undefined ? {} : { err: toSymbolonError(thrown) };
    this.#options.logger.error(
      { tx, log, names, ...err },
      "an event is skipped, and jobs that it may be about are given up: does the endpoint leave events out?",
    );
  }

  #readAnew(): void {
    this.#ledger = new MarketLedger();
    this.#last = undefined;
    this.#skipped = new Set();
    this.#beganMs = performance.now();
  }

  async #checkChain(): Promise<void> {
    if (this.#rightChain) return;
    const { chainId } = this.#options.market.deployment;
    // Asked of the endpoint itself: the provider only repeats what it was told.
    const answer = await (this.#provider as unknown as JsonRpc).send("eth_chainId", []);
    if (Number(answer) !== chainId) {
      throw new SymbolonError("CONFIG_INVALID", `the endpoint is of chain ${Number(answer)}, not ${chainId}`);
    }
    this.#rightChain = true;
  }
}

/** What an event is about: what the ledger knows by name. */
function namesOf(event: MarketEvent): string[] {
  const { job, offer, operatorSet, operator }: Partial<Record<string, unknown>> = { ...event };
  return [job, offer, operatorSet, operator].filter((name) => typeof name === "string");
}

/** The same of a log that cannot be read: names are indexed, an operator's as a word. */
function namesIn({ topics }: Log): string[] {
  return topics.slice(1).map((word) => (/^0x0{24}/.test(word) ? getAddress(`0x${word.slice(26)}`) : word));
}

interface JsonRpc {
  send(method: string, params: unknown[]): Promise<string>;
}
