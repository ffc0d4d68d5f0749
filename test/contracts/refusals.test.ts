/** What the market refuses, and in which words: through the bindings, on a real chain. */

import { type Filter, id, JsonRpcProvider, type Log, Network, type Signer, Wallet } from "ethers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { operatorSetId } from "../../contracts/commitments.ts";
import { Market } from "../../contracts/market.ts";
import { payoutTree } from "../../contracts/payouts.ts";
import { exactMicroRho, openTerms, shortId } from "../../contracts/use-terms.ts";
import { algorithm, bytes32, type MarketFixture, priceWei, settings, startMarket } from "./market-fixture.ts";
import { feeWei, operatorKeys, provenKeys } from "./operator-keys.ts";
import { pendingCalls } from "./pending-calls.ts";

let market: MarketFixture;
beforeAll(async () => {
  market = await startMarket();
}, 60_000);
afterAll(() => market.close());

const proven = (label: string, operator: Wallet, signer: Signer & { address: string }) =>
  provenKeys(market.deployment, label, operator, signer);

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
    await expect(of(owners[0]).updateOperator(operatorKeys("n", signer.address))).rejects.toMatchObject({
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
      await pendingCalls(market.provider, 2);
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
