/** The bindings' hashes against those that the contracts compute, and against what each must depend on. */

import { Contract, keccak256, ZeroAddress } from "ethers";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { artifact } from "../../contracts/artifacts.ts";
import {
  dataRoot,
  jobId,
  operatorSetId,
  outcomeHash,
  resultRoot,
  shareCommitment,
  specHash,
} from "../../contracts/commitments.ts";
import { payoutTree } from "../../contracts/payouts.ts";
import {
  exactMicroRho,
  openRules,
  openTerms,
  type UseTerms,
  useTermsHash,
  useTermsTag,
} from "../../contracts/use-terms.ts";
import { algorithm, bytes32, type MarketFixture, priceWei, startMarket } from "./market-fixture.ts";
import { someParts } from "./some-parts.ts";

let market: MarketFixture;
beforeAll(async () => {
  market = await startMarket();
}, 60_000);
afterAll(() => market.close());

/** Terms in which no two values are the same, nor any the one that stands for nothing. */
const fullTerms = (account: string): UseTerms => ({
  ...{ priceWei: 5n, rhoPriceWei: 3n, maxMicroRho: 250n, expirySec: 2 ** 39, minSellers: 2 },
  rules: {
    ...{ token: `0x${"0a".repeat(20)}`, issuer: account, discountBps: 1250, hook: `0x${"0b".repeat(20)}` },
    ...{ algorithms: bytes32("a"), buyers: bytes32("b"), purposes: bytes32("c"), document: bytes32("d") },
  },
});

describe("against the contracts", () => {
  const escrow = () => new Contract(market.deployment.jobEscrow, artifact("JobEscrow").abi, market.provider);

  test("set id and data root of an offer, which is its name", async () => {
    const { offer } = await market.publish("roots");
    const published = await market.of(market.stranger).offer(offer);
    expect(operatorSetId(market.members)).toBe(published.operatorSet);
    const { seller, nonce, schemaHash, rows, columns, ciphertextHashes } = published;
    const registry = market.deployment.jobEscrow;
    const binding = { chainId: 31337, registry, seller, nonce, schemaHash, rows, columns };
    expect(dataRoot({ ...binding, members: market.members, ciphertextHashes })).toBe(offer);
  });

  test("the tag of terms, with rules and without", async () => {
    const termsOf = {
      open: openTerms(priceWei),
      openRules: { ...openTerms(priceWei), rules: openRules },
      full: fullTerms(market.seller.address),
    };
    const tags = new Set<bigint>();
    for (const [label, terms] of Object.entries(termsOf)) {
      const { offer } = await market.publish(`tag ${label}`, { terms });
      const { termsTag } = await escrow().getFunction("listing")(market.seller.address, market.set.id, offer);
      expect(termsTag, label).toBe(useTermsTag(terms));
      tags.add(termsTag);
    }
    // Rules that ask for nothing are not the same as none.
    expect(tags.size).toBe(3);
  });

  test("the whole hash of terms, which the contract shows when they are not the offer's", async () => {
    const { offer } = await market.publish("seen");
    const seen = fullTerms(market.seller.address);
    const { set, buyer } = market;
    const request = { operatorSet: set.id, algorithm, offers: [offer], buyer: buyer.address };
    const [failure] = await market.of(buyer).explain({ ...request, terms: new Map([[offer, seen]]) });
    const tag = useTermsTag(openTerms(priceWei)) << 66n;
    expect(failure).toEqual({
      ...{ offer, term: "Terms", found: useTermsHash(seen) },
      asked: `0x${tag.toString(16).padStart(64, "0")}`,
    });
  });

  test("id, specHash and outcome of a job over three offers", async () => {
    const published = [await market.publish("x"), await market.publish("y"), await market.publish("z")];
    const offers = published.map(({ offer }) => offer);
    const purpose = bytes32("purpose");
    const { job, amountWei } = await market.fund(offers, 600, { purpose });
    const funded = await market.of(market.stranger).job(job);
    expect(funded).toMatchObject({ offers, purpose, microRho: exactMicroRho, token: ZeroAddress });
    const signers = market.signers.map(({ address }) => address);
    const { buyer, token, deadlineSec } = funded;
    // The contract named the job by the hash of its terms, and they hold the hash of what was asked for.
    const terms = { buyer, token, amount: amountWei, deadlineSec, specHash: specHash(funded), signers };
    expect(jobId(terms)).toBe(job);

    expect((await market.storedJob(job)).outcomeHash).toBe(bytes32Zero);
    await market.join(job);
    const { root } = payoutTree([{ account: market.stranger.address, amountWei: 1n }]);
    await market.attest(job, root);
    const outcome = { buyer, token, resultRoot: resultRoot(someParts), payoutRoot: root };
    expect((await market.storedJob(job)).outcomeHash).toBe(outcomeHash(outcome));
  });
});

