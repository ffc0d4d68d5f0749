/**
 * Where everything about jobs meets: facts of the chain come in, operators' posts are checked and logged,
 * duties are handed to the sender, and whoever watches is told. Holds no state of its own but progress; the
 * log is the truth.
 */
import { EventEmitter } from "node:events";
import type { Logger } from "pino";
import type { Deployment } from "../../contracts/deployment.ts";
import { SymbolonError } from "../../mpc/errors.ts";
import type { BlockHead, MarketChain } from "../chain/chain.ts";
import { refusalOf, type SendOutcome, TransactionSender } from "../chain/sender.ts";
import type {
  AttestationPost,
  FailurePost,
  JobSummary,
  JobView,
  JoinPost,
  ProgressPost,
  UnopenedPost,
} from "../schemas.ts";
import type { BlobStore } from "../store/blobs.ts";
import type { AppendResult, BridgeDatabase, StoredJob } from "../store/database.ts";
import type { JobFilter, Page } from "../store/pages.ts";
import {
  type Action,
  type Clock,
  dueActions,
  hasEnded,
  isStuck,
  lastSecOf,
  type MarketTimes,
  reservedBudget,
  wasJoined,
} from "./duties.ts";
import type { OperatorEvent } from "./events.ts";
import {
  acceptAttestation,
  acceptFailure,
  acceptJoin,
  acceptProgress,
  acceptUnopened,
  type PostContext,
} from "./operator-posts.ts";
import { ProgressBoard } from "./progress-board.ts";
import { newConflict, transition } from "./transitions.ts";

export interface JobDeskOptions {
  chain: MarketChain;
  deployment: Deployment;
  database: BridgeDatabase;
  blobs: BlobStore;
  times: () => Promise<MarketTimes>;
  logger: Logger;
  onTransaction?: (action: Action, outcome: SendOutcome) => void;
  retryBackOffMs?: number;
}

interface DeskEvents {
  job: [JobView];
}

export class JobDesk {
  readonly #options: JobDeskOptions;
  readonly #sender: TransactionSender;
  readonly #progress = new ProgressBoard();
  readonly #watchers = new EventEmitter<DeskEvents>();
  #chainSec = 0;

