/** The bindings' hashes against those that the contracts compute, and against what each must depend on. */

import { keccak256 } from "ethers";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  dataRoot,
  inputRoot,
  operatorSetId,
  outcomeHash,
  shareCommitment,
  specHash,
  termsHash,
} from "../../contracts/commitments.ts";
import { payoutTree } from "../../contracts/payouts.ts";
import { bytes32, type MarketFixture, startMarket } from "./market-fixture.ts";

let market: MarketFixture;
beforeAll(async () => {
  market = await startMarket();
}, 60_000);
afterAll(() => market.close());

describe("against the contracts", () => {
  test("set id and data root of an offer", async () => {
    const { offer, dataRoot: onChain } = await market.publish("roots");
    const published = await market.of(market.stranger).offer(offer);
    expect(operatorSetId(market.members)).toBe(published.operatorSet);
    const { seller, nonce, schemaHash, rows, columns, ciphertextHashes } = published;
    const registry = market.deployment.jobEscrow;
    const binding = { chainId: 31337, registry, seller, nonce, schemaHash, rows, columns };
    expect(dataRoot({ ...binding, members: market.members, ciphertextHashes })).toBe(onChain);
    expect(published.dataRoot).toBe(onChain);
  });

  test("specHash, inputRoot, terms and outcome of a job over three offers", async () => {
    const published = [await market.publish("x"), await market.publish("y"), await market.publish("z")];
    const dataRoots = published.map((each) => each.dataRoot);
    const { job } = await market.fund(published.map(({ offer }) => offer));
    const funded = await market.of(market.stranger).job(job);
    expect(specHash({ ...funded, dataRoots })).toBe(funded.specHash);
    expect(inputRoot(dataRoots, funded.spec)).toBe(funded.inputRoot);

    const tag = async () => (await market.storedJob(job)).termsTag;
    expect(await tag()).toBe(BigInt(termsHash(funded)) >> 10n);
    await market.join(job);
    expect(await tag()).toBe(BigInt(termsHash(funded)) >> 10n);
    const { root } = payoutTree([{ account: market.stranger.address, amountWei: 1n }]);
    await market.attest(job, root);
    const outcome = {
      termsHash: termsHash(funded),
      buyer: market.buyer.address,
      resultRoot: bytes32("result"),
      payoutRoot: root,
    };
    expect((await market.storedJob(job)).outcomeHash).toBe(outcomeHash(outcome));
  });
});

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
