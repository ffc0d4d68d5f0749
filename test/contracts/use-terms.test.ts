/** Terms of use in TypeScript against the contract: hashes, roots, proofs, and every judgement. */
import { id, ZeroAddress } from "ethers";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { signCredential } from "../../contracts/eip712.ts";
import type { Credential, QuoteRequest, UseProofs } from "../../contracts/market-views.ts";
import {
  accountValue,
  allowProof,
  allowRoot,
  describeTermFailure,
  exactMicroRho,
  type Lists,
  membersOnly,
  neverSec,
  noLists,
  openRules,
  openTerms,
  purposeHash,
  type Rules,
  rhoText,
  rulesOrNone,
  shortId,
  type TermFailure,
  termFailures,
  terms as termNames,
  type UseTerms,
  usePriceWei,
} from "../../contracts/use-terms.ts";
import { algorithm, bytes32, type MarketFixture, priceWei, startMarket } from "./market-fixture.ts";

let market: MarketFixture;
let published = 0;

beforeAll(async () => {
  market = await startMarket();
});
afterAll(() => market.close());

/** Terms that ask for nothing but the price and these rules. */
const ruled = (rules: Partial<Rules>): UseTerms => ({
  ...openTerms(priceWei),
  rules: { ...openRules, ...rules },
});

/** An offer of the seller, or of another account. */
async function offered(terms: UseTerms, budgetMicroRho = exactMicroRho, wallet = market.seller) {
  return (await market.publish(`terms ${++published}`, { budgetMicroRho, terms }, wallet)).offer;
}

const request = (offers: readonly string[], changes: Partial<QuoteRequest> = {}): QuoteRequest => ({
  operatorSet: market.set.id,
  algorithm,
  offers,
  buyer: market.buyer.address,
  ...changes,
});

const create = (offers: readonly string[], changes: object = {}) => market.fund(offers, 600, changes);

