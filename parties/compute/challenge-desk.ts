/**
 * Answers challenges on chain: a buyer asks for a chunk of this party's share of a result, and the node posts it from
 * its own account, through its own endpoint. A bridge that could keep the answer back could have an operator slashed.
 * One share by itself says nothing about the result.
 *
 * One answer is waited for at a time, that of the challenge which is due first. Where it is not mined, the next one goes
 * out in its place, or in that of what holds it up, at a higher fee, also after a restart: the journal knows the place.
 */
import type { AttestationPost } from "../../bridge/client.ts";
import type { Market } from "../../contracts/market.ts";
import type { AttestedJob } from "../../contracts/market-views.ts";
import type { Place } from "../../contracts/transactions.ts";
import { type ErrorCode, SymbolonError, toSymbolonError } from "../../mpc/errors.ts";
import { type Challenge, type LedgerJob, MarketLedger } from "../ledger.ts";
import { chunkOpener } from "../result.ts";
import type { EvidenceStore, ResultEvidence } from "./evidence-store.ts";
import type { Journal } from "./journal.ts";
import type { Logger } from "./logger.ts";
import { MissedChallenges, ownChallenges } from "./missed-challenges.ts";

export interface ChallengeDeskOptions {
  operator: string;
  /** With the operator's own account, which pays the gas and gets the fee. */
  market: Market;
  evidence: EvidenceStore;
  journal: Journal;
  /** What an answer pays for a unit of gas at most, in wei. */
  mostFeePerGas: bigint;
  logger: Logger;
  /** How long an answer may wait before it is sent again at a higher fee. */
  patienceMs?: number;
  /** How often the contract itself is asked what is owed. */
  checkEveryMs?: number;
}

/** Evidence of one job, with the tree over its chunks, and the job as the chain told it. */
interface OpenedEvidence extends ResultEvidence {
  job: AttestedJob;
  open: ReturnType<typeof chunkOpener>;
}

/** States in which nobody can ask for another chunk. */
const over = ["Settled", "Failed", "Refunded"];
/** How long evidence is kept in such a state: no reorganisation goes back so far. */
const keepSec = 7 * 24 * 3600;
const retryMs = 5000;
/** A few blocks. */
const defaultPatienceMs = 45_000;
/** What an account should be able to pay for at any time: two answers of about 150,000 gas. */
const reserveGas = 300_000n;
const reserveEveryMs = 600_000;
const poorText = "the operator's account cannot pay for the answer to a challenge";
/** Trouble that the next answer would have, too. */
const general: readonly ErrorCode[] = ["CHAIN_UNREACHABLE", "FUNDS_MISSING"];

export class ChallengeDesk {
  readonly #options: Required<Omit<ChallengeDeskOptions, "checkEveryMs">>;
  readonly #notBefore = new Map<string, number>();
  /** Challenges that an answer was sent to, and where the last one stands: the journal may not take it. */
  readonly #sent = new Set<string>();
  #last: Place | undefined;
  /** Why challenges are not answered, by challenge. */
  readonly #troubles = new Map<string, string>();
  readonly #stopped = Promise.withResolvers<never>();
  #ledger = new MarketLedger();
  readonly #missed: MissedChallenges;
  #nowSec = 0;
  /** Of the job that was asked about last: its tree is dear, and challenges come in rows. */
  #opened: OpenedEvidence | undefined;
  #pausedUntilMs = 0;
  #poor = false;
  /** Of performance.now(), as all delays here: a clock that is set back must not keep an answer waiting. */
  #reserveAtMs = 0;
  #reserve: Promise<void> | undefined;
  #answering: Promise<void> | undefined;
  #dropping: Promise<void> | undefined;
  #closed = false;

