/**
 * The collector's side of a session: open it, sample, score by features, review samples, choose, and collect what was
 * bought.
 */
import { getBytes, keccak256 } from "ethers";
import { maxAnswers, type SessionRequest } from "../../contracts/exchange-commitments.ts";
import { SymbolonError } from "../../mpc/errors.ts";
import type { Table } from "../data/csv.ts";
import type { DataSetSchema } from "../data/schema.ts";
import { type CollectorJournal, collectorJournal, requestIn, type SeatScore } from "./collector-journal.ts";
import {
  fingerprint,
  labelledRows,
  type OpenRequest,
  prepareSession,
  requireOpenable,
  requireSameRequest,
} from "./collector-opening.ts";
import { CollectorView, type Review } from "./collector-view.ts";
import { type ExchangeConnection, requireOwner, sessionAt } from "./connection.ts";
import { Journal } from "./journal.ts";
import { collectorStep, forfeitable, type NextStep, unsampled } from "./next-step.ts";
import { requireTime, showTime } from "./phases.ts";
import type { ShardProblem } from "./review.ts";
import { type ProviderScore, type Ranking, rank, Scorer } from "./scoring.ts";
import { type SeatRecord, type SessionRecord, seatName } from "./session.ts";
import type { LabelledRows } from "./shards.ts";

export interface ScoredSeat {
  seat: SeatRecord;
  score: ProviderScore;
  featuresRoot: string;
}

export class ExchangeCollector {
  readonly #connection: ExchangeConnection;
  readonly #folder: string;

  /** @param folder where the journal is, or will be */
  constructor(connection: ExchangeConnection, folder: string) {
    this.#connection = connection;
    this.#folder = folder;
  }

  /**
   * Fits the private model, publishes the documents, and opens the session with the reward in escrow. When that was
   * interrupted, goes on with what the journal has.
   * @throws the codes of `conform` and of the contract's rules; PARAMETER_INVALID; USAGE when the folder's session is
   * another one
   */
  async open(
    asked: OpenRequest,
  ): Promise<{ session: string; request: SessionRequest; txHash: string | null }> {
    const { market } = this.#connection;
    const again = await Journal.exists(this.#folder);
    const journal = again ? await this.#load() : await prepareSession(this.#connection, this.#folder, asked);
    if (again) await requireSameRequest(journal, asked);
    const { session } = journal.content;
    const request = requestIn(journal.content.request);
    // Once more, when the store has lost them.
    for (const hash of [request.descriptionHash, request.extractorHash]) {
      await this.#connection.store.put(await journal.blobs.get(hash));
    }
    if ((await market.session(session)).state !== "None") return { session, request, txHash: null };
    requireOpenable(journal, await market.nowSec());
    const { receipt } = await market.open(request);
    return { session, request, txHash: receipt.hash };
  }

  /**
   * Reveals the secret and samples every registration that is not sampled, one of each account: a second one of the same
   * data would have a sample of its own to choose from.
   * @returns all seats that are sampled now, those that were left out, and the transactions that this call needed
   */
  async sample(): Promise<{ sampled: SeatRecord[]; leftOut: SeatRecord[]; txHashes: string[] }> {
    const { journal, record } = await this.#open();
    const { seats, times } = record;
    const before = seats.filter(({ seed }) => seed !== undefined);
    const chosen = firstOfEach(unsampled(seats));
    if (chosen.length > 0 || before.length === 0) {
      requireTime(record, "sampling", { fromSec: times.sampleFromSec, bySec: times.sampleBySec });
    }
    if (chosen.length === 0 && before.length === 0) {
      throw new SymbolonError("STATE_INVALID", "no data set was registered, so there is nothing to sample", {
        hint: `buyer exchange close takes the reward back, from ${showTime(times.optimalBySec + 1)} on`,
      });
    }
    const sampled = [...before];
    const txHashes: string[] = [];
    for (const seat of chosen) {
      const { receipt, seed } = await this.#connection.market.sample(
        record.request,
        journal.content.secret,
        seat,
      );
      sampled.push({ ...seat, seed, state: "Sampled" });
      txHashes.push(receipt.hash);
    }
    const taken = new Set(sampled.map(({ seat }) => seat));
    const leftOut = seats.filter(({ seat, seed }) => seed === undefined && !taken.has(seat));
    return { sampled, leftOut, txHashes };
  }

