/**
 * Signs what this operator says about jobs and gets it to the bridge. Every word is in the journal before it is
 * sent, and is sent until the bridge has it or the job is over.
 */
import { setTimeout as pause } from "node:timers/promises";
import { Wallet } from "ethers";
import type { AttestationPost, BridgeClient, FailurePost, JoinPost } from "../../bridge/client.ts";
import type { Deployment } from "../../contracts/deployment.ts";
import {
  type AttestationMessage,
  attestationDigest,
  recoverAttestation,
  signAttestation,
  signFailure,
  signJoin,
  signProgress,
} from "../../contracts/eip712.ts";
import type { MarketReader } from "../../contracts/market-reader.ts";
import { type ErrorCode, SymbolonError, toSymbolonError } from "../../mpc/errors.ts";
import type { PartyIndex } from "../../mpc/transport/transport.ts";
import type { OperatorKeys } from "../keys.ts";
import type { ResultParts } from "../result.ts";
import { ForgottenWord, type Journal, type JournalEntry, type SignedWord } from "./journal.ts";
import type { Logger } from "./logger.ts";

export interface SignatoryOptions {
  keys: OperatorKeys;
  market: MarketReader;
  journal: Journal;
  bridge: BridgeClient;
  logger: Logger;
}

/** Answers of the bridge after which the same post may still be taken later. */
const passing: readonly ErrorCode[] = ["BRIDGE_UNREACHABLE", "NOT_FOUND", "LIMIT_EXCEEDED", "INTERNAL"];
const retryMs = 1000;

export class Signatory {
  readonly #options: SignatoryOptions;
  readonly #wallet: Wallet;
  /** Deliveries under way, by job and kind. */
  readonly #sending = new Map<string, Promise<void>>();
  readonly #stop = new AbortController();

  constructor(options: SignatoryOptions) {
    this.#options = options;
    this.#wallet = new Wallet(options.keys.signer.privateKey.hex());
  }

  get deployment(): Deployment {
    return this.#options.market.deployment;
  }

  get operator(): string {
    return this.#options.keys.owner.address;
  }

