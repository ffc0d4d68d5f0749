import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { verifyPayout } from "../../contracts/payouts.ts";
import { payoutEntries, payoutPlan } from "../../parties/payout-plan.ts";

const account = (n: number) => `0x${n.toString(16).padStart(40, "0")}`;
const operators = [11, 12, 13].map((n) => ({ address: account(n), feeWei: BigInt(n) }));
const fees = 36n;

describe("the payouts of a job", () => {
  test("are the prices in the order of the offers, then the fees by point", () => {
    const offers = [
      { seller: account(2), priceWei: 5n },
      { seller: account(1), priceWei: 7n },
    ];
    expect(payoutEntries({ amountWei: 12n + fees, offers, operators })).toEqual([
      { account: account(2), amountWei: 5n, party: "seller" },
      { account: account(1), amountWei: 7n, party: "seller" },
      ...operators.map(({ address, feeWei }) => ({ account: address, amountWei: feeWei, party: "operator" })),
    ]);
  });

  test("add up what one account is due, however it is written", () => {
    const seller = `0x${"aB".repeat(20)}`;
    const offers = [
      { seller, priceWei: 5n },
      { seller: account(1), priceWei: 1n },
      { seller: seller.toLowerCase(), priceWei: 7n },
    ];
    const own = operators.with(0, { address: seller, feeWei: 11n });
    const entries = payoutEntries({ amountWei: 13n + fees, offers, operators: own });
    expect(entries.map(({ amountWei }) => amountWei)).toEqual([23n, 1n, 12n, 13n]);
  });

  test("leave out who is due nothing, but not all", () => {
    const free = operators.map(({ address }) => ({ address, feeWei: 0n }));
    const offers = [
      { seller: account(1), priceWei: 0n },
      { seller: account(2), priceWei: 3n },
    ];
    const entries = payoutEntries({ amountWei: 3n, offers, operators: free });
    expect(entries.map((entry) => entry.account)).toEqual([account(2)]);
    const gift = payoutPlan({
      amountWei: 0n,
      offers: [{ seller: account(1), priceWei: 0n }],
      operators: free,
    });
    expect(gift.tree.payouts).toMatchObject([{ account: account(1), amountWei: 0n }]);
  });

  test("are refused when they are not what the buyer paid", () => {
    expect(() => payoutEntries({ amountWei: fees + 1n, offers: [], operators })).toThrow(
      expect.objectContaining({ code: "STATE_INVALID" }),
    );
  });

  test("add up to the amount and are proved under the root, whoever is due what", () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ n: fc.integer({ min: 1, max: 5 }), priceWei: fc.bigInt(0n, 10n ** 20n) }), {
          minLength: 1,
          maxLength: 12,
        }),
        (drawn) => {
          const offers = drawn.map(({ n, priceWei }) => ({ seller: account(n), priceWei }));
          const amountWei = offers.reduce((sum, { priceWei }) => sum + priceWei, fees);
          const { tree } = payoutPlan({ amountWei, offers, operators });
          expect(tree.totalWei).toBe(amountWei);
          expect(new Set(tree.payouts.map((payout) => payout.account)).size).toBe(tree.payouts.length);
          for (const payout of tree.payouts) expect(verifyPayout(tree.root, payout)).toBe(true);
        },
      ),
      { numRuns: 25 },
    );
  });
});
