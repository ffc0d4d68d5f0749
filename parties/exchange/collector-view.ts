/** What a collector sees of a session: the deliveries, which are scored, reviewed, and in the end decrypted. */
import { getBytes } from "ethers";
import { sampledIndices } from "../../contracts/exchange-commitments.ts";
import { toSymbolonError } from "../../mpc/errors.ts";
import { Secret } from "../secret.ts";
import type { CollectorJournal, SeatScore } from "./collector-journal.ts";
import type { ExchangeConnection } from "./connection.ts";
import { type DeliveredShard, readDelivery } from "./delivery.ts";
import { fetchDocuments, type SessionDocuments } from "./documents.ts";
import { Extractor } from "./extractor.ts";
import type { FeatureBlock } from "./feature-block.ts";
import type { Journal } from "./journal.ts";
import { KeptStore } from "./kept-store.ts";
import { labelAgreement } from "./private-model.ts";
import { keyUnder, type OpeningScope, openShard, type ShardProblem } from "./review.ts";
import type { Scorer } from "./scoring.ts";
import type { SeatRecord, SessionRecord } from "./session.ts";
import type { LabelledRows } from "./shards.ts";

export interface Review {
  seat: SeatRecord;
  shards: number[];
  rows: number;
  /** Share of the reviewed labels, 0 to 1, that the private model agrees with. */
  agreement: number;
  problems: ShardProblem[];
}

export class CollectorView {
  readonly record: SessionRecord;
  readonly documents: SessionDocuments;
  readonly extractor: Extractor;
  readonly #connection: ExchangeConnection;
  readonly #journal: Journal<CollectorJournal>;
  readonly #store: KeptStore;

  private constructor(
    connection: ExchangeConnection,
    journal: Journal<CollectorJournal>,
    record: SessionRecord,
    documents: SessionDocuments,
    store: KeptStore,
  ) {
    this.record = record;
    this.documents = documents;
    this.extractor = new Extractor(documents.extractor, documents.description.schema);
    this.#connection = connection;
    this.#journal = journal;
    this.#store = store;
  }

  /** @throws the codes of `fetchDocuments` */
  static async open(
    connection: ExchangeConnection,
    journal: Journal<CollectorJournal>,
    record: SessionRecord,
  ): Promise<CollectorView> {
    const store = new KeptStore(journal.blobs, connection.store);
    const documents = await fetchDocuments(store, record.request);
    return new CollectorView(connection, journal, record, documents, store);
  }

  /** A score, or what is wrong with the delivery: that is its provider's problem alone. */
  async score(scorer: Scorer, seat: SeatRecord): Promise<SeatScore> {
    const { featuresRoot = null } = seat;
    const base = { seat: String(seat.seat), featuresRoot };
    if (featuresRoot === null) {
      return { ...base, problem: { code: "NOT_FOUND", message: "no features were stated on chain" } };
    }
    try {
      const blocks: FeatureBlock[] = [];
      for await (const { features } of this.#delivered(seat)) blocks.push(features);
      return { ...base, score: scorer.score(blocks) };
    } catch (error) {
      const { code, message } = toSymbolonError(error);
      return { ...base, problem: { code, message } };
    }
  }

  /** Opens the shards of an answered review and looks at them. */
  async review(seat: SeatRecord): Promise<Review> {
    const { shardCount } = seat.commitment;
    const shards = sampledIndices(seat.seed!, shardCount, this.record.request.shardsPerSample);
    const keys = new Map(shards.map((shard, i) => [shard, seat.keys![i]!]));
    const blocks: FeatureBlock[] = [];
    const problems: ShardProblem[] = [];
    for await (const shard of this.#delivered(seat)) {
      const key = keys.get(shard.index);
      if (key === undefined) continue;
      const opened = openShard(this.#scope(seat), shard, key);
      if ("problem" in opened) problems.push(opened.problem);
      blocks.push(shard.features);
    }
    const { model } = this.#journal.content;
    const rows = blocks.reduce((sum, block) => sum + block.rows, 0);
    const agreeing = blocks.reduce((sum, block) => sum + labelAgreement(model, block) * block.rows, 0);
    return { seat, shards, rows, agreement: agreeing / rows, problems };
  }

  /** Decrypts all shards under a revealed master key. */
  async decrypt(
    seat: SeatRecord,
    masterKey: string,
  ): Promise<{ shards: LabelledRows[]; problems: ShardProblem[] }> {
    const shards: LabelledRows[] = [];
    const problems: ShardProblem[] = [];
    for await (const shard of this.#delivered(seat)) {
      const opened = openShard(this.#scope(seat), shard, keyUnder(masterKey, shard.index));
      if ("problem" in opened) problems.push(opened.problem);
      else shards.push(opened.rows);
    }
    return { shards, problems };
  }

  #scope({ seat, commitment }: SeatRecord): OpeningScope {
    const { record, documents, extractor } = this;
    const { schema } = documents.description;
    return { session: record.id, seat, shardCount: commitment.shardCount, schema, extractor };
  }

  /** @param seat one with a features root */
  #delivered({ seat, commitment, featuresRoot }: SeatRecord): AsyncGenerator<DeliveredShard> {
    const { chainId, market } = this.#connection;
    const { description, extractor } = this.documents;
    const reader = {
      store: this.#store,
      scope: { chainId, exchange: market.address, session: this.record.id, seat },
      commitment,
      schema: description.schema,
      rowsPerShard: description.rowsPerShard,
      width: extractor.lastLayer.length,
      sealPrivateKey: new Secret(getBytes(this.#journal.content.sealPrivateKey)),
    };
    return readDelivery(reader, featuresRoot!);
  }
}
