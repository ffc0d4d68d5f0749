/**
 * Who is paid what for a job. Every party, the buyer and whoever verifies a job compute the same list from the
 * chain alone: each offer's price and each operator's fee as they stood when the job was funded.
 */
import { type PayoutEntry, type PayoutTree, payoutTree } from "../contracts/payouts.ts";
import { SymbolonError } from "../mpc/errors.ts";

export interface PayoutEntryWithRole extends PayoutEntry {
  /** What the account is paid for; an account that is both is a seller here. */
  party: "seller" | "operator";
}

export interface PayoutFacts {
  /** What the buyer escrowed. */
  amountWei: bigint;
  /** In the order of the job; the price as funded. */
  offers: readonly { seller: string; priceWei: bigint }[];
  /** In the order of the points: owner accounts; the fee as funded. */
  operators: readonly { address: string; feeWei: bigint }[];
}

/**
 * Sellers in the order of their first offer, then operators by point; what equal accounts are due is added up
 * at the first place, and who is due nothing is left out (unless nobody is due anything).
 * @throws STATE_INVALID when prices and fees do not add up to the amount: they are not those of the funding
 */
export function payoutEntries({ amountWei, offers, operators }: PayoutFacts): PayoutEntryWithRole[] {
  const due = [
    ...offers.map(({ seller, priceWei }) => ({
      account: seller,
      amountWei: priceWei,
      party: "seller" as const,
    })),
    ...operators.map(({ address, feeWei }) => ({
      account: address,
      amountWei: feeWei,
      party: "operator" as const,
    })),
  ];
  const total = due.reduce((sum, entry) => sum + entry.amountWei, 0n);
  if (total !== amountWei) {
    throw new SymbolonError(
      "STATE_INVALID",
      `prices and fees add up to ${total} wei, the job holds ${amountWei} wei`,
    );
  }
  const byAccount = new Map<string, PayoutEntryWithRole>();
  for (const entry of due) {
    const key = entry.account.toLowerCase();
    const known = byAccount.get(key);
    if (known === undefined) byAccount.set(key, { ...entry });
    else known.amountWei += entry.amountWei;
  }
  const entries = [...byAccount.values()];
  const paid = entries.filter((entry) => entry.amountWei > 0n);
  return paid.length > 0 ? paid : entries.slice(0, 1);
}

/** The root that the parties attest, with the claims under it. @throws STATE_INVALID as `payoutEntries` */
export function payoutPlan(facts: PayoutFacts): { entries: PayoutEntryWithRole[]; tree: PayoutTree } {
  const entries = payoutEntries(facts);
  return { entries, tree: payoutTree(entries) };
}
