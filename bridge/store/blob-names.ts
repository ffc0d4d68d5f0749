/** Which blobs a fact speaks of: what nobody names may go when the store is full. */
import type { JobEvent } from "../jobs/events.ts";
import type { TermsView } from "../schemas.ts";
import type { MarketFact } from "./market-events.ts";

const hashes = /0x[0-9a-f]{64}/g;

/**
 * Names of blobs in a fact: an offer's schema, ciphertexts and terms document, also an earlier one, because funded
 * jobs are judged by the terms of their funding; the sealed results, and every 32-byte value in a
 * job's specification, since the buyer's own inputs are committed to there.
 */
export function blobsNamedBy(fact: JobEvent | MarketFact): string[] {
  switch (fact.type) {
    case "OfferPublished":
      return [fact.schemaHash, ...documentOf(fact.terms), ...fact.ciphertextHashes].map((hash) =>
        hash.toLowerCase(),
      );
    case "OfferRelisted":
      return documentOf(fact.terms);
    case "AttestationPosted":
      return fact.parts.ciphertextHashes;
    case "Funded":
      return Buffer.from(fact.spec.slice(2), "hex").toString("utf8").toLowerCase().match(hashes) ?? [];
    default:
      return [];
  }
}

function documentOf({ rules }: TermsView): string[] {
  return rules === null ? [] : [rules.document.toLowerCase()];
}
