/**
 * The bridge's memory: an append-only log of facts, and views that are computed from it.
 *
 * One SQLite file in WAL mode with full synchronisation: what a caller was told is stored. A batch of facts,
 * the views they change and the chain cursor are written in one transaction, so a crash loses all of them
 * or none, and reading the same blocks again adds nothing (each fact has a key that occurs once).
 *
 * A chain reorganisation does not edit the log. It appends a rewind, which voids the chain's facts above a
 * block; the views are then computed anew from what still stands.
 */
import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";
import { type MarketTimes, waitsUntil } from "../jobs/duties.ts";
import type { ChainPosition, JobEvent } from "../jobs/events.ts";
import { type Job, jobEventRules, transition } from "../jobs/transitions.ts";
import type { JobEventView, OfferView, OperatorView, SetView } from "../schemas.ts";
import { blobsNamedBy } from "./blob-names.ts";
import { type MarketFact, offerAfter, operatorAfter, setOf } from "./market-events.ts";
import { type JobFilter, type OfferFilter, type Page, pageOf, pageQuery, type Row } from "./pages.ts";
import { type MarketIdentity, openDatabase } from "./schema.ts";

/** A fact to append. `key` names it for good: a second fact of the same key is ignored. */
export type NewFact = { key: string } & (
  | { jobId: string; event: JobEvent }
  | { jobId: null; event: MarketFact }
);

/** The last block whose facts are in the log. */
export interface Cursor {
  blockNumber: number;
  blockHash: string;
}

/** A job that a batch changed, with the number of the fact that changed it last. */
export interface StoredJob {
  job: Job;
  version: number;
}

export interface AppendResult {
  /** Facts that were new. */
  appended: number;
  changedJobs: StoredJob[];
  /** Keys of facts that did not fit (a chain event of an unknown job). They are in the log all the same. */
  misfits: string[];
}

/** Facts that no rewind voids: those of operators and the bridge always, the chain's if not rewound. */
const standing = `(f.block IS NULL OR NOT EXISTS (
  SELECT 1 FROM rewinds r WHERE f.block > r.to_block AND f.sequence <= r.last_sequence))`;

export class BridgeDatabase {
  readonly #db: DatabaseSync;
  readonly #keptBlocks: number;
  readonly #statements = new Map<string, StatementSync>();
  #epoch: number;

  /**
   * Opens or creates the database. `:memory:` keeps nothing.
   * @param keptBlocks block hashes to remember, that is, how deep a reorganisation can be followed
   * @throws CONFIG_INVALID when the file belongs to another market or version
   */
  constructor(path: string, identity: MarketIdentity, keptBlocks = 256) {
    this.#db = openDatabase(path, identity);
    this.#keptBlocks = keptBlocks;
    this.#epoch = Number(this.#row("SELECT count(*) AS n FROM rewinds")!.n);
  }

