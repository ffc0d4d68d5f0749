/** What may stand in the place of an offer, on a real chain and through a bridge that holds the old shares. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { Wallet } from "ethers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { operatorSetId } from "../../../contracts/commitments.ts";
import { Market } from "../../../contracts/market.ts";
import { exactMicroRho, openTerms, shortId } from "../../../contracts/use-terms.ts";
import { deriveSchema } from "../../../parties/data/schema.ts";
import { type OfferRequest, publishDataSet } from "../../../parties/seller/client.ts";
import { MarketWorld, tables } from "../compute/market-world.ts";

let world: MarketWorld;
/** Another set of the same operators. */
let otherSet: string;
const [table, otherTable] = tables as [(typeof tables)[number], (typeof tables)[number]];

beforeAll(async () => {
  world = await MarketWorld.open();
  const [first, second, third] = world.operators.map(({ owner }) => owner.address) as [
    string,
    string,
    string,
  ];
  await world.account(1).market.createSet([second, third, first]);
  otherSet = operatorSetId([second, third, first]);
});
afterAll(() => world.close());

/** Offers the first table by account 5, or as `changes` say, and tells how far it came. */
async function publish(changes: Partial<OfferRequest> = {}, { market, address: seller } = world.account(5)) {
  const steps: string[] = [];
  const doubts: string[] = [];
  const published = publishDataSet(
    { bridge: world.client, market, seller },
    {
      ...{ table, schema: world.schema, operatorSet: world.operatorSet, terms: openTerms(1000n) },
      onStep: (step) => steps.push(step),
      onDoubt: (words) => doubts.push(words),
      ...changes,
    },
  );
  const [value, error] = await published.then(
    (done) => [done, null] as const,
    (thrown) => [null, thrown] as const,
  );
  return { value, error, steps, doubts };
}

/** A new offer of the first table. */
async function offered(changes: Partial<OfferRequest> = {}) {
  const { value, error } = await publish(changes);
  if (value === null) throw error;
  return value;
}

test("is not another seller's, which shows before anything is shared", async () => {
  const { offer } = await offered();
  const { error, steps } = await publish({ replaces: offer, operatorSet: otherSet }, world.account(6));
  expect([error.code, steps]).toEqual(["NOT_AUTHORISED", []]);
  expect(error.message).toContain(offer);
  expect(error.message).toContain(world.account(5).address);
});

test("is not offered by an account that cannot pay for it, which shows before anything is shared", async () => {
  const poor = new Wallet(Wallet.createRandom().privateKey, world.provider);
  const { error, steps } = await publish(
    {},
    { market: new Market(world.deployment, poor), address: poor.address },
  );
  expect([error.code, steps]).toEqual(["FUNDS_MISSING", []]);
  expect(error.message).toContain(`${poor.address} has 0.0 ETH`);
});

test("is of the same data, as far as can be told", async () => {
  const { offer } = await offered();
  const { error, steps } = await publish({ replaces: offer, operatorSet: otherSet, table: otherTable });
  expect([error.code, steps]).toEqual(["SHAPE_MISMATCH", []]);
  expect(error.message).toBe(
    `the data have 2 rows, those of offer ${offer} have 3: a replacement shares the same data`,
  );
});

test("goes to other operators, for the old ones hold the data already", async () => {
  const { offer } = await offered();
  const { error, steps } = await publish({ replaces: offer });
  expect([error.code, steps]).toEqual(["TERMS_REFUSED", []]);
  expect(error.message).toContain(offer);
  expect(error.hint).toContain(`symbolon seller relist ${shortId(offer)}`);
  const moved = await publish({ replaces: offer, operatorSet: otherSet });
  expect([moved.error, moved.doubts]).toEqual([null, []]);
  expect(await world.account(1).market.replacements()).toContainEqual({
    offer,
    replacement: moved.value!.offer,
  });
});

test("goes to the same operators for a smaller budget", async () => {
  const { offer } = await offered({ budgetMicroRho: 1000n });
  const { value } = await publish({ replaces: offer, budgetMicroRho: 999n });
  expect((await world.account(1).market.offer(value!.offer)).budgetLeftMicroRho).toBe(999n);
});

test("goes to the same operators where the bridge has lost a share", async () => {
  const { offer, ciphertextHashes } = await offered();
  const [, hash] = ciphertextHashes;
  await rm(join(world.folder, "bridge", "blobs", hash.slice(2, 4), hash.slice(4)));
  expect((await publish({ replaces: offer })).error).toBeNull();
});

test("says that another schema is one", async () => {
  const { offer } = await offered();
  const schema = deriveSchema([table], { fracBits: 12 });
  const { error, doubts } = await publish({ replaces: offer, operatorSet: otherSet, schema });
  expect(error).toBeNull();
  expect(doubts.join()).toContain(`the schema is not that of offer ${shortId(offer)}`);
});

test("of an offer that was replaced before is refused with the name of the one in its place", async () => {
  const { offer } = await offered();
  const { value } = await publish({ replaces: offer, operatorSet: otherSet });
  const { error, steps } = await publish({ replaces: offer, operatorSet: otherSet });
  expect([error.code, steps]).toEqual(["TERMS_REFUSED", []]);
  expect(error.message).toBe(`offer ${offer} was replaced by ${value!.offer} before, and ended for good`);
  expect(error.hint).toContain(`--replaces ${shortId(value!.offer)}`);
});

// Last: the operators have other records afterwards.
test("goes to the same operators once one of them may have other keys", async () => {
  const { offer } = await offered({ budgetMicroRho: exactMicroRho });
  const { market } = world.account(3);
  const { signer, sealKey, channelKey, jiffKey, endpoint, feeWei } = await market.operator(
    world.operators[2]!.owner.address,
  );
  await market.updateOperator({ signer, sealKey, channelKey, jiffKey, endpoint, feeWei: feeWei + 1n });
  expect((await publish({ replaces: offer })).error).toBeNull();
});
