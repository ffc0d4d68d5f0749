/** Both sides as a library on a chain, and those who do not keep to the rules. */
import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { getBytes, type Wallet } from "ethers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { seatId, shardKey } from "../../../contracts/exchange-commitments.ts";
import { conform } from "../../../parties/data/conform.ts";
import type { Table } from "../../../parties/data/csv.ts";
import { ExchangeCollector } from "../../../parties/exchange/collector.ts";
import type { OpenRequest } from "../../../parties/exchange/collector-opening.ts";
import { deliver } from "../../../parties/exchange/delivery.ts";
import { publishDocuments } from "../../../parties/exchange/documents.ts";
import { Extractor } from "../../../parties/exchange/extractor.ts";
import { FolderStore } from "../../../parties/exchange/folder-store.ts";
import { showTime } from "../../../parties/exchange/phases.ts";
import { makeExtractor } from "../../../parties/exchange/private-model.ts";
import { ExchangeProvider } from "../../../parties/exchange/provider.ts";
import type { SeatRecord } from "../../../parties/exchange/session.ts";
import { cutShards, type LabelledRows } from "../../../parties/exchange/shards.ts";
import { type NoisySellers, noisySellers } from "./noisy-sellers.ts";
import {
  compensation,
  deposit,
  rowsPerShard,
  type SessionFixture,
  startSessions,
} from "./session-fixture.ts";

const leastPhases = {
  register: 75,
  sample: 90,
  features: 60,
  review: 120,
  answer: 60,
  optimal: 60,
  claim: 60,
};

const code = (expected: string) => expect.objectContaining({ code: expected });
/** Too early: it says from when on. */
const from = (phase: string) =>
  expect.objectContaining({ code: "STATE_INVALID", message: expect.stringMatching(`^${phase} is from`) });

let sessions: SessionFixture;
let fixture: SessionFixture["exchange"];
let folder = "";
let store: FolderStore;
let data: NoisySellers;

beforeAll(async () => {
  sessions = await startSessions([0.4, 0, 0.1, 0.4, 0.4]);
  ({ exchange: fixture, folder, store, data } = sessions);
}, 60_000);
afterAll(() => sessions?.close());

const connection = (wallet: Wallet) => sessions.connection(wallet);
const open = (change: Partial<OpenRequest> = {}) => sessions.open(change);
type Opened = Awaited<ReturnType<typeof open>>;

/** Everything that went to the chain's endpoint while `body` ran. */
async function sentWhile(body: () => Promise<unknown>): Promise<string> {
  const sent: unknown[] = [];
  const listen = (event: unknown): void => {
    sent.push(event);
  };
  await fixture.provider.on("debug", listen);
  try {
    await body();
  } finally {
    await fixture.provider.off("debug", listen);
  }
  const text = JSON.stringify(sent);
  expect(text).toContain("eth_getLogs");
  return text;
}

const seatOf = (index: number) => seatId(fixture.providers[index]!.address, 0);

/** Delivers for a registered seat the features of another table, as a cheat does that wants to be scored by it. */
async function deliverFeaturesOf(
  { id, provider, journal, name }: Opened,
  index: number,
  shown: Table,
): Promise<void> {
  const { masterKey, ciphertextHashes } = await journal(`-${index}`);
  const { documents } = await provider(index).look(id);
  const { schema, sealKey } = documents.description;
  const extractor = new Extractor(documents.extractor, schema);
  const blobs = new FolderStore(join(folder, `${name}-${index}`, "blobs"));
  const shards = await Promise.all(
    cutShards(conform(shown, schema), schema, rowsPerShard).map(async (rows, i) => ({
      ciphertext: await blobs.get(ciphertextHashes[i]),
      features: extractor.extract(rows),
    })),
  );
  const market = fixture.of(fixture.providers[index]!);
  const scope = { chainId: 31337, exchange: market.address, session: id, seat: seatOf(index) };
  const root = await deliver(store, scope, sealKey, getBytes(masterKey), shards);
  await market.features(id, 0, root);
}