  /** Appends facts, brings the views up to date and moves the cursor, all in one transaction. */
  append(facts: readonly NewFact[], cursor?: Cursor, nowMs = Date.now()): AppendResult {
    return this.#transaction(() => {
      const changed = new Map<string, StoredJob>();
      const misfits: string[] = [];
      let appended = 0;
      for (const fact of facts) {
        const block = "chain" in fact.event ? (fact.event.chain as ChainPosition).blockNumber : null;
        const known = this.#row(
          `SELECT 1 FROM facts f WHERE f.key = ? AND ${block === null ? "1" : standing}`,
          fact.key,
        );
        if (known !== undefined) continue;
        const { lastInsertRowid } = this.#run(
          "INSERT INTO facts (epoch, key, job, type, block, at_ms, data) VALUES (?, ?, ?, ?, ?, ?, ?)",
          this.#epoch,
          fact.key,
          fact.jobId,
          fact.event.type,
          block,
          nowMs,
          JSON.stringify(fact.event),
        );
        appended += 1;
        const stored = this.#project(fact.jobId, fact.event, Number(lastInsertRowid));
        if (stored === "misfit") misfits.push(fact.key);
        else if (stored !== null) changed.set(stored.job.id, stored);
      }
      if (cursor !== undefined) this.#moveCursor(cursor);
      return { appended, changedJobs: [...changed.values()], misfits };
    });
  }

  /** The last processed block, or null before the first. */
  cursor(): Cursor | null {
    const row = this.#row("SELECT number, hash FROM blocks ORDER BY number DESC LIMIT 1");
    return row === undefined ? null : { blockNumber: Number(row.number), blockHash: String(row.hash) };
  }

  /** Processed blocks whose hashes are remembered, newest first. */
  rememberedBlocks(): Cursor[] {
    return this.#rows("SELECT number, hash FROM blocks ORDER BY number DESC").map((row) => ({
      blockNumber: Number(row.number),
      blockHash: String(row.hash),
    }));
  }

  /** Voids the chain's facts above `toBlock` and computes all views anew. */
  rewind(toBlock: number, nowMs = Date.now()): void {
    this.#transaction(() => {
      const last = this.#row("SELECT coalesce(max(sequence), 0) AS n FROM facts")!.n;
      this.#epoch += 1;
      this.#run("INSERT INTO rewinds VALUES (?, ?, ?, ?)", this.#epoch, toBlock, last ?? 0, nowMs);
      this.#run("DELETE FROM blocks WHERE number > ?", toBlock);
      this.#replay();
    });
  }

  /** Computes all views anew from the log; they must come out as they are. */
  replay(): void {
    this.#transaction(() => this.#replay());
  }

  #replay(): void {
    for (const view of ["jobs", "offers", "operators", "sets", "blob_names"]) {
      this.#db.exec(`DELETE FROM ${view}`);
    }
    const facts = this.#db
      .prepare(`SELECT sequence, job, data FROM facts f WHERE ${standing} ORDER BY sequence`)
      .iterate() as Iterable<Row>;
    for (const row of facts) {
      const jobId = row.job === null ? null : String(row.job);
      this.#project(jobId, JSON.parse(String(row.data)), Number(row.sequence));
    }
  }

  #project(
    jobId: string | null,
    event: JobEvent | MarketFact,
    sequence: number,
  ): StoredJob | "misfit" | null {
    if (jobId === null) {
      this.#projectMarketFact(event as MarketFact, sequence);
      return null;
    }
    const jobEvent = event as JobEvent;
    for (const hash of blobsNamedBy(jobEvent)) this.#run("INSERT OR IGNORE INTO blob_names VALUES (?)", hash);
    const outcome = transition(this.job(jobId)?.job ?? null, jobId, jobEvent);
    if (outcome.outcome !== "applied") return outcome.outcome === "refused" ? "misfit" : null;
    let job = outcome.job;
    // After a reorganisation a job is funded again; what operators signed for it before still counts.
    if (jobEvent.type === "Funded") job = this.#reapplyPosts(job, sequence);
    const waits = waitsUntil(job);
    // A job's terms never change, so neither does what is searched by but its state.
    this.#run(
      `INSERT INTO jobs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?2, ?8) ON CONFLICT (id) DO UPDATE SET
       state = excluded.state, waits_until_sec = excluded.waits_until_sec, waits_plus = excluded.waits_plus,
       version = excluded.version, view = excluded.view`,
      job.id,
      sequence,
      job.state,
      job.operatorSet,
      job.buyer.toLowerCase(),
      waits?.sec ?? null,
      waits?.plus ?? null,
      JSON.stringify(job),
    );
    return { job, version: sequence };
  }

  #reapplyPosts(funded: Job, before: number): Job {
    const posts = this.#rows(
      "SELECT data FROM facts WHERE job = ? AND block IS NULL AND sequence < ? ORDER BY sequence",
      funded.id,
      before,
    );
    return posts.reduce((job, row) => {
      const event = JSON.parse(String(row.data)) as JobEvent;
      if (jobEventRules[event.type].source !== "operator") return job;
      const next = transition(job, job.id, event);
      return next.outcome === "applied" ? next.job : job;
    }, funded);
  }

  #projectMarketFact(fact: MarketFact, sequence: number): void {
    for (const hash of blobsNamedBy(fact)) this.#run("INSERT OR IGNORE INTO blob_names VALUES (?)", hash);
    if ("offer" in fact) {
      const offer = offerAfter(this.offer(fact.offer), fact);
      if (offer === null) return;
      this.#run(
        `INSERT INTO offers VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET active = excluded.active, view = excluded.view`,
        offer.id,
        sequence,
        offer.operatorSet,
        offer.active ? 1 : 0,
        JSON.stringify(offer),
      );
    } else if (fact.type === "SetCreated") {
      this.#run("INSERT OR REPLACE INTO sets VALUES (?, ?)", fact.set, JSON.stringify(setOf(fact)));
    } else {
      const address = fact.operator.toLowerCase();
      const operator = operatorAfter(this.operator(address), fact);
      if (operator !== null) {
        this.#run("INSERT OR REPLACE INTO operators VALUES (?, ?)", address, JSON.stringify(operator));
      }
    }
  }

  #moveCursor(cursor: Cursor): void {
    this.#run("INSERT OR REPLACE INTO blocks VALUES (?, ?)", cursor.blockNumber, cursor.blockHash);
    this.#run(
      "DELETE FROM blocks WHERE number NOT IN (SELECT number FROM blocks ORDER BY number DESC LIMIT ?)",
      this.#keptBlocks,
    );
  }

  job(id: string): StoredJob | null {
    const row = this.#row("SELECT version, view FROM jobs WHERE id = ?", id);
    return row === undefined ? null : storedJob(row);
  }

  /** Jobs in the order of their funding. */
  jobs(filter: JobFilter): Page<StoredJob> {
    const { sql, values } = pageQuery("jobs", filter);
    return pageOf(this.#rows(sql, ...values), filter.limit, storedJob);
  }

  /** Jobs for which something may be due at `nowSec`: all of those, and few others. */
  waitingJobs(nowSec: number, { challengeWindowSec, graceSec }: MarketTimes): StoredJob[] {
    return this.#rows(
      `SELECT version, view FROM jobs WHERE waits_until_sec < ?1 AND waits_until_sec < ?1 - CASE waits_plus
       WHEN 'challengeWindowSec' THEN ?2 WHEN 'graceSec' THEN ?3 ELSE 0 END ORDER BY position`,
      nowSec,
      challengeWindowSec,
      graceSec,
    ).map(storedJob);
  }

  jobsByState(): { state: string; jobs: number }[] {
    return this.#rows("SELECT state, count(*) AS n FROM jobs GROUP BY state").map((row) => ({
      state: String(row.state),
      jobs: Number(row.n),
    }));
  }

  /** The facts of a job that stand, in order, `after` a sequence number. */
  jobEvents(id: string, after: number, limit: number): JobEventView[] {
    return this.#rows(
      `SELECT sequence, type, at_ms, data FROM facts f WHERE job = ? AND sequence > ? AND ${standing}
       ORDER BY sequence LIMIT ?`,
      id,
      after,
      limit,
    ).map((row) => {
      const {
        type: _type,
        chain,
        ...data
      } = JSON.parse(String(row.data)) as JobEvent & { chain?: ChainPosition };
      return {
        sequence: Number(row.sequence),
        type: String(row.type),
        atMs: Number(row.at_ms),
        txHash: chain?.txHash ?? null,
        blockNumber: chain?.blockNumber ?? null,
        data,
      };
    });
  }

  offer(id: string): OfferView | null {
    return this.#view("SELECT view FROM offers WHERE id = ?", id);
  }

  /** Offers in the order of their publication. */
  offers(filter: OfferFilter): Page<OfferView> {
    const { sql, values } = pageQuery("offers", filter);
    return pageOf(this.#rows(sql, ...values), filter.limit, (row) => JSON.parse(String(row.view)));
  }

  operator(address: string): OperatorView | null {
    return this.#view("SELECT view FROM operators WHERE address = ?", address.toLowerCase());
  }

  operators(): OperatorView[] {
    return this.#rows("SELECT view FROM operators ORDER BY address").map(
      (row) => JSON.parse(String(row.view)) as OperatorView,
    );
  }

  set(id: string): SetView | null {
    return this.#view("SELECT view FROM sets WHERE id = ?", id.toLowerCase());
  }

  sets(): SetView[] {
    return this.#rows("SELECT view FROM sets ORDER BY id").map(
      (row) => JSON.parse(String(row.view)) as SetView,
    );
  }

  /** Whether an offer, a job's specification or an attestation names this blob. */
  namesBlob(hash: string): boolean {
    return this.#row("SELECT 1 FROM blob_names WHERE hash = ?", hash) !== undefined;
  }

  close(): void {
    this.#db.close();
  }

  #view<View>(sql: string, key: SQLInputValue): View | null {
    const row = this.#row(sql, key);
    return row === undefined ? null : (JSON.parse(String(row.view)) as View);
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #row(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#statement(sql).get(...values) as Row | undefined;
  }

  #rows(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#statement(sql).all(...values) as Row[];
  }

  #run(sql: string, ...values: SQLInputValue[]) {
    return this.#statement(sql).run(...values);
  }

  #transaction<Result>(work: () => Result): Result {
    this.#db.exec("BEGIN IMMEDIATE");
    try {
      const result = work();
      this.#db.exec("COMMIT");
      return result;
    } catch (error) {
      this.#db.exec("ROLLBACK");
      throw error;
    }
  }
}

function storedJob(row: Row): StoredJob {
  return { version: Number(row.version), job: JSON.parse(String(row.view)) as Job };
}
