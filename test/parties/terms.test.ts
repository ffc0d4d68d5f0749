import { createHash } from "node:crypto";
import { id, ZeroHash } from "ethers";
import { describe, expect, test } from "vitest";
import type { BridgeClient } from "../../bridge/client.ts";
import type { Offer } from "../../contracts/market-views.ts";
import { accountValue, allowRoot, openTerms, purposeHash, type UseTerms } from "../../contracts/use-terms.ts";
import { fetchLists, proofsFor, withLists } from "../../parties/terms.ts";

const { algorithms: _a, buyers: _b, purposes: _p, document: _d, ...rest } = openTerms(5n);
const buyer = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
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
    const { terms, document } = withLists(rest, lists);
    expect(terms).toMatchObject({
      priceWei: 5n,
      algorithms: allowRoot(lists.algorithms),
      buyers: allowRoot([accountValue(buyer)]),
      purposes: allowRoot(lists.purposes.map(purposeHash)),
      document: sha256(document!),
    });
    expect(await fetchLists(bridgeWith(document!), 1n, terms)).toEqual({
      algorithms: lists.algorithms,
      buyers: [accountValue(buyer)],
      purposes: lists.purposes.map(purposeHash),
    });
  });

  test("is not needed, nor asked for, where nothing is listed", async () => {
    const { terms, document } = withLists(rest, { algorithms: [], buyers: [], purposes: [] });
    expect(document).toBeUndefined();
    expect(terms).toEqual(openTerms(5n));
    expect(await fetchLists(bridgeWith(), 1n, terms)).toEqual({ algorithms: [], buyers: [], purposes: [] });
  });

  test("is refused when its lists are not those of the roots, or it is no document", async () => {
    const { terms, document } = withLists(rest, lists);
    const other = withLists(rest, { ...lists, purposes: ["teaching"] });
    const text = new TextDecoder().decode(document);
    const wrong: [string, Uint8Array][] = [
      ["other lists", other.document!],
      ["a field more", new TextEncoder().encode(text.replace("{", '{"more":1,'))],
      ["no JSON", new Uint8Array([0xff])],
      ["a value twice", new TextEncoder().encode(text.replace('"teaching"', '"teaching","teaching"'))],
    ];
    for (const [what, bytes] of wrong) {
      const told: UseTerms = { ...terms, document: sha256(bytes) };
      await expect(fetchLists(bridgeWith(bytes), 7n, told), what).rejects.toMatchObject({
        code: "COMMITMENT_MISMATCH",
        message: expect.stringContaining("offer 7"),
      });
    }
  });

  test("gives a proof of what it lists, and of nothing else", async () => {
    const { terms, document } = withLists(rest, lists);
    const offers = [{ offer: 3n, terms }] as unknown as Offer[];
    const job = { algorithm: id("two"), buyer, purpose: purposeHash("teaching") };
    const listed = (await proofsFor(bridgeWith(document!), offers, job)).get(3n)!;
    expect([listed.algorithm.length, listed.buyer.length, listed.purpose.length]).toEqual([1, 0, 1]);
    const other = { algorithm: id("three"), buyer, purpose: ZeroHash };
    expect((await proofsFor(bridgeWith(document!), offers, other)).get(3n)).toEqual({
      algorithm: [],
      buyer: [],
      purpose: [],
    });
  });
});