describe("terms of use", () => {
  test("are kept as the hash that is computed here, and read back as they were", async () => {
    const terms: UseTerms = {
      ...{ priceWei: 5n, rhoPriceWei: 3n, maxMicroRho: 250n, expirySec: 2 ** 39, minSellers: 2 },
      rules: {
        ...{ token: market.stranger.address, issuer: market.buyer.address },
        ...{ discountBps: 9999, hook: market.seller.address },
        ...{ algorithms: bytes32("a"), buyers: bytes32("b"), purposes: bytes32("c"), document: bytes32("d") },
      },
    };
    // A reader compares the tag on chain with the hash of what the event says.
    const read = await market.of(market.stranger).offer(await offered(terms, 1000n));
    expect(read).toMatchObject({ terms, budgetMicroRho: 1000n, budgetLeftMicroRho: 1000n });
  });

  test("with lists take the proof of each value, of lists of any length", async () => {
    for (const length of [1, 2, 5]) {
      const others = Array.from({ length: length - 1 }, (_, i) => id(`other ${i}`));
      const lists: Lists = {
        algorithms: [...others, algorithm],
        buyers: [...others, accountValue(market.buyer.address)],
        purposes: [...others, purposeHash("research")],
      };
      const offer = await offered(
        ruled({
          algorithms: allowRoot(lists.algorithms),
          buyers: allowRoot(lists.buyers),
          purposes: allowRoot(lists.purposes),
        }),
      );
      const proofs = new Map([
        [
          offer,
          {
            algorithm: allowProof(lists.algorithms, algorithm),
            buyer: allowProof(lists.buyers, accountValue(market.buyer.address)),
            purpose: allowProof(lists.purposes, purposeHash("research")),
          },
        ],
      ]);
      const use = { purpose: purposeHash("research"), proofs };
      expect(await market.of(market.buyer).explain(request([offer], use))).toEqual([]);
      const { job } = await create([offer], use);
      expect(await market.of(market.buyer).job(job)).toMatchObject({ purpose: purposeHash("research") });
      const stranger = { ...use, buyer: market.stranger.address };
      expect(await market.of(market.stranger).explain(request([offer], stranger))).toMatchObject([
        { offer, term: "Buyer" },
      ]);
    }
  });

  /** A case of the comparison: terms, whether the buyer shows a credential, and what is asked for. */
  interface Case {
    terms: UseTerms;
    lists: Lists;
    shows: "nothing" | "a good credential" | "one of another buyer";
    job: { algorithm: string; token: string; microRho: bigint; purpose: string };
  }
  const dollar = `0x${"d0".repeat(20)}`;
  const purposes = [purposeHash("x"), purposeHash("y"), purposeHash("z")];
  const cases = (nowSec: number): fc.Arbitrary<Case> => {
    const buyers: (readonly string[])[] = [
      [],
      [accountValue(market.buyer.address)],
      [accountValue(market.seller.address), accountValue(market.owners[0].address)],
    ];
    return fc
      .record({
        expirySec: fc.constantFrom(neverSec, nowSec - 1, nowSec + 100_000),
        maxMicroRho: fc.constantFrom(exactMicroRho, 0n, 10n, 11n),
        minSellers: fc.constantFrom(0, 1, 2, 3),
        ruled: fc.boolean(),
        token: fc.constantFrom(ZeroAddress, dollar),
        issuer: fc.constantFrom(ZeroAddress, market.deployer.address),
        algorithms: fc.subarray([algorithm, id("a1"), id("a2")]),
        buyers: fc.constantFrom(...buyers, "members only" as const),
        purposes: fc.subarray(purposes),
        shows: fc.constantFrom("nothing", "a good credential", "one of another buyer"),
        job: fc.record({
          algorithm: fc.constantFrom(algorithm, id("a1"), id("a9")),
          token: fc.constantFrom(ZeroAddress, dollar),
          microRho: fc.constantFrom(0n, 10n, 11n, exactMicroRho),
          purpose: fc.constantFrom(purposeHash(undefined), ...purposes),
        }),
      })
      .map(({ expirySec, maxMicroRho, minSellers, shows, job, ...each }): Case => {
        const lists: Lists = each.ruled
          ? { ...each, buyers: each.buyers === "members only" ? [] : each.buyers }
          : noLists;
        const rules: Rules = {
          ...{ ...openRules, token: each.token, issuer: each.issuer },
          algorithms: allowRoot(lists.algorithms),
          buyers: each.buyers === "members only" ? membersOnly : allowRoot(lists.buyers),
          purposes: allowRoot(lists.purposes),
        };
        const terms = { ...openTerms(priceWei), expirySec, maxMicroRho, minSellers };
        return { terms: { ...terms, rules: each.ruled ? rules : null }, lists, shows, job };
      });
  };
  /** The proof of a value, or none where the list does not have it. */
  const proofOf = (values: readonly string[], value: string): readonly string[] =>
    values.includes(value) ? allowProof(values, value) : [];

  test("are judged here as by the contract, whatever they are and whatever is asked for", async () => {
    const { of, buyer, seller, stranger, deployer, deployment } = market;
    const expirySec = (await market.nowSec()) + 100_000;
    const issued = async (account: string): Promise<Credential> => ({
      expirySec,
      signature: await signCredential(deployer, deployment, { buyer: account, expirySec }),
    });
    const credentials = {
      "a good credential": await issued(buyer.address),
      "one of another buyer": await issued(stranger.address),
    };
    const seen = new Set<string>();
    const drawn = fc.sample(fc.tuple(cases(await market.nowSec()), cases(await market.nowSec())), 60);
    for (const [one, two] of drawn) {
      const first = await offered(one.terms);
      const second = await offered(two.terms, exactMicroRho, stranger);
      const { job } = one;
      const proofs = new Map<string, UseProofs>();
      const shown = new Map<string, Credential>();
      const uses = [
        { offer: first, seller: seller.address, ...one },
        { offer: second, seller: stranger.address, ...two },
      ].map(({ offer, seller: owner, terms, lists, shows }) => {
        proofs.set(offer, {
          algorithm: proofOf(lists.algorithms, job.algorithm),
          buyer: proofOf(lists.buyers, accountValue(buyer.address)),
          purpose: proofOf(lists.purposes, job.purpose),
        });
        if (shows !== "nothing") shown.set(offer, credentials[shows]);
        const vouched = shows === "a good credential" && terms.rules?.issuer === deployer.address;
        return { offer, seller: owner, terms, vouched, lists };
      });
      const asked = request([first, second], { ...job, proofs, credentials: shown });
      const byContract = await of(buyer).explain(asked);
      const { timestamp } = (await market.provider.getBlock("latest"))!;
      const here = termFailures({ ...job, buyer: buyer.address, atSec: timestamp }, uses);
      // The contract judges in the next block: its time is not this one's.
      const untimed = (failures: TermFailure[]) =>
        failures.map((failure) => (failure.term === "Expiry" ? { ...failure, found: "" } : failure));
      expect(untimed(here), fc.stringify([one, two])).toEqual(untimed(byContract));
      for (const { term } of here) seen.add(term);
      if (here.length === 0) seen.add("none");
    }
    // Nothing would be compared if a term never failed.
    const comparable = ["Expiry", "MaxRho", "MinSellers", "Token", "Algorithm", "Buyer", "Purpose"];
    expect([...seen]).toEqual(expect.arrayContaining(comparable));
  });

  test("are kept by a job that keeps each of them, here and there", async () => {
    const { buyer, seller, deployer, deployment, of } = market;
    const lists: Lists = {
      algorithms: [algorithm, id("a1")],
      buyers: [accountValue(buyer.address), accountValue(seller.address)],
      purposes,
    };
    const expirySec = (await market.nowSec()) + 100_000;
    const signature = await signCredential(deployer, deployment, { buyer: buyer.address, expirySec });
    const listed: Rules = {
      ...{ ...openRules, token: dollar, algorithms: allowRoot(lists.algorithms) },
      ...{ buyers: allowRoot(lists.buyers), purposes: allowRoot(purposes) },
    };
    const closed: Rules = { ...openRules, token: dollar, issuer: deployer.address, buyers: membersOnly };
    const job = { algorithm, token: dollar, microRho: 10n, purpose: purposes[1]! };
    const terms = (rules: Rules): UseTerms => ({
      ...{ ...openTerms(priceWei), maxMicroRho: 10n, expirySec, minSellers: 2 },
      rules,
    });
    const one = await offered(terms(listed));
    const two = await offered(terms(closed), exactMicroRho, market.stranger);
    const proofs = {
      algorithm: allowProof(lists.algorithms, algorithm),
      buyer: allowProof(lists.buyers, accountValue(buyer.address)),
      purpose: allowProof(purposes, purposes[1]!),
    };
    const asked = request([one, two], {
      ...job,
      proofs: new Map([[one, proofs]]),
      credentials: new Map([[two, { expirySec, signature }]]),
    });
    expect(await of(buyer).explain(asked)).toEqual([]);
    const facts = { ...job, buyer: buyer.address, atSec: await market.nowSec() };
    const uses = [
      { offer: one, seller: seller.address, terms: terms(listed), vouched: false, lists },
      { offer: two, seller: market.stranger.address, terms: terms(closed), vouched: true, lists: noLists },
    ];
    expect(termFailures(facts, uses)).toEqual([]);
    // Without the credential the second is sold to nobody.
    const unvouched = [uses[0]!, { ...uses[1]!, vouched: false }];
    const failure = { offer: two, term: "Buyer", found: accountValue(buyer.address), asked: membersOnly };
    expect(termFailures(facts, unvouched)).toEqual([failure]);
    expect(await of(buyer).explain({ ...asked, credentials: new Map() })).toEqual([failure]);
  });

  test.each(termNames)("have words for what %s refuses, and for what to do", (term) => {
    const failure = { offer: id("offer"), term, found: bytes32("found"), asked: bytes32("asked") };
    const { message, hint } = describeTermFailure(failure);
    expect(message).toContain(`offer ${shortId(failure.offer)} `);
    expect(message).not.toMatch(/undefined|NaN|Invalid/);
    expect(hint).toMatch(/ /);
  });

  test("say in which currency each is paid, and that a purpose is missing", () => {
    const [eth, token] = [accountValue(ZeroAddress), accountValue(dollar)];
    const failure = { offer: id("offer"), term: "Token" as const, found: eth, asked: token };
    expect(describeTermFailure(failure).message).toContain(`in token ${dollar}, this job in ETH`);
    const reversed = { ...failure, found: token, asked: eth };
    expect(describeTermFailure(reversed).message).toContain(`in ETH, this job in token ${dollar}`);
    const none = { ...failure, term: "Purpose" as const, found: purposeHash(undefined), asked: id("x") };
    expect(describeTermFailure(none).message).toContain("asks for a purpose");
    expect(describeTermFailure({ ...none, found: id("y") }).message).toContain("does not allow this purpose");
  });

  test("with rules that ask for nothing have none", () => {
    expect(rulesOrNone({ ...openRules })).toBeNull();
    for (const [key, value] of Object.entries({ token: dollar, discountBps: 1, buyers: membersOnly })) {
      const rules = { ...openRules, [key]: value };
      expect(rulesOrNone(rules), key).toEqual(rules);
    }
  });

  test("cost with a credential what the contract takes, for every discount", async () => {
    const { of, buyer, deployer, deployment } = market;
    const expirySec = (await market.nowSec()) + 100_000;
    const signature = await signCredential(deployer, deployment, { buyer: buyer.address, expirySec });
    const fees = await of(buyer).quote(request([await offered(openTerms(0n))]));
    const prices = fc.record({
      priceWei: fc.bigInt({ min: 0n, max: 10n ** 20n }),
      rhoPriceWei: fc.bigInt({ min: 0n, max: 10n ** 12n }),
      discountBps: fc.oneof(fc.constantFrom(0, 1, 9_999, 10_000), fc.nat(10_000)),
      microRho: fc.oneof(fc.constant(exactMicroRho), fc.bigInt({ min: 0n, max: 10_000n })),
    });
    for (const { discountBps, microRho, ...priced } of fc.sample(prices, 15)) {
      const terms = { ...ruled({ issuer: deployer.address, discountBps }), ...priced };
      const offer = await offered(terms);
      const credentials = new Map([[offer, { expirySec, signature }]]);
      const asked = request([offer], { microRho });
      expect((await of(buyer).quote(asked)) - fees).toBe(usePriceWei(terms, microRho));
      expect((await of(buyer).quote({ ...asked, credentials })) - fees).toBe(
        usePriceWei(terms, microRho, true),
      );
    }
  });

  test("refuse a job in the words of the term", async () => {
    const offer = await offered({ ...openTerms(priceWei), minSellers: 2 });
    await expect(create([offer], { amountWei: 1n })).rejects.toMatchObject({
      code: "TERMS_REFUSED",
      message: `offer ${shortId(offer)} is used with data of at least 2 sellers, this job has 1`,
      hint: "add offers of other sellers",
    });
    await market.of(market.seller).withdrawOffer(offer);
    expect(await market.of(market.buyer).explain(request([offer]))).toMatchObject([
      { offer, term: "Listing" },
    ]);
  });
});