  constructor({ checkEveryMs, ...options }: ChallengeDeskOptions) {
    this.#options = { patienceMs: defaultPatienceMs, ...options };
    const { operator, market, evidence, logger } = options;
    this.#missed = new MissedChallenges({
      ...{ operator, market, evidence, logger },
      ...(checkEveryMs !== undefined && { everyMs: checkEveryMs }),
    });
    this.#stopped.promise.catch(() => undefined);
  }

  /** Why the bond is at stake now, or would be with the next challenge, in words; empty when it is not. */
  get obstacles(): string[] {
    const poor = this.#poor ? [poorText] : [];
    return [...new Set([...this.#troubles.values(), ...this.#missed.obstacles, ...poor])];
  }

  /**
   * Answers what is open, and forgets what nobody can ask for.
   * @param nowSec the chain's own time: a clock that is ahead must not make a challenge look lost
   * @param block the last one whose events the ledger has; null where that is not certain
   * @returns when all of it is done; nobody has to wait
   */
  async review(ledger: MarketLedger, nowSec: number, block: number | null): Promise<void> {
    if (this.#closed) return;
    this.#ledger = ledger;
    this.#nowSec = nowSec;
    for (const ofKeys of [this.#troubles, this.#notBefore]) {
      for (const key of ofKeys.keys()) {
        if (!ledger.challenges.has(key) && !this.#missed.has(key)) ofKeys.delete(key);
      }
    }
    this.#startAnswering();
    const looked = block === null ? undefined : this.#missed.look(ledger, block);
    this.#dropping ??= this.#drop().finally(() => {
      this.#dropping = undefined;
    });
    if (performance.now() >= this.#reserveAtMs) {
      this.#reserveAtMs = performance.now() + reserveEveryMs;
      this.#reserve = this.#checkReserve();
    }
    await looked;
    // What was missed may have been found.
    if (!this.#closed) this.#startAnswering();
    await Promise.all([this.#answering, this.#dropping, this.#reserve]);
  }

  /** An answer that is on its way is left to the chain, and to the next start of this node. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#stopped.reject(new SymbolonError("RUN_ABORTED", "this node is being stopped"));
    await this.#missed.close();
    await Promise.all([this.#answering, this.#dropping, this.#reserve]);
  }

  #startAnswering(): void {
    this.#answering ??= this.#answerAll().finally(() => {
      this.#answering = undefined;
    });
  }

  /** A challenge is a bad moment to find the account empty. */
  async #checkReserve(): Promise<void> {
    const { market, operator, logger } = this.#options;
    try {
      const { provider } = market;
      const [balance, { maxFeePerGas }] = await Promise.all([
        provider.getBalance(operator),
        provider.getFeeData(),
      ]);
      const poor = balance < reserveGas * (maxFeePerGas ?? 0n);
      if (poor && !this.#poor) logger.error({ balanceWei: balance.toString() }, poorText);
      this.#poor = poor;
    } catch (thrown) {
      this.#reserveAtMs = 0;
      logger.debug({ err: toSymbolonError(thrown) }, "the operator's account cannot be looked at");
    }
  }

  async #answerAll(): Promise<void> {
    for (;;) {
      const next = this.#closed ? undefined : this.#mostUrgent();
      if (next === undefined) break;
      const [key, challenge] = next;
      this.#notBefore.set(key, performance.now() + retryMs);
      await this.#answer(key, challenge);
    }
    if (this.#open().length === 0) this.#opened = undefined;
  }

  #mostUrgent(): [string, Challenge] | undefined {
    const now = performance.now();
    if (now < this.#pausedUntilMs) return undefined;
    const due = this.#open().filter(([key]) => now >= (this.#notBefore.get(key) ?? 0));
    return due.toSorted(([, a], [, b]) => a.dueSec - b.dueSec)[0];
  }

  /** Own challenges that can still be answered. */
  #open(): [string, Challenge][] {
    const told = ownChallenges(this.#ledger, this.#options.operator);
    return [...told, ...this.#missed.notIn(this.#ledger)].filter(([, { dueSec }]) => this.#nowSec <= dueSec);
  }

  async #answer(key: string, { job, point, chunk, dueSec }: Challenge): Promise<void> {
    const { market, journal, mostFeePerGas, patienceMs, logger } = this.#options;
    const about = { job, chunk, dueSec };
    try {
      const opened = await this.#openedOf(job);
      if (opened === undefined) {
        this.#troubles.set(key, "challenged for a result that is not on this node's disk");
        logger.error(about, "challenged for a result that is not on this node's disk: its bond is at stake");
        return;
      }
      const sending = market.respond(opened.job, point, chunk, opened.open(chunk), {
        last: this.#last ?? journal.lastPlace(),
        onSend: (place) => this.#takeDown(key, place),
        ...{ mostFeePerGas, patienceMs },
      });
      const { hash } = await Promise.race([sending, this.#stopped.promise]);
      this.#troubles.delete(key);
      this.#missed.delete(key);
      // Until the ledger shows it, which takes as many blocks as have to stand on it.
      this.#notBefore.set(key, performance.now() + retryMs);
      logger.info({ ...about, tx: hash }, "challenge answered");
    } catch (thrown) {
      this.#failed(key, about, toSymbolonError(thrown));
    }
  }

  /** A disk that is full costs an answer that is sent twice after a restart. One that is not sent costs the bond. */
  #takeDown(key: string, place: Place): void {
    const { journal, logger } = this.#options;
    this.#sent.add(key);
    this.#last = place;
    try {
      journal.answer(key, place);
    } catch (thrown) {
      logger.error(
        { err: toSymbolonError(thrown) },
        "an answer is sent that the journal could not take down",
      );
    }
  }

  #failed(key: string, about: object, error: SymbolonError): void {
    const { journal, logger } = this.#options;
    if (this.#closed) return;
    // The chain waits for nothing more; should a reorganisation take the answer back, it is sent again.
    if (error.code === "NOT_FOUND" && (this.#sent.has(key) || journal.answered(key))) {
      this.#troubles.delete(key);
      this.#missed.delete(key);
      return;
    }
    if (general.includes(error.code)) this.#pausedUntilMs = performance.now() + retryMs;
    this.#troubles.set(key, error.code === "FUNDS_MISSING" ? poorText : "a challenge is not answered");
    logger.error({ ...about, err: error }, "the challenge is not answered yet: the bond is at stake");
  }

  async #openedOf(name: string): Promise<OpenedEvidence | undefined> {
    if (this.#opened?.job.job === name) return this.#opened;
    // Before the next is read: shares are large.
    this.#opened = undefined;
    const kept = await this.#options.evidence.read(name);
    if (kept === undefined) return undefined;
    const job = await this.#attestedJob(name);
    this.#opened = { ...kept, job, open: chunkOpener(kept.origin, kept.salt, kept.share) };
    return this.#opened;
  }

  /**
   * What this node signed is in its journal, and there alone beyond doubt. The rest is from the ledger, unless the
   * endpoint left that out: then from all blocks, once for all answers.
   */
  async #attestedJob(name: string): Promise<AttestedJob> {
    const { market, journal } = this.#options;
    const told = this.#ledger.jobs.get(name);
    const word = journal.word(name, "attestation");
    if (word !== undefined) {
      const { attestation, parts } = word.post as AttestationPost;
      const { resultRoot, payoutRoot } = attestation;
      return { ...(told ?? (await market.fundedJob(name))), parts, resultRoot, payoutRoot };
    }
    return told?.outcome === undefined ? market.attestedJob(name) : { ...told, ...told.outcome };
  }

  async #drop(): Promise<void> {
    const { evidence, market, logger } = this.#options;
    try {
      for (const name of await evidence.jobs()) {
        const job = this.#ledger.jobs.get(name);
        // The money may be back for another party's sake: who does not answer is slashed all the same.
        const asked = [...this.#ledger.challenges.values()].some((challenge) => challenge.job === name);
        if (job === undefined || !this.#isPast(job) || asked) continue;
        // Once for each, at its end: the endpoint may have left a challenge out.
        if (await market.isChallenged(name)) continue;
        await evidence.drop(name);
        for (const key of this.#sent) if (key.startsWith(`${name}/`)) this.#sent.delete(key);
      }
    } catch (thrown) {
      logger.warn({ err: toSymbolonError(thrown) }, "old result shares are kept");
    }
  }

  #isPast({ state, changedAtSec }: LedgerJob): boolean {
    return over.includes(state) && this.#nowSec > changedAtSec + keepSec;
  }
}