const bytes32Zero = `0x${"00".repeat(32)}`;

describe("what a commitment depends on", () => {
  const hash = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => keccak256(bytes));
  const address = hash.map((value) => `0x${value.slice(26)}`);
  const share = fc.record({
    chainId: fc.bigInt({ min: 1n, max: (1n << 64n) - 1n }),
    registry: address,
    seller: address,
    nonce: hash,
    schemaHash: hash,
    rows: fc.integer({ min: 1, max: 0xffff_ffff }),
    columns: fc.integer({ min: 1, max: 0xffff }),
    member: address,
    point: fc.constantFrom(1, 2, 3),
    ciphertextHash: hash,
  });

  test("every field of a share: no two that differ have the same commitment", () => {
    fc.assert(
      fc.property(share, share, (one, other) => {
        for (const field of Object.keys(one) as (keyof typeof one)[]) {
          if (one[field] === other[field]) continue;
          expect(shareCommitment({ ...one, [field]: other[field] })).not.toBe(shareCommitment(one));
        }
      }),
      { numRuns: 50 },
    );
  });

  const uint = (bits: bigint) => fc.bigInt({ min: 0n, max: (1n << bits) - 1n });
  const jobTerms = fc.record({
    buyer: address,
    token: address,
    amount: uint(96n),
    deadlineSec: uint(64n),
    specHash: hash,
    signers: fc.tuple(address, address, address),
  });
  const spec = fc.record({
    operatorSet: hash,
    algorithm: hash,
    resultKey: hash,
    microRho: uint(64n),
    purpose: hash,
    spec: fc.uint8Array({ maxLength: 40 }),
    offers: fc.array(hash, { minLength: 1, maxLength: 3 }),
  });
  const outcome = fc.record({ buyer: address, token: address, resultRoot: hash, payoutRoot: hash });
  const useTerms = fc.record({
    priceWei: uint(96n),
    rhoPriceWei: uint(96n),
    maxMicroRho: uint(64n),
    expirySec: fc.nat(),
    minSellers: fc.nat(0xffff),
    rules: fc.option(
      fc.record({
        ...{ token: address, issuer: address, discountBps: fc.nat(10_000), hook: address },
        ...{ algorithms: hash, buyers: hash, purposes: hash, document: hash },
      }),
    ),
  });

  /** Changes one field after the other, and looks whether the hash stays. */
  function dependsOnAll<T extends object>(values: fc.Arbitrary<T>, hashOf: (value: T) => string): void {
    fc.assert(
      fc.property(values, values, (one, other) => {
        for (const field of Object.keys(one) as (keyof T)[]) {
          if (fc.stringify(one[field]) === fc.stringify(other[field])) continue;
          expect(hashOf({ ...one, [field]: other[field] }), String(field)).not.toBe(hashOf(one));
        }
      }),
      { numRuns: 50 },
    );
  }

  test("every term of a job, all that was asked for, every part of an outcome", () => {
    dependsOnAll(jobTerms, jobId);
    dependsOnAll(spec, specHash);
    dependsOnAll(outcome, outcomeHash);
  });

  test("every term of use, and each of the rules", () => {
    dependsOnAll(useTerms, useTermsHash);
    const rules = useTerms.map((terms) => terms.rules).filter((each) => each !== null);
    dependsOnAll(rules, (each) => useTermsHash({ ...openTerms(0n), rules: each }));
  });

  test("the order of members and of ciphertexts", () => {
    const [a, b, c] = market.members;
    expect(operatorSetId([a, b, c])).not.toBe(operatorSetId([b, a, c]));
    const common = {
      chainId: 1,
      registry: a,
      seller: b,
      nonce: bytes32("n"),
      schemaHash: bytes32("s"),
      rows: 1,
      columns: 1,
    };
    const hashes = [bytes32("1"), bytes32("2"), bytes32("3")] as const;
    const root = dataRoot({ ...common, members: [a, b, c], ciphertextHashes: hashes });
    const swapped = [hashes[1], hashes[0], hashes[2]];
    expect(dataRoot({ ...common, members: [a, b, c], ciphertextHashes: swapped })).not.toBe(root);
    expect(dataRoot({ ...common, members: [b, a, c], ciphertextHashes: hashes })).not.toBe(root);
  });
});
