/** The provider's side of a session: register a data set, deliver it and its features, answer a review, claim. */
import { getBytes } from "ethers";
import {
  maxAnswers,
  type SessionRequest,
  sampledIndices,
  seatId,
} from "../../contracts/exchange-commitments.ts";
import { SymbolonError } from "../../mpc/errors.ts";
import { randomBytes } from "../../mpc/random.ts";
import { counted } from "../counted.ts";
import { conform } from "../data/conform.ts";
import type { Table } from "../data/csv.ts";
import type { BlobStore } from "./blob-store.ts";
import { type ExchangeConnection, requireOwner, sessionAt } from "./connection.ts";
import { deliver, deliveredBlobs } from "./delivery.ts";
import { fetchDocuments, type SessionDocuments } from "./documents.ts";
import { Extractor, requireGuarded } from "./extractor.ts";
import { Journal, journalBlobs } from "./journal.ts";
import { KeptStore } from "./kept-store.ts";
import { type NextStep, providerStep } from "./next-step.ts";
import { requireTime, showTime } from "./phases.ts";
import {
  ownShards,
  type ProviderJournal,
  providerJournal,
  requireSameRows,
  treeOf,
  withFeatures,
} from "./provider-journal.ts";
import { notSampled, requireWithdrawable } from "./provider-refusals.ts";
import { type SeatRecord, type SessionRecord, seatOf } from "./session.ts";
import { cutShards, encryptShard } from "./shards.ts";

/** What of a data set is in the store and on chain. */
export interface Delivery {
  featuresRoot: string;
  /** Whether the chain has it also as the answer to an accusation. */
  delivered: boolean;
  /** Which store. */
  store: string;
  /** Whether the session's description was in the store before: else it may not be the store that the buyer reads. */
  storeHasSession: boolean;
  txHash: string | null;
}

/** Seats of an account that are tried for a free one. */
const maxSeats = 64;

export class ExchangeProvider {
  readonly #connection: ExchangeConnection;
  readonly #folder: string;

  /** @param folder where the journal is, or will be */
  constructor(connection: ExchangeConnection, folder: string) {
    this.#connection = connection;
    this.#folder = folder;
  }

