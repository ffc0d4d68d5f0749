/**
 * How far running jobs are, as the parties last said. Kept in memory only: it is for the eyes, arrives many
 * times a second, and after a restart the next report fills it again.
 */
import type { z } from "zod";
import type { progressSchema } from "../schemas.ts";

export type Progress = z.infer<typeof progressSchema>;

/** Jobs remembered at a time; the oldest report goes first. */
const maxJobs = 10_000;

export class ProgressBoard {
  readonly #latest = new Map<string, Progress>();

  get(jobId: string): Progress | null {
    return this.#latest.get(jobId) ?? null;
  }

  /**
   * Takes a report of any of the three parties. Within a phase progress never goes back, since the parties
   * report at slightly different moments.
   * @returns whether what is shown changed
   */
  report(jobId: string, progress: Progress): boolean {
    const shown = this.#latest.get(jobId);
    if (shown?.phase === progress.phase && shown.done >= progress.done) return false;
    this.#latest.delete(jobId);
    this.#latest.set(jobId, progress);
    const oldest = this.#latest.keys().next();
    if (this.#latest.size > maxJobs && !oldest.done) this.#latest.delete(oldest.value);
    return true;
  }

  clear(jobId: string): void {
    this.#latest.delete(jobId);
  }
}
