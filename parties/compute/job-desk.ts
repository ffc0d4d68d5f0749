/**
 * What a node does about each job of its operator sets, from what the chain says and what it has signed:
 *
 *     Funded   check it, then sign to join, or refuse with a failure notice
 *     Joined   compute it, then sign the attestation, or give it up with a failure notice
 *     later    nothing
 *
 * It looks at all jobs anew whenever the chain was read, so a missed event costs a poll, not a job.
 */
import { z } from "zod";
import { type JobSummary, pointSchema, reasonSchema, signatureSchema } from "../../bridge/client.ts";
import { recoverFailure } from "../../contracts/eip712.ts";
import type { MarketReader } from "../../contracts/market-reader.ts";
import { type ErrorCode, errorCodes, SymbolonError, toSymbolonError } from "../../mpc/errors.ts";
import { RecentMap } from "../../mpc/recent-map.ts";
import type { PartyIndex } from "../../mpc/transport/transport.ts";
import type { LedgerJob, MarketLedger } from "../ledger.ts";
import type { NodeConfig } from "./config.ts";
import { ForgottenWord, type Journal } from "./journal.ts";
import type { Logger } from "./logger.ts";
import { ProgressReporter } from "./progress.ts";
import { RankedQueue } from "./queue.ts";
import { type RunOptions, runJob } from "./run.ts";
import { failureReason, type Signatory } from "./signatory.ts";
import type { JobVerifier, VerifiedJob } from "./verify.ts";

export interface JobDeskOptions {
  config: NodeConfig;
  operator: string;
  market: MarketReader;
  journal: Journal;
  signatory: Signatory;
  verifier: JobVerifier;
  logger: Logger;
  /** The chain's time. */
  nowSec: () => number;
  /** Called when a peer's notice was taken: jobs should be reviewed soon. */
  onNotice: () => void;
  /** What a run needs besides the job. */
  run: Pick<RunOptions, "keys" | "bridge" | "listener" | "delivery" | "evidence">;
}

/** A job that is being checked, waits or is computed. */
interface OpenJob {
  readonly id: string;
  readonly point: PartyIndex;
  readonly deadlineSec: number;
  /** Place among all jobs in the order in which they were funded. */
  readonly rank: number;
  readonly stop: AbortController;
  /** A check or a run is under way. */
  busy: boolean;
  verified: VerifiedJob | undefined;
  /** Since when its inputs are asked for in vain. Times of performance.now(), as all delays here: clocks are set. */
  troubledSinceMs: number | undefined;
  retryAtMs: number;
  joinedAtMs: number | undefined;
}

const noticeSchema = z.object({
  point: pointSchema,
  reason: reasonSchema,
  signature: signatureSchema,
});

/** Attempts are numbered from 1. This version begins one for each job. */
const attempt = 1;
/** Checks at a time: each may hold a data set in memory. */
const checksAtOnce = 2;
/** Names of jobs that a bridge can say anything about. */
const maxRumours = 1000;
const noticesAtOnce = 2;
const retryMs = 2000;
/** Errors of a check that may pass by themselves. */
const passing: readonly ErrorCode[] = ["BRIDGE_UNREACHABLE", "CHAIN_UNREACHABLE", "NOT_FOUND"];
/** States in which the buyer is owed the result. */
const attested = ["Attested", "Disputed", "Settled"];
/** States after which a job needs nothing from an operator. */
const over = ["Attested", "Disputed", "Settled", "Failed", "Refunded"];

export class JobDesk {
  readonly #options: JobDeskOptions;
  readonly #open = new Map<string, OpenJob>();
  readonly #checks = new RankedQueue(checksAtOnce);
  readonly #runs: RankedQueue;
  readonly #tasks = new Set<Promise<void>>();
  /** Jobs that a peer gave up by a signed notice, and why. */
  readonly #givenUp = new Map<string, SymbolonError>();
  /** Jobs that a peer gave up as the bridge says, also such that the ledger does not know yet. */
  readonly #rumours = new RecentMap<string, true>(maxRumours);
  readonly #notices = new RankedQueue(noticesAtOnce);
  /** Whose notices are being fetched, or wait for it. */
  readonly #fetching = new Set<string>();
  readonly #stop = new AbortController();
  /** Jobs that were over when they were last looked at. */
  readonly #done = new Set<string>();
  #ledger: MarketLedger | undefined;
  #closed = false;

