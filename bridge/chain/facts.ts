/** The contracts' events as facts of the bridge's log: the same things with JSON's types. */
import type { MarketEvent } from "../../contracts/market-events.ts";
import type { UseTerms } from "../../contracts/use-terms.ts";
import type { ChainPosition } from "../jobs/events.ts";
import type { OfferView } from "../schemas.ts";
import type { NewFact } from "../store/database.ts";

/** The fact that an event is. Its key names the log entry on the chain: one event, one fact, for ever. */
export function factOf(event: MarketEvent): NewFact {
  const chain = {
    blockNumber: event.blockNumber,
    timestampSec: event.timestampSec,
    txHash: event.txHash,
  };
  return { key: `${event.blockHash}:${event.logIndex}`, ...contentOf(event, chain) };
}

type Content = NewFact extends infer Fact ? (Fact extends NewFact ? Omit<Fact, "key"> : never) : never;

function contentOf(event: MarketEvent, chain: ChainPosition): Content {
  switch (event.type) {
    case "OperatorRegistered":
    case "OperatorUpdated":
      return {
        jobId: null,
        event: {
          type: event.type,
          chain,
          operator: event.operator,
          signer: event.signer,
          sealKey: event.sealKey,
          channelKey: event.channelKey,
          jiffKey: event.jiffKey,
          endpoint: event.endpoint,
          feeWei: String(event.feeWei),
        },
      };
    case "OperatorRetired":
    case "BondWithdrawn":
      return { jobId: null, event: { type: "OperatorRetired", chain, operator: event.operator } };
    case "AlgorithmApproved":
    case "AlgorithmRevoked":
      return {
        jobId: null,
        event: { type: event.type, chain, operator: event.operator, algorithm: event.algorithm },
      };
    case "SetCreated":
      return {
        jobId: null,
        event: { type: "SetCreated", chain, set: event.operatorSet, members: event.members },
      };
    case "OfferPublished":
      return {
        jobId: null,
        event: {
          type: "OfferPublished",
          chain,
          offer: String(event.offer),
          seller: event.seller,
          operatorSet: event.operatorSet,
          schemaHash: event.schemaHash,
          rows: event.rows,
          columns: event.columns,
          nonce: event.nonce,
          ciphertextHashes: event.ciphertextHashes,
          budgetMicroRho: String(event.budgetMicroRho),
          terms: termsView(event.terms),
          dataRoot: event.dataRoot,
        },
      };
    case "OfferRelisted":
      return {
        jobId: null,
        event: { type: "OfferRelisted", chain, offer: String(event.offer), terms: termsView(event.terms) },
      };
    case "BudgetReturned":
      return {
        jobId: null,
        event: {
          type: "BudgetReturned",
          chain,
          offer: String(event.offer),
          microRho: String(event.microRho),
        },
      };
    case "OfferWithdrawn":
      return { jobId: null, event: { type: "OfferWithdrawn", chain, offer: String(event.offer) } };
    case "JobFunded":
      return {
        jobId: String(event.job),
        event: {
          type: "Funded",
          chain,
          buyer: event.buyer,
          operatorSet: event.operatorSet,
          algorithm: event.algorithm,
          deadlineSec: event.deadlineSec,
          resultKey: event.resultKey,
          offers: event.offers.map(String),
          spec: event.spec,
          amountWei: String(event.amountWei),
          specHash: event.specHash,
          inputRoot: event.inputRoot,
          signers: event.signers,
        },
      };
    case "JobJoined":
      return { jobId: String(event.job), event: { type: "Joined", chain } };
    case "JobAttested":
      return {
        jobId: String(event.job),
        event: {
          type: "Attested",
          chain,
          resultRoot: event.resultRoot,
          payoutRoot: event.payoutRoot,
          inputRoot: event.inputRoot,
        },
      };
    case "JobSettled":
      return { jobId: String(event.job), event: { type: "Settled", chain } };
    case "JobFailed":
      return { jobId: String(event.job), event: { type: "Failed", chain, reasons: event.reasons } };
    case "JobRefunded":
      return { jobId: String(event.job), event: { type: "Refunded", chain } };
    case "PayoutClaimed":
      return {
        jobId: String(event.job),
        event: {
          type: "Claimed",
          chain,
          index: String(event.index),
          account: event.account,
          amountWei: String(event.amountWei),
        },
      };
  }
}

function termsView(terms: UseTerms): OfferView["terms"] {
  const { priceWei, rhoPriceWei, maxMicroRho, ...rest } = terms;
  return {
    ...{ priceWei: String(priceWei), rhoPriceWei: String(rhoPriceWei), maxMicroRho: String(maxMicroRho) },
    ...rest,
  };
}
