import { ZeroHash } from "ethers";
import { expect, test } from "vitest";
import { factOf } from "../../../bridge/chain/facts.ts";
import { specHash } from "../../../contracts/commitments.ts";
import type { MarketEvent, MarketEventBody } from "../../../contracts/market-events.ts";
import { exactMicroRho, openRules, openTerms } from "../../../contracts/use-terms.ts";
import { addressOf, funded, hashOf, jobOf, offerOf } from "../memory-chain.ts";

const position = {
  ...{ blockNumber: 7, blockHash: hashOf("block"), timestampSec: 5000, txHash: hashOf("tx"), logIndex: 3 },
};
const chain = { blockNumber: 7, timestampSec: 5000, txHash: hashOf("tx") };
const factIn = (body: MarketEventBody) => factOf({ ...position, ...body } as MarketEvent);
const job = jobOf(1);
const chunk = { job, operator: addressOf("operator 2"), point: 2, chunk: 9 };

test("is named by its place on the chain", () => {
  expect(factIn({ type: "JobJoined", job })).toEqual({
    key: `${hashOf("block")}:3`,
    jobId: job,
    event: { type: "Joined", chain },
  });
});

test("of a funding holds all that the buyer asked for, and the hash of it", () => {
  const { type: _type, specHash: _hash, ...asked } = funded();
  const typed = { ...asked, microRho: exactMicroRho, amountWei: 5n, purpose: hashOf("purpose") };
  const { event } = factIn({ type: "JobFunded", job, ...typed });
  expect(event).toEqual({
    ...{ type: "Funded", chain, ...asked, purpose: hashOf("purpose"), specHash: specHash(typed) },
    ...{ microRho: "18446744073709551615", amountWei: "5" },
  });
});

test("of an offer holds its rules", () => {
  const rules = { ...openRules, discountBps: 100 };
  const terms = { ...openTerms(7n), rules };
  expect(factIn({ type: "OfferRelisted", offer: offerOf(1), terms }).event).toMatchObject({
    terms: { priceWei: "7", maxMicroRho: "18446744073709551615", rules },
  });
});

test("of a posted chunk leaves the share out", () => {
  const elements = Uint8Array.of(0x5e, 0xc2, 0xe7);
  const opening = { salt: hashOf("salt"), attempt: 1n, elements, proof: [] };
  const { event } = factIn({ type: "ChunkPosted", ...chunk, heldUntilSec: 70, opening });
  expect(event).toEqual({
    ...{ type: "ChunkPosted", chain, operator: chunk.operator, point: 2, chunk: 9 },
    heldUntilSec: 70,
  });
});

test("of a budget that came back is the job's, and says to which offer", () => {
  const { jobId, event } = factIn({ type: "BudgetReturned", job, offer: offerOf(1), microRho: 7n });
  expect([jobId, event]).toEqual([job, { type: "BudgetReturned", chain, offer: offerOf(1), microRho: "7" }]);
});

test("that names a job which may not be known is about an operator or an offer", () => {
  const digests: [string, string] = [hashOf("1"), ZeroHash];
  const convicted = factIn({ type: "OperatorConvicted", job, operator: addressOf("operator 1"), digests });
  expect([convicted.jobId, factIn({ type: "OfferVouched", job, offer: offerOf(1) }).jobId]).toEqual([
    null,
    null,
  ]);
});