  /**
   * Fetches, checks and scores what sampled providers delivered. What is wrong with a delivery is that provider's problem
   * alone. Scores that stand for the same delivery are not computed again.
   * @throws USAGE when the validation rows are not those that the session was opened with; STATE_INVALID before anything
   * is sampled
   */
  async score(validation: Table): Promise<{ seats: { seat: SeatRecord; result: SeatScore }[] }> {
    const { journal, record, view } = await this.#view();
    const rows = labelledRows(validation, view.documents.description.schema);
    if (fingerprint(rows) !== journal.content.validationHash) {
      throw new SymbolonError(
        "USAGE",
        `${validation.file} does not hold the rows that the session was opened with`,
        {
          hint: "half of them fitted the private model; other rows would be held against it unequally",
        },
      );
    }
    requireSampled(record);
    const scorer = new Scorer(journal.content.model, view.extractor, rows);
    const results: { seat: SeatRecord; result: SeatScore }[] = [];
    for (const seat of record.seats) {
      if (seat.seed === undefined || seat.state === "Ended") continue;
      const known = journal.content.scores.find((each) => each.seat === String(seat.seat));
      const stands = known?.score !== undefined && known.featuresRoot === seat.featuresRoot;
      const result = stands ? known : await view.score(scorer, seat);
      results.push({ seat, result });
      const others = journal.content.scores.filter((each) => each.seat !== String(seat.seat));
      await journal.update({ scores: [...others, result] });
    }
    return { seats: results };
  }

