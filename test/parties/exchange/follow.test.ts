/** A seller's side that goes by itself, on a chain and beside a market that fails it. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SymbolonError } from "../../../mpc/errors.ts";
import type { BlobStore } from "../../../parties/exchange/blob-store.ts";
import { FolderStore } from "../../../parties/exchange/folder-store.ts";
import { type FollowedEnd, type FollowedSide, follow } from "../../../parties/exchange/follow.ts";
import type { NextStep } from "../../../parties/exchange/next-step.ts";
import { ExchangeProvider } from "../../../parties/exchange/provider.ts";
import { compensation, deposit, reward, type SessionFixture, startSessions } from "./session-fixture.ts";

let sessions: SessionFixture;
beforeAll(async () => {
  sessions = await startSessions([0, 0.4, 0.1]);
}, 60_000);
afterAll(() => sessions?.close());

const gone = new SymbolonError("STORE_UNREACHABLE", "gone");
const names = ({ steps }: FollowedEnd) => steps.map(({ command }) => command);

test("sellers that only register and follow are paid what is theirs", { timeout: 60_000 }, async () => {
  const { exchange, data, open } = sessions;
  const { id, collector, times, provider } = await open({ shardsPerSample: 6 });
  const waits: string[] = [];
  for (const index of [0, 1, 2]) await provider(index).register(id, data.sellers[index]!);
  const following = [0, 1, 2].map((index) =>
    follow(provider(index), { pollMs: 20, farMs: 20, onWait: ({ command }) => waits.push(command) }),
  );
  await exchange.jump(times.sampleFromSec);
  await collector.sample();
  const scored = async () => {
    const { seats } = await collector.score(data.validation);
    return seats.filter(({ result }) => result.score !== undefined).length;
  };
  await expect.poll(scored, { timeout: 20_000 }).toBe(3);
  // The worst is not asked for a review.
  await collector.review(2);
  await exchange.jump(times.reviewBySec + 1);
  await expect.poll(async () => (await collector.reviews()).length, { timeout: 20_000 }).toBe(2);
  await exchange.jump(times.answerBySec + 1);
  const { winner } = await collector.choose({});
  expect(winner.provider).toBe(exchange.providers[0]!.address.toLowerCase());
  const [first, second, third] = await Promise.all(following);
  expect(names(first!)).toEqual(["features", "answer", "claim"]);
  expect(names(second!)).toEqual(["features", "withdraw"]);
  expect(names(third!)).toEqual(["features", "answer", "withdraw"]);
  expect(first!.steps.at(-1)!.result).toMatchObject({
    rewardWei: reward - compensation,
    depositWei: deposit,
  });
  expect(third!.steps.at(-1)!.result).toMatchObject({ amountWei: deposit + compensation });
  expect((await collector.collect()).problems).toEqual([]);
  expect(await exchange.provider.getBalance(exchange.address)).toBe(0n);
  expect(waits).toContain("claim");
  // Nothing is done twice.
  expect(await follow(provider(0), { pollMs: 20 })).toEqual({ steps: [], lost: undefined });
});

test("a store that is not the buyer's is refused at the start, and one that lost the delivery gets it again", async () => {
  const { exchange, data, open, folder, connection } = sessions;
  const { id, collector, times, provider, name } = await open();
  await provider(0).register(id, data.sellers[0]!);
  const elsewhere = new ExchangeProvider(
    { ...connection(exchange.providers[0]!), store: new FolderStore(join(folder, "elsewhere")) },
    join(folder, `${name}-0`),
  );
  await expect(follow(elsewhere, { pollMs: 20 })).rejects.toMatchObject({
    code: "NOT_FOUND",
    message: expect.stringContaining("elsewhere does not have the description"),
  });
  await exchange.jump(times.sampleFromSec);
  await collector.sample();
  // By hand it goes there all the same, and the buyer finds nothing.
  await elsewhere.features();
  expect((await collector.score(data.validation)).seats[0]!.result.problem?.code).toBe("NOT_FOUND");
  const delivered = Promise.withResolvers<void>();
  const following = follow(provider(0), { pollMs: 20, farMs: 20, onDone: async () => delivered.resolve() });
  await delivered.promise;
  // A restart with the wrong store is refused, too, though nothing is due.
  await expect(follow(elsewhere, { pollMs: 20 })).rejects.toMatchObject({ code: "NOT_FOUND" });
  expect((await collector.score(data.validation)).seats[0]!.result.score).toBeDefined();
  await exchange.jump(times.reviewBySec + 1);
  expect(names(await following)).toEqual(["features", "withdraw"]);
});

test("accused sellers keep their deposit though the store fails, and what it lost is delivered later", async () => {
  const { exchange, data, open, store, folder, connection } = sessions;
  const { id, collector, times, provider, name } = await open();
  await provider(1).register(id, data.sellers[1]!);
  await exchange.jump(times.sampleFromSec);
  await collector.sample();
  await collector.score(data.validation);
  await exchange.jump(times.featuresBySec + 1);
  await collector.accuse();
  let down = true;
  const failing: BlobStore = {
    place: store.place,
    put: (bytes) => (down ? Promise.reject(gone) : store.put(bytes)),
    get: (address) => (down ? Promise.reject(gone) : store.get(address)),
  };
  const seller = new ExchangeProvider(
    { ...connection(exchange.providers[1]!), store: failing },
    join(folder, `${name}-1`),
  );
  const said: string[] = [];
  const following = follow(seller, {
    ...{ pollMs: 20, farMs: 20 },
    onTrouble: ({ code }) => said.push(code),
    onRecovered: () => said.push("over"),
  });
  await expect.poll(async () => (await provider(1).status()).seat?.state).toBe("Delivered");
  expect((await collector.score(data.validation)).seats[0]!.result.score).toBeUndefined();
  down = false;
  await expect.poll(() => said).toEqual(["STORE_UNREACHABLE", "over"]);
  expect((await collector.score(data.validation)).seats[0]!.result.score).toBeDefined();
  await exchange.jump(times.reviewBySec + 1);
  expect(names(await following)).toEqual(["features", "withdraw"]);
});

test("a deposit that was lost is told, also once the buyer has it", async () => {
  const { exchange, data, open } = sessions;
  const { id, collector, times, provider } = await open();
  await provider(2).register(id, data.sellers[2]!);
  await exchange.jump(times.sampleFromSec);
  await collector.sample();
  await collector.score(data.validation);
  await exchange.jump(times.featuresBySec + 1);
  await collector.accuse();
  await exchange.jump(times.reviewBySec + 1);
  const lost = { steps: [], lost: expect.stringContaining("the features were not delivered by") };
  expect(await follow(provider(2), { pollMs: 20 })).toEqual(lost);
  await collector.close();
  expect(await follow(provider(2), { pollMs: 20 })).toEqual(lost);
});

test("a data set that is not registered is not followed", async () => {
  const { id, provider } = await sessions.open();
  const own = provider(1);
  await own.look(id);
  await expect(follow(own, { pollMs: 20 })).rejects.toMatchObject({ code: "USAGE" });
});

describe("what is no refusal of the first look", () => {
  const next = (command: string, due: boolean): NextStep => ({ command, due });
  const ends = ["register", "sample", "features", "accuse", "review", "answer", "optimal", "claim"];
  const times = Object.fromEntries(ends.map((end, index) => [`${end}BySec`, 1000 * (index + 1)]));
  /** Looks that come one after another: what is next, or an error; null is the end. */
  const side = (looks: (NextStep | Error | null)[], fails: Error[] = []): FollowedSide => {
    const done = async () => {
      const error = fails.shift();
      if (error !== undefined) throw error;
      return { txHash: null };
    };
    const status = async () => {
      const look = looks.shift();
      if (look === undefined) throw new Error("looked once more");
      if (look instanceof Error) throw look;
      return { next: look, record: { nowSec: 100, times } };
    };
    const steps = { features: done, answer: done, claim: done, withdraw: done };
    const store = { requireStore: async () => {}, deliveryMissing: async () => false };
    return { status, ...store, ...steps } as unknown as FollowedSide;
  };
  const silent = new SymbolonError("CHAIN_UNREACHABLE", "no answer");

  test("is tried again, and told once while it lasts", async () => {
    const troubles: string[] = [];
    const looks = [
      next("features", true),
      next("features", true),
      silent,
      silent,
      next("features", true),
      silent,
      next("claim", true),
      null,
    ];
    const done = await follow(
      side(
        looks,
        [1, 2].map((gas) => new SymbolonError("FUNDS_MISSING", `${gas} gas`)),
      ),
      {
        pollMs: 1,
        onTrouble: ({ code }) => troubles.push(code),
        onRecovered: () => troubles.push("over"),
      },
    );
    expect(names(done)).toEqual(["features", "claim"]);
    expect(troubles).toEqual(["FUNDS_MISSING", "CHAIN_UNREACHABLE", "over", "CHAIN_UNREACHABLE", "over"]);
  });

  test("keeps no claim back, when it is the store's", async () => {
    const troubles: string[] = [];
    const looks = [next("claim", true), next("withdraw", true), next("answer", false), null];
    const ok = side(looks);
    const broken = {
      ...ok,
      requireStore: () => Promise.reject(gone),
      deliveryMissing: async () => true,
      features: () => Promise.reject(gone),
    };
    const done = await follow(broken, {
      pollMs: 1,
      onTrouble: ({ code }) => troubles.push(code),
      onRecovered: () => troubles.push("over"),
    });
    expect(names(done)).toEqual(["claim", "withdraw"]);
    expect(troubles).toEqual(["STORE_UNREACHABLE"]);
  });

  test("but of the first look, and faults of the program, end it", async () => {
    await expect(follow(side([silent]), { pollMs: 1 })).rejects.toBe(silent);
    const fault = new TypeError("not a function");
    await expect(follow(side([next("features", true)], [fault]), { pollMs: 1 })).rejects.toBe(fault);
    await expect(follow(side([next("register", true)]), { pollMs: 1 })).rejects.toMatchObject({
      code: "NOT_FOUND",
    });
    await expect(follow(side([next("sample", true)]), { pollMs: 1 })).rejects.toMatchObject({
      code: "INTERNAL",
    });
  });

  test("is no reason to wait for a step twice", async () => {
    const waits: string[] = [];
    const looks = [next("answer", false), next("answer", false), next("claim", false), null];
    await follow(side(looks), { pollMs: 1, onWait: ({ command }) => waits.push(command) });
    expect(waits).toEqual(["answer", "claim"]);
  });
});
