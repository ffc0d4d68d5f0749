import { id, ZeroAddress } from "ethers";
import { describe, expect, test } from "vitest";
import type { Market } from "../../../contracts/market.ts";
import type { MarketEvent, MarketEventBody } from "../../../contracts/market-events.ts";
import { verifyPayout } from "../../../contracts/payouts.ts";
import { exactMicroRho, openRules, openTerms } from "../../../contracts/use-terms.ts";
import { MarketLedger } from "../../../parties/ledger.ts";
import { payoutPlan } from "../../../parties/payout-plan.ts";
import { claimEarnings, earningsOf } from "../../../parties/seller/earnings.ts";
import { someParts } from "../../contracts/some-parts.ts";

const account = (n: number) => `0x${n.toString(16).padStart(40, "0")}`;
const members = [account(1), account(2), account(3)] as [string, string, string];
const set = id("set");
const seller = account(50);
const token = account(77);
const [inEther, inToken, open] = [id("job in ETH"), id("job in tokens"), id("job that runs")];

let block = 0;
function at(body: MarketEventBody): MarketEvent {
  block += 1;
  return {
    ...body,
    blockNumber: block,
    blockHash: id(`block ${block}`),
    timestampSec: block,
    txHash: id(`tx ${block}`),
    logIndex: 0,
  };
}
const published = (label: string, priceWei: bigint, of: string): MarketEventBody => ({
  type: "OfferPublished",
  ...{
    offer: id(label),
    seller,
    operatorSet: set,
    schemaHash: id("schema"),
    rows: 3,
    columns: 2,
    nonce: id(label),
  },
  ciphertextHashes: [id("1"), id("2"), id("3")],
  budgetMicroRho: exactMicroRho,
  terms: { ...openTerms(priceWei), rules: of === ZeroAddress ? null : { ...openRules, token: of } },
});
const funded = (job: string, offer: string, amountWei: bigint, paidIn = ZeroAddress): MarketEventBody => ({
  type: "JobFunded",
  ...{ job, buyer: account(90), operatorSet: set, algorithm: id("algorithm"), deadlineSec: 5000 },
  ...{ resultKey: id("key"), microRho: exactMicroRho, purpose: id(""), offers: [id(offer)], spec: "0x7b7d" },
  ...{ token: paidIn, amountWei, signers: members },
});

/** What happened: three jobs, of which two are settled, one paid in ETH and one in tokens. */
const story: MarketEventBody[] = [
  ...members.flatMap((operator): MarketEventBody[] => [
    {
      type: "OperatorRegistered",
      ...{ operator, signer: operator, sealKey: id("s"), channelKey: id("c"), jiffKey: id("j") },
      ...{ endpoint: "127.0.0.1:1", feeWei: 10n, bondWei: 1n },
    },
    { type: "TokenAccepted", operator, token, fee: 4n },
  ]),
  { type: "SetCreated", operatorSet: set, members },
  published("cheap", 100n, ZeroAddress),
  published("in tokens", 7000n, token),
  funded(inEther, "cheap", 130n),
  funded(inToken, "in tokens", 7012n, token),
  funded(open, "cheap", 130n),
];

function marketOf(): { market: Market; claims: unknown[]; events: MarketEvent[] } {
  const events = story.map(at);
  const ledger = new MarketLedger();
  for (const event of events) ledger.apply(event);
  for (const job of [inEther, inToken]) {
    const { payout } = ledger.jobs.get(job)!;
    const payoutRoot = payoutPlan(payout).tree.root;
    events.push(at({ type: "JobJoined", job }));
    const told = { parts: someParts, resultRoot: id("result"), payoutRoot, budgetSpent: 0n };
    events.push(at({ type: "JobAttested", job, ...told }));
    events.push(at({ type: "JobSettled", job, payoutRoot }));
  }
  const claims: unknown[] = [];
  const claim = async (claimed: unknown) => {
    claims.push(claimed);
    return { hash: id("claim") };
  };
  const market = {
    deployment: { blockNumber: 0 },
    blockNumber: async () => block,
    events: async (from: number, to: number) =>
      events.filter(({ blockNumber }) => blockNumber >= from && blockNumber <= to),
    isClaimed: async () => false,
    claim,
    claimMany: claim,
  } as unknown as Market;
  return { market, claims, events };
}

describe("earnings", () => {
  test("in tokens are told by their token, and not added to ETH", async () => {
    const { jobs, claimableWei, claimedWei } = await earningsOf(marketOf().market, seller);
    expect(jobs.map(({ job, state, token: paidIn, amountWei }) => [job, state, paidIn, amountWei])).toEqual([
      [inEther, "claimable", ZeroAddress, 100n],
      [inToken, "claimable", token, 7000n],
      [open, "escrowed", ZeroAddress, 100n],
    ]);
    expect([claimableWei, claimedWei]).toEqual([100n, 0n]);
  });

  test("of an operator are its fees, in what the job was paid in", async () => {
    const { jobs, claimableWei } = await earningsOf(marketOf().market, members[1]);
    expect(jobs.map(({ token: paidIn, amountWei }) => [paidIn, amountWei])).toEqual([
      [ZeroAddress, 10n],
      [token, 4n],
      [ZeroAddress, 10n],
    ]);
    expect(claimableWei).toBe(10n);
  });

  test("are drawn with proofs under the attested root, each currency told for itself", async () => {
    const { market, claims, events } = marketOf();
    const drawn = await claimEarnings(market, seller);
    expect(drawn).toMatchObject({
      amountWei: 100n,
      jobs: [inEther, inToken],
      paid: [
        { token: ZeroAddress, amountWei: 100n },
        { token, amountWei: 7000n },
      ],
    });
    const [both] = claims as [
      { job: string; index: number; account: string; amountWei: bigint; proof: string[] }[],
    ];
    for (const { job, ...payout } of both) {
      const attested = events.find((event) => event.type === "JobAttested" && event.job === job);
      const root = attested?.type === "JobAttested" ? attested.payoutRoot : "";
      expect(verifyPayout(root, payout)).toBe(true);
      expect(verifyPayout(root, { ...payout, amountWei: payout.amountWei + 1n })).toBe(false);
    }
  });

  test("of one job alone are drawn on demand; of one that runs, not", async () => {
    const { market, claims } = marketOf();
    const drawn = await claimEarnings(market, seller, [inToken]);
    expect([drawn.amountWei, drawn.paid]).toEqual([0n, [{ token, amountWei: 7000n }]]);
    expect(claims).toMatchObject([{ job: inToken, amountWei: 7000n }]);
    await expect(claimEarnings(market, seller, [open])).rejects.toMatchObject({ code: "STATE_INVALID" });
  });
});
