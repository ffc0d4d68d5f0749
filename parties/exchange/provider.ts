/** The provider's side of a session: register a data set, deliver it and its features, answer a review, claim. */
import { getBytes } from "ethers";
import { z } from "zod";
import {
  maxAnswers,
  type SessionRequest,
  sampledIndices,
  seatId,
  shardKey,
  shardTree,
} from "../../contracts/exchange-commitments.ts";
import { SymbolonError } from "../../mpc/errors.ts";
import { randomBytes } from "../../mpc/random.ts";
import { conform } from "../data/conform.ts";
import type { Table } from "../data/csv.ts";
import type { DataSetSchema } from "../data/schema.ts";
import { type ExchangeConnection, requireOwner, sessionAt } from "./connection.ts";
import { deliver, deliveredBlobs } from "./delivery.ts";
import { fetchDocuments, type SessionDocuments } from "./documents.ts";
import { Extractor, requireGuarded } from "./extractor.ts";
import type { FeatureBlock } from "./feature-block.ts";
import { Journal, journalBlobs } from "./journal.ts";
import { KeptStore } from "./kept-store.ts";
import { requireTime, type SeatRecord, type SessionRecord, seatOf } from "./session.ts";
import { cutShards, decryptShard, encryptShard } from "./shards.ts";

const hex32 = z.string().regex(/^0x[0-9a-f]{64}$/);

