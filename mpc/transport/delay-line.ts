/**
 * Emulates the latency of a long link on a short one, for benchmarks: each event happens `delayMs` after it
 * was pushed, in order. Timers of the event loop are a millisecond coarse, so the last stretch is slept in
 * slices of a tenth of a millisecond, with a look at the network in between. Sleeping, not polling: three
 * parties that poll on two cores keep each other from running (a round at 0.5 ms took 1.2 ms).
 */
const sliceMs = 0.1;
const bed = new Int32Array(new SharedArrayBuffer(4));

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
    const remainingMs = this.#queue[0]!.dueMs - performance.now();
    if (remainingMs > 0) Atomics.wait(bed, 0, 0, Math.min(remainingMs, sliceMs));
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
