/**
 * The document behind a seller's terms: the lists whose roots stand on chain, in full, so that a buyer can prove
 * that it is allowed and a node can check it again. It is public, lies at the bridge under its hash, and that hash
 * is one of the terms.
 */
import { createHash } from "node:crypto";
import canonicalize from "canonicalize";
import { getAddress, isAddress, ZeroHash } from "ethers";
import { z } from "zod";
import type { BridgeClient } from "../bridge/client.ts";
import type { Offer, UseProofs } from "../contracts/market-views.ts";
import {
  accountValue,
  allowProof,
  allowRoot,
  type Lists,
  membersOnly,
  noLists,
  purposeHash,
  type Rules,
  rulesOrNone,
  type UseTerms,
} from "../contracts/use-terms.ts";
import { SymbolonError } from "../mpc/errors.ts";

/** A list is hashed by every node of every job: 0.1 s for as many. */
const most = 1000;

const documentSchema = z.strictObject({
  symbolonTerms: z.literal(1),
  /** Hashes of the algorithms that may run. */
  algorithms: z.array(z.string().regex(/^0x[0-9a-f]{64}$/)).max(most),
  /** Accounts that may buy. */
  buyers: z.array(z.string().refine((text) => isAddress(text))).max(most),
  /** In words. */
  purposes: z.array(z.string().min(1).max(500)).max(most),
});
export type TermsDocument = z.infer<typeof documentSchema>;

/** Room for lists of the largest length. */
const maxDocumentBytes = 4 * 1024 * 1024;

/** The lists of a document as the values that the chain knows. */
export function listsOf({ algorithms, buyers, purposes }: TermsDocument): Lists {
  return { algorithms, buyers: buyers.map(accountValue), purposes: purposes.map(purposeHash) };
}

/**
 * Terms with these lists, and the bytes of the document to store; none when nothing is listed.
 * @param rules those without lists; `membersOnly` in the place of the buyers leaves out whom no issuer vouches for
 */
export function withLists(
  terms: Omit<UseTerms, "rules">,
  rules: Omit<Rules, "algorithms" | "purposes" | "document">,
  lists: Pick<TermsDocument, "algorithms" | "buyers" | "purposes">,
): { terms: UseTerms; document?: Uint8Array } {
  const document = documentSchema.parse({
    symbolonTerms: 1,
    ...lists,
    buyers: lists.buyers.map((buyer) => getAddress(buyer)),
  });
  const { algorithms, buyers, purposes } = listsOf(document);
  const roots = {
    algorithms: allowRoot(algorithms),
    buyers: rules.buyers === membersOnly && buyers.length === 0 ? membersOnly : allowRoot(buyers),
    purposes: allowRoot(purposes),
  };
  if (algorithms.length + buyers.length + purposes.length === 0) {
    return { terms: { ...terms, rules: rulesOrNone({ ...rules, ...roots, document: ZeroHash }) } };
  }
  const bytes = new TextEncoder().encode(canonicalize(document));
  return { terms: { ...terms, rules: { ...rules, ...roots, document: sha256(bytes) } }, document: bytes };
}

/**
 * The lists behind an offer's terms, from the bridge, checked against the chain.
 * @throws NOT_FOUND, BRIDGE_UNREACHABLE; COMMITMENT_MISMATCH when the document does not have these roots
 */
export async function fetchLists(
  bridge: BridgeClient,
  offer: string,
  terms: UseTerms,
  signal?: AbortSignal,
): Promise<Lists> {
  const document = await fetchDocument(bridge, offer, terms, signal);
  return document === undefined ? noLists : listsOf(document);
}

/** The same in words; none where nothing is listed. @throws as `fetchLists` */
export async function fetchDocument(
  bridge: BridgeClient,
  offer: string,
  terms: UseTerms,
  signal?: AbortSignal,
): Promise<TermsDocument | undefined> {
  const { rules } = terms;
  if (rules === null) return undefined;
  const unlisted = [ZeroHash, membersOnly];
  if ([rules.algorithms, rules.buyers, rules.purposes].every((root) => unlisted.includes(root))) {
    return undefined;
  }
  const bytes = await bridge.downloadBlob(rules.document, maxDocumentBytes, { signal });
  const document = readDocument(bytes);
  const lists = document && listsOf(document);
  const fits =
    lists !== undefined &&
    hasRoot(lists.algorithms, rules.algorithms) &&
    (rules.buyers === membersOnly || hasRoot(lists.buyers, rules.buyers)) &&
    hasRoot(lists.purposes, rules.purposes);
  if (!fits) {
    throw new SymbolonError(
      "COMMITMENT_MISMATCH",
      `the terms document of offer ${offer} does not have the lists that the chain knows`,
      { hint: "leave the offer out, and tell its seller" },
    );
  }
  return document as TermsDocument;
}

/** A list that names something twice has no root. */
function hasRoot(values: readonly string[], root: string): boolean {
  return new Set(values).size === values.length && allowRoot(values) === root;
}

function readDocument(bytes: Uint8Array): TermsDocument | undefined {
  try {
    return documentSchema.parse(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)));
  } catch {
    return undefined;
  }
}

/** What a job shows of each list; of a list that does not have the value nothing, and the contract says so. */
export async function proofsFor(
  bridge: BridgeClient,
  offers: readonly Offer[],
  job: { algorithm: string; buyer: string; purpose: string },
): Promise<Map<string, UseProofs>> {
  const proofs = new Map<string, UseProofs>();
  for (const { offer, terms } of offers) {
    const lists = await fetchLists(bridge, offer, terms);
    const show = (values: readonly string[], value: string): string[] =>
      values.includes(value) ? allowProof(values, value) : [];
    proofs.set(offer, {
      algorithm: show(lists.algorithms, job.algorithm),
      buyer: show(lists.buyers, accountValue(job.buyer)),
      purpose: show(lists.purposes, job.purpose),
    });
  }
  return proofs;
}

function sha256(bytes: Uint8Array): string {
  return `0x${createHash("sha256").update(bytes).digest("hex")}`;
}
