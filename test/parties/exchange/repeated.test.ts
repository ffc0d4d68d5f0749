/** Steps that are given twice: the same again sends nothing and says what the first said, another one is refused. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Wallet } from "ethers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { allowanceOf, balanceOf } from "../../../contracts/tokens.ts";
import { ExchangeCollector } from "../../../parties/exchange/collector.ts";
import { ExchangeProvider } from "../../../parties/exchange/provider.ts";
import { rowsCsv, writeRows } from "../../../parties/exchange/rows-file.ts";
import { seatName } from "../../../parties/exchange/session.ts";
import { deployTestContract } from "../../contracts/test-contracts.ts";
import { compensation, deposit, reward, type SessionFixture, startSessions } from "./session-fixture.ts";

let sessions: SessionFixture;
beforeAll(async () => {
  sessions = await startSessions([0, 0.4, 0.1]);
}, 60_000);
afterAll(() => sessions?.close());

const code = (expected: string) => expect.objectContaining({ code: expected });
const refused = (expected: string, words: RegExp, hint: RegExp) =>
  expect.objectContaining({
    code: expected,
    message: expect.stringMatching(words),
    hint: expect.stringMatching(hint),
  });

/** The result of a step, which given again is the same but for what it sent. */
async function twice<T extends object>(wallet: Wallet, step: () => Promise<T>): Promise<T> {
  const first = await step();
  const sent = await wallet.getNonce();
  const quiet = {
    ...("txHash" in first ? { txHash: null } : {}),
    ...("txHashes" in first ? { txHashes: [] } : {}),
  };
  const plain = (result: object) => JSON.parse(JSON.stringify(result, summary));
  expect(plain(await step())).toEqual(plain({ ...first, ...quiet }));
  expect(await wallet.getNonce()).toBe(sent);
  return first;
}
/** A seat by its name: what it is may have changed with the step. */
const summary = (_key: string, value: unknown): unknown =>
  typeof value === "bigint"
    ? String(value)
    : value !== null && typeof value === "object" && "seat" in value && typeof value.seat === "bigint"
      ? seatName(value.seat)
      : value;

