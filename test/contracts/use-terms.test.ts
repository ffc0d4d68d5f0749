/** Terms of use in TypeScript against the contract: hashes, roots, proofs, and every judgement. */
import { id } from "ethers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  accountValue,
  allowProof,
  allowRoot,
  describeTermFailure,
  exactMicroRho,
  type Lists,
  noLists,
  openTerms,
  purposeHash,
  rhoText,
  type TermFailure,
  termFailures,
  type UseTerms,
} from "../../contracts/use-terms.ts";
import { algorithm, bytes32, type MarketFixture, priceWei, startMarket } from "./market-fixture.ts";

let market: MarketFixture;
let published = 0;

beforeAll(async () => {
  market = await startMarket();
});
afterAll(() => market.close());

/** An offer of the seller, or of another account. */
async function offered(terms: UseTerms, budgetMicroRho = exactMicroRho, wallet = market.seller) {
  const label = `terms ${++published}`;
  const { offer } = await market.of(wallet).publishOffer({
    operatorSet: market.set.id,
    schemaHash: bytes32("schema"),
    rows: 7,
    columns: 2,
    nonce: bytes32(label),
    ciphertextHashes: [bytes32(`${label} 1`), bytes32(`${label} 2`), bytes32(`${label} 3`)],
    budgetMicroRho,
    terms,
  });
  return offer;
}

const request = (offers: readonly bigint[], changes: object = {}) => ({
  operatorSet: market.set.id,
  algorithm,
  offers,
  buyer: market.buyer.address,
  ...changes,
});

const create = async (offers: readonly bigint[], changes: object = {}) =>
  market.of(market.buyer).createJob({
    ...request(offers, changes),
    deadlineSec: (await market.nowSec()) + 600,
    resultKey: bytes32("result key"),
    spec: "0x7b7d",
  });

describe("terms of use", () => {
  test("are kept as the hash that is computed here, and read back as they were", async () => {
    const terms: UseTerms = {
      ...{ priceWei: 5n, rhoPriceWei: 3n, maxMicroRho: 250n, expirySec: 2 ** 39, minSellers: 2 },
      ...{ algorithms: bytes32("a"), buyers: bytes32("b"), purposes: bytes32("c"), document: bytes32("d") },
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
      const terms = {
        ...openTerms(priceWei),
        algorithms: allowRoot(lists.algorithms),
        buyers: allowRoot(lists.buyers),
        purposes: allowRoot(lists.purposes),
      };
      const offer = await offered(terms);
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

  test("are judged here as by the contract", async () => {
    const now = await market.nowSec();
    const listed: Lists = {
      algorithms: [id("a1"), id("a2")],
      buyers: [accountValue(market.seller.address)],
      purposes: [],
    };
    const strict: UseTerms = {
      ...openTerms(priceWei),
      ...{ expirySec: now - 1, maxMicroRho: 10n, minSellers: 3 },
      algorithms: allowRoot(listed.algorithms),
      buyers: allowRoot(listed.buyers),
    };
    const asked: UseTerms = {
      ...openTerms(priceWei),
      purposes: allowRoot([purposeHash("x"), purposeHash("y")]),
    };
    const purposes: Lists = { ...noLists, purposes: [purposeHash("x"), purposeHash("y")] };
    const first = await offered(strict);
    const second = await offered(asked, exactMicroRho, market.stranger);
    const job = { ...request([first, second]), microRho: exactMicroRho, purpose: purposeHash(undefined) };
    const byContract = await market.of(market.buyer).explain(job);
    const block = await market.provider.getBlock("latest");
    const here = termFailures({ ...job, atSec: block!.timestamp }, [
      { offer: first, seller: market.seller.address, terms: strict, lists: listed },
      { offer: second, seller: market.stranger.address, terms: asked, lists: purposes },
    ]);
    // The contract judges in the next block: its time is not this one's.
    const untimed = (failures: TermFailure[]) =>
      failures.map((failure) => (failure.term === "Expiry" ? { ...failure, found: "" } : failure));
    expect(untimed(here)).toEqual(untimed(byContract));
    expect(here.map(({ term }) => term)).toEqual([
      ...["Expiry", "MaxRho", "Algorithm", "Buyer", "MinSellers"],
      "Purpose",
    ]);
    for (const failure of [...here, { ...here[0]!, term: "Budget" as const }]) {
      const { message, hint } = describeTermFailure(failure);
      expect(message).toContain(`offer ${failure.offer} `);
      expect(hint).not.toBe("");
    }
  });

  test("refuse a job in the words of the term", async () => {
    const offer = await offered({ ...openTerms(priceWei), minSellers: 2 });
    await expect(create([offer], { amountWei: 1n })).rejects.toMatchObject({
      code: "TERMS_REFUSED",
      message: `offer ${offer} is used with data of at least 2 sellers, this job has 1`,
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
      message: `offer ${offer} has a privacy budget of rho 0 left, this job takes rho 0.000001`,
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