  constructor(options: JobDeskOptions) {
    this.#options = options;
    this.#watchers.setMaxListeners(0);
    this.#sender = new TransactionSender({
      chain: options.chain,
      logger: options.logger,
      onOutcome: (action, outcome) => this.#sent(action, outcome),
      ...(options.retryBackOffMs === undefined ? {} : { backOffMs: options.retryBackOffMs }),
    });
  }

  // ---- reading -----------------------------------------------------------------------------------

  /** @throws NOT_FOUND */
  view(id: string): JobView {
    return this.#view(this.#stored(id));
  }

  list(filter: JobFilter): Page<JobSummary> {
    const { entries, next } = this.#options.database.jobs(filter);
    return { entries: entries.map((stored) => summaryOf(this.#view(stored))), next };
  }

  /** Jobs past their time that have not ended. */
  stuckJobs(times: MarketTimes): number {
    const clock = this.#clock();
    return this.#waitingJobs(times).filter(({ job }) => isStuck(job, clock, times)).length;
  }

  /** Calls `listener` with each job view that changes. Returns how to stop. */
  watch(listener: (view: JobView) => void): () => void {
    this.#watchers.on("job", listener);
    return () => this.#watchers.off("job", listener);
  }

  // ---- operators' posts --------------------------------------------------------------------------

  /** @throws NOT_FOUND, NOT_AUTHORISED, STATE_INVALID; so do the next three */
  async postJoin(id: string, post: JoinPost): Promise<JobView> {
    const event = acceptJoin(this.#context(id), post);
    return this.#record(id, `join:${id}:${event.point}`, event);
  }

  async postAttestation(id: string, post: AttestationPost): Promise<JobView> {
    const event = acceptAttestation(this.#context(id), post);
    return this.#record(id, `attestation:${id}:${event.point}:${event.digest}`, event);
  }

  async postFailure(id: string, post: FailurePost): Promise<JobView> {
    const event = acceptFailure(this.#context(id), post);
    return this.#record(id, `failure:${id}:${event.point}`, event);
  }

  async postUnopened(id: string, post: UnopenedPost): Promise<JobView> {
    const event = acceptUnopened(this.#context(id), post);
    return this.#record(id, `unopened:${id}:${event.point}`, event);
  }

  async postProgress(id: string, post: ProgressPost): Promise<JobView> {
    const context = this.#context(id);
    if (context.job.state !== "Funded" && context.job.state !== "Joined") {
      throw new SymbolonError("STATE_INVALID", `job ${id} is ${context.job.state}; nothing runs for it`);
    }
    acceptProgress(context, post);
    const { phase, done, total } = post;
    const view = this.view(id);
    if (!this.#progress.report(id, { phase, done, total })) return view;
    const changed = { ...view, progress: { phase, done, total } };
    this.#watchers.emit("job", changed);
    return changed;
  }

  // ---- the chain ---------------------------------------------------------------------------------

  /** Facts of final blocks are in the log: tell the watchers, see what is due. */
  takeFacts(result: AppendResult): void {
    for (const stored of result.changedJobs) {
      this.#sender.forget(stored.job.id);
      if (["Attested", "Failed", "Settled", "Refunded"].includes(stored.job.state)) {
        this.#progress.clear(stored.job.id);
      }
    }
    this.#announce(result);
  }

  /** The bridge looked at the chain: time has passed, so see what is due. */
  async takeHead(head: BlockHead): Promise<void> {
    this.#chainSec = head.timestampSec;
    await this.reviewJobs();
  }

  /** Hands every due transaction to the sender. */
  async reviewJobs(): Promise<void> {
    const times = await this.#options.times();
    for (const { job } of this.#waitingJobs(times)) this.#review(job, times);
  }

  async close(): Promise<void> {
    this.#watchers.removeAllListeners();
    await this.#sender.close();
  }

  #review(job: StoredJob["job"], times: MarketTimes): void {
    // Before the first look at the chain its time is unknown, and so is what is due.
    if (this.#chainSec === 0) return;
    for (const action of dueActions(job, this.#clock(), times)) this.#sender.offer(action);
  }

  #sent(action: Action, outcome: SendOutcome): void {
    const { logger, database, onTransaction } = this.#options;
    const about = { job: action.jobId, kind: action.kind };
    onTransaction?.(action, outcome);
    if (outcome.outcome === "mined") logger.info({ ...about, txHash: outcome.txHash }, "transaction mined");
    if (outcome.outcome === "unneeded")
      logger.debug({ ...about, state: outcome.state }, "transaction unneeded");
    if (outcome.outcome !== "refused") return;
    const { code, message } = refusalOf(outcome.error);
    logger.warn({ ...about, code }, "transaction refused");
    // One fact for each reason, not for each try: the log must not grow while a duty stays refused.
    const key = `refused:${action.jobId}:${action.kind}:${code}`;
    const event = { type: "TransactionRefused", kind: action.kind, code, message } as const;
    this.#announce(database.append([{ key, jobId: action.jobId, event }]));
  }

  #announce(result: AppendResult): void {
    for (const stored of result.changedJobs) this.#watchers.emit("job", this.#view(stored));
  }

  async #record(id: string, key: string, event: OperatorEvent): Promise<JobView> {
    const { database, logger } = this.#options;
    if (this.#after(id, event) === null) return this.view(id);
    await this.#requireTimely(this.#stored(id).job, event);
    // Something may have happened meanwhile; from here on to the log nothing can.
    const next = this.#after(id, event);
    if (next === null) return this.view(id);
    const conflict = newConflict(next);
    if (conflict !== null) logger.error({ job: id }, "operators signed different results");
    const result = database.append([
      { key, jobId: id, event },
      ...(conflict === null ? [] : [{ key: `conflict:${id}`, jobId: id, event: conflict }]),
    ]);
    this.takeFacts(result);
    // The post is stored; what is due because of it will also be found at the next look at the chain.
    await this.#options.times().then(
      (times) => this.#review(this.#stored(id).job, times),
      (error) => logger.warn({ job: id, err: error }, "duties could not be reviewed"),
    );
    return this.view(id);
  }

  /** The job after a post; null when that is what is known already. */
  #after(id: string, event: OperatorEvent): StoredJob["job"] | null {
    const outcome = transition(this.#stored(id).job, id, event);
    if (outcome.outcome === "refused") throw outcome.error;
    return outcome.outcome === "known" ? null : outcome.job;
  }

  /** What comes too late for the contract, or too early, is not taken. */
  async #requireTimely(job: StoredJob["job"], event: OperatorEvent): Promise<void> {
    if (event.type === "FailurePosted") return;
    if (event.type === "UnopenedPosted") {
      if (!wasJoined(job) || !reservedBudget(job)) {
        throw new SymbolonError(
          "STATE_INVALID",
          `job ${job.id} has no budget that operators could give back`,
        );
      }
      if (!hasEnded(job, { chainSec: this.#chainSec, wallSec: 0 }, await this.#options.times())) {
        throw new SymbolonError("STATE_INVALID", `job ${job.id} is ${job.state}; it has not ended`);
      }
      return;
    }
    // What the chain has already, the buyer still needs.
    if (event.type === "AttestationPosted" && job.attestedAtSec !== null) return;
    // By the time an attestation comes the bridge may not have seen the join, with which the grace begins.
    const state = event.type === "AttestationPosted" ? "Joined" : job.state;
    const lastSec =
      this.#chainSec <= job.deadlineSec
        ? job.deadlineSec
        : lastSecOf({ ...job, state }, await this.#options.times());
    if (this.#chainSec > lastSec) {
      throw new SymbolonError("STATE_INVALID", `the deadline of job ${job.id} has passed`, {
        hint: "it is refunded",
      });
    }
  }

  #context(id: string): PostContext {
    const { job } = this.#stored(id);
    const set = this.#options.database.set(job.operatorSet);
    if (set === null) throw new SymbolonError("INTERNAL", `the operator set of job ${id} is not in the log`);
    return { deployment: this.#options.deployment, job, set };
  }

  #stored(id: string): StoredJob {
    const stored = this.#options.database.job(id);
    if (stored === null) {
      throw new SymbolonError("NOT_FOUND", `no job ${id}`, {
        hint: "a job appears when its funding has enough confirmations",
      });
    }
    return stored;
  }

  #waitingJobs(times: MarketTimes): StoredJob[] {
    const { chainSec, wallSec } = this.#clock();
    return this.#options.database.waitingJobs(Math.max(chainSec, wallSec), times);
  }

  #clock(): Clock {
    return { chainSec: this.#chainSec, wallSec: Math.floor(Date.now() / 1000) };
  }

  #view({ job, version }: StoredJob): JobView {
    const { anomalies: _anomalies, joins, failures, unopened, ...shown } = job;
    if (job.state === "None") throw new SymbolonError("INTERNAL", "a job without funding has no view");
    return {
      ...shown,
      state: job.state,
      version,
      joins: joins.map(({ point }) => point),
      failures: failures.map(({ point, operator, reason }) => ({ point, operator, reason })),
      unopened: unopened.map(({ point }) => point),
      progress: this.#progress.get(job.id),
    };
  }
}

/** A view as it is listed and pushed: without the specification, which may be long and never changes. */
export function summaryOf(view: JobView): JobSummary {
  const { spec: _spec, ...summary } = view;
  return summary;
}
