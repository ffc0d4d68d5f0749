/** What a job is paid in and what it costs: tokens, credentials with their discount, and sellers' own contracts. */
import { Contract, Interface } from "ethers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { artifact } from "../../contracts/artifacts.ts";
import { signCredential } from "../../contracts/eip712.ts";
import { payoutTree } from "../../contracts/payouts.ts";
import { allowanceOf, balanceOf } from "../../contracts/tokens.ts";
import type { GasEstimate } from "../../contracts/transactions.ts";
import { membersOnly, openRules, openTerms, type Rules } from "../../contracts/use-terms.ts";
import { algorithm, type MarketFixture, priceWei, startMarket } from "./market-fixture.ts";
import { feeWei } from "./operator-keys.ts";
import { deployTestContract } from "./test-contracts.ts";

let market: MarketFixture;
beforeAll(async () => {
  market = await startMarket();
}, 60_000);
afterAll(() => market.close());

let published = 0;
const offered = async (rules: Partial<Rules>, terms: object = {}) =>
  (
    await market.publish(`paid ${++published}`, {
      terms: { ...openTerms(priceWei), rules: { ...openRules, ...rules }, ...terms },
    })
  ).offer;

describe("a job in a token", () => {
  const tokenFee = 70n;
  const price = priceWei + 3n * tokenFee;

  /** A token that the buyer has and all three operators take. */
  async function accepted(name: "PermitToken" | "StubbornToken" | "ForeignDomainToken") {
    const { address, contract } = await deployTestContract(name, market.deployer, ["tUSD"]);
    await (await contract.getFunction("mint")(market.buyer.address, 10n * price)).wait();
    for (const owner of market.owners) await market.of(owner).acceptToken(address, tokenFee);
    return address;
  }

  /** The buyer's connection, and the methods that it sent. */
  function buying() {
    const buyer = market.of(market.buyer);
    const sent: string[] = [];
    buyer.onEstimate = ({ method, valueWei }: GasEstimate) => {
      expect(valueWei).toBe(0n);
      sent.push(method);
    };
    return { buyer, sent };
  }
  const allowance = (token: string) =>
    allowanceOf(market.provider, token, market.buyer.address, market.deployment.jobEscrow);
  const approve = async (token: string, amount: bigint) => {
    const abi = new Interface(["function approve(address, uint256) returns (bool)"]);
    const sent = await new Contract(token, abi, market.buyer).getFunction("approve")(
      market.deployment.jobEscrow,
      amount,
    );
    await sent.wait();
  };

  test("is funded in one transaction by a permit, paid out, and refunded in that token", async () => {
    const { provider, deployment, of, stranger, seller, members, join, attest, fail, jobInput } = market;
    const token = await accepted("PermitToken");
    const offer = await offered({ token });
    // What is asked for in another token is no fee of this job.
    await of(market.owners[0]).acceptToken(market.stranger.address, tokenFee + 1n);
    const { buyer, sent } = buying();
    const inEscrow = () => balanceOf(provider, token, deployment.jobEscrow);
    const wei = await provider.getBalance(deployment.jobEscrow);

    const paid = await buyer.createJob({ ...(await jobInput([offer])), token });
    const failed = await buyer.createJob({ ...(await jobInput([offer])), token });
    expect(sent).toEqual(["createJobWithPermit", "createJobWithPermit"]);
    expect(paid.amountWei).toBe(price);
    expect(await inEscrow()).toBe(2n * price);
    expect(await allowance(token)).toBe(0n);
    expect(await provider.getBalance(deployment.jobEscrow)).toBe(wei);
    const job = await of(stranger).job(paid.job);
    expect(job).toMatchObject({ token, amountWei: price });

    const prices = await of(stranger).jobPrices(job);
    expect(prices.operators).toEqual(members.map((operator) => ({ operator, feeWei: tokenFee })));
    const tree = payoutTree([
      { account: seller.address, amountWei: prices.offers[0]!.priceWei },
      ...prices.operators.map((each) => ({ account: each.operator, amountWei: each.feeWei })),
    ]);
    await join(paid.job);
    await attest(paid.job, tree.root);
    await of(market.buyer).accept(paid.job);
    await of(stranger).claimMany(tree.payouts.map((payout) => ({ job: paid.job, ...payout })));
    expect(await balanceOf(provider, token, seller.address)).toBe(priceWei);
    for (const member of members) expect(await balanceOf(provider, token, member)).toBe(tokenFee);

    const before = await balanceOf(provider, token, market.buyer.address);
    await fail(failed.job, "PEER_LOST");
    await of(stranger).refund(failed.job);
    expect((await balanceOf(provider, token, market.buyer.address)) - before).toBe(price);
    expect(await inEscrow()).toBe(0n);
  });

  test("is funded also when somebody else has used the permit before", async () => {
    const { deployment, jobInput, stranger, provider } = market;
    const token = await accepted("PermitToken");
    const offer = await offered({ token });
    const { buyer, sent } = buying();
    const abi = new Interface([
      "function permit(address, address, uint256, uint256, uint8, bytes32, bytes32)",
    ]);
    // The permit is read from the transaction's estimate, as from a public mempool, and sent first.
    const estimate = market.buyer.estimateGas.bind(market.buyer);
    market.buyer.estimateGas = async (request) => {
      const gas = await estimate(request);
      const { args } = artifact("JobEscrow").abi.parseTransaction({ data: String(request.data) })!;
      const { value, deadlineSec, v, r, s } = args.getValue("permit");
      const permit = [market.buyer.address, deployment.jobEscrow, value, deadlineSec, v, r, s];
      await (await new Contract(token, abi, stranger).getFunction("permit")(...permit)).wait();
      return gas;
    };
    try {
      const { amountWei } = await buyer.createJob({ ...(await jobInput([offer])), token });
      expect(await balanceOf(provider, token, deployment.jobEscrow)).toBe(amountWei);
    } finally {
      market.buyer.estimateGas = estimate;
    }
    expect(sent).toEqual(["createJobWithPermit"]);
    expect(await allowance(token)).toBe(0n);
  });

  test.each(["StubbornToken", "ForeignDomainToken"] as const)(
    "is funded by an approval of exactly its price where %s takes no permit",
    async (name) => {
      const { jobInput, provider, deployment } = market;
      const token = await accepted(name);
      const offer = await offered({ token });
      const { buyer, sent } = buying();
      await buyer.createJob({ ...(await jobInput([offer])), token });
      expect(sent).toEqual(["approve", "createJob"]);
      expect(await balanceOf(provider, token, deployment.jobEscrow)).toBe(price);
      expect(await allowance(token)).toBe(0n);
    },
  );

  test("takes an allowance that is left and no more, and replaces one that is too small", async () => {
    const { jobInput } = market;
    const token = await accepted("StubbornToken");
    const offer = await offered({ token });
    await approve(token, price);
    const enough = buying();
    await enough.buyer.createJob({ ...(await jobInput([offer])), token });
    expect(enough.sent).toEqual(["createJob"]);
    expect(await allowance(token)).toBe(0n);

    await approve(token, price - 1n);
    const few = buying();
    await few.buyer.createJob({ ...(await jobInput([offer])), token });
    expect(few.sent).toEqual(["approve", "approve", "createJob"]);
    expect(await allowance(token)).toBe(0n);
  });

  test("never takes more than the buyer agreed to, whatever allowance is left", async () => {
    const { jobInput, of, owners, provider, deployment } = market;
    for (const name of ["PermitToken", "StubbornToken"] as const) {
      const token = await accepted(name);
      const offer = await offered({ token });
      await approve(token, 9n * price);
      // An operator asks for more than when the buyer looked.
      await of(owners[0]).acceptToken(token, tokenFee + 1n);
      const job = { ...(await jobInput([offer])), token };
      await expect(of(market.buyer).createJob({ ...job, amountWei: price })).rejects.toMatchObject({
        code: "FUNDS_MISSING",
        message: expect.stringContaining(`costs ${price + 1n} units of token ${token}`),
      });
      expect(await balanceOf(provider, token, deployment.jobEscrow), name).toBe(0n);
      await of(market.buyer).createJob({ ...job, amountWei: price + 1n });
      expect(await balanceOf(provider, token, deployment.jobEscrow), name).toBe(price + 1n);
    }
  });

  test("is refused before anything is signed or sent where an operator does not take the token", async () => {
    const { jobInput, of, owners } = market;
    const token = await accepted("StubbornToken");
    const offer = await offered({ token });
    expect(await of(market.stranger).tokenFee(owners[1].address, token)).toBe(tokenFee);
    await of(owners[1]).refuseToken(token);
    expect(await of(market.stranger).tokenFee(owners[1].address, token)).toBeNull();
    const { buyer, sent } = buying();
    await expect(buyer.createJob({ ...(await jobInput([offer])), token })).rejects.toMatchObject({
      code: "TERMS_REFUSED",
      message: `operator ${owners[1].address} takes no jobs that are paid in token ${token}`,
    });
    expect(sent).toEqual([]);
    await of(owners[1]).acceptToken(token, 0n);
    expect(await of(market.stranger).tokenFee(owners[1].address, token)).toBe(0n);
    expect((await buyer.createJob({ ...(await jobInput([offer])), token })).amountWei).toBe(price - tokenFee);
  });

  test("is refused in words to a buyer that has too few, and nothing is sent", async () => {
    const { jobInput, of, stranger, provider } = market;
    for (const name of ["PermitToken", "StubbornToken"] as const) {
      const token = await accepted(name);
      const offer = await offered({ token });
      const nonce = await provider.getTransactionCount(stranger.address);
      await expect(of(stranger).createJob({ ...(await jobInput([offer])), token })).rejects.toMatchObject({
        code: "FUNDS_MISSING",
        message: `account ${stranger.address} has 0 units of token ${token}, and ${price} are due`,
      });
      expect(await provider.getTransactionCount(stranger.address), name).toBe(nonce);
    }
  });

  test("uses offers of one token, and ETH is one", async () => {
    const { fund } = market;
    const token = await accepted("PermitToken");
    const inToken = await offered({ token });
    const inEth = (await market.publish(`eth ${token}`)).offer;
    await expect(fund([inToken])).rejects.toMatchObject({
      code: "TERMS_REFUSED",
      message: expect.stringMatching(new RegExp(`paid in token ${token}, this job in ETH`, "i")),
    });
    await expect(fund([inToken, inEth], 600, { token })).rejects.toMatchObject({
      code: "TERMS_REFUSED",
      message: expect.stringMatching(new RegExp(`paid in ETH, this job in token ${token}`, "i")),
    });
  });
});

