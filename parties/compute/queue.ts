/**
 * Work that runs at most so many at a time. Of what waits, the lowest rank runs first: every node ranks runs by
 * the order in which jobs were joined on chain, so that three nodes with full hands begin with the same job.
 */
export class RankedQueue {
  readonly #slots: number;
  readonly #waiting: { rank: number; start: () => void }[] = [];
  #running = 0;

  constructor(slots: number) {
    this.#slots = slots;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  get running(): number {
    return this.#running;
  }

  /** Runs `work` when a slot is free. Rejects without running it when `signal` is aborted before. */
  async run<T>(rank: number, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    await this.#slot(rank, signal);
    try {
      return await work();
    } finally {
      this.#running -= 1;
      this.#waiting.shift()?.start();
    }
  }

  #slot(rank: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#running < this.#slots) {
      this.#running += 1;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const start = (): void => {
        signal.removeEventListener("abort", give);
        this.#running += 1;
        resolve();
      };
      const entry = { rank, start };
      const give = (): void => {
        const at = this.#waiting.indexOf(entry);
        if (at >= 0) this.#waiting.splice(at, 1);
        reject(signal.reason);
      };
      signal.addEventListener("abort", give, { once: true });
      const at = this.#waiting.findIndex((other) => other.rank > rank);
      this.#waiting.splice(at < 0 ? this.#waiting.length : at, 0, entry);
    });
  }
}
