/** What the market refuses, and in which words: through the bindings, on a real chain. */

import { type Filter, id, JsonRpcProvider, type Log, Network, type Signer, Wallet } from "ethers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { operatorSetId, resultRoot } from "../../contracts/commitments.ts";
import { signAttestation, signJoin, signPossession } from "../../contracts/eip712.ts";
import { Market } from "../../contracts/market.ts";
import type { ThreeSignatures } from "../../contracts/market-inputs.ts";
import { payoutTree } from "../../contracts/payouts.ts";
import { exactMicroRho, openTerms, shortId } from "../../contracts/use-terms.ts";
import {
  algorithm,
  bytes32,
  feeWei,
  type MarketFixture,
  priceWei,
  settings,
  startMarket,
} from "./market-fixture.ts";
import { someParts } from "./some-parts.ts";

let market: MarketFixture;
beforeAll(async () => {
  market = await startMarket();
}, 60_000);
afterAll(() => market.close());

const keys = (label: string, signer: string) => ({
  signer,
  sealKey: bytes32(`${label} seal`),
  channelKey: bytes32(`${label} channel`),
  jiffKey: bytes32(`${label} jiff`),
  endpoint: "127.0.0.1:1",
  feeWei,
});

/** The same with the proof that the signing account is the operator's. */
const proven = async (label: string, operator: Wallet, signer: Signer & { address: string }) => {
  const message = { operator: operator.address, signer: signer.address };
  return {
    ...keys(label, signer.address),
    possession: await signPossession(signer, market.deployment, message),
  };
};

