/** Data sets with shards that decrypt to nothing, or under other keys than are sold, on a chain. */
import { keccak256 } from "ethers";
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
import type { Table } from "../../../parties/data/csv.ts";
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
  sessions = await startSessions([0.1]);
  ({ exchange: fixture, store, data } = sessions);
}, 60_000);
afterAll(() => sessions?.close());

const open = (change: Partial<OpenRequest> = {}) => sessions.open(change);
type Opened = Awaited<ReturnType<typeof open>>;

/**
 * Takes the first seller's data set, of which some shards are noise, to its answered review: everything else is as it
 * should be. Registered is one whose sample `fits`, and with `soldKey` one that is committed to that master key, which
 * derives none of its keys.
 */
async function reviewed(
  { id, collector, request, times, provider, journal, record }: Opened,
  {
    isNoise = () => false,
    fits = () => true,
    soldKey,
  }: { isNoise?: (shard: number) => boolean; fits?: (sampled: number[]) => boolean; soldKey?: Uint8Array },
) {
  const [table] = data.sellers as [Table];
  const shards = cutShards(conform(table, data.schema), data.schema, rowsPerShard);
  const market = fixture.of(fixture.providers[0]!);
  const seat = seatId(fixture.providers[0]!.address, 0);
  const place = { session: id, seat, shardCount: shards.length };
  const { secret } = await journal("");
  const make = () => {
    const masterKey = randomBytes(32);
    const ciphertexts = shards.map((shard, index) => {
      const right = encryptShard(masterKey, { ...place, index }, shard);
      return isNoise(index) ? Uint8Array.from(randomBytes(right.length)) : right;
    });
    const tree = shardTree(masterKey, ciphertexts.map(addressOf));
    if (soldKey !== undefined) tree.commitment.masterKeyHash = keccak256(soldKey);
    // The test knows the collector's secret, as no provider does.
    const seed = sampleSeed(secret, id, seat, commitmentHash(tree.commitment));
    return {
      masterKey,
      ciphertexts,
      tree,
      sampled: sampledIndices(seed, shards.length, request.shardsPerSample),
    };
  };
  let made = make();
  while (!fits(made.sampled)) made = make();
  const { masterKey, ciphertexts, tree, sampled } = made;

  const { terms } = await record();
  await market.deposit(0, deposit);
  await market.register(terms, 0, tree.commitment);
  await fixture.jump(times.sampleFromSec);
  await collector.sample();
  const { description, extractor: document } = (await provider(0).look(id)).documents;
  const extractor = new Extractor(document, data.schema);
  const scope = { chainId: 31337, exchange: fixture.address, session: id, seat };
  const delivered = shards.map((rows, i) => ({
    ciphertext: ciphertexts[i]!,
    features: extractor.extract(rows),
  }));
  await market.features(id, 0, await deliver(store, scope, description.sealKey, masterKey, delivered));
  await collector.score(data.validation);
  await collector.review(1);
  await fixture.jump(times.reviewBySec + 1);
  await market.answer(terms, (await record()).seats[0]!, tree.open(sampled));
  await fixture.jump(times.answerBySec + 1);
  return { market, masterKey, shards, sampled, terms };
}

describe("ciphertexts that decrypt to nothing", () => {
  test("are found when they are sampled: nobody wins, and the money goes back", async () => {
    const opened = await open();
    const { collector, times, record } = opened;
    const { market, sampled, terms } = await reviewed(opened, { isNoise: () => true });
    const [review] = await collector.reviews();
    expect(review!.problems.map(({ code: found }) => found)).toEqual(sampled.map(() => "SEAL_INVALID"));
    await expect(collector.choose({})).rejects.toEqual(code("STATE_INVALID"));
    await expect(collector.close()).rejects.toEqual(code("STATE_INVALID"));
    await fixture.jump(times.optimalBySec + 1);
    expect(await collector.close()).toMatchObject({ forfeited: [], closed: true });
    await market.release(terms, (await record()).seats[0]!);
    await market.withdraw(0, deposit + compensation);
    expect(await fixture.provider.getBalance(fixture.address)).toBe(0n);
  });

  test("get past the review when no sample hits them, and are named when the rest is collected", async () => {
    const opened = await open({ shardsPerSample: 6 });
    const { collector, record } = opened;
    const { market, masterKey, shards, terms } = await reviewed(opened, {
      isNoise: (shard) => shard === 2,
      fits: (sampled) => !sampled.includes(2),
    });
    await collector.choose({});
    await market.claim(terms, (await record()).seats[0]!, masterKey);
    const { shards: rows, problems } = await collector.collect();
    expect(problems).toEqual([{ shard: 2, code: "SEAL_INVALID", message: expect.any(String) }]);
    expect(rows).toEqual(shards.filter((_, i) => i !== 2));
    expect(await fixture.provider.getBalance(fixture.address)).toBe(0n);
  });
});

test("a winner whose keys do not come from the master key that it sells is not paid, and loses its deposit", async () => {
  const opened = await open();
  const { collector, times, record } = opened;
  const soldKey = randomBytes(32);
  const { market, masterKey, terms } = await reviewed(opened, { soldKey });
  // What the sample shows is all right.
  expect((await collector.choose({})).reviews[0]!.problems).toEqual([]);
  const [seat] = (await record()).seats;
  for (const key of [soldKey, masterKey]) {
    await expect(market.claim(terms, seat!, key)).rejects.toEqual(code("COMMITMENT_MISMATCH"));
  }
  await fixture.jump(times.claimBySec + 1);
  expect(await collector.close()).toMatchObject({ forfeited: [{ seat: seat!.seat }], closed: true });
  expect(await fixture.provider.getBalance(fixture.address)).toBe(0n);
});