describe("a session with a cheat, a silent and a late seller", () => {
  test("ends with the honest one, and costs the others what it should", async () => {
    const opened = await open();
    const { id, collector, times, provider, record } = opened;
    const tables = [data.sellers[4]!, data.sellers[0]!, data.sellers[1]!, data.sellers[3]!];
    const [cheat, silent, honest, late] = [0, 1, 2, 3] as const;
    for (const [index, table] of tables.entries()) await provider(index).register(id, table);
    await fixture.jump(times.sampleFromSec);
    expect((await collector.sample()).sampled).toHaveLength(4);

    // Four in ten labels are wrong, but the features that it shows have the right ones.
    const truth = await noisySellers([0, 0, 0, 0, 0], 4);
    await deliverFeaturesOf(opened, cheat, truth.sellers[4]!);
    await provider(honest).features();
    const before = await collector.score(data.validation);
    const problems = before.seats.map(({ seat, result }) => [seat.seat, result.problem?.code]);
    expect(Object.fromEntries(problems)).toEqual({
      [String(seatOf(cheat))]: undefined,
      [String(seatOf(silent))]: "NOT_FOUND",
      [String(seatOf(honest))]: undefined,
      [String(seatOf(late))]: "NOT_FOUND",
    });
    await expect(collector.accuse()).rejects.toEqual(code("STATE_INVALID"));
    await fixture.jump(times.featuresBySec + 1);
    const { accused } = await collector.accuse();
    expect(accused.map(({ seat }) => seat)).toEqual([seatOf(silent), seatOf(late)]);
    expect(await provider(late).features()).toMatchObject({ delivered: true });
    await collector.score(data.validation);
    const ranking = await collector.ranking();
    // By what it shows it is as good as the honest one.
    expect(ranking).toHaveLength(3);
    expect(ranking[2]!.seat.seat).toBe(seatOf(late));

    await collector.review(3);
    await expect(collector.choose({})).rejects.toEqual(from("choosing"));
    await expect(provider(honest).claim()).rejects.toEqual(from("choosing"));
    // Neither call may show a key to the endpoint, not even in an estimate.
    const own = await opened.journal(`-${honest}`);
    const early = await sentWhile(() =>
      expect(provider(honest).answer()).rejects.toEqual(code("STATE_INVALID")),
    );
    for (const index of Array.from({ length: 6 }, (_, i) => i)) {
      expect(early).not.toContain(shardKey(getBytes(own.masterKey), index).toString("hex"));
    }
    await fixture.jump(times.reviewBySec + 1);
    await expect(provider(silent).answer()).rejects.toEqual(code("STATE_INVALID"));
    for (const index of [cheat, honest, late]) await provider(index).answer();

    await fixture.jump(times.answerBySec + 1);
    await expect(provider(honest).claim()).rejects.toEqual(code("STATE_INVALID"));
    await expect(collector.collect()).rejects.toEqual(code("STATE_INVALID"));
    await expect(collector.choose({ minAgreement: 1.01 })).rejects.toEqual(code("STATE_INVALID"));
    const { winner, reviews } = await collector.choose({});
    expect(winner.seat).toBe(seatOf(honest));
    const found = Object.fromEntries(reviews.map(({ seat, problems: all }) => [seat.seat, all]));
    expect(found[String(seatOf(honest))]).toEqual([]);
    expect(found[String(seatOf(late))]).toEqual([]);
    const lies = found[String(seatOf(cheat))]!;
    expect(lies.length).toBeGreaterThan(0);
    for (const lie of lies) expect(lie.code).toBe("COMMITMENT_MISMATCH");
    await expect(provider(cheat).claim()).rejects.toEqual(code("STATE_INVALID"));
    const { masterKey } = await opened.journal(`-${cheat}`);
    expect((await record()).seats.find(({ seat }) => seat === seatOf(cheat))!.keys).not.toContain(masterKey);

    const held = (reason: string) =>
      expect.objectContaining({ code: "STATE_INVALID", message: expect.stringContaining(reason) });
    await expect(provider(honest).withdraw()).rejects.toEqual(held("its claim pays the reward"));
    await expect(provider(silent).withdraw()).rejects.toEqual(held("the features were not delivered by"));
    // The winner sleeps: its deposit and its compensation are lost, and the collector has the reward back but for two.
    await fixture.jump(times.claimBySec + 1);
    const tooLate = await sentWhile(() =>
      expect(provider(honest).claim()).rejects.toEqual(code("STATE_INVALID")),
    );
    expect(tooLate).not.toContain(own.masterKey.slice(2));
    await expect(provider(honest).withdraw()).rejects.toEqual(held("it has won, and did not claim by"));
    const { forfeited, closed } = await collector.close();
    expect(forfeited.map(({ seat }) => seat)).toEqual([seatOf(silent), seatOf(honest)]);
    expect(closed).toBe(true);
    for (const index of [cheat, late]) {
      expect((await provider(index).withdraw()).amountWei).toBe(deposit + compensation);
    }
    await expect(provider(silent).withdraw()).rejects.toEqual(code("STATE_INVALID"));
    expect(await fixture.provider.getBalance(fixture.address)).toBe(0n);
  });
});

