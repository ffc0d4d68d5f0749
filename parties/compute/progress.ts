import type { ProgressListener } from "../../mpc/session/session.ts";

/** At most this often is a report sent. */
const intervalMs = 300;

export interface Report {
  phase: string;
  done: number;
  total: number;
}

/**
 * Passes on the newest of many reports, one at a time and a few in a second; the ones between are dropped.
 * What goes wrong with a report is nobody's concern.
 */
export class ProgressReporter {
  readonly #send: (report: Report) => Promise<void>;
  #latest: Report | undefined;
  #busy = false;
  #closed = false;

  constructor(send: (report: Report) => Promise<void>) {
    this.#send = send;
  }

  readonly listener: ProgressListener = (phase, done, total) => {
    this.#latest = { phase: phase.toLowerCase(), done, total };
    if (!this.#busy && !this.#closed) void this.#drain();
  };

  close(): void {
    this.#closed = true;
  }

  async #drain(): Promise<void> {
    this.#busy = true;
    while (this.#latest !== undefined && !this.#closed) {
      const report = this.#latest;
      this.#latest = undefined;
      await this.#send(report).catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, intervalMs).unref());
    }
    this.#busy = false;
  }
}
