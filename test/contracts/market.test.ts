/** The life of jobs through the typed bindings, on a chain in this process. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { payoutTree } from "../../contracts/payouts.ts";
import { algorithm, feeWei, type MarketFixture, priceWei, settings, startMarket } from "./market-fixture.ts";

let market: MarketFixture;
beforeAll(async () => {
  market = await startMarket();
}, 60_000);
afterAll(() => market.close());

describe("a job", () => {
  test("is funded, joined, attested, accepted and paid out", async () => {
    const { of, buyer, seller, stranger, owners, publish, fund, join, attest, provider, deployment } = market;
    const { offer } = await publish("paid");
    const { job, amountWei, specHash } = await fund([offer]);
    expect(amountWei).toBe(priceWei + 3n * feeWei);
    expect(await provider.getBalance(deployment.jobEscrow)).toBe(amountWei);

    const funded = await of(stranger).job(job);
    expect(funded).toMatchObject({
      state: "Funded",
      buyer: buyer.address,
      algorithm,
      offers: [offer],
      specHash,
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
    expect(await of(stranger).job(job)).toMatchObject({ state: "Attested", unclaimedWei: amountWei });
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
});
