/** The contracts' events as facts of the bridge's log: the same things with JSON's types. */
import { specHash } from "../../contracts/commitments.ts";
import type { ChunkOfOperator, MarketEvent } from "../../contracts/market-events.ts";
import type { UseTerms } from "../../contracts/use-terms.ts";
import type { ChainPosition, JobChainEvent } from "../jobs/events.ts";
import { pointSchema, type TermsView } from "../schemas.ts";
import type { NewFact } from "../store/database.ts";
import type { MarketFact } from "../store/market-events.ts";

/** The fact that an event is. Its key names the log entry on the chain: one event, one fact, for ever. */
export function factOf(event: MarketEvent): NewFact {
  const { blockNumber, timestampSec, txHash } = event;
  const chain: ChainPosition = { blockNumber, timestampSec, txHash };
  const content = contentOf(event);
  const key = `${event.blockHash}:${event.logIndex}`;
  if ("jobId" in content) return { key, jobId: content.jobId, event: { ...content.event, chain } };
  return { key, jobId: null, event: { ...content.event, chain } } as NewFact;
}

type WithoutPosition<Event> = Event extends { chain: unknown } ? Omit<Event, "chain"> : never;
type Content =
  | { jobId: string; event: WithoutPosition<JobChainEvent> }
  | { event: WithoutPosition<MarketFact> };

function contentOf(event: MarketEvent): Content {
  switch (event.type) {
    case "OperatorRegistered":
    case "OperatorUpdated": {
      const { type, operator, signer, sealKey, channelKey, jiffKey, endpoint, feeWei } = event;
      const keys = { signer, sealKey, channelKey, jiffKey };
      return { event: { type, operator, ...keys, endpoint, feeWei: String(feeWei) } };
    }
    case "OperatorRetired":
    case "BondWithdrawn":
    case "OperatorPaused":
    case "OperatorResumed":
    case "OperatorSlashed":
      return { event: { type: event.type, operator: event.operator } };
    case "TokenAccepted": {
      const { type, operator, token, fee } = event;
      return { event: { type, operator, token, fee: String(fee) } };
    }
    case "TokenRefused":
      return { event: { type: event.type, operator: event.operator, token: event.token } };
    case "AlgorithmApproved":
    case "AlgorithmRevoked": {
      const { type, operator, operatorSet, algorithm } = event;
      return { event: { type, operator, operatorSet, algorithm } };
    }
    // Somebody who convicts itself may name a job that nobody funded, so this is a fact about the operator.
    case "OperatorConvicted": {
      const { type, operator, job, digests } = event;
      return { event: { type, operator, job, digests } };
    }
    case "SetCreated":
      return { event: { type: event.type, set: event.operatorSet, members: event.members } };
    case "OfferPublished": {
      const { type, offer, seller, operatorSet, schemaHash, rows, columns, nonce, ciphertextHashes } = event;
      const shares = { schemaHash, rows, columns, nonce, ciphertextHashes };
      const terms = { budgetMicroRho: String(event.budgetMicroRho), terms: termsView(event.terms) };
      return { event: { type, offer, seller, operatorSet, ...shares, ...terms } };
    }
    case "OfferRelisted":
      return { event: { type: event.type, offer: event.offer, terms: termsView(event.terms) } };
    case "OfferReplaced":
      return { event: { type: event.type, offer: event.offer, replacement: event.replacement } };
    // It comes before the funding of its job.
    case "OfferVouched":
      return { event: { type: event.type, offer: event.offer, job: event.job } };
    case "OfferWithdrawn":
      return { event: { type: event.type, offer: event.offer } };
    default:
      return { jobId: event.job, event: jobEventOf(event) };
  }
}

type EventOfJob = Exclude<
  Extract<MarketEvent, { job: string }>,
  { type: "OfferVouched" | "OperatorConvicted" }
>;

function jobEventOf(event: EventOfJob): Extract<Content, { jobId: string }>["event"] {
  switch (event.type) {
    case "JobFunded": {
      const { buyer, operatorSet, algorithm, deadlineSec, resultKey, purpose, offers, spec, token } = event;
      return {
        ...{ type: "Funded", buyer, operatorSet, algorithm, deadlineSec, resultKey },
        ...{ microRho: String(event.microRho), purpose, offers, spec, token },
        ...{ amountWei: String(event.amountWei), specHash: specHash(event), signers: event.signers },
      };
    }
    case "JobJoined":
      return { type: "Joined" };
    case "JobAttested": {
      const { resultRoot, payoutRoot, budgetSpent } = event;
      return { type: "Attested", resultRoot, payoutRoot, budgetSpent: String(budgetSpent) };
    }
    case "JobDisputed":
      return { type: "Disputed" };
    case "ChunkChallenged":
      return { type: event.type, ...chunkOf(event), dueSec: event.dueSec };
    case "ChunkPosted":
      return { type: event.type, ...chunkOf(event), heldUntilSec: event.heldUntilSec };
    case "OperatorExposed":
      return { type: event.type, ...chunkOf(event) };
    case "ResultContested":
      return { type: "Contested", coordinate: String(event.coordinate) };
    case "JobSettled":
      return { type: "Settled" };
    case "JobFailed":
      return { type: "Failed", reasons: event.reasons };
    case "JobOverturned":
      return { type: "Overturned" };
    case "JobRefunded":
      return { type: "Refunded" };
    case "BudgetReturned":
      return { type: event.type, offer: event.offer, microRho: String(event.microRho) };
    case "PayoutClaimed": {
      const { index, account, amountWei } = event;
      return { type: "Claimed", index: String(index), account, amountWei: String(amountWei) };
    }
  }
}

function chunkOf({ operator, point, chunk }: ChunkOfOperator) {
  return { operator, point: pointSchema.parse(point), chunk };
}

function termsView(terms: UseTerms): TermsView {
  const { priceWei, rhoPriceWei, maxMicroRho, ...rest } = terms;
  return {
    ...{ priceWei: String(priceWei), rhoPriceWei: String(rhoPriceWei), maxMicroRho: String(maxMicroRho) },
    ...rest,
  };
}
