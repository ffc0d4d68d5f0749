import { createHash } from "node:crypto";
import { id, ZeroHash } from "ethers";
import { describe, expect, test } from "vitest";
import type { BridgeClient } from "../../bridge/client.ts";
import type { Offer } from "../../contracts/market-views.ts";
import {
  accountValue,
  allowRoot,
  membersOnly,
  openRules,
  openTerms,
  purposeHash,
  type UseTerms,
} from "../../contracts/use-terms.ts";
import { fetchLists, proofsFor, withLists } from "../../parties/terms.ts";

const { rules: _none, ...rest } = openTerms(5n);
const { algorithms: _a, purposes: _p, document: _d, ...plain } = openRules;
const buyer = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
/** Name of an offer. */
const root = id("an offer");
const lists = {
  algorithms: [id("one"), id("two")],
  buyers: [buyer],
  purposes: ["cancer research", "teaching"],
};

/** A bridge that holds these documents, whatever they are. */
function bridgeWith(...documents: Uint8Array[]): BridgeClient {
  const held = new Map(documents.map((bytes) => [sha256(bytes), bytes]));
  return { downloadBlob: async (hash: string) => held.get(hash) } as unknown as BridgeClient;
}

const sha256 = (bytes: Uint8Array): string => `0x${createHash("sha256").update(bytes).digest("hex")}`;

describe("a terms document", () => {
  test("has the lists whose roots are the terms", async () => {
    const { terms, document } = withLists(rest, plain, lists);
    expect(terms).toMatchObject({
      priceWei: 5n,
      rules: {
        algorithms: allowRoot(lists.algorithms),
        buyers: allowRoot([accountValue(buyer)]),
        purposes: allowRoot(lists.purposes.map(purposeHash)),
        document: sha256(document!),
      },
    });
    expect(await fetchLists(bridgeWith(document!), root, terms)).toEqual({
      algorithms: lists.algorithms,
      buyers: [accountValue(buyer)],
      purposes: lists.purposes.map(purposeHash),
    });
  });

  test("is not needed, nor asked for, where nothing is listed", async () => {
    const { terms, document } = withLists(rest, plain, { algorithms: [], buyers: [], purposes: [] });
    expect(document).toBeUndefined();
    expect(terms).toEqual(openTerms(5n));
    expect(await fetchLists(bridgeWith(), root, terms)).toEqual({ algorithms: [], buyers: [], purposes: [] });
  });

  test("is not asked for where nobody is listed because a credential is needed", async () => {
    const none = { algorithms: [], buyers: [], purposes: [] };
    const issuer = buyer;
    const { terms, document } = withLists(rest, { ...plain, issuer, buyers: membersOnly }, none);
    expect([terms.rules?.buyers, document]).toEqual([membersOnly, undefined]);
    expect(await fetchLists(bridgeWith(), root, terms)).toEqual(none);
    // With other lists there is a document, which says nothing about buyers.
    const purposes = withLists(rest, { ...plain, issuer, buyers: membersOnly }, { ...none, purposes: ["x"] });
    expect(purposes.terms.rules?.buyers).toBe(membersOnly);
    expect((await fetchLists(bridgeWith(purposes.document!), root, purposes.terms)).purposes).toHaveLength(1);
    // Who is listed may buy without one.
    const listed = withLists(rest, { ...plain, issuer, buyers: membersOnly }, { ...none, buyers: [buyer] });
    expect(listed.terms.rules?.buyers).toBe(allowRoot([accountValue(buyer)]));
  });

  test("is refused when its lists are not those of the roots, or it is no document", async () => {
    const { terms, document } = withLists(rest, plain, lists);
    const other = withLists(rest, plain, { ...lists, purposes: ["teaching"] });
    const text = new TextDecoder().decode(document);
    const wrong: [string, Uint8Array][] = [
      ["other lists", other.document!],
      ["a field more", new TextEncoder().encode(text.replace("{", '{"more":1,'))],
      ["no JSON", new Uint8Array([0xff])],
      ["a value twice", new TextEncoder().encode(text.replace('"teaching"', '"teaching","teaching"'))],
    ];
    for (const [what, bytes] of wrong) {
      const told: UseTerms = { ...terms, rules: { ...terms.rules!, document: sha256(bytes) } };
      await expect(fetchLists(bridgeWith(bytes), root, told), what).rejects.toMatchObject({
        code: "COMMITMENT_MISMATCH",
        message: expect.stringContaining(`offer ${root}`),
      });
    }
  });

  test("gives a proof of what it lists, and of nothing else", async () => {
    const { terms, document } = withLists(rest, plain, lists);
    const offers = [{ offer: root, terms }] as unknown as Offer[];
    const job = { algorithm: id("two"), buyer, purpose: purposeHash("teaching") };
    const listed = (await proofsFor(bridgeWith(document!), offers, job)).get(root)!;
    expect([listed.algorithm.length, listed.buyer.length, listed.purpose.length]).toEqual([1, 0, 1]);
    const other = { algorithm: id("three"), buyer, purpose: ZeroHash };
    expect((await proofsFor(bridgeWith(document!), offers, other)).get(root)).toEqual({
      algorithm: [],
      buyer: [],
      purpose: [],
    });
  });
});