describe("a credential", () => {
  const issued = async (offer: string, account = market.buyer.address, inSec = 10_000) => {
    const expirySec = (await market.nowSec()) + inSec;
    const signature = await signCredential(market.deployer, market.deployment, {
      ...{ buyer: account, expirySec },
    });
    return new Map([[offer, { expirySec, signature }]]);
  };

  test("lets a buyer in that is on no list, and gives it the discount, rounded up", async () => {
    const { of, buyer, stranger, deployer, fund } = market;
    const rules = { issuer: deployer.address, discountBps: 3333, buyers: membersOnly };
    const offer = await offered(rules, { priceWei: 101n, rhoPriceWei: 3n, maxMicroRho: 1000n });
    const refused = { code: "TERMS_REFUSED", message: expect.stringContaining("is not sold to account") };
    await expect(fund([offer], 600, { microRho: 10n })).rejects.toMatchObject(refused);
    const another = await issued(offer, stranger.address);
    await expect(fund([offer], 600, { microRho: 10n, credentials: another })).rejects.toMatchObject(refused);
    const old = await issued(offer, buyer.address, -1);
    await expect(fund([offer], 600, { microRho: 10n, credentials: old })).rejects.toMatchObject(refused);

    const credentials = await issued(offer);
    const { job, amountWei, receipt } = await fund([offer], 600, { microRho: 10n, credentials });
    // 131 less a third is 87.3: the seller loses nothing by rounding.
    expect(amountWei).toBe(88n + 3n * feeWei);
    const told = await of(stranger).job(job);
    expect(await of(stranger).jobPrices(told)).toMatchObject({
      offers: [{ offer, vouched: true, priceWei: 88n }],
      totalWei: amountWei,
    });
    const events = await of(stranger).events(receipt.blockNumber, receipt.blockNumber);
    expect(events).toMatchObject([
      { type: "OfferVouched", job, offer },
      { type: "JobFunded", job },
    ]);
  });

  test("only gives the discount where anybody may buy, and only for its own offer", async () => {
    const { of, stranger, deployer, fund } = market;
    const free = await offered({ issuer: deployer.address, discountBps: 10_000 });
    const full = await offered({ issuer: stranger.address, discountBps: 10_000 });
    const credentials = new Map([...(await issued(free)), ...(await issued(full))]);
    const { job, amountWei } = await fund([free, full], 600, { credentials });
    expect(amountWei).toBe(priceWei + 3n * feeWei);
    expect((await of(stranger).jobPrices(await of(stranger).job(job))).offers).toMatchObject([
      { offer: free, vouched: true, priceWei: 0n },
      { offer: full, vouched: false, priceWei },
    ]);
    expect((await fund([free, full])).amountWei).toBe(2n * priceWei + 3n * feeWei);
  });

  test("is of no use to an offer that knows no issuer", async () => {
    const { offer } = await market.publish("no issuer");
    const { amountWei } = await market.fund([offer], 600, { credentials: await issued(offer) });
    expect(amountWei).toBe(priceWei + 3n * feeWei);
  });

  test("gives at most the whole price back", async () => {
    await expect(offered({ discountBps: 10_001 })).rejects.toMatchObject({
      code: "PARAMETER_INVALID",
      message: expect.stringContaining("100.01 %"),
    });
  });
});