/** A market to which one call does not come through. */
function failing<T extends object>(market: T, call: keyof T): T {
  return new Proxy(market, {
    get: (target, name) => {
      if (name === call) return () => Promise.reject(new Error("interrupted"));
      const value = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

test("every step of a session with a winner", async () => {
  const { exchange, data, open, request } = sessions;
  const { collector: buyer, providers } = exchange;
  const { id, collector, times, provider } = await open();
  const winner = 0;
  await twice(buyer, () => collector.open(request()));
  for (const [change, option] of [
    [{ rewardWei: reward + 1n }, "--reward"],
    [{ title: "Others" }, "--title"],
    [{ validation: data.sellers[0]! }, "--validation"],
    [{ hidden: 32 }, "--hidden"],
    [{ phases: { ...request().phases, answer: 300 } }, "--answer-for"],
    [{ token: buyer.address }, "--token"],
  ] as const) {
    await expect(collector.open(request(change))).rejects.toEqual(
      refused("USAGE", new RegExp(`with another ${option}$`), /another --folder/),
    );
  }

  for (const index of [0, 1]) {
    await twice(providers[index]!, () => provider(index).register(id, data.sellers[index]!));
    await expect(provider(index).register(id, data.sellers[2]!)).rejects.toEqual(
      refused("USAGE", /holds the registration of other rows/, /another --folder/),
    );
  }
  await exchange.jump(times.sampleFromSec);
  expect((await twice(buyer, () => collector.sample())).sampled).toHaveLength(2);
  for (const index of [0, 1]) await twice(providers[index]!, () => provider(index).features());
  const score = async () => ({
    ...(await collector.score(data.validation)),
    ranking: await collector.ranking(),
  });
  expect((await twice(buyer, score)).ranking).toHaveLength(2);
  expect((await twice(buyer, () => collector.review(2))).asked).toHaveLength(2);
  // Who was asked stays so.
  expect((await collector.review(1)).asked).toHaveLength(2);

  await exchange.jump(times.reviewBySec + 1);
  for (const index of [0, 1]) {
    expect((await twice(providers[index]!, () => provider(index).answer())).shards).toHaveLength(5);
  }
  await exchange.jump(times.answerBySec + 1);
  const chosen = await twice(buyer, () => collector.choose({}));
  expect(chosen.winner.provider).toBe(providers[winner]!.address.toLowerCase());
  await expect(collector.choose({ minAgreement: 1.01 })).rejects.toEqual(
    refused("STATE_INVALID", /was named the winner, which is final/, /would name nobody/),
  );
  const paid = await twice(providers[winner]!, () => provider(winner).claim());
  expect(paid).toMatchObject({ rewardWei: reward - compensation, depositWei: deposit });
  // A winner's blobs can be put into the store again, for the buyer that still collects.
  await rm(join(sessions.folder, "store"), { recursive: true });
  expect(await provider(winner).features()).toMatchObject({ txHash: null });
  // Also after the claim the choice is what it was.
  expect(await collector.choose({})).toMatchObject({ txHash: null, winner: { seat: chosen.winner.seat } });
  expect((await twice(buyer, () => collector.collect())).problems).toEqual([]);
  expect(await twice(providers[1]!, () => provider(1).withdraw())).toMatchObject({
    amountWei: deposit + compensation,
  });
  await expect(provider(winner).withdraw()).rejects.toEqual(
    refused("STATE_INVALID", /holds nothing/, /the claim paid/),
  );
  expect(await twice(providers[1]!, () => provider(1).answer())).toMatchObject({ txHash: null });
  await expect(collector.close()).rejects.toEqual(refused("STATE_INVALID", /nothing/, /the winner was paid/));
});

test("accusations, and what is left when nobody wins", async () => {
  const { exchange, data, open } = sessions;
  const { collector: buyer, providers } = exchange;
  const { id, collector, times, provider } = await open();
  for (const index of [0, 1]) await provider(index).register(id, data.sellers[index]!);
  await exchange.jump(times.sampleFromSec);
  await collector.sample();
  await provider(0).features();
  await collector.score(data.validation);
  await expect(collector.accuse()).rejects.toEqual(refused("STATE_INVALID", /^accusing is from/, /again in/));
  await exchange.jump(times.featuresBySec + 1);
  expect((await twice(buyer, () => collector.accuse())).accused).toHaveLength(1);
  await exchange.jump(times.accuseBySec + 1);
  // Nothing is left to be said, so it is not too late.
  expect(await collector.accuse()).toMatchObject({ accused: [{}], txHashes: [] });
  await exchange.jump(times.reviewBySec + 1);
  await expect(provider(1).features()).rejects.toEqual(
    refused("STATE_INVALID", /^delivering features is closed since/, /its answer phase runs/),
  );
  await expect(collector.review(1)).rejects.toEqual(
    refused("STATE_INVALID", /^asking for reviews is closed since/, /its answer phase runs/),
  );
  const early = await twice(buyer, () => collector.close());
  expect(early).toMatchObject({ forfeited: [{}], closed: false });
  await exchange.jump(times.answerBySec + 1);
  await expect(collector.choose({})).rejects.toEqual(
    refused("STATE_INVALID", /no review was answered/, /close takes back/),
  );
  await exchange.jump(times.optimalBySec + 1);
  expect(await twice(buyer, () => collector.close())).toMatchObject({ forfeited: [{}], closed: true });
  await expect(provider(1).withdraw()).rejects.toEqual(
    refused("STATE_INVALID", /holds nothing/, /was forfeited/),
  );
  await twice(providers[0]!, () => provider(0).withdraw());
});

test("a file of the very rows that were bought stays", async () => {
  const { data, folder } = sessions;
  const rows = {
    rows: 2,
    features: new Float64Array(2 * data.schema.columns.length),
    label: new Float64Array(2),
  };
  const file = join(folder, "bought.csv");
  for (let i = 0; i < 2; i++) await writeRows(file, [rows], data.schema);
  await expect(writeRows(file, [rows, rows], data.schema)).rejects.toEqual(code("USAGE"));
  expect(rowsCsv([rows], data.schema)).not.toBe(rowsCsv([rows, rows], data.schema));
});

describe("before there is anything to do", () => {
  test("the buyer is told what is missing and which command is next", async () => {
    const { exchange, data, open } = sessions;
    const { id, collector, times, provider } = await open();
    const next = /^buyer exchange sample does so, from .*Z to .*Z$/;
    const score = () => collector.score(data.validation);
    await expect(score()).rejects.toEqual(refused("STATE_INVALID", /no data set is registered/, next));
    await provider(0).register(id, data.sellers[0]!);
    await expect(score()).rejects.toEqual(refused("STATE_INVALID", /none of 1 registered data sets/, next));
    await expect(collector.review(1)).rejects.toEqual(refused("STATE_INVALID", /none of 1/, next));
    await expect(provider(0).answer()).rejects.toEqual(
      refused(
        "STATE_INVALID",
        /is Registered/,
        /the buyer asks for reviews until .*; answers are from then on/,
      ),
    );
    await expect(collector.collect()).rejects.toEqual(
      refused("STATE_INVALID", /not revealed/, /^buyer exchange choose names the winner, from/),
    );
    await exchange.jump(times.sampleBySec + 1);
    await expect(score()).rejects.toEqual(
      refused("STATE_INVALID", /none of 1 registered data sets/, /sampling is closed since .* close takes/),
    );
    await expect(collector.close()).rejects.toEqual(
      refused("STATE_INVALID", /nothing/, /can be taken back from .* on$/),
    );
    await provider(0).withdraw();
  });

  test("a session without sellers says so", async () => {
    const { exchange, open } = sessions;
    const { collector, times } = await open();
    await exchange.jump(times.sampleFromSec);
    await expect(collector.sample()).rejects.toEqual(
      refused("STATE_INVALID", /no data set was registered/, /close takes the reward back, from/),
    );
  });

  test("a late seller is told since when registration is closed", async () => {
    const { exchange, data, open, connection, folder } = sessions;
    const { id, times, provider, name } = await open();
    // One of them has made its deposit.
    const interrupted = new ExchangeProvider(
      {
        ...connection(exchange.providers[0]!),
        market: failing(exchange.of(exchange.providers[0]!), "register"),
      },
      join(folder, `${name}-0`),
    );
    await expect(interrupted.register(id, data.sellers[0]!)).rejects.toThrow("interrupted");
    await exchange.jump(times.registerBySec + 1);
    const late = refused("STATE_INVALID", /^registration is closed since 20\d\d-/, /its sampling phase runs/);
    await expect(provider(1).register(id, data.sellers[1]!)).rejects.toEqual(late);
    const sent = await exchange.providers[0]!.getNonce();
    await expect(provider(0).register(id, data.sellers[0]!)).rejects.toEqual(late);
    expect(await exchange.providers[0]!.getNonce()).toBe(sent);
    expect((await provider(0).status()).next).toEqual({ command: "withdraw", due: true });
    expect(await provider(0).withdraw()).toMatchObject({ amountWei: deposit });
    await expect(provider(0).withdraw()).rejects.toEqual(
      refused("STATE_INVALID", /holds nothing/, /no deposit was made/),
    );
  });
});

describe("an opening", () => {
  test("of phases that do not fit leaves nothing behind", async () => {
    const { connection, exchange, folder, request } = sessions;
    const at = new ExchangeCollector(connection(exchange.collector), join(folder, "short"));
    const { phases } = request();
    await expect(at.open(request({ phases: { ...phases, review: 75 } }))).rejects.toEqual(
      refused("PARAMETER_INVALID", /the review phase is 75 s long/, /--review-for 120/),
    );
    // So that the same folder serves once they do.
    await exchange.provider.send("evm_mine", []);
    expect((await at.open(request())).txHash).not.toBeNull();
  });

  test("that was interrupted for too long is over", async () => {
    const { connection, exchange, folder, request } = sessions;
    const market = failing(exchange.of(exchange.collector), "open");
    const place = join(folder, "interrupted");
    await exchange.provider.send("evm_mine", []);
    const asked = request();
    const broken = new ExchangeCollector({ ...connection(exchange.collector), market }, place);
    await expect(broken.open(asked)).rejects.toThrow("interrupted");
    const now = await exchange.of(exchange.collector).nowSec();
    await exchange.jump(now + asked.phases.register);
    const again = new ExchangeCollector(connection(exchange.collector), place);
    await expect(again.open(asked)).rejects.toEqual(
      refused("STATE_INVALID", /was not opened in time/, /another --folder/),
    );
  });
});

describe("a session in a token", () => {
  test.each(["PermitToken", "StubbornToken"] as const)("is paid in it: %s", async (kind) => {
    const { exchange, data, open } = sessions;
    const { collector: buyer, providers, provider: chain, address: market } = exchange;
    const { address: token, contract } = await deployTestContract(kind, buyer, ["tUSD"]);
    const seller = providers[2]!;
    for (const account of [buyer, seller]) {
      await (await contract.getFunction("mint")(account.address, 2n * reward)).wait();
    }
    // An allowance that is left is replaced by exactly what is due.
    await (await contract.getFunction("approve")(market, 5n)).wait();
    const wei = await chain.getBalance(market);
    const { id, collector, times, provider } = await open({ token });
    expect(await balanceOf(chain, token, market)).toBe(reward);
    // What the seat holds in ETH stays there: another one is used.
    await exchange.of(seller).deposit(0, 3n);
    const { seat } = await provider(2).register(id, data.sellers[2]!);
    expect(seatName(seat.seat)).toMatch(/\/1$/);
    expect(await provider(2).status()).toMatchObject({ token, amountWei: 0n });
    await exchange.of(seller).withdraw(0, 3n);
    expect(await balanceOf(chain, token, market)).toBe(reward + deposit);
    for (const account of [buyer, seller]) {
      expect(await allowanceOf(chain, token, account.address, market)).toBe(0n);
    }
    await exchange.jump(times.sampleFromSec);
    await collector.sample();
    await provider(2).features();
    await collector.score(data.validation);
    await collector.review(1);
    await exchange.jump(times.reviewBySec + 1);
    await provider(2).answer();
    await exchange.jump(times.answerBySec + 1);
    await collector.choose({});
    expect(await provider(2).claim()).toMatchObject({ token, rewardWei: reward, depositWei: deposit });
    expect(await balanceOf(chain, token, seller.address)).toBe(3n * reward);
    expect(await balanceOf(chain, token, market)).toBe(0n);
    expect(await chain.getBalance(market)).toBe(wei);
  });

  test("is not opened by an account that has too little of it", async () => {
    const { exchange, open } = sessions;
    const { address: token } = await deployTestContract("PermitToken", exchange.collector, ["tUSD"]);
    await expect(open({ token })).rejects.toEqual(code("FUNDS_MISSING"));
  });
});