  /** @throws STATE_INVALID when it would contradict what was signed before; so do the next two */
  async join(jobId: string): Promise<void> {
    const signature = await signJoin(this.#wallet, this.deployment, { job: jobId });
    const post: JoinPost = { operator: this.operator, signature };
    this.#say(jobId, { kind: "join", digest: jobId, post });
  }

  /**
   * Signs a result, when chain and bridge have shown none of this operator's: a journal cannot tell that it is an old
   * copy. Waits for them until `signal` ends it.
   * @throws ForgottenWord, also for the same result: what else was signed is not known then
   */
  async attest(
    point: PartyIndex,
    message: AttestationMessage,
    parts: ResultParts,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#requireUnsaid(message.job, point, signal);
    const { deployment } = this;
    const digest = attestationDigest(deployment, message);
    const signature = await signAttestation(this.#wallet, deployment, message);
    const post: AttestationPost = {
      operator: this.operator,
      point,
      attestation: {
        ...message,
        budgetSpent: message.budgetSpent.toString(),
      },
      parts,
      signature,
    };
    this.#say(message.job, { kind: "attestation", digest, post });
  }

  async fail(jobId: string, point: PartyIndex, reason: ErrorCode): Promise<void> {
    const signature = await signFailure(this.#wallet, this.deployment, { job: jobId, reason });
    const post: FailurePost = { operator: this.operator, point, reason, signature };
    this.#say(jobId, { kind: "failure", digest: reason, post });
  }

  /** Tells the bridge how far the job is. Best effort: nobody waits for it. */
  async report(
    jobId: string,
    point: PartyIndex,
    progress: { phase: string; done: number; total: number },
  ): Promise<void> {
    const { phase, done, total } = progress;
    const message = { job: jobId, phase, done: BigInt(done), total: BigInt(total) };
    const signature = await signProgress(this.#wallet, this.deployment, message);
    const post = { operator: this.operator, point, phase, done, total, signature };
    await this.#options.bridge.postProgress(jobId, post, { signal: this.#stop.signal });
  }

  /** Sends what the bridge does not have yet. */
  flush(): void {
    for (const entry of this.#options.journal.undelivered()) this.#deliver(entry);
  }

  /** Waits for deliveries under way, at most `graceMs`; what was not delivered stays in the journal. */
  async close(graceMs: number): Promise<void> {
    const late = new Promise<void>((resolve) => setTimeout(resolve, graceMs).unref());
    await Promise.race([Promise.all(this.#sending.values()), late]);
    this.#stop.abort();
    await Promise.all(this.#sending.values());
  }

  async #requireUnsaid(jobId: string, point: PartyIndex, signal: AbortSignal): Promise<void> {
    const { journal, logger } = this.#options;
    let told = false;
    while (journal.word(jobId, "attestation") === undefined) {
      signal.throwIfAborted();
      try {
        const where = await this.#attestedAt(jobId, point, signal);
        if (where !== undefined) throw new ForgottenWord(jobId, where);
        return;
      } catch (thrown) {
        const error = toSymbolonError(thrown);
        if (error.code !== "CHAIN_UNREACHABLE" && !passing.includes(error.code)) throw error;
        if (!told)
          logger.warn({ job: jobId, err: error }, "no result is signed before chain and bridge answer");
        told = true;
      }
      await pause(retryMs, undefined, { signal });
    }
  }

  /** Where a result of this job stands that this operator's key signed. */
  async #attestedAt(jobId: string, point: PartyIndex, signal: AbortSignal): Promise<string | undefined> {
    const { market, bridge } = this.#options;
    // On chain are those that all three signed.
    if ((await market.job(jobId)).attestation !== null) return "the chain";
    const { attestations } = await bridge.job(jobId, { signal });
    const own = attestations.filter((posted) => posted.point === point);
    return own.some(({ attestation, signature }) => this.#isOwn(jobId, attestation, signature))
      ? "the bridge"
      : undefined;
  }

  /** The bridge could show a word of somebody else, or about another job, to have nothing signed. */
  #isOwn(jobId: string, posted: AttestationPost["attestation"], signature: string): boolean {
    const message = { ...posted, budgetSpent: BigInt(posted.budgetSpent) };
    try {
      const signer = recoverAttestation(this.deployment, message, signature);
      return posted.job === jobId && signer === this.#wallet.address;
    } catch {
      return false;
    }
  }

  #say(jobId: string, word: SignedWord): void {
    const { journal } = this.#options;
    journal.record(jobId, word);
    // What the journal holds is what is sent: a repeated word is the first one.
    this.#deliver(journal.word(jobId, word.kind)!);
  }

  #deliver(entry: JournalEntry): void {
    const key = `${entry.jobId}/${entry.kind}`;
    if (entry.delivered || this.#stop.signal.aborted || this.#sending.has(key)) return;
    this.#sending.set(
      key,
      this.#send(entry).finally(() => this.#sending.delete(key)),
    );
  }

  async #send({ jobId, kind, post }: JournalEntry): Promise<void> {
    const { bridge, journal, logger } = this.#options;
    const options = { signal: this.#stop.signal };
    try {
      if (kind === "join") await bridge.postJoin(jobId, post as JoinPost, options);
      else if (kind === "attestation") await bridge.postAttestation(jobId, post as AttestationPost, options);
      else await bridge.postFailure(jobId, post as FailurePost, options);
      logger.debug({ job: jobId, kind }, "delivered");
    } catch (thrown) {
      const error = toSymbolonError(thrown);
      if (this.#stop.signal.aborted || passing.includes(error.code)) return;
      logger.warn({ job: jobId, kind, err: error }, "the bridge refuses what this operator says");
    }
    journal.delivered(jobId, kind);
  }
}

/** The code of what ended a job, as it is signed: what has no place on chain is INTERNAL. */
export function failureReason(error: unknown): ErrorCode {
  return error instanceof SymbolonError ? error.code : "INTERNAL";
}
