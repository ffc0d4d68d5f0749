/** The life of jobs through the typed bindings, on a chain in this process. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { operatorSetId } from "../../contracts/commitments.ts";
import { signUnopened } from "../../contracts/eip712.ts";
import { payoutTree } from "../../contracts/payouts.ts";
import type { GasEstimate } from "../../contracts/transactions.ts";
import { describeTermFailure, exactMicroRho, openTerms, shortId } from "../../contracts/use-terms.ts";
import { SymbolonError } from "../../mpc/errors.ts";
import { algorithm, bytes32, type MarketFixture, priceWei, settings, startMarket } from "./market-fixture.ts";
import { feeWei } from "./operator-keys.ts";

let market: MarketFixture;
beforeAll(async () => {
  market = await startMarket();
}, 60_000);
afterAll(() => market.close());

describe("a job", () => {
  test("is funded, joined, attested, accepted and paid out", async () => {
    const { of, buyer, seller, stranger, owners, signers, provider, deployment } = market;
    const { publish, fund, join, attest } = market;
    const { offer } = await publish("paid");
    const { job, amountWei } = await fund([offer]);
    expect(amountWei).toBe(priceWei + 3n * feeWei);
    expect(await provider.getBalance(deployment.jobEscrow)).toBe(amountWei);

    const funded = await of(stranger).job(job);
    expect(funded).toMatchObject({
      state: "Funded",
      joined: false,
      buyer: buyer.address,
      algorithm,
      offers: [offer],
      signers: signers.map(({ address }) => address),
    });
    await join(job);
    expect(await of(stranger).jobState(job)).toBe("Joined");

    const prices = await of(stranger).jobPrices(funded);
    const tree = payoutTree([
      ...prices.offers.map(({ seller: account, priceWei: amount }) => ({ account, amountWei: amount })),
      ...prices.operators.map(({ operator, feeWei: fee }) => ({ account: operator, amountWei: fee })),
    ]);
    expect(tree.totalWei).toBe(amountWei);
    await attest(job, tree.root);
    expect(await of(stranger).job(job)).toMatchObject({
      ...{ state: "Attested", joined: true, unclaimedWei: amountWei },
    });
    await of(buyer).accept(job);
    expect(await of(stranger).jobState(job)).toBe("Settled");

    const before = await provider.getBalance(seller.address);
    const [toSeller, ...toOperators] = tree.payouts.map((payout) => ({ ...payout, job }));
    await of(stranger).claim(toSeller!);
    expect((await provider.getBalance(seller.address)) - before).toBe(priceWei);
    await of(owners[0]).claimMany(toOperators);
    expect(await of(stranger).job(job)).toMatchObject({ state: "Settled", unclaimedWei: 0n });
    expect(await provider.getBalance(deployment.jobEscrow)).toBe(0n);
    expect(await of(stranger).isClaimed(job, 3)).toBe(true);

    const types = (await of(stranger).jobEvents(job)).map(({ type }) => type);
    expect(types).toEqual([
      "JobFunded",
      "JobJoined",
      "JobAttested",
      "JobSettled",
      ...Array(4).fill("PayoutClaimed"),
    ]);
  });

  test("goes back to the buyer at once when two operators report its failure", async () => {
    const { of, buyer, stranger, publish, fund, fail, provider } = market;
    const { offer } = await publish("failed");
    const { job, amountWei } = await fund([offer]);
    await fail(job, "PEER_LOST");
    expect(await of(stranger).jobState(job)).toBe("Failed");
    const before = await provider.getBalance(buyer.address);
    await of(stranger).refund(job);
    expect((await provider.getBalance(buyer.address)) - before).toBe(amountWei);
    expect(await of(stranger).jobState(job)).toBe("Refunded");
    const failed = (await of(stranger).jobEvents(job)).find(({ type }) => type === "JobFailed");
    expect(failed).toMatchObject({ reasons: ["PEER_LOST", "PEER_LOST"] });
  });

  test("goes back to the buyer after its deadline, and settles by itself after the challenge window", async () => {
    const { of, stranger, publish, fund, join, attest, pass } = market;
    const { offer } = await publish("late");
    const late = await fund([offer]);
    const unanswered = await fund([offer]);
    await join(unanswered.job);
    await attest(unanswered.job, payoutTree([{ account: stranger.address, amountWei: 1n }]).root);
    await expect(of(stranger).settle(unanswered.job)).rejects.toMatchObject({ code: "STATE_INVALID" });
    await expect(of(stranger).refund(late.job)).rejects.toMatchObject({ code: "STATE_INVALID" });
    await pass(settings.challengeWindowSec + 600);
    await of(stranger).settle(unanswered.job);
    await of(stranger).refund(late.job);
    expect(await of(stranger).jobState(unanswered.job)).toBe("Settled");
    expect(await of(stranger).jobState(late.job)).toBe("Refunded");
  });

  test("done in time is attested in the grace after its deadline, and not refunded before its end", async () => {
    const { of, stranger, publish, fund, join, attest, pass, nowSec } = market;
    const { offer } = await publish("slow chain");
    const { root } = payoutTree([{ account: stranger.address, amountWei: 1n }]);
    const inGrace = await fund([offer], 100);
    const tooLate = await fund([offer], 100);
    const neverJoined = await fund([offer], 100);
    await join(inGrace.job);
    await join(tooLate.job);
    // The last of the three deadlines: blocks carry the time at which they are made.
    const { deadlineSec } = await of(stranger).job(neverJoined.job);
    await pass(deadlineSec + 1 - (await nowSec()));
    await attest(inGrace.job, root);
    await expect(join(neverJoined.job)).rejects.toMatchObject({ code: "JOB_EXPIRED" });
    // Nobody works on one that was not joined: it has no grace.
    await of(stranger).refund(neverJoined.job);
    await expect(of(stranger).refund(tooLate.job)).rejects.toMatchObject({ code: "STATE_INVALID" });
    await pass(settings.graceSec + 5);
    await expect(attest(tooLate.job, root)).rejects.toMatchObject({ code: "JOB_EXPIRED" });
    await of(stranger).refund(tooLate.job);
    expect(await of(stranger).jobState(inGrace.job)).toBe("Attested");
    expect(await of(stranger).jobState(tooLate.job)).toBe("Refunded");
  });

  test("asked for again, with the same key and deadline, is the same job and refused", async () => {
    const { of, buyer, publish, jobInput } = market;
    const { offer } = await publish("twice");
    const input = await jobInput([offer]);
    const { job } = await of(buyer).createJob(input);
    await expect(of(buyer).createJob(input)).rejects.toMatchObject({
      code: "STATE_INVALID",
      message: `job ${shortId(job)} is Funded already`,
    });
    const again = await of(buyer).createJob({ ...input, resultKey: bytes32("a fresh key") });
    expect(again.job).not.toBe(job);
  });

  test("is named by its first digits where no other begins so", async () => {
    const { of, stranger, publish, fund, set } = market;
    const { offer } = await publish("named");
    const { job } = await fund([offer]);
    const anyone = of(stranger);
    expect(await anyone.jobNamed(shortId(job))).toBe(job);
    expect(await anyone.offerNamed(shortId(offer))).toBe(offer);
    expect(await anyone.setNamed(shortId(set.id))).toBe(set.id);
    // A whole name is not looked up: whoever uses it learns whether it is there.
    expect(await anyone.jobNamed(bytes32("no job"))).toBe(bytes32("no job"));
    await expect(anyone.jobNamed(shortId(bytes32("no job")))).rejects.toMatchObject({ code: "NOT_FOUND" });
    await expect(anyone.jobNamed("0x")).rejects.toMatchObject({
      code: "USAGE",
      hint: expect.stringContaining("0x"),
    });
  });
});

describe("a transaction", () => {
  test("is told before it is sent: what it takes, what it costs at most, what goes along", async () => {
    const { of, buyer, provider, publish, jobInput } = market;
    const { offer } = await publish("estimated");
    const sending = of(buyer);
    const told: GasEstimate[] = [];
    const nonce = await buyer.getNonce();
    const nonces: Promise<number>[] = [];
    sending.onEstimate = (estimate) => {
      told.push(estimate);
      nonces.push(provider.getTransactionCount(buyer.address, "pending"));
    };
    const { receipt, amountWei } = await sending.createJob(await jobInput([offer]));
    expect(told).toMatchObject([{ method: "createJob", valueWei: amountWei }]);
    const [{ gas, mostWei }] = told as [GasEstimate];
    expect(gas).toBeGreaterThan(21_000n);
    expect(gas).toBeLessThan(1_000_000n);
    expect(gas).toBeGreaterThanOrEqual(receipt.gasUsed);
    expect(mostWei).toBeGreaterThanOrEqual(receipt.gasUsed * receipt.gasPrice);
    // What the chain lets it take, which is more than what it takes.
    const { gasLimit, maxFeePerGas } = (await provider.getTransaction(receipt.hash))!;
    expect(mostWei).toBeGreaterThanOrEqual(gasLimit * maxFeePerGas!);
    expect(await nonces[0]).toBe(nonce);
  });

  test("is not sent when who was told objects", async () => {
    const { of, buyer, publish, jobInput } = market;
    const { offer } = await publish("too dear");
    const sending = of(buyer);
    sending.onEstimate = () => {
      throw new SymbolonError("FUNDS_MISSING", "that is too much");
    };
    const before = await buyer.getNonce();
    await expect(sending.createJob(await jobInput([offer]))).rejects.toMatchObject({
      message: "that is too much",
    });
    expect(await buyer.getNonce()).toBe(before);
  });
});

describe("an operator", () => {
  test("that pauses takes no new jobs until it resumes, and finishes those that it has", async () => {
    const { of, stranger, owners, publish, fund, join } = market;
    const { offer } = await publish("paused");
    const before = await fund([offer]);
    const pausing = of(owners[1]);
    await pausing.pause();
    expect(await pausing.operator(owners[1].address)).toMatchObject({
      status: "Paused",
      withdrawableAtSec: null,
    });
    await expect(fund([offer])).rejects.toMatchObject({
      code: "STATE_INVALID",
      message: `operator ${owners[1].address} is paused, and takes no new jobs`,
    });
    await expect(pausing.pause()).rejects.toMatchObject({ code: "STATE_INVALID" });
    await join(before.job);
    expect(await of(stranger).jobState(before.job)).toBe("Joined");
    await pausing.resume();
    await expect(pausing.resume()).rejects.toMatchObject({
      code: "STATE_INVALID",
      message: expect.stringContaining("is not paused"),
    });
    expect((await fund([offer])).amountWei).toBe(before.amountWei);
  });

  test("approves an algorithm for one set, and only in sets that it is in", async () => {
    const { of, owners, stranger, set } = market;
    const other = bytes32("an algorithm of one set");
    const members = [...market.members].reverse() as [string, string, string];
    await of(stranger).createSet(members);
    const reversed = operatorSetId(members);
    await of(owners[0]).approve(reversed, other);
    expect(await of(stranger).isApproved(owners[0].address, reversed, other)).toBe(true);
    expect(await of(stranger).isApproved(owners[0].address, set.id, other)).toBe(false);
    expect(await of(stranger).approvals(owners[0].address, reversed)).toEqual([other]);
    expect(await of(stranger).approvals(owners[0].address, set.id)).toEqual([algorithm]);
    await expect(of(owners[0]).approve(bytes32("no set"), other)).rejects.toMatchObject({
      code: "NOT_AUTHORISED",
    });
    const { offer } = await market.publish("one of three approves", { operatorSet: reversed });
    await expect(
      market.fund([offer], 600, { operatorSet: reversed, algorithm: other }),
    ).rejects.toMatchObject({
      code: "ALGORITHM_NOT_APPROVED",
      // The first operator stands at point 3 of the reversed set.
      message: expect.stringContaining("the operators at points 1, 2 did not approve it"),
    });
  });
});

describe("a data set that is shared anew", () => {
  test("takes along what is left of its budget, and ends the old offer for good", async () => {
    const { of, seller, stranger, publish, fund, join, set } = market;
    const members = [market.members[1], market.members[2], market.members[0]] as [string, string, string];
    await of(stranger).createSet(members);
    const { offer: old } = await publish("moving", { budgetMicroRho: 1000n });
    const { job } = await fund([old], 600, { microRho: 300n });
    const fresh = {
      operatorSet: operatorSetId(members),
      ...{ schemaHash: bytes32("schema"), rows: 7, columns: 2, nonce: bytes32("shared anew") },
      ciphertextHashes: [bytes32("new 1"), bytes32("new 2"), bytes32("new 3")] as const,
      terms: openTerms(3n),
    };
    await expect(of(seller).replaceOffer(old, { ...fresh, budgetMicroRho: 701n })).rejects.toMatchObject({
      code: "TERMS_REFUSED",
      message: expect.stringContaining("rho 0.0007 left"),
    });
    await expect(of(stranger).replaceOffer(old, { ...fresh, budgetMicroRho: 1n })).rejects.toMatchObject({
      code: "NOT_AUTHORISED",
    });
    const { offer, receipt } = await of(seller).replaceOffer(old, { ...fresh, budgetMicroRho: 700n });
    expect(offer).not.toBe(old);
    expect(await of(stranger).offer(offer)).toMatchObject({
      ...{ active: true, operatorSet: fresh.operatorSet, budgetLeftMicroRho: 700n },
    });
    expect(await of(stranger).offer(old)).toMatchObject({
      ...{ active: false, replaced: true, budgetLeftMicroRho: 0n },
    });
    const events = await of(stranger).events(receipt.blockNumber, receipt.blockNumber);
    expect(events).toMatchObject([
      { type: "OfferPublished", offer },
      { type: "OfferReplaced", offer: old, replacement: offer, budgetLeftMicroRho: 700n },
    ]);
    // Nobody spends the same budget in two places.
    const ended = { code: "TERMS_REFUSED", message: expect.stringContaining("was replaced by another") };
    await expect(of(seller).relist(old, openTerms(1n))).rejects.toMatchObject(ended);
    await expect(publish("moving", { budgetMicroRho: 1000n })).rejects.toMatchObject(ended);
    await expect(fund([old], 600, { microRho: 1n })).rejects.toMatchObject(ended);
    await expect(of(seller).replaceOffer(old, { ...fresh, budgetMicroRho: 1n })).rejects.toMatchObject(ended);
    const request = { operatorSet: set.id, algorithm, offers: [old], buyer: stranger.address };
    const [failure] = await of(stranger).explain(request);
    expect(describeTermFailure(failure!).message).toContain("was replaced by another");
    await join(job);
    expect(await of(stranger).job(job)).toMatchObject({ state: "Joined", operatorSet: set.id });
  });
});

describe("the privacy budget of a job that ended", () => {
  const unopened = (job: string) =>
    market.signAll((signer) => signUnopened(signer, market.deployment, { job }));
  const left = async (offer: string) => (await market.of(market.stranger).offer(offer)).budgetLeftMicroRho;
  const notReturnable = { code: "STATE_INVALID", message: expect.stringContaining("no privacy budget") };

  test("comes back once before the operators joined, and after by the word of all three", async () => {
    const { of, stranger, publish, fund, join, fail } = market;
    const offers = [
      (await publish("back a", { budgetMicroRho: 1000n })).offer,
      (await publish("back b", { budgetMicroRho: 500n })).offer,
    ];
    const anyone = of(stranger);
    const early = (await fund(offers, 600, { microRho: 100n })).job;
    const late = (await fund(offers, 600, { microRho: 200n })).job;
    // One that can still be joined keeps what it reserved.
    await expect(anyone.returnBudget(early)).rejects.toMatchObject(notReturnable);
    await join(late);
    await expect(anyone.returnUnopened(late, await unopened(late))).rejects.toMatchObject(notReturnable);
    await fail(early, "PEER_LOST");
    await fail(late, "PEER_LOST");
    expect([await left(offers[0]!), await left(offers[1]!)]).toEqual([700n, 200n]);

    await anyone.returnBudget(early);
    expect([await left(offers[0]!), await left(offers[1]!)]).toEqual([800n, 300n]);
    await expect(anyone.returnBudget(late)).rejects.toMatchObject(notReturnable);
    const receipt = await anyone.returnUnopened(late, await unopened(late));
    expect(await anyone.events(receipt.blockNumber, receipt.blockNumber)).toMatchObject(
      offers.map((offer) => ({ type: "BudgetReturned", job: late, offer, microRho: 200n })),
    );
    expect([await left(offers[0]!), await left(offers[1]!)]).toEqual([1000n, 500n]);

    await expect(anyone.returnBudget(early)).rejects.toMatchObject(notReturnable);
    await expect(anyone.returnUnopened(early, await unopened(early))).rejects.toMatchObject(notReturnable);
    await expect(anyone.returnUnopened(late, await unopened(late))).rejects.toMatchObject(notReturnable);
  });

  test("stays spent once there is a result, and there is none of an exact one", async () => {
    const { of, buyer, stranger, publish, fund, join, attest, fail } = market;
    const { offer } = await publish("spent", { budgetMicroRho: 1000n });
    const anyone = of(stranger);
    const { job } = await fund([offer], 600, { microRho: 100n });
    await join(job);
    await attest(job, payoutTree([{ account: stranger.address, amountWei: 1n }]).root);
    await of(buyer).accept(job);
    await expect(anyone.returnUnopened(job, await unopened(job))).rejects.toMatchObject(notReturnable);
    expect(await left(offer)).toBe(900n);

    const unlimited = await publish("exact");
    const exact = (await fund([unlimited.offer])).job;
    await fail(exact, "PEER_LOST");
    await expect(anyone.returnBudget(exact)).rejects.toMatchObject(notReturnable);
    expect(await left(unlimited.offer)).toBe(exactMicroRho);
  });
});
