import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { payoutTree, verifyPayout } from "../../contracts/payouts.ts";

const account = fc
  .uint8Array({ minLength: 20, maxLength: 20 })
  .map((bytes) => `0x${Buffer.from(bytes).toString("hex")}`);
const amount = fc.bigInt({ min: 0n, max: (1n << 96n) - 1n });
const entries = fc.array(fc.record({ account, amountWei: amount }), { minLength: 1, maxLength: 40 });

describe("a tree of payouts", () => {
  test("proves each of its payouts, in the order that was given", () => {
    fc.assert(
      fc.property(entries, (list) => {
        const tree = payoutTree(list);
        expect(tree.payouts.map(({ index }) => index)).toEqual(list.map((_, index) => index));
        expect(tree.totalWei).toBe(list.reduce((sum, { amountWei }) => sum + amountWei, 0n));
        for (const payout of tree.payouts) expect(verifyPayout(tree.root, payout)).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  test("proves no payout with another amount, account or place", () => {
    fc.assert(
      fc.property(entries, account, (list, other) => {
        const tree = payoutTree(list);
        const payout = tree.payouts[0]!;
        expect(verifyPayout(tree.root, { ...payout, amountWei: payout.amountWei + 1n })).toBe(false);
        expect(verifyPayout(tree.root, { ...payout, index: list.length })).toBe(false);
        if (other.toLowerCase() !== payout.account.toLowerCase()) {
          expect(verifyPayout(tree.root, { ...payout, account: other })).toBe(false);
        }
      }),
      { numRuns: 50 },
    );
  });

  test("depends on the order and has one root for one list", () => {
    const one = { account: `0x${"11".repeat(20)}`, amountWei: 1n };
    const two = { account: `0x${"22".repeat(20)}`, amountWei: 1n };
    expect(payoutTree([one, two]).root).toBe(payoutTree([one, two]).root);
    expect(payoutTree([one, two]).root).not.toBe(payoutTree([two, one]).root);
  });

  test("the same account may be paid twice", () => {
    const one = { account: `0x${"11".repeat(20)}`, amountWei: 5n };
    const { root, payouts } = payoutTree([one, one]);
    expect(payouts.map((payout) => verifyPayout(root, payout))).toEqual([true, true]);
    expect(verifyPayout(root, { ...payouts[0]!, index: 1 })).toBe(false);
  });

  test.each([
    ["no entries", []],
    ["a negative amount", [{ account: `0x${"11".repeat(20)}`, amountWei: -1n }]],
    ["a malformed account", [{ account: "0x11", amountWei: 1n }]],
  ])("%s is refused", (_, list) => {
    expect(() => payoutTree(list)).toThrow(expect.objectContaining({ code: "PARAMETER_INVALID" }));
  });
});