  /** The terms and documents of a session, before anything is promised. */
  async look(session: string): Promise<{ record: SessionRecord; documents: SessionDocuments }> {
    const record = await sessionAt(this.#connection, session);
    const documents = await fetchDocuments(this.#connection.store, record.request);
    return { record, documents };
  }

  /**
   * Encrypts the table's rows in shards, deposits and registers. When a registration was interrupted, goes on with the
   * shards that the journal has.
   * @throws the codes of `conform`; TERMS_REFUSED for an extractor that asks too much; STATE_INVALID, FUNDS_MISSING;
   * PARAMETER_INVALID for too few shards; USAGE when the journal has other rows than the table
   */
  async register(
    session: string,
    table: Table,
  ): Promise<{ seat: SeatRecord; rows: number; txHash: string | null }> {
    const { market, account } = this.#connection;
    const { record, documents } = await this.look(session);
    const { description, extractor } = documents;
    requireGuarded(extractor, description.schema);
    const again = await Journal.exists(this.#folder);
    const journal = again ? await this.#load(session) : await this.#encrypt(record, documents, table);
    if (again) await requireSameRows(journal, description, table);
    // Kept at home, lest the store loses them before the features are computed.
    await fetchDocuments(new KeptStore(journal.blobs, this.#connection.store), record.request);
    const { rows } = journal.content;
    const number = BigInt(journal.content.number);
    const registered = record.seats.find(({ seat }) => seat === seatId(account, number));
    if (registered !== undefined) return { seat: registered, rows, txHash: null };
    // A deposit that comes too late would wait for another session.
    requireTime(record, "registration", { bySec: record.times.registerBySec });
    await this.#deposit(record.request, number);
    const { commitment } = treeOf(journal.content);
    const { receipt } = await market.register(record.terms, number, commitment);
    const seat = seatOf(await sessionAt(this.#connection, session), account, number);
    return { seat, rows, txHash: receipt.hash };
  }

  /**
   * Computes the features of all rows of a sampled data set, puts shards and features into the store, sealed to the
   * collector, and states their root on chain; after an accusation, delivers it there. Called again, it puts the same
   * blobs once more, also into another store.
   * @throws STATE_INVALID when the seat is not sampled, and when it is too late
   */
  async features(): Promise<Delivery> {
    const { market } = this.#connection;
    const { journal, record, seat } = await this.#open();
    const { times } = record;
    if (seat.seed === undefined || (seat.state === "Ended" && seat.featuresRoot === undefined)) {
      throw notSampled(record, seat);
    }
    const due = seat.state === "Accused" || (seat.state === "Sampled" && seat.featuresRoot === undefined);
    if (due) requireTime(record, "delivering features", { bySec: times.reviewBySec });
    const featuresRoot = await this.#seal(journal, record, seat);
    const known = { ...seat, featuresRoot };
    // The chain first, which keeps the deposit: an accused seller's store may be out of its hands.
    const answered = seat.state === "Accused" ? (await market.deliver(record.terms, known)).hash : undefined;
    const storeHasSession = await holds(this.#connection.store, record.request.descriptionHash);
    await this.#put(journal, featuresRoot);
    const made = { featuresRoot, store: this.#connection.store.place, storeHasSession };
    if (answered !== undefined) return { ...made, delivered: true, txHash: answered };
    // Stated already, or bound to what the collector has named.
    if (seat.state !== "Sampled" || seat.featuresRoot === featuresRoot) {
      return { ...made, delivered: seat.state === "Delivered", txHash: null };
    }
    const { hash } = await market.features(record.id, BigInt(journal.content.number), featuresRoot);
    return { ...made, delivered: false, txHash: hash };
  }

  /** @throws NOT_FOUND when the store does not have the session's description: the buyer put it into its own */
  async requireStore(): Promise<void> {
    const { store } = this.#connection;
    const { record } = await this.#look();
    if (await holds(store, record.request.descriptionHash)) return;
    throw new SymbolonError("NOT_FOUND", `${store.place} does not have the description of this session`, {
      hint: "name the store that the buyer reads, with --store; if it is this one, buyer exchange open, given again, puts the description back",
    });
  }

  /** Whether the store lacks what was delivered to the buyer. */
  async deliveryMissing(): Promise<boolean> {
    const { journal, seat } = await this.#look();
    const { featuresRoot } = journal.content;
    if (featuresRoot === undefined || seat?.featuresRoot !== featuresRoot) return false;
    return !(await holds(this.#connection.store, featuresRoot));
  }

  /**
   * Opens the sampled shards for a review that was asked; once that is done, says which they were.
   * @throws STATE_INVALID outside the answer phase or without a review; LIMIT_EXCEEDED when more reviews were asked than
   * the reward pays for: then nobody should show keys
   */
  async answer(): Promise<{ shards: number[]; txHash: string | null }> {
    const { journal, record, seat } = await this.#open();
    const { request, times } = record;
    const sampled = (seed: string) =>
      sampledIndices(seed, seat.commitment.shardCount, request.shardsPerSample);
    if (seat.keys !== undefined && seat.seed !== undefined) {
      return { shards: sampled(seat.seed), txHash: null };
    }
    if (seat.state !== "Reviewing" || seat.seed === undefined) {
      throw new SymbolonError(
        "STATE_INVALID",
        `the seat is ${seat.state}: no review of it waits for an answer`,
        {
          hint:
            record.nowSec <= times.reviewBySec
              ? `the buyer asks for reviews until ${showTime(times.reviewBySec)}; answers are from then on, until ${showTime(times.answerBySec)}`
              : "seller exchange status shows what is next",
        },
      );
    }
    requireTime(record, "answering", { fromSec: times.reviewBySec + 1, bySec: times.answerBySec });
    const asked = record.seats.filter(({ reviewAsked }) => reviewAsked).length;
    if (BigInt(asked) > maxAnswers(request)) {
      throw new SymbolonError(
        "LIMIT_EXCEEDED",
        `${asked} reviews were asked, and the reward pays for ${maxAnswers(request)} answers`,
        {
          hint: "an answer might be refused when its keys are public already; nothing is lost by not answering but the compensation",
        },
      );
    }
    const shards = sampled(seat.seed);
    const openings = treeOf(journal.content).open(shards);
    const { hash } = await this.#connection.market.answer(record.terms, seat, openings);
    return { shards, txHash: hash };
  }

  /**
   * Reveals the master key for the reward; once that is done, says what was paid.
   * @throws STATE_INVALID unless this seat has won and the time to claim has not passed
   */
  async claim(): Promise<{ token: string; rewardWei: bigint; depositWei: bigint; txHash: string | null }> {
    const { journal, record, seat } = await this.#open();
    const { request, answered, state, times } = record;
    const compensation = (request.reward * BigInt(request.samplingBps)) / 10_000n;
    const rewardWei = request.reward - BigInt(answered - 1) * compensation;
    const pay = { token: request.token, rewardWei, depositWei: request.deposit };
    const isWinner = record.winner === seat.seat;
    if (state === "Claimed" && isWinner) return { ...pay, txHash: null };
    if (state === "Open") {
      requireTime(record, "choosing", { fromSec: times.answerBySec + 1, bySec: times.optimalBySec });
    }
    if (state !== "Won" || !isWinner || seat.state !== "Answered") {
      throw new SymbolonError("STATE_INVALID", "this data set has not won the session", {
        hint: "the master key stays secret; seller exchange withdraw takes back what is owed",
      });
    }
    // From the choice on, at once: the later it is sent, the likelier it shows the key and comes too late.
    requireTime(record, "claiming", { fromSec: times.answerBySec + 1, bySec: times.claimBySec });
    const masterKey = getBytes(journal.content.masterKey);
    const { hash } = await this.#connection.market.claim(record.terms, seat, masterKey);
    return { ...pay, txHash: hash };
  }

  /**
   * Ends a registration that can go no further and pays out what the seat holds: the deposit, and a compensation; also a
   * deposit for a registration that was never completed. Once that is done, says how much it was.
   * @throws STATE_INVALID while it can go further, and when there is nothing
   */
  async withdraw(): Promise<{ token: string; amountWei: bigint; txHash: string | null }> {
    const { market } = this.#connection;
    const { record, seat, id, number } = await this.#look();
    if (seat !== undefined && seat.state !== "Ended") {
      requireWithdrawable(record, seat);
      await market.release(record.terms, seat);
    }
    const { state, token, amount } = await market.seat(id);
    if (state === "Idle" && amount > 0n) {
      const { hash } = await market.withdraw(number, amount);
      return { token, amountWei: amount, txHash: hash };
    }
    if (seat?.outcome?.ended === "released") {
      return { token: record.request.token, amountWei: seat.outcome.amount, txHash: null };
    }
    throw new SymbolonError("STATE_INVALID", "the seat holds nothing to withdraw", {
      hint: {
        paid: "the claim paid reward and deposit out",
        forfeited: "the deposit was forfeited",
        none: "no deposit was made for this registration",
      }[seat?.outcome?.ended ?? "none"],
    });
  }

  /** The session and the own seat, as the chain has them now, and what is next. */
  async status(): Promise<{
    record: SessionRecord;
    seat: SeatRecord | undefined;
    token: string;
    amountWei: bigint;
    next: NextStep | null;
  }> {
    const { record, seat, id } = await this.#look();
    const held = await this.#connection.market.seat(id);
    // Nothing is nothing in the session's money.
    const token = held.amount > 0n ? held.token : record.request.token;
    const next = providerStep(record, seat, held.amount);
    return { record, seat, token, amountWei: held.amount, next };
  }

  /** The own seat as far as it is registered. */
  async #look() {
    const journal = await this.#load();
    const { session, account } = journal.content;
    const number = BigInt(journal.content.number);
    const id = seatId(account, number);
    const record = await sessionAt(this.#connection, session);
    return { journal, record, number, id, seat: record.seats.find(({ seat }) => seat === id) };
  }

  /** @throws NOT_FOUND before it is registered */
  async #open() {
    const { journal, record, number } = await this.#look();
    return { journal, record, seat: seatOf(record, journal.content.account, number) };
  }

  async #load(session?: string): Promise<Journal<ProviderJournal>> {
    const journal = await Journal.load(this.#folder, providerJournal);
    requireOwner(journal.content, this.#connection);
    if (session !== undefined && journal.content.session !== session) {
      throw new SymbolonError("USAGE", `${this.#folder} holds the journal of another session`, {
        hint: "give each session a folder of its own: a master key is for one registration",
      });
    }
    return journal;
  }

  /** Encrypts and remembers, before anything is committed to. */
  async #encrypt(
    record: SessionRecord,
    { description }: SessionDocuments,
    table: Table,
  ): Promise<Journal<ProviderJournal>> {
    const { chainId, market, account } = this.#connection;
    requireTime(record, "registration", { bySec: record.times.registerBySec });
    const { schema, rowsPerShard } = description;
    const shards = cutShards(conform(table, schema), schema, rowsPerShard);
    if (shards.length < record.request.minShards) {
      throw new SymbolonError(
        "PARAMETER_INVALID",
        `${counted(table.rows, "row")} make ${counted(shards.length, "shard")} of ${rowsPerShard}, and the session asks for ${record.request.minShards} shards`,
        { hint: `it takes data sets of ${(record.request.minShards - 1) * rowsPerShard + 1} rows or more` },
      );
    }
    const number = await this.#freeSeat(record.request.token);
    const seat = seatId(account, number);
    const masterKey = randomBytes(32);
    const blobs = journalBlobs(this.#folder);
    const ciphertextHashes: string[] = [];
    for (const [index, shard] of shards.entries()) {
      const place = { session: record.id, seat, index, shardCount: shards.length };
      ciphertextHashes.push(await blobs.put(encryptShard(masterKey, place, shard)));
    }
    return await Journal.create<ProviderJournal>(this.#folder, providerJournal, {
      version: 1,
      side: "provider",
      ...{ chainId, exchange: market.address, account, session: record.id, number: String(number) },
      masterKey: `0x${masterKey.toString("hex")}`,
      rows: table.rows,
      ciphertextHashes,
    });
  }

  /** The first seat without a registration, and without a deposit in another token. */
  async #freeSeat(inToken: string): Promise<bigint> {
    const { market, account } = this.#connection;
    for (let number = 0n; number < maxSeats; number++) {
      const { state, token, amount } = await market.seat(seatId(account, number));
      if (state === "None" || (state === "Idle" && (amount === 0n || token === inToken))) return number;
    }
    throw new SymbolonError("STATE_INVALID", `the first ${maxSeats} seats of ${account} are all in use`);
  }

  /** Brings an idle seat to exactly the session's deposit. */
  async #deposit({ deposit, token }: SessionRequest, number: bigint): Promise<void> {
    const { market, account } = this.#connection;
    const { state, amount } = await market.seat(seatId(account, number));
    const held = state === "Idle" ? amount : 0n;
    if (held < deposit) await market.deposit(number, deposit - held, token);
    if (held > deposit) await market.withdraw(number, held - deposit);
  }

  /** Puts what is sealed into the store. */
  async #put({ blobs }: Journal<ProviderJournal>, featuresRoot: string): Promise<void> {
    for (const address of await deliveredBlobs(blobs, featuresRoot)) {
      await this.#connection.store.put(await blobs.get(address));
    }
  }

  /** Seals shards and features, at home. What was sealed once stays: the root stands for these very blobs. */
  async #seal(journal: Journal<ProviderJournal>, record: SessionRecord, seat: SeatRecord): Promise<string> {
    const { store, chainId, market } = this.#connection;
    const { featuresRoot } = journal.content;
    if (featuresRoot !== undefined) return featuresRoot;
    const kept = new KeptStore(journal.blobs, store);
    const { description, extractor } = await fetchDocuments(kept, record.request);
    requireGuarded(extractor, description.schema);
    const scope = { chainId, exchange: market.address, session: record.id, seat: seat.seat };
    const masterKey = getBytes(journal.content.masterKey);
    const features = new Extractor(extractor, description.schema);
    const shards = withFeatures(ownShards(journal, description.schema), features);
    const root = await deliver(journal.blobs, scope, description.sealKey, masterKey, shards);
    await journal.update({ featuresRoot: root });
    return root;
  }
}

async function holds(store: BlobStore, address: string): Promise<boolean> {
  try {
    await store.get(address);
    return true;
  } catch (error) {
    if (["NOT_FOUND", "COMMITMENT_MISMATCH"].includes((error as SymbolonError).code)) return false;
    throw error;
  }
}