  /**
   * Accuses the sampled seats whose delivery was looked for and not found right: each must put its features root on chain
   * or loses its deposit.
   * @returns all that stand accused now, and the transactions that this call needed
   * @throws STATE_INVALID outside the first half of the review phase, and for a sampled seat that was not looked at
   */
  async accuse(): Promise<{ accused: SeatRecord[]; txHashes: string[] }> {
    const { journal, record } = await this.#open();
    const { featuresBySec, accuseBySec } = record.times;
    const { scores } = journal.content;
    const before = record.seats.filter(({ state }) => state === "Accused");
    const missing = record.seats.filter(
      ({ seat, state }) => state === "Sampled" && !scoreOf(scores, seat)?.score,
    );
    if (missing.length > 0 || before.length === 0) {
      requireTime(record, "accusing", { fromSec: featuresBySec + 1, bySec: accuseBySec });
      requireSampled(record);
    }
    if (
      missing.some(({ seat, featuresRoot = null }) => scoreOf(scores, seat)?.featuresRoot !== featuresRoot)
    ) {
      throw new SymbolonError("STATE_INVALID", "a sampled seat was not looked at since its last word", {
        hint: "run buyer exchange score first",
      });
    }
    const txHashes: string[] = [];
    for (const seat of missing) {
      txHashes.push((await this.#connection.market.accuse(record.terms, seat)).hash);
    }
    return { accused: [...before, ...missing], txHashes };
  }

  /** The scored seats, best first. */
  async ranking(by?: Ranking): Promise<ScoredSeat[]> {
    const { journal, record } = await this.#open();
    return rankedSeats(journal.content, record, by);
  }

  /**
   * Names the best `top` seats candidates and asks each to open its sample.
   * @returns all that were asked, now or before, and the transactions that this call needed
   * @throws STATE_INVALID without a score and after the review phase; LIMIT_EXCEEDED when the reward would not pay for as
   * many answers: then none would come
   */
  async review(top: number, by?: Ranking): Promise<{ asked: ScoredSeat[]; txHashes: string[] }> {
    const { market } = this.#connection;
    const { journal, record } = await this.#open();
    const ranked = rankedSeats(journal.content, record, by);
    if (ranked.length === 0) {
      requireSampled(record);
      throw new SymbolonError("STATE_INVALID", "no sampled data set has a score", {
        hint: "buyer exchange score looks at what they delivered",
      });
    }
    const best = new Set(ranked.slice(0, top));
    const asked = ranked.filter((scored) => best.has(scored) || scored.seat.reviewAsked);
    const fresh = asked.filter(({ seat }) => !seat.reviewAsked);
    if (fresh.length > 0) requireTime(record, "asking for reviews", { bySec: record.times.reviewBySec });
    const most = maxAnswers(record.request);
    if (BigInt(asked.length) > most) {
      throw new SymbolonError(
        "LIMIT_EXCEEDED",
        `${asked.length} reviews, and the reward pays for ${most} answers`,
        { hint: `ask for fewer, with --top ${most}` },
      );
    }
    const txHashes: string[] = [];
    for (const { seat, featuresRoot } of fresh) {
      const known = { ...seat, featuresRoot };
      if (seat.state !== "Candidate") txHashes.push((await market.candidate(record.terms, known)).hash);
      txHashes.push((await market.review(record.terms, known)).hash);
    }
    return { asked, txHashes };
  }

  /**
   * Opens the shards of the answered reviews and looks at them.
   * @returns in the order of the ranking
   */
  async reviews(by?: Ranking): Promise<Review[]> {
    const { journal, record, view } = await this.#view();
    const answered = rankedSeats(journal.content, record, by).filter(({ seat }) => seat.keys !== undefined);
    const reviews: Review[] = [];
    for (const { seat } of answered) reviews.push(await view.review(seat));
    return reviews;
  }

  /**
   * Names the best seat whose review shows no problem the winner. Once there is a winner, looks whether the same one would
   * be named again.
   * @param minAgreement share of the reviewed labels, 0 to 1, with which the private model must agree
   * @throws STATE_INVALID when no review passes: then nobody should win, and `close` takes back what nobody is owed; when
   * another has won
   */
  async choose({ by, minAgreement = 0 }: { by?: Ranking | undefined; minAgreement?: number }): Promise<{
    winner: SeatRecord;
    reviews: Review[];
    txHash: string | null;
  }> {
    const { record } = await this.#open();
    const { times, winner } = record;
    if (winner === null) {
      requireTime(record, "choosing", { fromSec: times.answerBySec + 1, bySec: times.optimalBySec });
    }
    const reviews = await this.reviews(by);
    const best = reviews.find(
      ({ problems, agreement }) => problems.length === 0 && agreement >= minAgreement,
    );
    if (winner !== null) {
      if (best?.seat.seat === winner) return { winner: best.seat, reviews, txHash: null };
      throw new SymbolonError("STATE_INVALID", `${seatName(winner)} was named the winner, which is final`, {
        hint: `these options would name ${best === undefined ? "nobody" : seatName(best.seat.seat)}; buyer exchange status shows what is next`,
      });
    }
    if (best === undefined) {
      const none =
        reviews.length === 0 ? "no review was answered" : `none of ${reviews.length} answered reviews passes`;
      throw new SymbolonError("STATE_INVALID", none, {
        hint: `choose nobody: buyer exchange close takes back what nobody is owed, from ${showTime(times.optimalBySec + 1)} on`,
      });
    }
    const { hash } = await this.#connection.market.optimal(record.terms, best.seat);
    return { winner: best.seat, reviews, txHash: hash };
  }

  /**
   * Decrypts what was bought, under the master key that the claim revealed. Shards with a problem are left out and named.
   * @throws STATE_INVALID before the claim; COMMITMENT_MISMATCH when the key is not the committed one
   */
  async collect(): Promise<{
    seat: SeatRecord;
    schema: DataSetSchema;
    shards: LabelledRows[];
    problems: ShardProblem[];
  }> {
    const { record, view } = await this.#view();
    const seat = record.seats.find((each) => each.seat === record.winner);
    if (record.state !== "Claimed" || seat?.masterKey === undefined) {
      throw notRevealed(record);
    }
    if (keccak256(getBytes(seat.masterKey)) !== seat.commitment.masterKeyHash) {
      throw new SymbolonError("COMMITMENT_MISMATCH", "the revealed master key is not the registered one");
    }
    const { schema } = view.documents.description;
    const { shards, problems } = await view.decrypt(seat, seat.masterKey);
    return { seat, schema, shards, problems };
  }

  /** Says that what was collected is kept: then collecting is no next step any more. */
  async keepCollected(): Promise<void> {
    await (await this.#load()).update({ collected: true });
  }

  /**
   * Takes what is the collector's at the end: deposits of accused providers that delivered nothing and of a winner that
   * did not claim, and what is left of the reward when nobody was paid.
   * @returns all that is the collector's by now, and the transactions that this call needed
   * @throws STATE_INVALID when there is nothing to take yet
   */
  async close(): Promise<{ forfeited: SeatRecord[]; closed: boolean; txHashes: string[] }> {
    const { market } = this.#connection;
    const { record } = await this.#open();
    const { times, nowSec, state, seats } = record;
    const before = seats.filter(({ outcome }) => outcome?.ended === "forfeited");
    const fresh = forfeitable(record);
    const closable =
      (state === "Open" && nowSec > times.optimalBySec) || (state === "Won" && nowSec > times.claimBySec);
    const closed = closable || state === "Closed";
    const forfeited = [...before, ...fresh];
    if (forfeited.length === 0 && !closed) throw nothingToTake(record);
    const txHashes: string[] = [];
    for (const seat of fresh) txHashes.push((await market.forfeit(record.terms, seat)).hash);
    if (closable) txHashes.push((await market.close(record.terms)).hash);
    return { forfeited, closed, txHashes };
  }

  /** The session as the chain has it now, the ranking so far, and what is next. */
  async status(): Promise<{ record: SessionRecord; ranking: ScoredSeat[]; next: NextStep | null }> {
    const { journal, record } = await this.#open();
    const ranking = rankedSeats(journal.content, record);
    return { record, ranking, next: collectorStep(record, journal.content) };
  }

  async #load(): Promise<Journal<CollectorJournal>> {
    const journal = await Journal.load(this.#folder, collectorJournal);
    requireOwner(journal.content, this.#connection);
    return journal;
  }

  async #open() {
    const journal = await this.#load();
    return { journal, record: await sessionAt(this.#connection, journal.content.session) };
  }

  async #view() {
    const { journal, record } = await this.#open();
    return { journal, record, view: await CollectorView.open(this.#connection, journal, record) };
  }
}

/** Scored seats whose delivery is still the one that was scored, best first. */
function rankedSeats({ scores }: CollectorJournal, { seats }: SessionRecord, by?: Ranking): ScoredSeat[] {
  const scored = seats.flatMap((seat): ScoredSeat[] => {
    const found = scoreOf(scores, seat.seat);
    if (found?.score === undefined || found.featuresRoot === null) return [];
    // Until it is a candidate, a provider may state other features; those that were scored count. After that, and
    // after an accusation, the chain has one root.
    const bound = !["Sampled", "Accused"].includes(seat.state);
    if (seat.state === "Accused" || (bound && seat.featuresRoot !== found.featuresRoot)) return [];
    return [{ seat, score: found.score, featuresRoot: found.featuresRoot }];
  });
  return rank(scored, by);
}

function scoreOf(scores: CollectorJournal["scores"], seat: bigint): SeatScore | undefined {
  return scores.find((each) => each.seat === String(seat));
}

/** Of each seller the first. */
function firstOfEach(seats: readonly SeatRecord[]): SeatRecord[] {
  return seats.filter(({ provider }, at) => seats.findIndex((each) => each.provider === provider) === at);
}

/** @throws STATE_INVALID with what is missing, while no data set is sampled */
function requireSampled({ seats, times, nowSec }: SessionRecord): void {
  if (seats.some(({ seed }) => seed !== undefined)) return;
  const { sampleFromSec, sampleBySec, optimalBySec } = times;
  const message =
    seats.length === 0
      ? "no data set is registered, so none is sampled"
      : `none of ${seats.length} registered data sets is sampled`;
  const hint =
    nowSec <= sampleBySec
      ? `buyer exchange sample does so, from ${showTime(sampleFromSec)} to ${showTime(sampleBySec)}`
      : `sampling is closed since ${showTime(sampleBySec)}; buyer exchange close takes the reward back, from ${showTime(optimalBySec + 1)} on`;
  throw new SymbolonError("STATE_INVALID", message, { hint });
}

function notRevealed({ state, times, nowSec }: SessionRecord): SymbolonError {
  const claim = `the winner does so with its claim, for which it has until ${showTime(times.claimBySec)}`;
  const over = nowSec > times.claimBySec || state === "Closed";
  return new SymbolonError("STATE_INVALID", "the winner has not revealed its master key", {
    hint: over
      ? "its time is over; buyer exchange close takes back what nobody is owed"
      : state === "Won"
        ? claim
        : `buyer exchange choose names the winner, from ${showTime(times.answerBySec + 1)} to ${showTime(times.optimalBySec)}`,
  });
}

function nothingToTake({ state, times }: SessionRecord): SymbolonError {
  const from = state === "Won" ? times.claimBySec : times.optimalBySec;
  return new SymbolonError("STATE_INVALID", "there is nothing to take back now", {
    hint:
      state === "Claimed"
        ? "the winner was paid, and no deposit was forfeited"
        : `the session is ${state}; what is left of the reward can be taken back from ${showTime(from + 1)} on`,
  });
}