/** Waits until the next block has so many transactions; for tests that mine by hand. */
async function pending(count: number): Promise<void> {
  const method = "eth_getBlockTransactionCountByNumber";
  while (Number(await market.provider.send(method, ["pending"])) < count) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe("an operator", () => {
  test("registers once, with a signing key of its own and a bond", async () => {
    const { of, owners, signers, wallets } = market;
    const signer = Wallet.createRandom();
    const again = await proven("again", owners[0], signer);
    await expect(of(owners[0]).registerOperator(again)).rejects.toMatchObject({ code: "STATE_INVALID" });
    const wallet = wallets[10]!;
    const newcomer = of(wallet);
    const taken = await proven("n", wallet, signers[0]);
    await expect(newcomer.registerOperator(taken)).rejects.toMatchObject({
      code: "KEY_INVALID",
      message: expect.stringContaining(owners[0].address),
    });
    const own = await proven("n", wallet, signer);
    await expect(newcomer.registerOperator({ ...own, bondWei: 1n })).rejects.toMatchObject({
      code: "FUNDS_MISSING",
    });
    // What was proved to another operator, and what nobody proved.
    await expect(newcomer.registerOperator({ ...own, possession: again.possession })).rejects.toMatchObject({
      code: "NOT_AUTHORISED",
      message: expect.stringContaining(signer.address),
    });
    await expect(of(owners[0]).updateOperator(keys("n", signer.address))).rejects.toMatchObject({
      code: "NOT_AUTHORISED",
    });
    await expect(newcomer.approve(market.set.id, algorithm)).rejects.toMatchObject({ code: "STATE_INVALID" });
    await expect(newcomer.operator(wallets[10]!.address)).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  test("leaves: takes no new set at once, and its bond after the delay", async () => {
    const { of, wallets, provider, owners } = market;
    const wallet = wallets[11]!;
    const leaving = of(wallet);
    await leaving.registerOperator(await proven("leaving", wallet, Wallet.createRandom()));
    await expect(leaving.withdrawBond()).rejects.toMatchObject({ code: "STATE_INVALID" });
    await leaving.requestUnbond();
    expect(await leaving.operator(wallet.address)).toMatchObject({ status: "Leaving" });
    await expect(leaving.requestUnbond()).rejects.toMatchObject({ code: "STATE_INVALID" });
    await expect(
      leaving.createSet([wallet.address, owners[0].address, owners[1].address]),
    ).rejects.toMatchObject({ code: "STATE_INVALID", message: expect.stringContaining(wallet.address) });
    await expect(leaving.withdrawBond()).rejects.toMatchObject({
      message: expect.stringMatching(/locked until \d{4}-/),
    });
    await market.pass(settings.unbondingSec);
    const before = await provider.getBalance(wallet.address);
    const receipt = await leaving.withdrawBond();
    const spent = receipt.gasUsed * receipt.gasPrice;
    expect((await provider.getBalance(wallet.address)) - before + spent).toBe(settings.minBondWei);
    expect((await leaving.operators()).map(({ address }) => address)).not.toContain(wallet.address);
  });

  test("stands in a set once, and sets are made of operators", async () => {
    const { of, owners, stranger } = market;
    const [a, b] = owners.map(({ address }) => address) as [string, string];
    await expect(of(stranger).createSet([a, b, a])).rejects.toMatchObject({ code: "PARAMETER_INVALID" });
    await expect(of(stranger).createSet([a, b, stranger.address])).rejects.toMatchObject({
      code: "STATE_INVALID",
    });
    await expect(of(stranger).set(bytes32("no set"))).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  test("lists what it approves, without what it revoked", async () => {
    const { of, owners, set } = market;
    const other = id("another algorithm");
    const listed = () => of(owners[2]).approvals(owners[2].address, set.id);
    await of(owners[2]).approve(set.id, other);
    expect(await listed()).toEqual([algorithm, other]);
    await of(owners[2]).revoke(set.id, other);
    expect(await listed()).toEqual([algorithm]);
  });
});

describe("an offer", () => {
  test("is published once", async () => {
    const { offer } = await market.publish("once");
    await expect(market.publish("once")).rejects.toMatchObject({
      code: "TERMS_REFUSED",
      message: expect.stringContaining(`offer ${shortId(offer)}`),
    });
  });

  test("of an unknown set, or without rows, is refused", async () => {
    const input = {
      operatorSet: bytes32("no set"),
      schemaHash: bytes32("s"),
      rows: 1,
      columns: 1,
      nonce: bytes32("n"),
      ciphertextHashes: [bytes32("1"), bytes32("2"), bytes32("3")] as const,
      budgetMicroRho: exactMicroRho,
      terms: openTerms(priceWei),
    };
    const seller = market.of(market.seller);
    await expect(seller.publishOffer(input)).rejects.toMatchObject({ code: "NOT_FOUND" });
    const empty = { ...input, operatorSet: market.set.id, rows: 0 };
    await expect(seller.publishOffer(empty)).rejects.toMatchObject({ code: "SHAPE_MISMATCH" });
  });

  test("is changed and withdrawn by its seller alone", async () => {
    const { of, seller, stranger } = market;
    const { offer } = await market.publish("changing");
    await expect(of(stranger).relist(offer, openTerms(1n))).rejects.toMatchObject({ code: "NOT_AUTHORISED" });
    await expect(of(stranger).withdrawOffer(offer)).rejects.toMatchObject({ code: "NOT_AUTHORISED" });
    await of(seller).relist(offer, openTerms(7n));
    expect(await of(stranger).offer(offer)).toMatchObject({ terms: openTerms(7n), active: true });
    await of(seller).withdrawOffer(offer);
    expect(await of(stranger).offer(offer)).toMatchObject({ terms: openTerms(7n), active: false });
    await expect(market.fund([offer])).rejects.toMatchObject({
      code: "TERMS_REFUSED",
      message: expect.stringContaining(`offer ${shortId(offer)}`),
    });
  });

  test("is not used under other terms than the buyer has seen", async () => {
    const { of, seller } = market;
    const { offer } = await market.publish("dearer");
    const terms = new Map([[offer, openTerms(priceWei)]]);
    await of(seller).relist(offer, openTerms(priceWei + 1n));
    await expect(market.fund([offer], 600, { terms })).rejects.toMatchObject({
      code: "TERMS_REFUSED",
      message: `offer ${shortId(offer)} has other terms now`,
    });
    await of(seller).relist(offer, openTerms(priceWei));
    expect((await market.fund([offer], 600, { terms })).amountWei).toBe(priceWei + 3n * feeWei);
  });

  test("is of one operator set, and unknown to others", async () => {
    const { of, stranger, members } = market;
    const reversed = [...members].reverse() as [string, string, string];
    await of(stranger).createSet(reversed);
    const operatorSet = operatorSetId(reversed);
    for (const owner of market.owners) await of(owner).approve(operatorSet, algorithm);
    const { offer } = await market.publish("of one set");
    await expect(market.fund([offer], 600, { operatorSet })).rejects.toMatchObject({
      code: "NOT_FOUND",
      message: expect.stringContaining(`no offer ${shortId(offer)} to this operator set`),
    });
  });

  test("is found by seller and by set", async () => {
    const { of, seller, stranger, set } = market;
    const { offer } = await market.publish("found");
    const found = await of(stranger).offers({ seller: seller.address, operatorSet: set.id });
    expect(found.map((each) => each.offer)).toContain(offer);
    expect(await of(stranger).offers({ seller: stranger.address })).toEqual([]);
    expect(await of(stranger).offers({ operatorSet: bytes32("no set") })).toEqual([]);
  });
});

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
      await pending(1);
      const raising = of(seller).relist(offer, openTerms(9n * priceWei));
      await pending(2);
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

describe("a payout", () => {
  test("is paid once, as attested, and never beyond what the job holds", async () => {
    const { of, buyer, seller, stranger, provider, deployment } = market;
    const { offer } = await market.publish("paid out");
    const { job, amountWei } = await market.fund([offer]);
    await market.join(job);
    // The attested payouts add up to twice what the job holds: the second payee comes too late.
    const entries = Array.from({ length: 130 }, () => ({ account: seller.address, amountWei: 0n }));
    entries[0] = { account: seller.address, amountWei };
    entries[129] = { account: stranger.address, amountWei };
    const tree = payoutTree(entries);
    await market.attest(job, tree.root);
    const [first, last] = [tree.payouts[0]!, tree.payouts[129]!];
    await expect(of(stranger).claim({ job, ...first })).rejects.toMatchObject({ code: "STATE_INVALID" });
    await of(buyer).accept(job);

    const held = await provider.getBalance(deployment.jobEscrow);
    await expect(of(stranger).claim({ job, ...first, amountWei: amountWei + 1n })).rejects.toMatchObject({
      code: "COMMITMENT_MISMATCH",
    });
    await expect(of(stranger).claim({ job, ...first, account: stranger.address })).rejects.toMatchObject({
      code: "COMMITMENT_MISMATCH",
    });
    await of(stranger).claim({ job, ...first });
    await expect(of(stranger).claim({ job, ...first })).rejects.toMatchObject({
      code: "STATE_INVALID",
      message: `payout 0 of job ${shortId(job)} was paid before`,
    });
    await expect(of(stranger).claim({ job, ...last })).rejects.toMatchObject({ code: "FUNDS_MISSING" });
    // Beyond the places in the job's own slot, too; and a later claim of the same word wipes out no earlier one.
    for (const index of [128, 127, 112]) await of(stranger).claim({ job, ...tree.payouts[index]! });
    for (const index of [128, 127, 112, 0]) {
      await expect(of(stranger).claim({ job, ...tree.payouts[index]! })).rejects.toMatchObject({
        code: "STATE_INVALID",
        message: `payout ${index} of job ${shortId(job)} was paid before`,
      });
    }
    expect(held - (await provider.getBalance(deployment.jobEscrow))).toBe(amountWei);
    expect(await of(stranger).isClaimed(job, 128)).toBe(true);
    expect(await of(stranger).isClaimed(job, 129)).toBe(false);
  });
});

describe("a connection", () => {
  test("without an account cannot send", async () => {
    const reader = new Market(market.deployment, market.provider);
    expect((await reader.operators()).length).toBeGreaterThanOrEqual(3);
    await expect(reader.approve(market.set.id, algorithm)).rejects.toMatchObject({ code: "CONFIG_INVALID" });
  });

  test("from an account without funds says so", async () => {
    const wallet = new Wallet(Wallet.createRandom().privateKey, market.provider);
    const poor = new Market(market.deployment, wallet);
    const input = await proven("poor", wallet, Wallet.createRandom());
    await expect(poor.registerOperator(input)).rejects.toMatchObject({ code: "FUNDS_MISSING" });
  });

  test("to addresses where no contract stands neither reads nor pays", async () => {
    const { provider, stranger, deployment } = market;
    const astray = { ...deployment, operatorRegistry: Wallet.createRandom().address };
    const lost = new Market(astray, stranger);
    const before = await provider.getBalance(stranger.address);
    await expect(lost.settings()).rejects.toMatchObject({ code: "CONFIG_INVALID" });
    const input = { ...(await proven("lost", stranger, Wallet.createRandom())), bondWei: 10n ** 18n };
    await expect(lost.registerOperator(input)).rejects.toMatchObject({ code: "CONFIG_INVALID" });
    expect(await provider.getBalance(stranger.address)).toBe(before);
  });

  test("that reports other terms than the chain keeps is noticed", async () => {
    const { offer } = await market.publish("lied about");
    const { job } = await market.fund([offer]);
    // The amount stands in the third word from the end of the head; any change will do.
    class LyingProvider extends JsonRpcProvider {
      override async getLogs(filter: Filter): Promise<Log[]> {
        const logs = await super.getLogs(filter);
        for (const log of logs) {
          const amount = (priceWei + 3n * feeWei).toString(16).padStart(64, "0");
          const less = 1n.toString(16).padStart(64, "0");
          Object.defineProperty(log, "data", { value: log.data.replace(amount, less) });
        }
        return logs;
      }
    }
    const liar = new LyingProvider(market.chain.url, 31337, { staticNetwork: Network.from(31337) });
    const believer = new Market(market.deployment, liar);
    await expect(believer.job(job)).rejects.toMatchObject({ code: "COMMITMENT_MISMATCH" });
    const honest = await market.of(market.stranger).job(job);
    await expect(believer.jobPrices({ ...honest, amountWei: 1n })).rejects.toMatchObject({
      code: "COMMITMENT_MISMATCH",
    });
    liar.destroy();
  });

  test("that limits the blocks of a query is asked in smaller parts", async () => {
    class LimitedProvider extends JsonRpcProvider {
      override async getLogs(filter: Filter): Promise<Log[]> {
        if (Number(filter.toBlock) - Number(filter.fromBlock) >= 10) {
          throw Object.assign(new Error("could not coalesce error"), {
            code: "UNKNOWN_ERROR",
            error: { code: -32005, message: "query exceeds max block range 10" },
          });
        }
        return super.getLogs(filter);
      }
    }
    const limited = new LimitedProvider(market.chain.url, 31337, { staticNetwork: Network.from(31337) });
    const { deployment, provider, stranger, of } = market;
    const head = await provider.getBlockNumber();
    expect(head).toBeGreaterThan(30);
    expect(await new Market(deployment, limited).events(0, head)).toEqual(await of(stranger).events(0, head));
    limited.destroy();
  });

  test("sends several transactions of one account at once without drawing a nonce twice", async () => {
    const operator = market.of(market.owners[1]);
    const algorithms = Array.from({ length: 6 }, (_, index) => id(`parallel ${index}`));
    await Promise.all(algorithms.map((each) => operator.approve(market.set.id, each)));
    expect(await operator.approvals(market.owners[1].address, market.set.id)).toEqual(
      expect.arrayContaining(algorithms),
    );
  });

  test("gives the contract's reason also for a transaction that was refused when it was mined", async () => {
    const { of, provider, stranger, seller } = market;
    const { offer } = await market.publish("raced");
    const { job } = await market.fund([offer]);
    await market.fail(job, "PEER_LOST");
    await provider.send("evm_setAutomine", [false]);
    try {
      // Both are estimated against the same state; the second finds the job refunded.
      const racing = [of(stranger).refund(job), of(seller).refund(job)].map((sending) =>
        sending.then(
          () => "mined",
          (error) => `${error.code}: ${error.message}`,
        ),
      );
      await pending(2);
      await provider.send("evm_mine", []);
      expect((await Promise.all(racing)).sort()).toEqual([
        `STATE_INVALID: job ${shortId(job)} is Refunded already`,
        "mined",
      ]);
    } finally {
      await provider.send("evm_setAutomine", [true]);
    }
  });

  test("reads all events in the chain's order, with their times", async () => {
    const { provider, deployment, stranger, of } = market;
    const head = await provider.getBlockNumber();
    const events = await of(stranger).events(deployment.blockNumber, head);
    const places = events.map(({ blockNumber, logIndex }) => blockNumber * 1000 + logIndex);
    expect(places).toEqual(places.toSorted((a, b) => a - b));
    expect(new Set(events.map(({ type }) => type)).size).toBeGreaterThan(12);
    for (const event of [events[0]!, events.at(-1)!]) {
      const block = await provider.getBlock(event.blockNumber);
      expect(event).toMatchObject({ timestampSec: block!.timestamp, blockHash: block!.hash });
    }
    expect(await of(stranger).events(head + 1, head)).toEqual([]);
    // Nothing is older than the block that the deployment names, and its first contract stands there.
    expect(await provider.getCode(deployment.operatorRegistry, deployment.blockNumber)).not.toBe("0x");
    expect(await provider.getCode(deployment.operatorRegistry, deployment.blockNumber - 1)).toBe("0x");
  });
});