  constructor(options: JobDeskOptions) {
    this.#options = options;
    this.#runs = new RankedQueue(options.config.limits.maxJobs);
  }

  /** Jobs that this node has something to do with now. */
  get openJobs(): number {
    return this.#open.size;
  }

  /** Does what is due for every job. */
  review(ledger: MarketLedger, nowSec: number): void {
    if (this.#closed) return;
    if (ledger !== this.#ledger) {
      // Read anew after a reorganisation: what was over may not be.
      this.#ledger = ledger;
      this.#done.clear();
    }
    this.#checkRumours();
    for (const job of ledger.jobs.values()) {
      if (this.#done.has(job.job)) continue;
      const point = this.#pointIn(job);
      if (point !== undefined && attested.includes(job.state)) this.#options.run.delivery.deliver(job.job);
      if (point === undefined || over.includes(job.state)) this.#finish(job);
      else this.#reviewOne(job, point, nowSec);
    }
  }

  /**
   * Takes a view of a job from the bridge. A peer's failure notice in it, whose signature is checked, ends the
   * job here too: without that peer there is no result, and with two notices the buyer is refunded at once.
   */
  hear(view: JobSummary): void {
    const own = this.#options.operator.toLowerCase();
    const id = view.id;
    if (!view.failures.some(({ operator }) => operator.toLowerCase() !== own)) return;
    this.#rumours.set(id, true);
    this.#checkRumours();
  }

  /**
   * The notices of each rumour are fetched until the bridge shows what it was about, or the job is over: of this
   * operator's open jobs alone, so that what a bridge makes up costs memory for so many names and nothing else.
   */
  #checkRumours(): void {
    for (const id of this.#rumours.keys()) {
      if (this.#closed) return;
      const job = this.#ledger?.jobs.get(id);
      if (job === undefined || this.#fetching.has(id)) continue;
      if (this.#givenUp.has(id) || over.includes(job.state) || this.#pointIn(job) === undefined) {
        this.#rumours.delete(id);
        continue;
      }
      this.#fetching.add(id);
      this.#track(
        this.#notices
          .run(job.fundOrder, this.#stop.signal, () => this.#hearFailure(job))
          .catch((err) => this.#options.logger.debug({ job: id, err }, "a notice cannot be checked"))
          .finally(() => this.#fetching.delete(id)),
      );
    }
  }

  async #hearFailure(job: LedgerJob): Promise<void> {
    const { market, run, operator, onNotice } = this.#options;
    const id = job.job;
    for (const { type, data } of await run.bridge.jobEvents(id, 0, { signal: this.#stop.signal })) {
      if (type !== "FailurePosted") continue;
      const notice = noticeSchema.safeParse(data);
      if (!notice.success) continue;
      const { point, reason, signature } = notice.data;
      if (job.members[point - 1]!.toLowerCase() === operator.toLowerCase()) continue;
      const signer = recoverFailure(market.deployment, { job: id, reason }, signature);
      if (signer.toLowerCase() !== job.signers[point - 1]!.toLowerCase()) continue;
      const code = Object.hasOwn(errorCodes, reason) ? (reason as ErrorCode) : "JOB_FAILED";
      const error = new SymbolonError(code, `party ${point} gave job ${id} up`);
      this.#givenUp.set(id, error);
      this.#open.get(id)?.stop.abort(error);
      onNotice();
      return;
    }
  }

  /** Ends all work. Jobs that are being computed are given up, for an attempt is never begun twice. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#stop.abort(new SymbolonError("RUN_ABORTED", "this node is being stopped"));
    for (const job of this.#open.values()) {
      job.stop.abort(new SymbolonError("RUN_ABORTED", "this node is being stopped"));
    }
    await Promise.all(this.#tasks);
  }

  #pointIn(job: LedgerJob): PartyIndex | undefined {
    const own = this.#options.operator.toLowerCase();
    const index = job.members.findIndex((member) => member.toLowerCase() === own);
    return index < 0 ? undefined : ((index + 1) as PartyIndex);
  }

  #finish(job: LedgerJob): void {
    this.#done.add(job.job);
    this.#givenUp.delete(job.job);
    this.#rumours.delete(job.job);
    const open = this.#open.get(job.job);
    if (this.#pointIn(job) === undefined) return;
    this.#options.journal.end(job.job);
    if (open === undefined) return;
    open.stop.abort(new SymbolonError("JOB_FAILED", `job ${job.job} is ${job.state} on chain`));
    this.#open.delete(job.job);
    this.#options.logger.info({ job: job.job, state: job.state }, "job over");
  }

  #reviewOne(job: LedgerJob, point: PartyIndex, nowSec: number): void {
    const { journal, config } = this.#options;
    const id = job.job;
    if (nowSec > job.deadlineSec) {
      // The chain refunds it; nothing that is signed now could matter.
      this.#open
        .get(id)
        ?.stop.abort(new SymbolonError("JOB_EXPIRED", `the deadline of job ${id} has passed`));
      return;
    }
    if (journal.disowned(id)) return;
    if (journal.word(id, "failure") !== undefined || journal.word(id, "attestation") !== undefined) return;
    const doubt = this.#doubtOf(job);
    if (doubt !== undefined) this.#open.get(id)?.stop.abort(doubt);
    const open = this.#open.get(id) ?? this.#admit(job, point);
    if (open === undefined || open.busy || performance.now() < open.retryAtMs) return;
    const joined = journal.word(id, "join");
    const reason = this.#givenUp.get(id) ?? doubt;
    if (job.state === "Joined" && joined === undefined) {
      this.#disown(open, "joined by this operator, but not in the journal: is this its data folder?");
    } else if (reason !== undefined) {
      this.#giveUp(open, reason);
    } else if (job.state === "Joined") {
      this.#start(open, () => this.#compute(open, job));
    } else if (joined === undefined) {
      this.#start(open, () => this.#check(open, nowSec));
    } else {
      open.joinedAtMs ??= performance.now();
      if (performance.now() - open.joinedAtMs > config.limits.joinMs) {
        const text = `not all parties joined job ${id} within ${config.limits.joinMs} ms`;
        this.#giveUp(open, new SymbolonError("PEER_TIMEOUT", text));
      }
    }
  }

  /** What was seen of a job may not be all that happened. */
  #doubtOf(job: LedgerJob): SymbolonError | undefined {
    if (!this.#ledger?.isDoubtful(job)) return undefined;
    const text = `the endpoint does not tell all events that job ${job.job} rests on`;
    return new SymbolonError("CHAIN_UNREACHABLE", text);
  }

  #admit(job: LedgerJob, point: PartyIndex): OpenJob | undefined {
    if (this.#open.size >= this.#options.config.limits.maxOpenJobs) return undefined;
    const open: OpenJob = {
      id: job.job,
      point,
      deadlineSec: job.deadlineSec,
      rank: job.fundOrder,
      stop: new AbortController(),
      busy: false,
      verified: undefined,
      troubledSinceMs: undefined,
      retryAtMs: 0,
      joinedAtMs: undefined,
    };
    this.#open.set(job.job, open);
    return open;
  }

  /**
   * This operator has said something about the job that the journal does not know: it was lost, and with it the memory
   * of what else was signed. Then nothing more is signed, after a restart neither; the deadline refunds the buyer.
   */
  #disown(open: OpenJob, why: string): void {
    this.#options.logger.error({ job: open.id }, why);
    open.retryAtMs = Number.POSITIVE_INFINITY;
    this.#options.journal.disown(open.id);
  }

  #start(open: OpenJob, work: () => Promise<void>): void {
    open.busy = true;
    this.#track(
      work()
        .catch((error) => this.#options.logger.error({ job: open.id, err: error }, "job abandoned"))
        .finally(() => {
          open.busy = false;
        }),
    );
  }

  #track(work: Promise<void>): void {
    const task = work.finally(() => this.#tasks.delete(task));
    this.#tasks.add(task);
  }

  #giveUp(open: OpenJob, error: SymbolonError): void {
    this.#start(open, () => this.#fail(open, error));
  }

  async #check(open: OpenJob, nowSec: number): Promise<void> {
    const { market, verifier, signatory, logger } = this.#options;
    const about = { job: open.id, point: open.point };
    try {
      open.verified = await this.#checks.run(open.rank, open.stop.signal, async () => {
        const job = await market.job(open.id);
        open.stop.signal.throwIfAborted();
        // Joined or over in blocks that are not final yet: the ledger will tell.
        return job.state === "Funded" ? verifier.verify(job, nowSec, open.stop.signal) : undefined;
      });
      open.stop.signal.throwIfAborted();
      if (open.verified === undefined) return;
      await signatory.join(open.id);
      logger.info({ ...about, algorithm: open.verified.spec.algorithm.id }, "joined");
    } catch (thrown) {
      // Nothing was signed: the next start of this node checks the job again.
      if (this.#closed) return;
      await this.#failOrRetry(open, this.#reasonOf(open, thrown));
    }
  }

  /** Gives a job up that could not be checked, unless the trouble may pass: then it is checked again soon. */
  async #failOrRetry(open: OpenJob, error: SymbolonError): Promise<void> {
    const { logger, config } = this.#options;
    const now = performance.now();
    open.troubledSinceMs ??= now;
    if (passing.includes(error.code) && now - open.troubledSinceMs < config.limits.verifyMs) {
      logger.debug({ job: open.id, err: error }, "the job cannot be checked yet");
      open.retryAtMs = now + retryMs;
      return;
    }
    await this.#fail(open, error);
  }