describe("a seller", () => {
  test("does not register for an extractor that could give its rows away", async () => {
    const { id, provider, name, record } = await open();
    const { documents } = await provider(0).look(id);
    const rows = conform(data.validation, data.schema) as LabelledRows;
    const { document: extractor } = makeExtractor(rows, data.schema, { hidden: 48, width: 16 });
    const hashes = await publishDocuments(store, { ...documents, extractor });
    const hostile = await fixture.of(fixture.collector).open({ ...(await record()).request, ...hashes });
    await expect(provider(0).register(hostile.session, data.sellers[0]!)).rejects.toEqual(
      code("TERMS_REFUSED"),
    );
    expect((await readdir(folder)).includes(`${name}-0`)).toBe(false);
  });

  test("does not register for documents that are not those of the session", async () => {
    const { id, provider, record } = await open();
    const { descriptionHash } = (await record()).request;
    await writeFile(join(folder, "store", descriptionHash.slice(2)), "{}");
    await expect(provider(0).register(id, data.sellers[0]!)).rejects.toEqual(code("COMMITMENT_MISMATCH"));
  });

  test("goes on where it was interrupted, with the same shards and one deposit", async () => {
    const { id, provider, journal, times, collector } = await open();
    const before = await fixture.provider.getBalance(fixture.address);
    const market = fixture.of(fixture.providers[1]!);
    // More than the session asks for lies in the seat already.
    await market.deposit(0, deposit + 5n);
    const { seat, txHash } = await provider(1).register(id, data.sellers[1]!);
    expect(txHash).not.toBeNull();
    const { masterKey } = await journal("-1");
    await expect(provider(1).register(id, data.sellers[0]!)).rejects.toEqual(code("USAGE"));
    expect(await provider(1).register(id, data.sellers[1]!)).toEqual({
      seat,
      rows: data.sellers[1]!.rows,
      txHash: null,
    });
    expect((await journal("-1")).masterKey).toBe(masterKey);
    expect(await fixture.provider.getBalance(fixture.address)).toBe(before + deposit);

    await expect(provider(1).features()).rejects.toMatchObject({
      code: "STATE_INVALID",
      hint: expect.stringContaining(`the buyer samples from ${showTime(times.sampleFromSec)}`),
    });
    await fixture.jump(times.sampleFromSec);
    await collector.sample();
    const first = await provider(1).features();
    // The store loses everything; what is delivered again are the same blobs.
    const blobs = await readdir(join(folder, "store"));
    for (const blob of blobs) await rm(join(folder, "store", blob));
    expect(first.storeHasSession).toBe(true);
    expect(await provider(1).features()).toEqual({ ...first, storeHasSession: false, txHash: null });
    const { seats } = await collector.score(data.validation);
    expect(seats[0]!.result.score?.rows).toBe(data.sellers[1]!.rows);
    await expect(collector.score(data.sellers[0]!)).rejects.toEqual(code("USAGE"));
    await fixture.jump(times.claimBySec);
    await provider(1).withdraw();
  });

  test("of too few rows is told so before it has paid anything", async () => {
    const { id, provider } = await open({ minShards: 7 });
    await expect(provider(0).register(id, data.sellers[0]!)).rejects.toEqual(code("PARAMETER_INVALID"));
    expect((await fixture.of(fixture.providers[0]!).seat(seatOf(0))).amount).toBe(0n);
  });

  test("with two data sets in a session is sampled once", async () => {
    const { id, provider, collector, times, name, journal } = await open();
    await provider(2).register(id, data.sellers[2]!);
    const second = new ExchangeProvider(connection(fixture.providers[2]!), join(folder, `${name}-2b`));
    const { seat } = await second.register(id, data.sellers[2]!);
    expect(seat.seat).toBe(seatId(fixture.providers[2]!.address, 1));
    const { secret } = await journal("");
    const early = await sentWhile(() => expect(collector.sample()).rejects.toEqual(code("STATE_INVALID")));
    expect(early).not.toContain(secret.slice(2));
    await fixture.jump(times.sampleFromSec);
    let sampled: SeatRecord[] = [];
    let leftOut: SeatRecord[] = [];
    const inTime = await sentWhile(async () => {
      ({ sampled, leftOut } = await collector.sample());
    });
    // What is looked for is what would be there.
    expect(inTime).toContain(secret.slice(2));
    expect(sampled.map((each) => each.seat)).toEqual([seatOf(2)]);
    expect(leftOut.map((each) => each.seat)).toEqual([seat.seat]);
    expect((await second.status()).next).toMatchObject({
      command: "withdraw",
      fromSec: times.sampleBySec + 1,
      note: expect.stringContaining("/0"),
    });
    await expect(second.features()).rejects.toMatchObject({
      code: "STATE_INVALID",
      hint: expect.stringContaining("of each seller one data set is sampled"),
    });
    expect(await collector.sample()).toMatchObject({ sampled: [{ seat: seatOf(2) }], txHashes: [] });
    // Nobody is accused by a buyer that has not looked.
    await fixture.jump(times.featuresBySec + 1);
    await expect(collector.accuse()).rejects.toEqual(code("STATE_INVALID"));
    await collector.score(data.validation);
    expect((await collector.accuse()).accused.map((each) => each.seat)).toEqual([seatOf(2)]);
  });
});

