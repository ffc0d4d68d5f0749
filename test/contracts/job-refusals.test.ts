/** What the market refuses about jobs, and in which words: through the bindings, on a real chain. */

import { id, type Signer, Wallet } from "ethers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { operatorSetId, resultRoot } from "../../contracts/commitments.ts";
import { signAttestation, signJoin } from "../../contracts/eip712.ts";
import type { ThreeSignatures } from "../../contracts/market-inputs.ts";
import { payoutTree } from "../../contracts/payouts.ts";
import { exactMicroRho, openTerms, shortId } from "../../contracts/use-terms.ts";
import { algorithm, bytes32, type MarketFixture, priceWei, settings, startMarket } from "./market-fixture.ts";
import { feeWei, provenKeys } from "./operator-keys.ts";
import { pendingCalls } from "./pending-calls.ts";
import { someParts } from "./some-parts.ts";

let market: MarketFixture;
beforeAll(async () => {
  market = await startMarket();
}, 60_000);
afterAll(() => market.close());

const proven = (label: string, operator: Wallet, signer: Signer & { address: string }) =>
  provenKeys(market.deployment, label, operator, signer);

describe("a job", () => {
  const request = async (offers: string[], overrides: object = {}) => ({
    ...(await market.jobInput(offers)),
    ...overrides,
  });

  test("is not created for what its request gets wrong, and costs nothing", async () => {
    const { of, buyer, provider } = market;
    const first = (await market.publish("a")).offer;
    const second = (await market.publish("b")).offer;
    const before = await provider.getBalance(buyer.address);
    const now = await market.nowSec();
    const wrong: [object, string][] = [
      [{ offers: [] }, "PARAMETER_INVALID"],
      [{ offers: [first, first] }, "PARAMETER_INVALID"],
      [{ offers: [first, bytes32("no offer")] }, "NOT_FOUND"],
      [{ algorithm: id("not approved") }, "ALGORITHM_NOT_APPROVED"],
      [{ operatorSet: bytes32("no set") }, "NOT_FOUND"],
      [{ deadlineSec: now }, "PARAMETER_INVALID"],
      [{ deadlineSec: now + 31 * 86_400 }, "PARAMETER_INVALID"],
      [{ amountWei: 1n }, "FUNDS_MISSING"],
      [{ amountWei: 2n * priceWei + 3n * feeWei + 1n }, "FUNDS_MISSING"],
      [{ resultKey: "0x12" }, "PARAMETER_INVALID"],
    ];
    for (const [overrides, code] of wrong) {
      const input = await request([first, second], overrides);
      await expect(of(buyer).createJob(input), JSON.stringify(Object.keys(overrides))).rejects.toMatchObject({
        code,
      });
    }
    expect(await provider.getBalance(buyer.address)).toBe(before);
  });

  test("keeps the signers, the fees and the prices of its funding", async () => {
    const { of, seller, owners, signers, stranger, deployment } = market;
    const { offer } = await market.publish("kept");
    const { job, amountWei } = await market.fund([offer]);
    const replaced = Wallet.createRandom();
    await of(seller).relist(offer, openTerms(priceWei * 3n));
    await of(owners[0]).updateOperator({
      ...(await proven("new", owners[0], replaced)),
      feeWei: feeWei * 5n,
    });

    const funded = await of(stranger).job(job);
    expect(await of(stranger).jobPrices(funded)).toMatchObject({
      offers: [{ offer, priceWei }],
      operators: [{ feeWei }, { feeWei }, { feeWei }],
      totalWei: amountWei,
    });
    expect(
      await of(stranger).quote({
        operatorSet: market.set.id,
        algorithm,
        offers: [offer],
        buyer: stranger.address,
      }),
    ).toBe(3n * priceWei + 7n * feeWei);
    const sign = async (first: { signTypedData: Wallet["signTypedData"] }) =>
      (await Promise.all(
        [first, signers[1], signers[2]].map((signer) => signJoin(signer as Wallet, deployment, { job })),
      )) as unknown as ThreeSignatures;
    await expect(of(stranger).join(job, await sign(replaced))).rejects.toMatchObject({
      code: "NOT_AUTHORISED",
      message: expect.stringContaining(signers[0].address),
    });
    await of(stranger).join(job, await sign(signers[0] as unknown as Wallet));
    expect(await of(stranger).jobState(job)).toBe("Joined");
    // The set works on with the operator's own first key.
    await of(owners[0]).updateOperator(await proven("seal 0", owners[0], signers[0]));
  });

  test("costs what prices and fees were when it was funded, whatever they were before and in the same block", async () => {
    const { of, seller, buyer, stranger, owners, wallets, provider, deployment } = market;
    // An operator whose fee was registered, changed, and registered anew.
    const wallet = wallets[12]!;
    const operator = of(wallet);
    const returning = await proven("returning", wallet, Wallet.createRandom());
    await operator.registerOperator(returning);
    await operator.updateOperator({ ...returning, feeWei: 2n * feeWei });
    await operator.requestUnbond();
    await market.pass(settings.unbondingSec);
    await operator.withdrawBond();
    await operator.registerOperator({ ...returning, feeWei: 3n * feeWei });
    const members = [wallet.address, owners[1].address, owners[2].address] as [string, string, string];
    await operator.createSet(members);
    const operatorSet = operatorSetId(members);
    for (const member of [operator, of(owners[1]), of(owners[2])])
      await member.approve(operatorSet, algorithm);
    const { offer } = await of(seller).publishOffer({
      operatorSet,
      schemaHash: bytes32("schema"),
      rows: 7,
      columns: 2,
      nonce: bytes32("priced"),
      ciphertextHashes: [bytes32("p1"), bytes32("p2"), bytes32("p3")],
      budgetMicroRho: exactMicroRho,
      terms: openTerms(priceWei),
    });
    await of(seller).relist(offer, openTerms(2n * priceWei));

    await provider.send("evm_setAutomine", [false]);
    try {
      const funding = of(buyer).createJob(await request([offer], { operatorSet }));
      await pendingCalls(market.provider, 1);
      const raising = of(seller).relist(offer, openTerms(9n * priceWei));
      await pendingCalls(market.provider, 2);
      await provider.send("evm_mine", []);
      const [{ job, amountWei, receipt }, raised] = await Promise.all([funding, raising]);
      expect(raised.blockNumber).toBe(receipt.blockNumber);
      expect(raised.logs[0]!.index).toBeGreaterThan(receipt.logs[0]!.index);
      const prices = await of(stranger).jobPrices(await of(stranger).job(job));
      expect(prices).toEqual({
        offers: [
          {
            offer,
            seller: seller.address,
            rows: 7,
            terms: openTerms(2n * priceWei),
            vouched: false,
            priceWei: 2n * priceWei,
          },
        ],
        operators: [
          { operator: members[0], feeWei: 3n * feeWei },
          { operator: members[1], feeWei },
          { operator: members[2], feeWei },
        ],
        totalWei: 2n * priceWei + 5n * feeWei,
      });
      expect(amountWei).toBe(prices.totalWei);
      expect(await provider.getBalance(deployment.jobEscrow)).toBeGreaterThanOrEqual(amountWei);
    } finally {
      await provider.send("evm_setAutomine", [true]);
    }
  });

  test("goes its way in order, each step by those who may take it", async () => {
    const { of, buyer, stranger, signers, deployment } = market;
    const { offer } = await market.publish("order");
    const { job } = await market.fund([offer], 600);
    const { root } = payoutTree([{ account: stranger.address, amountWei: 1n }]);
    await expect(market.attest(job, root)).rejects.toMatchObject({
      code: "STATE_INVALID",
      message: `job ${shortId(job)} is Funded and cannot become Attested`,
    });
    await expect(of(stranger).refund(job)).rejects.toMatchObject({ code: "STATE_INVALID" });
    await expect(of(buyer).accept(job)).rejects.toMatchObject({ code: "STATE_INVALID" });
    await market.join(job);
    await expect(market.join(job)).rejects.toMatchObject({
      message: `job ${shortId(job)} is Joined already`,
    });

    const result = { job, parts: someParts, payoutRoot: root, budgetSpent: 0n };
    const message = { ...result, resultRoot: resultRoot(someParts) };
    const signed = (await Promise.all(
      signers.map((signer) => signAttestation(signer, deployment, message)),
    )) as unknown as ThreeSignatures;
    // Of another job that is joined, the same words are another message.
    const another = (await market.fund([offer])).job;
    await market.join(another);
    const parts = { ...someParts, total: someParts.total + 1 };
    for (const altered of [{ parts }, { budgetSpent: 1n }, { job: another }]) {
      await expect(of(stranger).attest({ ...result, ...altered }, signed)).rejects.toMatchObject({
        code: "NOT_AUTHORISED",
      });
    }
    await of(stranger).attest(result, signed);
    await expect(of(stranger).accept(job)).rejects.toMatchObject({ code: "NOT_AUTHORISED" });
    await expect(of(stranger).settle(job)).rejects.toMatchObject({
      code: "STATE_INVALID",
      message: expect.stringContaining("challenge window"),
    });
    await expect(market.fail(job, "PEER_LOST")).rejects.toMatchObject({ code: "STATE_INVALID" });
    await expect(of(stranger).refund(job)).rejects.toMatchObject({ code: "STATE_INVALID" });
  });

  test("is not attested after its deadline and the grace", async () => {
    const { offer } = await market.publish("expired");
    const { job } = await market.fund([offer], 100);
    await market.join(job);
    await market.pass(100 + settings.graceSec + 1);
    const { root } = payoutTree([{ account: market.stranger.address, amountWei: 1n }]);
    await expect(market.attest(job, root)).rejects.toMatchObject({ code: "JOB_EXPIRED" });
    await market.of(market.stranger).refund(job);
  });

  test("that does not exist is not found", async () => {
    const nobody = market.of(market.stranger);
    const missing = bytes32("no job");
    await expect(nobody.job(missing)).rejects.toMatchObject({ code: "NOT_FOUND" });
    await expect(nobody.refund(missing)).rejects.toMatchObject({ code: "NOT_FOUND" });
    expect(await nobody.jobState(missing)).toBe("None");
  });
});
