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
import { fingerprint, labelledRows, type OpenRequest, prepareSession } from "./collector-opening.ts";
import { CollectorView, type Review } from "./collector-view.ts";
import { type ExchangeConnection, requireOwner, sessionAt } from "./connection.ts";
import { Journal } from "./journal.ts";
import type { ShardProblem } from "./review.ts";
import { type ProviderScore, type Ranking, rank, Scorer } from "./scoring.ts";
import { requireTime, type SeatRecord, type SessionRecord } from "./session.ts";
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
   * @throws the codes of `conform` and of the contract's rules; PARAMETER_INVALID
   */
  async open(
    asked: OpenRequest,
  ): Promise<{ session: string; request: SessionRequest; txHash: string | null }> {
    const { market } = this.#connection;
    const journal = (await Journal.exists(this.#folder))
      ? await this.#load()
      : await prepareSession(this.#connection, this.#folder, asked);
    const { session } = journal.content;
    const request = requestIn(journal.content.request);
    // Once more, when the store has lost them.
    for (const hash of [request.descriptionHash, request.extractorHash]) {
      await this.#connection.store.put(await journal.blobs.get(hash));
    }
    if ((await market.session(session)).state !== "None") return { session, request, txHash: null };
    const { receipt } = await market.open(request);
    return { session, request, txHash: receipt.hash };
  }

  /**
   * Reveals the secret and samples every registration that is not sampled, one of each account: a second one of the same
   * data would have a sample of its own to choose from.
   * @returns the seats that were sampled, and those that were left out
   */
  async sample(): Promise<{ sampled: SeatRecord[]; leftOut: SeatRecord[]; txHashes: string[] }> {
    const { journal, record } = await this.#open();
    requireTime(record, "sampling", record.times.sampleFromSec, record.times.sampleBySec);
    const { secret } = journal.content;
    const taken = new Set(
      record.seats.filter(({ seed }) => seed !== undefined).map(({ provider }) => provider),
    );
    const sampled: SeatRecord[] = [];
    const leftOut: SeatRecord[] = [];
    const txHashes: string[] = [];
    for (const seat of record.seats) {
      if (seat.state !== "Registered") continue;
      if (taken.has(seat.provider)) {
        leftOut.push(seat);
        continue;
      }
      taken.add(seat.provider);
      const { receipt, seed } = await this.#connection.market.sample(record.request, secret, seat);
      sampled.push({ ...seat, seed, state: "Sampled" });
      txHashes.push(receipt.hash);
    }
    return { sampled, leftOut, txHashes };
  }

  /**
   * Fetches, checks and scores what sampled providers delivered. What is wrong with a delivery is that provider's problem
   * alone. Scores that stand for the same delivery are not computed again.
   * @throws USAGE when the validation rows are not those that the session was opened with
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
   * @throws STATE_INVALID outside the first half of the review phase, and for a sampled seat that was not looked at
   */
  async accuse(): Promise<{ accused: SeatRecord[]; txHashes: string[] }> {
    const { journal, record } = await this.#open();
    const { featuresBySec, accuseBySec } = record.times;
    requireTime(record, "accusing", featuresBySec + 1, accuseBySec);
    const accused = record.seats.filter((each) => {
      if (each.state !== "Sampled") return false;
      const known = journal.content.scores.find(({ seat }) => seat === String(each.seat));
      const stands = known !== undefined && known.featuresRoot === (each.featuresRoot ?? null);
      if (known?.score === undefined && !stands) {
        throw new SymbolonError("STATE_INVALID", "a sampled seat was not looked at since its last word", {
          hint: "run buyer exchange score first",
        });
      }
      return known?.score === undefined;
    });
    const txHashes: string[] = [];
    for (const seat of accused) {
      txHashes.push((await this.#connection.market.accuse(record.terms, seat)).hash);
    }
    return { accused, txHashes };
  }

  /** The scored seats that can still be reviewed or were, best first. */
  async ranking(by?: Ranking): Promise<ScoredSeat[]> {
    const { journal, record } = await this.#open();
    return rankedSeats(journal.content, record, by);
  }

  /**
   * Names the best `top` seats candidates and asks each to open its sample.
   * @throws LIMIT_EXCEEDED when the reward would not pay for as many answers: then none would come
   */
  async review(top: number, by?: Ranking): Promise<{ asked: ScoredSeat[]; txHashes: string[] }> {
    const { market } = this.#connection;
    const { journal, record } = await this.#open();
    const chosen = rankedSeats(journal.content, record, by).slice(0, top);
    if (chosen.length === 0) {
      throw new SymbolonError("STATE_INVALID", "no sampled provider has a score", {
        hint: "buyer exchange score looks at what they delivered",
      });
    }
    const all = new Set([
      ...record.seats.filter(({ reviewAsked }) => reviewAsked).map(({ seat }) => seat),
      ...chosen.map(({ seat }) => seat.seat),
    ]);
    const most = maxAnswers(record.request);
    if (BigInt(all.size) > most) {
      throw new SymbolonError(
        "LIMIT_EXCEEDED",
        `${all.size} reviews, and the reward pays for ${most} answers`,
      );
    }
    const asked: ScoredSeat[] = [];
    const txHashes: string[] = [];
    for (const scored of chosen) {
      const { seat, featuresRoot } = scored;
      const known = { ...seat, featuresRoot };
      if (seat.reviewAsked) continue;
      if (seat.state !== "Candidate") txHashes.push((await market.candidate(record.terms, known)).hash);
      txHashes.push((await market.review(record.terms, known)).hash);
      asked.push(scored);
    }
    return { asked, txHashes };
  }

  /**
   * Opens the shards of the answered reviews and looks at them.
   * @returns in the order of the ranking
   */
  async reviews(by?: Ranking): Promise<Review[]> {
    const { journal, record, view } = await this.#view();
    const answered = rankedSeats(journal.content, record, by).filter(({ seat }) => seat.state === "Answered");
    const reviews: Review[] = [];
    for (const { seat } of answered) reviews.push(await view.review(seat));
    return reviews;
  }

  /**
   * Names the best seat whose review shows no problem the winner.
   * @param minAgreement share of the reviewed labels, 0 to 1, with which the private model must agree
   * @throws STATE_INVALID when no review passes: then nobody should win, and `close` takes back what nobody is owed
   */
  async choose({ by, minAgreement = 0 }: { by?: Ranking | undefined; minAgreement?: number }): Promise<{
    winner: SeatRecord;
    reviews: Review[];
    txHash: string;
  }> {
    const { market } = this.#connection;
    const reviews = await this.reviews(by);
    const best = reviews.find(
      ({ problems, agreement }) => problems.length === 0 && agreement >= minAgreement,
    );
    if (best === undefined) {
      const { record } = await this.#open();
      requireTime(record, "choosing", record.times.answerBySec + 1, record.times.optimalBySec);
      throw new SymbolonError("STATE_INVALID", `none of ${reviews.length} answered reviews passes`, {
        hint: "choose nobody: buyer exchange close takes back what nobody is owed, after the choice phase",
      });
    }
    const { record } = await this.#open();
    const { hash } = await market.optimal(record.terms, best.seat);
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
      throw new SymbolonError("STATE_INVALID", "the winner has not revealed its master key", {
        hint: "it does so to claim the reward; buyer exchange status shows until when",
      });
    }
    if (keccak256(getBytes(seat.masterKey)) !== seat.commitment.masterKeyHash) {
      throw new SymbolonError("COMMITMENT_MISMATCH", "the revealed master key is not the registered one");
    }
    const { schema } = view.documents.description;
    const { shards, problems } = await view.decrypt(seat, seat.masterKey);
    return { seat, schema, shards, problems };
  }

  /**
   * Takes what is the collector's at the end: deposits of accused providers that delivered nothing and of a winner that
   * did not claim, and what is left of the reward when nobody was paid.
   * @throws STATE_INVALID when there is nothing to take yet
   */
  async close(): Promise<{ forfeited: SeatRecord[]; closed: boolean; txHashes: string[] }> {
    const { market } = this.#connection;
    const { record } = await this.#open();
    const { times, nowSec, state, winner } = record;
    const unclaimed = (state === "Won" || state === "Closed") && nowSec > times.claimBySec;
    const forfeited = record.seats.filter(
      (seat) =>
        (seat.state === "Accused" && nowSec > times.reviewBySec) ||
        (unclaimed && seat.seat === winner && seat.state === "Answered"),
    );
    const closable = (state === "Open" && nowSec > times.optimalBySec) || (state === "Won" && unclaimed);
    if (forfeited.length === 0 && !closable) {
      throw new SymbolonError("STATE_INVALID", "there is nothing that the collector could take back now", {
        hint: "buyer exchange status shows the phases",
      });
    }
    const txHashes: string[] = [];
    for (const seat of forfeited) txHashes.push((await market.forfeit(record.terms, seat)).hash);
    if (closable) txHashes.push((await market.close(record.terms)).hash);
    return { forfeited, closed: closable, txHashes };
  }

  /** The session as the chain has it now, with the scores so far. */
  async status(): Promise<{ record: SessionRecord; scores: readonly SeatScore[] }> {
    const { journal, record } = await this.#open();
    return { record, scores: journal.content.scores };
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
    const found = scores.find((each) => each.seat === String(seat.seat));
    if (found?.score === undefined || found.featuresRoot === null || seat.state === "Ended") return [];
    // Until it is a candidate, a provider may state other features; those that were scored count. After that, and
    // after an accusation, the chain has one root.
    const bound = !["Sampled", "Accused"].includes(seat.state);
    if (seat.state === "Accused" || (bound && seat.featuresRoot !== found.featuresRoot)) return [];
    return [{ seat, score: found.score, featuresRoot: found.featuresRoot }];
  });
  return rank(scored, by);
}