describe("a buyer", () => {
  test.each([
    ["no reward", { rewardWei: 0n }, /--reward/],
    ["no deposit", { depositWei: 0n }, /--deposit/],
    ["more than a seat can hold", { rewardWei: 2n ** 88n - deposit }, /--reward/],
    ["more features than any seller gives", { width: 16 }, /--width 15 or less/],
    ["no room to hide in", { hidden: 15 }, /--hidden 16 or more/],
    ["phases that are too short", { phases: { ...leastPhases, review: 60 } }, /--review-for 120/],
  ])("is refused %s before anything is kept or sent", async (_, change, hint) => {
    const collector = new ExchangeCollector(connection(fixture.collector), join(folder, "refused"));
    await expect(collector.open(sessions.request(change))).rejects.toMatchObject({
      code: "PARAMETER_INVALID",
      hint: expect.stringMatching(hint),
    });
    expect(await readdir(folder)).not.toContain("refused");
  });

  test("opens once, whatever happens in between", async () => {
    const { id, collector, request, name } = await open();
    expect(await collector.open(request)).toMatchObject({ session: id, txHash: null });
    const other = { ...connection(fixture.providers[0]!) };
    const stranger = new ExchangeCollector(other, join(folder, name));
    await expect(stranger.status()).rejects.toEqual(code("CONFIG_INVALID"));
  });

  test("asks for no more reviews than the reward pays for", async () => {
    const { id, collector, times, provider } = await open({ samplingBps: 10_000 });
    for (const index of [3, 4]) await provider(index).register(id, data.sellers[index]!);
    await fixture.jump(times.sampleFromSec);
    await collector.sample();
    await expect(collector.review(1)).rejects.toEqual(code("STATE_INVALID"));
    for (const index of [3, 4]) await provider(index).features();
    await collector.score(data.validation);
    await expect(collector.review(2)).rejects.toMatchObject({
      code: "LIMIT_EXCEEDED",
      hint: expect.stringContaining("--top 1"),
    });
    expect((await collector.review(1)).asked).toHaveLength(1);
    expect(await collector.review(1)).toMatchObject({ asked: [{}], txHashes: [] });
  });

  test("of a session that is not there is told so", async () => {
    const provider = new ExchangeProvider(connection(fixture.providers[0]!), join(folder, "nowhere"));
    await expect(provider.look(`0x${"77".repeat(32)}`)).rejects.toEqual(code("NOT_FOUND"));
    await expect(provider.status()).rejects.toEqual(code("USAGE"));
  });
});
