/**
 * Facts about operators, operator sets and offers in the bridge's log, and what they make of the views that
 * the bridge shows. Jobs have their own file (jobs/transitions.ts), since they alone have a life.
 */
import type { ChainPosition } from "../jobs/events.ts";
import type { OfferView, OperatorView, SetView } from "../schemas.ts";

interface OperatorDetails {
  operator: string;
  signer: string;
  sealKey: string;
  channelKey: string;
  jiffKey: string;
  endpoint: string;
  feeWei: string;
}

export type MarketFact = { chain: ChainPosition } & (
  | ({ type: "OperatorRegistered" } & OperatorDetails)
  | ({ type: "OperatorUpdated" } & OperatorDetails)
  /** Takes no new jobs: it asked for its bond back, or has it. */
  | { type: "OperatorRetired"; operator: string }
  | { type: "AlgorithmApproved"; operator: string; algorithm: string }
  | { type: "AlgorithmRevoked"; operator: string; algorithm: string }
  | { type: "SetCreated"; set: string; members: [string, string, string] }
  | ({ type: "OfferPublished"; offer: string } & Omit<
      OfferView,
      "id" | "active" | "publishedAtSec" | "txHash"
    >)
  | { type: "OfferRelisted"; offer: string; terms: OfferView["terms"] }
  | { type: "BudgetReturned"; offer: string; microRho: string }
  | { type: "OfferWithdrawn"; offer: string }
);

export const marketFactTypes: ReadonlySet<string> = new Set<MarketFact["type"]>([
  "OperatorRegistered",
  "OperatorUpdated",
  "OperatorRetired",
  "AlgorithmApproved",
  "AlgorithmRevoked",
  "SetCreated",
  "OfferPublished",
  "OfferRelisted",
  "BudgetReturned",
  "OfferWithdrawn",
]);

/** The operator's view after `fact`; null where the fact is about something else or came too early. */
export function operatorAfter(before: OperatorView | null, fact: MarketFact): OperatorView | null {
  switch (fact.type) {
    case "OperatorRegistered":
    case "OperatorUpdated": {
      const { operator, type: _type, chain, ...keys } = fact;
      return {
        address: operator,
        ...keys,
        active: fact.type === "OperatorRegistered" || (before?.active ?? true),
        approvals: before?.approvals ?? [],
        registeredAtSec: before?.registeredAtSec ?? chain.timestampSec,
      };
    }
    case "OperatorRetired":
      return before === null ? null : { ...before, active: false };
    case "AlgorithmApproved": {
      if (before === null) return null;
      const others = before.approvals.filter((algorithm) => algorithm !== fact.algorithm);
      return { ...before, approvals: [...others, fact.algorithm] };
    }
    case "AlgorithmRevoked": {
      if (before === null) return null;
      return { ...before, approvals: before.approvals.filter((algorithm) => algorithm !== fact.algorithm) };
    }
    default:
      return before;
  }
}

/** The offer's view after `fact`. */
export function offerAfter(before: OfferView | null, fact: MarketFact): OfferView | null {
  switch (fact.type) {
    case "OfferPublished": {
      const { offer, type: _type, chain, ...published } = fact;
      return {
        id: offer,
        ...published,
        active: true,
        publishedAtSec: chain.timestampSec,
        txHash: chain.txHash,
      };
    }
    case "OfferRelisted":
      return before === null ? null : { ...before, terms: fact.terms, active: true };
    case "OfferWithdrawn":
      return before === null ? null : { ...before, active: false };
    default:
      return before;
  }
}

export function setOf(fact: Extract<MarketFact, { type: "SetCreated" }>): SetView {
  return { id: fact.set, members: fact.members };
}
