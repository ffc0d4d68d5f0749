import { setTimeout as pause } from "node:timers/promises";
import type { AttestationPost, BridgeClient } from "../../bridge/client.ts";
import { toSymbolonError } from "../../mpc/errors.ts";
import type { Journal } from "./journal.ts";
import type { Logger } from "./logger.ts";
import type { SealedStore } from "./sealed-store.ts";

export interface ResultDeliveryOptions {
  journal: Journal;
  sealed: SealedStore;
  bridge: BridgeClient;
  logger: Logger;
}

const retryMs = 1000;

/**
 * Hands sealed result shares to the bridge, and only when the chain says that the job is attested: before that
 * a buyer could read the result and let the deadline bring the money back, with a bridge or an operator who
 * holds the attestation up. Until then a share waits on this node's disk, sealed to the buyer.
 */
export class ResultDelivery {
  readonly #options: ResultDeliveryOptions;
  readonly #sending = new Map<string, Promise<void>>();
  readonly #stop = new AbortController();

  constructor(options: ResultDeliveryOptions) {
    this.#options = options;
  }

  /** Keeps a share until the chain asks for it; before the attestation is signed, so that no crash loses it. */
  keep(sealed: Uint8Array): Promise<string> {
    return this.#options.sealed.keep(sealed);
  }

  /** The chain says that this job is attested. Does nothing where this node has no part, or has done it. */
  deliver(jobId: string): void {
    const { journal } = this.#options;
    if (this.#stop.signal.aborted || this.#sending.has(jobId) || journal.resultDelivered(jobId)) return;
    const word = journal.word(jobId, "attestation");
    if (word === undefined) return;
    const { parts, point } = word.post as AttestationPost;
    this.#sending.set(
      jobId,
      this.#send(jobId, parts.ciphertextHashes[point - 1]!).finally(() => this.#sending.delete(jobId)),
    );
  }

  async #send(jobId: string, hash: string): Promise<void> {
    const { journal, sealed, bridge, logger } = this.#options;
    const { signal } = this.#stop;
    const about = { job: jobId };
    while (!signal.aborted) {
      try {
        const bytes = await sealed.kept(hash);
        if (bytes === undefined) {
          logger.error(about, "this node's share of an attested result is not on its disk");
          return;
        }
        await bridge.uploadBlob(bytes, { signal });
        journal.deliverResult(jobId);
        logger.info(about, "result share delivered");
        return;
      } catch (thrown) {
        if (signal.aborted) return;
        logger.warn({ ...about, err: toSymbolonError(thrown) }, "the result share is not delivered yet");
        await pause(retryMs, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#sending.values());
  }
}
