/**
 * Follows the chain by polling and hands the facts of final blocks to the log.
 *
 * A block counts when `confirmations` blocks stand on it. The cursor (number and hash) is stored in the same
 * transaction as the facts, so a restart goes on where the log ends. Before each step the cursor's hash is
 * compared with the chain; when it is no longer there, the log is rewound to the newest remembered block
 * that still is. A reorganisation deeper than what is remembered stops the listener: that is another chain
 * (a development chain was restarted), and guessing would lose jobs.
 */
import type { Logger } from "pino";
import { SymbolonError, toSymbolonError } from "../../mpc/errors.ts";
import type { AppendResult, BridgeDatabase, Cursor } from "../store/database.ts";
import type { BlockHead, MarketChain } from "./chain.ts";

export interface ListenerOptions {
  chain: MarketChain;
  database: BridgeDatabase;
  confirmations: number;
  pollMs: number;
  /** Blocks of one query; providers limit it. */
  batchBlocks?: number;
  logger: Logger;
  /** Called after each batch of facts that changed something. */
  onFacts: (result: AppendResult) => void;
  /** Called after each look at the chain, also when nothing happened. */
  onHead: (head: BlockHead) => void;
  /** Called after a rewind: every view may have changed. */
  onRewind: (toBlock: number) => void;
}

export interface ListenerStatus {
  head: BlockHead | null;
  cursor: Cursor | null;
  /** Wall clock of the last successful look at the chain. */
  lastSuccessMs: number | null;
  /** Why the last look at the chain failed; null after one that succeeded. */
  trouble: SymbolonError | null;
  /** Set when the listener stopped for good. */
  stopped: SymbolonError | null;
}

export class ChainListener {
  readonly #options: Required<ListenerOptions>;
  readonly #status: ListenerStatus;
  #timer: NodeJS.Timeout | null = null;
  #running: Promise<void> | null = null;
  #closed = false;
  #failures = 0;

  constructor(options: ListenerOptions) {
    this.#options = { batchBlocks: 2000, ...options };
    this.#status = {
      head: null,
      cursor: options.database.cursor(),
      lastSuccessMs: null,
      trouble: null,
      stopped: null,
    };
  }

  get status(): Readonly<ListenerStatus> {
    return this.#status;
  }

  /** Begins to poll. */
  start(): void {
    this.#schedule(0);
  }

  /** Looks at the chain now and resolves when the log has caught up. Calls while one runs share it. */
  poll(): Promise<void> {
    this.#running ??= this.#poll().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  /** Stops polling and waits for the step that is under way. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#running?.catch(() => undefined);
  }

  #schedule(delayMs: number): void {
    if (this.#closed) return;
    this.#timer = setTimeout(() => {
      this.poll()
        .then(
          () => {
            this.#failures = 0;
          },
          (error) => this.#failed(error),
        )
        .finally(() => {
          // Back off from a chain that does not answer, up to a minute.
          const backOff = Math.min(60_000, this.#options.pollMs * 2 ** Math.min(this.#failures, 10));
          if (this.#status.stopped === null)
            this.#schedule(this.#failures === 0 ? this.#options.pollMs : backOff);
        });
    }, delayMs);
  }

  #failed(thrown: unknown): void {
    this.#failures += 1;
    const error = toSymbolonError(thrown, "CHAIN_UNREACHABLE");
    this.#status.trouble = error;
    this.#options.logger.warn({ code: error.code, failures: this.#failures }, "the chain could not be read");
  }

  async #poll(): Promise<void> {
    if (this.#status.stopped !== null) throw this.#status.stopped;
    const { chain, database, confirmations, batchBlocks } = this.#options;
    const head = await chain.head();
    await this.#followReorganisation(head);
    let next = (database.cursor()?.blockNumber ?? chain.firstBlock - 1) + 1;
    const final = head.number - confirmations;
    while (next <= final && !this.#closed) {
      const to = Math.min(final, next + batchBlocks - 1);
      // The hash is read before and after the facts: a reorganisation in between must not mix two chains.
      const before = await chain.blockHash(to);
      const facts = await chain.facts(next, to);
      const blockHash = await chain.blockHash(to);
      if (blockHash === null || blockHash !== before) return;
      this.#report(database.append(facts, { blockNumber: to, blockHash }));
      next = to + 1;
    }
    this.#status.head = head;
    this.#status.cursor = database.cursor();
    this.#status.lastSuccessMs = Date.now();
    this.#status.trouble = null;
    this.#options.onHead(head);
  }

  #report(result: AppendResult): void {
    for (const key of result.misfits) this.#options.logger.error({ fact: key }, "a fact did not fit its job");
    if (result.appended > 0) this.#options.onFacts(result);
  }

  async #followReorganisation(head: BlockHead): Promise<void> {
    const { chain, database, logger } = this.#options;
    const remembered = database.rememberedBlocks();
    for (const [depth, block] of remembered.entries()) {
      const stands =
        block.blockNumber <= head.number && (await chain.blockHash(block.blockNumber)) === block.blockHash;
      if (!stands) continue;
      if (depth > 0) {
        logger.warn({ toBlock: block.blockNumber }, "the chain was reorganised; the log is rewound");
        database.rewind(block.blockNumber);
        this.#options.onRewind(block.blockNumber);
      }
      return;
    }
    if (remembered.length === 0) return;
    this.#status.stopped = new SymbolonError(
      "CONFIG_INVALID",
      "the chain is not the one that the log belongs to",
      {
        hint: "a development chain that was started anew needs a new dataDir",
      },
    );
    logger.fatal({ code: "CONFIG_INVALID" }, this.#status.stopped.message);
    throw this.#status.stopped;
  }
}
