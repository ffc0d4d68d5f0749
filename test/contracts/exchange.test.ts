import { Contract, getBytes, hexlify, id } from "ethers";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { artifact } from "../../contracts/artifacts.ts";
import type { Registration } from "../../contracts/exchange.ts";
import {
  maxAnswers,
  sampledIndices,
  sessionId,
  sessionTerms,
  shardKey,
  shardTree,
  verifyOpening,
} from "../../contracts/exchange-commitments.ts";
import { exchangeReasons, toExchangeError } from "../../contracts/exchange-reasons.ts";
import { type ExchangeFixture, phaseSec, sampleDelaySec, secret, startExchange } from "./exchange-fixture.ts";

let fixture: ExchangeFixture;
beforeAll(async () => {
  fixture = await startExchange();
}, 60_000);
afterAll(() => fixture.close());

const contract = () => new Contract(fixture.address, artifact("ReviewExchange").abi, fixture.provider);
const ciphertexts = (label: string) => Array.from({ length: 8 }, (_, index) => id(`${label} ${index}`));

describe("what both sides compute", () => {
  test("indices of a sample", async () => {
    const cases = fc.sample(
      fc.tuple(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.nat(2999), fc.nat(99)),
      20,
    );
    for (const [seed, shards, per] of cases) {
      const there = await contract().getFunction("sampledIndices")(seed, shards + 1, per + 1);
      expect(sampledIndices(hexlify(seed), shards + 1, per + 1)).toEqual([...there].map(Number));
    }
  });

  test("what a change must not alter, for sellers keep master keys and claim by them later", () => {
    const masterKey = Uint8Array.from({ length: 32 }, (_, index) => index);
    expect(shardKey(masterKey, 5).toString("hex")).toBe(
      "d101d4e76d813a0ee782ca0cad3f31377b69e0fa1bc1a156b2160f02f9cd889a",
    );
    const sampled = [4, 9, 21, 34, 40, 50, 55, 59, 74, 78, 83];
    expect(sampledIndices(`0x${"5a".repeat(32)}`, 91, 9)).toEqual(sampled);
  });

  test("keys of shards", async () => {
    for (const index of [0, 1, 99, 0xffff_ffff]) {
      const masterKey = getBytes(id(`master ${index}`));
      const there = await contract().getFunction("shardKey")(masterKey, index);
      expect(hexlify(shardKey(masterKey, index))).toBe(there);
    }
    expect(() => shardKey(new Uint8Array(31), 0)).toThrow(expect.objectContaining({ code: "KEY_INVALID" }));
  });

  test("the id of a session", async () => {
    const terms = sessionTerms(fixture.collector.address, await fixture.request("id"));
    expect(sessionId(terms)).toBe(await contract().getFunction("sessionId")(terms));
  });

  test("an opening fits its index and its key alone", () => {
    const { commitment, open } = shardTree(getBytes(id("master")), ciphertexts("a"));
    const [opening] = open([5]);
    expect(verifyOpening(commitment.shardRoot, 5, opening!)).toBe(true);
    expect(verifyOpening(commitment.shardRoot, 4, opening!)).toBe(false);
    expect(verifyOpening(commitment.shardRoot, 5, { ...opening!, key: id("other") })).toBe(false);
  });

  test("the reward pays for whole compensations", async () => {
    const request = await fixture.request("answers");
    expect(maxAnswers({ ...request, samplingBps: 3000 })).toBe(3n);
    expect(maxAnswers({ ...request, samplingBps: 0 })).toBe(65_535n);
  });
});