describe("a privacy budget", () => {
  test("is reserved, spent by a joined job, and given back by one that nobody joined", async () => {
    const { of, buyer, stranger } = market;
    const terms = { ...openTerms(priceWei), rhoPriceWei: 2n };
    const offer = await offered(terms, 1000n);
    const left = async () => (await of(stranger).offer(offer)).budgetLeftMicroRho;
    const spent = await create([offer], { microRho: 400n });
    expect((await of(stranger).jobPrices(await of(stranger).job(spent.job))).offers[0]!.priceWei).toBe(
      priceWei + 800n,
    );
    await market.join(spent.job);
    await market.fail(spent.job, "PEER_LOST");
    await expect(of(stranger).returnBudget(spent.job)).rejects.toMatchObject({ code: "STATE_INVALID" });
    const unspent = await create([offer], { microRho: 600n });
    expect(await left()).toBe(0n);
    await expect(of(buyer).quote(request([offer], { microRho: 1n }))).rejects.toMatchObject({
      code: "TERMS_REFUSED",
      message: `offer ${shortId(offer)} has a privacy budget of rho 0 left, this job takes rho 0.000001`,
    });
    await market.fail(unspent.job, "PEER_LOST");
    await of(stranger).returnBudget(unspent.job);
    expect(await left()).toBe(600n);
    await of(market.seller).relist(offer, openTerms(1n));
    expect(await left()).toBe(600n);
    await of(stranger).refund(unspent.job);
    expect(await of(stranger).job(unspent.job)).toMatchObject({ state: "Refunded", microRho: 600n });
  });

  test("is shown as rho", () => {
    expect([rhoText(125_000n), rhoText(1n), rhoText(exactMicroRho)]).toEqual([
      "rho 0.125",
      "rho 0.000001",
      "no limit",
    ]);
  });
});

describe("a list", () => {
  test("names each value once and proves only what it has", () => {
    expect(() => allowRoot([id("a"), id("a")])).toThrow(
      expect.objectContaining({ code: "PARAMETER_INVALID" }),
    );
    expect(() => allowProof([id("a")], id("b"))).toThrow(expect.objectContaining({ code: "TERMS_REFUSED" }));
    expect(allowProof([], id("b"))).toEqual([]);
  });
});
