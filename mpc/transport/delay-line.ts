/**
 * Emulates the latency of a long link on a short one, for benchmarks: each event happens `delayMs` after it
 * was pushed, in order. Timers of the event loop are a millisecond coarse, so the last stretch is spent
 * polling; that costs processor time, which a measurement with delays under some 5 ms has to bear in mind.
 */
export class DelayLine {
  readonly #delayMs: number;
  readonly #queue: { dueMs: number; happen: () => void }[] = [];
  #scheduled = false;

  constructor(delayMs: number) {
    this.#delayMs = delayMs;
  }

  push(happen: () => void): void {
    this.#queue.push({ dueMs: performance.now() + this.#delayMs, happen });
    if (!this.#scheduled) this.#schedule();
  }

  readonly #run = (): void => {
    this.#scheduled = false;
    while (this.#queue.length > 0 && this.#queue[0]!.dueMs <= performance.now())
      this.#queue.shift()!.happen();
    if (this.#queue.length > 0 && !this.#scheduled) this.#schedule();
  };

  #schedule(): void {
    this.#scheduled = true;
    const remainingMs = this.#queue[0]!.dueMs - performance.now();
    if (remainingMs > 1.2) setTimeout(this.#run, Math.floor(remainingMs - 1));
    else setImmediate(this.#run);
  }
}
