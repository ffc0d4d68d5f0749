/** Data sets with shards that decrypt to nothing, on a chain. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  commitmentHash,
  sampledIndices,
  sampleSeed,
  seatId,
  shardTree,
} from "../../../contracts/exchange-commitments.ts";
import { randomBytes } from "../../../mpc/random.ts";
import { conform } from "../../../parties/data/conform.ts";
import { addressOf } from "../../../parties/exchange/blob-store.ts";
import type { OpenRequest } from "../../../parties/exchange/collector-opening.ts";
import { deliver } from "../../../parties/exchange/delivery.ts";
import { Extractor } from "../../../parties/exchange/extractor.ts";
import type { FolderStore } from "../../../parties/exchange/folder-store.ts";
import { cutShards, encryptShard } from "../../../parties/exchange/shards.ts";
import type { NoisySellers } from "./noisy-sellers.ts";
import {
  compensation,
  deposit,
  rowsPerShard,
  type SessionFixture,
  startSessions,
} from "./session-fixture.ts";

const code = (expected: string) => expect.objectContaining({ code: expected });

let sessions: SessionFixture;
let fixture: SessionFixture["exchange"];
let store: FolderStore;
let data: NoisySellers;

beforeAll(async () => {
  sessions = await startSessions([0.4, 0, 0.1, 0.4, 0.4]);
  ({ exchange: fixture, store, data } = sessions);
}, 60_000);
afterAll(() => sessions?.close());

const open = (change: Partial<OpenRequest> = {}) => sessions.open(change);
type Opened = Awaited<ReturnType<typeof open>>;

const seatOf = (index: number) => seatId(fixture.providers[index]!.address, 0);

/** Registers ciphertexts that were made by hand; `shards` are asked for until `fits` likes the sample. */
async function registerByHand(
  opened: Opened,
  index: number,
  make: (
    i: number,
    masterKey: Uint8Array,
    place: { session: string; seat: bigint; index: number; shardCount: number },
  ) => Uint8Array,
  fits: (sampled: number[]) => boolean,
) {
  const { id, collector, request } = opened;
  const market = fixture.of(fixture.providers[index]!);
  const seat = seatOf(index);
  const shardCount = Math.ceil(data.sellers[index]!.rows / rowsPerShard);
  const { secret } = await opened.journal("");
  for (;;) {
    const masterKey = randomBytes(32);
    const ciphertexts = Array.from({ length: shardCount }, (_, i) =>
      make(i, masterKey, { session: id, seat, index: i, shardCount }),
    );
    const tree = shardTree(masterKey, ciphertexts.map(addressOf));
    // The test knows the collector's secret, as no provider does.
    const seed = sampleSeed(secret, id, seat, commitmentHash(tree.commitment));
    if (!fits(sampledIndices(seed, shardCount, request.shardsPerSample))) continue;
    const { record } = await collector.status();
    await market.deposit(0, deposit);
    await market.register(record.terms, 0, tree.commitment);
    return { market, masterKey, ciphertexts, tree, seat };
  }
}

describe("ciphertexts that decrypt to nothing", () => {
  test("are found when they are sampled: nobody wins, and the money goes back", async () => {
    const opened = await open();
    const { id, collector, times, provider } = opened;
    const { documents } = await provider(0).look(id);
    const shards = cutShards(conform(data.sellers[0]!, data.schema), data.schema, rowsPerShard);
    const extractor = new Extractor(documents.extractor, data.schema);
    const noise = await registerByHand(
      opened,
      0,
      (i, masterKey, place) =>
        Uint8Array.from(randomBytes(encryptShard(masterKey, place, shards[i]!).length)),
      () => true,
    );
    await fixture.jump(times.sampleFromSec);
    await collector.sample();
    const scope = { chainId: 31337, exchange: fixture.address, session: id, seat: noise.seat };
    const made = shards.map((rows, i) => ({
      ciphertext: noise.ciphertexts[i]!,
      features: extractor.extract(rows),
    }));
    const root = await deliver(store, scope, documents.description.sealKey, noise.masterKey, made);
    await noise.market.features(id, 0, root);
    await collector.score(data.validation);
    await collector.review(1);
    await fixture.jump(times.reviewBySec + 1);
    const record = await opened.record();
    const [seat] = record.seats;
    const indices = sampledIndices(seat!.seed!, shards.length, 2);
    await noise.market.answer(record.terms, seat!, noise.tree.open(indices));
    await fixture.jump(times.answerBySec + 1);
    const [review] = await collector.reviews();
    expect(review!.problems.map(({ code: found }) => found)).toEqual(indices.map(() => "SEAL_INVALID"));
    await expect(collector.choose({})).rejects.toEqual(code("STATE_INVALID"));
    await expect(collector.close()).rejects.toEqual(code("STATE_INVALID"));
    await fixture.jump(times.optimalBySec + 1);
    expect(await collector.close()).toMatchObject({ forfeited: [], closed: true });
    const [after] = (await opened.record()).seats;
    await noise.market.release(record.terms, after!);
    await noise.market.withdraw(0, deposit + compensation);
    expect(await fixture.provider.getBalance(fixture.address)).toBe(0n);
  });

  test("get past the review when no sample hits them, and are named when the rest is collected", async () => {
    const opened = await open({ shardsPerSample: 6 });
    const { id, collector, times, provider } = opened;
    const { documents } = await provider(0).look(id);
    const shards = cutShards(conform(data.sellers[0]!, data.schema), data.schema, rowsPerShard);
    const extractor = new Extractor(documents.extractor, data.schema);
    const bad = await registerByHand(
      opened,
      0,
      (i, masterKey, place) => {
        const right = encryptShard(masterKey, place, shards[i]!);
        return i === 2 ? Uint8Array.from(randomBytes(right.length)) : right;
      },
      (sampled) => !sampled.includes(2),
    );
    await fixture.jump(times.sampleFromSec);
    await collector.sample();
    const scope = { chainId: 31337, exchange: fixture.address, session: id, seat: bad.seat };
    const made = shards.map((rows, i) => ({
      ciphertext: bad.ciphertexts[i]!,
      features: extractor.extract(rows),
    }));
    const root = await deliver(store, scope, documents.description.sealKey, bad.masterKey, made);
    await bad.market.features(id, 0, root);
    await collector.score(data.validation);
    await collector.review(1);
    await fixture.jump(times.reviewBySec + 1);
    const record = await opened.record();
    const indices = sampledIndices(record.seats[0]!.seed!, shards.length, 6);
    await bad.market.answer(record.terms, record.seats[0]!, bad.tree.open(indices));
    await fixture.jump(times.answerBySec + 1);
    await collector.choose({});
    await bad.market.claim(record.terms, (await opened.record()).seats[0]!, bad.masterKey);
    const { shards: rows, problems } = await collector.collect();
    expect(problems).toEqual([{ shard: 2, code: "SEAL_INVALID", message: expect.any(String) }]);
    expect(rows).toEqual(shards.filter((_, i) => i !== 2));
    expect(await fixture.provider.getBalance(fixture.address)).toBe(0n);
  });
});