test("a session from its opening to its last payment, and its events", async () => {
  const { of, collector, providers } = fixture;
  const request = await fixture.request("whole");
  const { terms, session } = await of(collector).open(request);
  const all = [];
  for (const index of [0, 1]) {
    const at = of(providers[index]!);
    const masterKey = getBytes(id(`master key ${index}`));
    const tree = shardTree(masterKey, ciphertexts(`data ${index}`));
    await at.deposit(3, request.deposit);
    const { registration } = await at.register(terms, 3, tree.commitment);
    all.push({ at, masterKey, tree, registration: registration as Registration });
  }
  await expect(of(collector).sample(request, secret, all[0]!.registration)).rejects.toMatchObject({
    code: "STATE_INVALID",
  });
  await fixture.jump(request.registerBySec + sampleDelaySec);
  for (const [index, { at, registration }] of all.entries()) {
    registration.seed = (await of(collector).sample(request, secret, registration)).seed;
    registration.featuresRoot = id(`features ${index}`);
    await at.features(session, 3, registration.featuresRoot);
  }
  // The second is told that its features are missing, and delivers them.
  await fixture.jump(request.registerBySec + 2 * phaseSec + 1);
  await of(collector).accuse(terms, all[1]!.registration);
  await all[1]!.at.deliver(terms, all[1]!.registration);
  for (const { registration } of all) {
    await of(collector).candidate(terms, registration);
    await of(collector).review(terms, registration);
  }
  await fixture.jump(request.registerBySec + 3 * phaseSec + 1);
  for (const { at, registration, tree } of all) {
    const openings = tree.open(sampledIndices(registration.seed!, 8, request.shardsPerSample));
    await at.answer(terms, registration, openings);
    registration.keys = openings.map(({ key }) => key);
  }
  await fixture.jump(request.registerBySec + 4 * phaseSec + 1);
  const [first, second] = all as [(typeof all)[0], (typeof all)[0]];
  const wrong = { ...first.registration, keys: second.registration.keys };
  await expect(of(collector).optimal(terms, wrong)).rejects.toMatchObject({ code: "STATE_INVALID" });
  await of(collector).optimal(terms, first.registration);
  await expect(first.at.claim(terms, first.registration, second.masterKey)).rejects.toMatchObject({
    code: "COMMITMENT_MISMATCH",
  });
  await first.at.claim(terms, first.registration, first.masterKey);
  await second.at.release(terms, second.registration);
  expect(await second.at.seat(second.registration.seat)).toMatchObject({ state: "Idle", amount: 17_000n });
  await second.at.withdraw(3, 17_000n);
  expect(await fixture.provider.getBalance(fixture.address)).toBe(0n);
  expect(await of(collector).session(session)).toEqual({
    state: "Claimed",
    answered: 2,
    winner: first.registration.seat,
  });

  const events = await of(collector).events();
  expect(events[0]).toEqual({ type: "SessionOpened", session, collector: collector.address, request });
  const registered = events.find(({ type }) => type === "ProviderRegistered");
  expect(registered).toEqual({
    type: "ProviderRegistered",
    session,
    seat: first.registration.seat,
    commitment: first.tree.commitment,
  });
  expect(events.find(({ type }) => type === "ReviewAnswered")).toMatchObject({
    keys: first.registration.keys,
  });
  expect(events.find(({ type }) => type === "RewardClaimed")).toMatchObject({
    masterKey: hexlify(first.masterKey),
    reward: 90_000n,
  });
  expect(new Set(events.map(({ type }) => type)).size).toBe(14);
});

describe("words for refusals", () => {
  const { abi } = artifact("ReviewExchange");
  const declared = abi.fragments
    .filter(({ type }) => type === "error")
    .map((fragment) => abi.getError(fragment.format())!);

  test("there are some for every error that the contract declares, and for no other", () => {
    expect(Object.keys(exchangeReasons).sort()).toEqual(declared.map(({ name }) => name).sort());
  });

  test.each(declared.map((error) => [error.name, error] as const))("%s comes in words", (name, error) => {
    const args = error.inputs.map(({ type }, index) => {
      if (type === "address") return `0x${String(index + 1).repeat(40)}`;
      if (type === "bytes32") return `0x${"ab".repeat(32)}`;
      return type === "uint8" ? index + 1 : BigInt(1_800_000_000 + index);
    });
    const words = toExchangeError({ data: abi.encodeErrorResult(error, args) });
    expect(words.message).toMatch(/ /);
    expect(words.message).not.toContain(name);
    for (const arg of args) if (typeof arg === "string") expect(words.message).toContain(arg);
  });
});
