/**
 * Facts about operators, operator sets and offers in the bridge's log, and what they make of the views that
 * the bridge shows. Jobs have their own file (jobs/transitions.ts), since they alone have a life.
 */
import type { ChainPosition } from "../jobs/events.ts";
import type { OfferView, OperatorView, SetView, TermsView } from "../schemas.ts";

interface OperatorDetails {
  operator: string;
  signer: string;
  sealKey: string;
  channelKey: string;
  jiffKey: string;
  endpoint: string;
  feeWei: string;
}

type OperatorFact =
  | ({ type: "OperatorRegistered" } & OperatorDetails)
  | ({ type: "OperatorUpdated" } & OperatorDetails)
  | { type: keyof typeof statusAfter; operator: string }
  | { type: "TokenAccepted"; operator: string; token: string; fee: string }
  | { type: "TokenRefused"; operator: string; token: string }
  | { type: "AlgorithmApproved"; operator: string; operatorSet: string; algorithm: string }
  | { type: "AlgorithmRevoked"; operator: string; operatorSet: string; algorithm: string }
  | { type: "OperatorConvicted"; operator: string; job: string; digests: [string, string] };

type OfferFact =
  | ({ type: "OfferPublished"; offer: string } & Omit<
      OfferView,
      "id" | "active" | "replacedBy" | "publishedAtSec" | "txHash"
    >)
  | { type: "OfferRelisted"; offer: string; terms: TermsView }
  | { type: "OfferReplaced"; offer: string; replacement: string }
  | { type: "OfferVouched"; offer: string; job: string }
  | { type: "OfferWithdrawn"; offer: string };

export type MarketFact = { chain: ChainPosition } & (
  | OperatorFact
  | OfferFact
  | { type: "SetCreated"; set: string; members: [string, string, string] }
);

const statusAfter = {
  OperatorRetired: "Leaving",
  BondWithdrawn: "None",
  OperatorPaused: "Paused",
  OperatorResumed: "Active",
  OperatorSlashed: "Slashed",
} as const satisfies Record<string, OperatorView["status"]>;

/** The operator's view after `fact`; null where the fact is about something else or came too early. */
export function operatorAfter(before: OperatorView | null, fact: MarketFact): OperatorView | null {
  if (fact.type === "OperatorRegistered" || fact.type === "OperatorUpdated") {
    const { operator, type, chain, ...keys } = fact;
    // What an operator approved and accepted before it left counts no more when it comes back.
    const known = type === "OperatorRegistered" ? null : before;
    return {
      address: operator,
      ...keys,
      status: known?.status ?? "Active",
      approvals: known?.approvals ?? [],
      tokens: known?.tokens ?? [],
      registeredAtSec: before?.registeredAtSec ?? chain.timestampSec,
    };
  }
  if (before === null) return null;
  switch (fact.type) {
    case "OperatorRetired":
    case "BondWithdrawn":
    case "OperatorPaused":
    case "OperatorResumed":
    case "OperatorSlashed":
      return { ...before, status: statusAfter[fact.type] };
    case "AlgorithmApproved":
    case "AlgorithmRevoked": {
      const { operatorSet, algorithm } = fact;
      const others = before.approvals.filter(
        (approval) => approval.operatorSet !== operatorSet || approval.algorithm !== algorithm,
      );
      const revoked = fact.type === "AlgorithmRevoked";
      return { ...before, approvals: revoked ? others : [...others, { operatorSet, algorithm }] };
    }
    case "TokenAccepted":
    case "TokenRefused": {
      const others = before.tokens.filter(({ token }) => token !== fact.token);
      const refused = fact.type === "TokenRefused";
      return { ...before, tokens: refused ? others : [...others, { token: fact.token, fee: fact.fee }] };
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
        replacedBy: null,
        publishedAtSec: chain.timestampSec,
        txHash: chain.txHash,
      };
    }
    case "OfferRelisted":
      return before === null ? null : { ...before, terms: fact.terms, active: true };
    case "OfferReplaced":
      return before === null ? null : { ...before, active: false, replacedBy: fact.replacement };
    case "OfferWithdrawn":
      return before === null ? null : { ...before, active: false };
    default:
      return before;
  }
}

export function setOf(fact: Extract<MarketFact, { type: "SetCreated" }>): SetView {
  return { id: fact.set, members: fact.members };
}