const providerJournal = z.strictObject({
  version: z.literal(1),
  side: z.literal("provider"),
  chainId: z.int().positive(),
  exchange: z.string(),
  account: z.string(),
  session: hex32,
  /** The seat's number among the account's, decimal. */
  number: z.string().regex(/^\d{1,20}$/),
  /** Secret until it is sold. */
  masterKey: hex32,
  rows: z.int().positive(),
  /** Of the shards in order; the ciphertexts lie beside the journal under these addresses. */
  ciphertextHashes: z.array(hex32).min(1),
  /** Address of the delivery's list, once everything is in the store. */
  featuresRoot: hex32.optional(),
});
type ProviderJournal = z.infer<typeof providerJournal>;

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
   * shards that the journal has; the table is then not looked at.
   * @throws the codes of `conform`; TERMS_REFUSED for an extractor that asks too much; STATE_INVALID, FUNDS_MISSING;
   * PARAMETER_INVALID for too few shards
   */
  async register(
    session: string,
    table: Table,
  ): Promise<{ seat: SeatRecord; rows: number; txHash: string | null }> {
    const { market, account } = this.#connection;
    const { record, documents } = await this.look(session);
    const { description, extractor } = documents;
    requireGuarded(extractor, description.schema);
    const journal = (await Journal.exists(this.#folder))
      ? await this.#load(session)
      : await this.#encrypt(record, documents, table);
    // Kept at home, lest the store loses them before the features are computed.
    await fetchDocuments(new KeptStore(journal.blobs, this.#connection.store), record.request);
    const { rows } = journal.content;
    const number = BigInt(journal.content.number);
    const registered = record.seats.find(({ seat }) => seat === seatId(account, number));
    if (registered !== undefined) return { seat: registered, rows, txHash: null };
    await this.#deposit(record.request, number);
    const { commitment } = treeOf(journal.content);
    const { receipt } = await market.register(record.terms, number, commitment);
    const seat = seatOf(await sessionAt(this.#connection, session), account, number);
    return { seat, rows, txHash: receipt.hash };
  }

  /**
   * Computes the features of all rows of a sampled data set, puts shards and features into the store, sealed to the
   * collector, and states their root on chain; after an accusation, delivers it there. Called again, it puts the same
   * blobs once more.
   * @throws STATE_INVALID when the seat is not sampled
   */
  async features(): Promise<{ featuresRoot: string; delivered: boolean; txHash: string | null }> {
    const { market } = this.#connection;
    const { journal, record, seat } = await this.#open();
    const { times, nowSec } = record;
    // Nobody can be sampled yet.
    if (seat.seed === undefined && nowSec <= times.sampleFromSec)
      requireTime(record, "sampling", times.sampleFromSec, times.sampleBySec);
    if (seat.seed === undefined || seat.state === "Ended") {
      throw new SymbolonError("STATE_INVALID", "the seat is not sampled: nobody may ask for its features", {
        hint: "a collector that samples nobody, or not this seat, lets the deposit go back: seller exchange withdraw",
      });
    }
    const featuresRoot = await this.#deliver(journal, record, seat);
    const known = { ...seat, featuresRoot };
    if (seat.state === "Accused") {
      const { hash } = await market.deliver(record.terms, known);
      return { featuresRoot, delivered: true, txHash: hash };
    }
    // Stated already, or bound to what the collector has named.
    if (seat.state !== "Sampled" || seat.featuresRoot === featuresRoot) {
      return { featuresRoot, delivered: seat.state === "Delivered", txHash: null };
    }
    const { hash } = await market.features(record.id, BigInt(journal.content.number), featuresRoot);
    return { featuresRoot, delivered: false, txHash: hash };
  }

  /**
   * Opens the sampled shards for a review that was asked.
   * @throws STATE_INVALID outside the answer phase or without a review; LIMIT_EXCEEDED when more reviews were asked than
   * the reward pays for: then nobody should show keys
   */
  async answer(): Promise<{ shards: number[]; txHash: string }> {
    const { journal, record, seat } = await this.#open();
    if (seat.state !== "Reviewing" || seat.seed === undefined) {
      throw new SymbolonError(
        "STATE_INVALID",
        `the seat is ${seat.state}: no review of it waits for an answer`,
      );
    }
    const { request, times } = record;
    requireTime(record, "answering", times.reviewBySec + 1, times.answerBySec);
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
    const shards = sampledIndices(seat.seed, seat.commitment.shardCount, request.shardsPerSample);
    const openings = treeOf(journal.content).open(shards);
    const { hash } = await this.#connection.market.answer(record.terms, seat, openings);
    return { shards, txHash: hash };
  }

  /**
   * Reveals the master key for the reward.
   * @throws STATE_INVALID unless this seat has won and the time to claim has not passed
   */
  async claim(): Promise<{ rewardWei: bigint; depositWei: bigint; txHash: string }> {
    const { market } = this.#connection;
    const { journal, record, seat } = await this.#open();
    const isWinner = record.winner === seat.seat;
    if (record.state === "Claimed" && isWinner)
      throw new SymbolonError("STATE_INVALID", "this data set was paid already");
    if (record.state === "Open")
      requireTime(record, "choosing", record.times.answerBySec + 1, record.times.optimalBySec);
    if (record.state !== "Won" || !isWinner || seat.state !== "Answered") {
      throw new SymbolonError("STATE_INVALID", "this data set has not won the session", {
        hint: "the master key stays secret; seller exchange withdraw takes back what is owed",
      });
    }
    // From the choice on, at once: the later it is sent, the likelier it shows the key and comes too late.
    requireTime(record, "claiming", record.times.answerBySec + 1, record.times.claimBySec);
    const receipt = await market.claim(record.terms, seat, getBytes(journal.content.masterKey));
    const { request, answered } = record;
    const compensation = (request.reward * BigInt(request.samplingBps)) / 10_000n;
    const rewardWei = request.reward - BigInt(answered - 1) * compensation;
    return { rewardWei, depositWei: request.deposit, txHash: receipt.hash };
  }

  /**
   * Ends a registration that can go no further and pays out what the seat holds: the deposit, and a compensation.
   * @throws STATE_INVALID while it can go further, and when there is nothing
   */
  async withdraw(): Promise<{ amountWei: bigint; txHash: string }> {
    const { market } = this.#connection;
    const { journal, record, seat } = await this.#open();
    if (seat.state !== "Ended") await market.release(record.terms, seat);
    const { state, amount } = await market.seat(seat.seat);
    if (state !== "Idle" || amount === 0n) {
      throw new SymbolonError("STATE_INVALID", "the seat holds nothing to withdraw");
    }
    const { hash } = await market.withdraw(BigInt(journal.content.number), amount);
    return { amountWei: amount, txHash: hash };
  }

  /** The session and the own seat, as the chain has them now. */
  async status(): Promise<{ record: SessionRecord; seat: SeatRecord | undefined; amountWei: bigint }> {
    const journal = await this.#load();
    const { session, account, number } = journal.content;
    const record = await sessionAt(this.#connection, session);
    const id = seatId(account, BigInt(number));
    const { amount } = await this.#connection.market.seat(id);
    return { record, seat: record.seats.find(({ seat }) => seat === id), amountWei: amount };
  }

  async #open() {
    const journal = await this.#load();
    const { session, account, number } = journal.content;
    const record = await sessionAt(this.#connection, session);
    return { journal, record, seat: seatOf(record, account, BigInt(number)) };
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
    requireTime(record, "registration", 0, record.times.registerBySec);
    const { schema, rowsPerShard } = description;
    const shards = cutShards(conform(table, schema), schema, rowsPerShard);
    if (shards.length < record.request.minShards) {
      throw new SymbolonError(
        "PARAMETER_INVALID",
        `${table.rows} rows make ${shards.length} shards of ${rowsPerShard} rows, and the session asks for ${record.request.minShards}`,
      );
    }
    const number = await this.#freeSeat();
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

  async #freeSeat(): Promise<bigint> {
    const { market, account } = this.#connection;
    for (let number = 0n; number < maxSeats; number++) {
      const { state } = await market.seat(seatId(account, number));
      if (state === "None" || state === "Idle") return number;
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

  async #deliver(
    journal: Journal<ProviderJournal>,
    record: SessionRecord,
    seat: SeatRecord,
  ): Promise<string> {
    const { store, chainId, market } = this.#connection;
    const kept = new KeptStore(journal.blobs, store);
    const { featuresRoot } = journal.content;
    if (featuresRoot !== undefined) {
      // What was sealed once stays: the root stands for these very blobs.
      for (const address of await deliveredBlobs(journal.blobs, featuresRoot)) {
        await store.put(await journal.blobs.get(address));
      }
      return featuresRoot;
    }
    const { description, extractor } = await fetchDocuments(kept, record.request);
    requireGuarded(extractor, description.schema);
    const scope = { chainId, exchange: market.address, session: record.id, seat: seat.seat };
    const masterKey = getBytes(journal.content.masterKey);
    const shards = ownShards(
      journal,
      seat.seat,
      description.schema,
      new Extractor(extractor, description.schema),
    );
    const root = await deliver(kept, scope, description.sealKey, masterKey, shards);
    await journal.update({ featuresRoot: root });
    return root;
  }
}

/** The own shards from the journal's folder, with their features. */
async function* ownShards(
  journal: Journal<ProviderJournal>,
  seat: bigint,
  schema: DataSetSchema,
  extractor: Extractor,
): AsyncGenerator<{ ciphertext: Uint8Array; features: FeatureBlock }> {
  const { session, masterKey, ciphertextHashes } = journal.content;
  for (const [index, address] of ciphertextHashes.entries()) {
    const ciphertext = await journal.blobs.get(address);
    const place = { session, seat, index, shardCount: ciphertextHashes.length };
    const rows = decryptShard(shardKey(getBytes(masterKey), index), place, ciphertext, schema);
    yield { ciphertext, features: extractor.extract(rows) };
  }
}

function treeOf({ masterKey, ciphertextHashes }: ProviderJournal) {
  return shardTree(getBytes(masterKey), ciphertextHashes);
}