  async #compute(open: OpenJob, { joinOrder }: LedgerJob): Promise<void> {
    const { config, journal, market, verifier, signatory, logger, nowSec, run } = this.#options;
    const about = { job: open.id, point: open.point };
    const progress = new ProgressReporter((report) => signatory.report(open.id, open.point, report));
    let begun = false;
    try {
      const result = await this.#runs.run(joinOrder, open.stop.signal, async () => {
        // After a restart the job is checked anew; what was joined is still what the chain says.
        open.verified ??= await verifier.check(await market.job(open.id), nowSec(), open.stop.signal);
        begun = true;
        if (!journal.begin(open.id, attempt)) {
          throw new SymbolonError("RUN_ABORTED", "this node was restarted while it computed the job");
        }
        logger.info({ ...about, attempt }, "computing");
        const { verified } = open;
        const { signal } = open.stop;
        return runJob(verified, { ...run, config, verifier, attempt, onProgress: progress.listener, signal });
      });
      await signatory.attest(open.point, result.attestation, result.parts, open.stop.signal);
      logger.info({ ...about, attempt, ...result.measurement }, "attested");
    } catch (thrown) {
      if (thrown instanceof ForgottenWord) {
        this.#disown(open, thrown.message);
        return;
      }
      const error = this.#reasonOf(open, thrown);
      // A job that was not begun can still be computed, by this process or after the next start.
      if (begun) await this.#fail(open, error);
      else if (!this.#closed) await this.#failOrRetry(open, error);
    } finally {
      progress.close();
      open.verified = undefined;
    }
  }

  /** Signs that the job failed, unless it is over anyway. */
  async #fail(open: OpenJob, error: SymbolonError): Promise<void> {
    const { signatory, logger, nowSec } = this.#options;
    logger.warn({ job: open.id, point: open.point, err: error }, "job given up");
    // An expired job is refunded without a notice.
    if (this.#done.has(open.id) || nowSec() > open.deadlineSec) return;
    await signatory.fail(open.id, open.point, failureReason(error));
  }

  /** An aborted job ends with the reason of the abort, whatever the interrupted step threw. */
  #reasonOf(open: OpenJob, thrown: unknown): SymbolonError {
    return toSymbolonError(open.stop.signal.aborted ? open.stop.signal.reason : thrown);
  }
}
