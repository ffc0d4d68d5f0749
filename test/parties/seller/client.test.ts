import { afterAll, beforeAll, expect, test } from "vitest";
import { BridgeClient } from "../../../bridge/client.ts";
import { openTerms } from "../../../contracts/use-terms.ts";
import { deriveSchema } from "../../../parties/data/schema.ts";
import { type OfferRequest, publishDataSet } from "../../../parties/seller/client.ts";
import { bytes32, type MarketFixture, priceWei, startMarket } from "../../contracts/market-fixture.ts";

let market: MarketFixture;
beforeAll(async () => {
  market = await startMarket();
}, 60_000);
afterAll(() => market.close());

const table = {
  ...{ file: "test.csv", columns: ["height"], rows: 3 },
  values: Float64Array.from([1, 2, 3]),
};

/** Publishes through a bridge that is not there, so that only what is refused before an upload comes back. */
async function publish(changes: Partial<OfferRequest>) {
  const steps: string[] = [];
  const published = publishDataSet(
    {
      bridge: new BridgeClient({ url: "http://127.0.0.1:9" }),
      market: market.of(market.seller),
      seller: market.seller.address,
    },
    {
      ...{ table, schema: deriveSchema([table]), operatorSet: market.set.id, terms: openTerms(priceWei) },
      onStep: (step) => steps.push(step),
      ...changes,
    },
  );
  const error = await published.then(
    () => null,
    (thrown) => thrown,
  );
  return { error, steps };
}

test("an offer to a set that there is not is refused before anything is shared", async () => {
  const { error, steps } = await publish({ operatorSet: bytes32("no set") });
  expect([error.code, steps]).toEqual(["NOT_FOUND", []]);
});

test("an offer in the place of one that can give nothing is refused before anything is shared", async () => {
  const { of, seller, set } = market;
  const { offer: old } = await market.publish("old", { budgetMicroRho: 1000n });
  const tooMuch = await publish({ replaces: old, budgetMicroRho: 1001n });
  expect([tooMuch.error.code, tooMuch.steps]).toEqual(["TERMS_REFUSED", []]);
  const share = (label: string) => [1, 2, 3].map((point) => bytes32(`${label} ${point}`));
  await of(seller).replaceOffer(old, {
    ...{ operatorSet: set.id, schemaHash: bytes32("schema"), rows: 7, columns: 2, nonce: bytes32("new") },
    ciphertextHashes: share("new") as [string, string, string],
    ...{ budgetMicroRho: 1000n, terms: openTerms(priceWei) },
  });
  const again = await publish({ replaces: old });
  expect([again.error.code, again.steps]).toEqual(["TERMS_REFUSED", []]);
  expect(again.error.message).toContain("was replaced by");
});