describe("a seller's own contract", () => {
  test("agrees, or refuses a job in words; what is no contract agrees to nothing", async () => {
    const { of, buyer, stranger, set, fund, jobInput } = market;
    const { address: hook } = await deployTestContract("OneBuyer", market.deployer, [buyer.address]);
    const offer = await offered({ hook });
    expect((await fund([offer])).amountWei).toBe(priceWei + 3n * feeWei);
    const refusal = {
      code: "TERMS_REFUSED",
      message: expect.stringMatching(new RegExp(`asks contract ${hook}, which does not agree`, "i")),
      hint: expect.stringContaining("ask the seller"),
    };
    await expect(of(stranger).createJob(await jobInput([offer]))).rejects.toMatchObject(refusal);
    const request = { operatorSet: set.id, algorithm, offers: [offer] };
    expect(await of(stranger).explain({ ...request, buyer: buyer.address })).toEqual([]);
    expect(await of(stranger).explain({ ...request, buyer: stranger.address })).toMatchObject([
      { offer, term: "Hook" },
    ]);
    for (const other of [stranger.address, market.deployment.jobEscrow]) {
      const silent = await offered({ hook: other });
      await expect(fund([silent])).rejects.toMatchObject({ code: "TERMS_REFUSED" });
    }
  });
});
