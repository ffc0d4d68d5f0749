import { ZeroAddress } from "ethers";
import { describe, expect, test } from "vitest";
import type { MarketEvent, MarketEventBody } from "../../contracts/market-events.ts";
import { exactMicroRho, openTerms } from "../../contracts/use-terms.ts";
import { MarketLedger } from "../../parties/ledger.ts";
import { payoutEntries } from "../../parties/payout-plan.ts";

const account = (n: number) => `0x${n.toString(16).padStart(40, "0")}`;
const hash = (n: number) => `0x${n.toString(16).padStart(64, "0")}`;
const members = [account(1), account(2), account(3)] as [string, string, string];
const set = hash(100);
const job = (n: number) => hash(1000 + n);
const offer = (n: number) => hash(2000 + n);

let block = 0;
function at(body: MarketEventBody): MarketEvent {
  block += 1;
  return {
    ...body,
    blockNumber: block,
    blockHash: hash(block),
    timestampSec: 1000 + block,
    txHash: hash(9000 + block),
    logIndex: 0,
  };
}
const keys = { sealKey: hash(1), channelKey: hash(2), jiffKey: hash(3), endpoint: "127.0.0.1:1" };
const registered = (operator: string, feeWei: bigint): MarketEventBody => ({
  type: "OperatorRegistered",
  operator,
  signer: operator,
  ...keys,
  feeWei,
  bondWei: 1n,
});
const published = (n: number, priceWei: bigint): MarketEventBody => ({
  type: "OfferPublished",
  offer: offer(n),
  seller: account(50 + n),
  operatorSet: set,
  schemaHash: hash(7),
  rows: 3,
  columns: 2,
  nonce: hash(8),
  ciphertextHashes: [hash(9), hash(10), hash(11)],
  budgetMicroRho: exactMicroRho,
  terms: openTerms(priceWei),
});
const funded = (n: number, offers: number[], amountWei: bigint, token = ZeroAddress): MarketEventBody => ({
  type: "JobFunded",
  job: job(n),
  buyer: account(90),
  operatorSet: set,
  algorithm: hash(13),
  deadlineSec: 5000,
  resultKey: hash(14),
  microRho: exactMicroRho,
  purpose: hash(0),
  offers: offers.map(offer),
  spec: "0x7b7d",
  token,
  amountWei,
  signers: members,
});

function market(): MarketLedger {
  const ledger = new MarketLedger();
  members.forEach((operator, i) => {
    ledger.apply(at(registered(operator, BigInt(10 + i))));
  });
  ledger.apply(at({ type: "SetCreated", operatorSet: set, members }));
  ledger.apply(at(published(1, 100n)));
  ledger.apply(at(published(2, 200n)));
  return ledger;
}

describe("the ledger", () => {
  test("keeps the prices and fees at which a job was funded, whatever changes afterwards", () => {
    const ledger = market();
    ledger.apply(at({ type: "OfferRelisted", offer: offer(2), terms: openTerms(250n) }));
    ledger.apply(at({ ...registered(members[0], 20n), type: "OperatorUpdated" } as MarketEventBody));
    ledger.apply(at(funded(1, [1, 2], 393n)));
    ledger.apply(at({ type: "OfferRelisted", offer: offer(1), terms: openTerms(1n) }));
    ledger.apply(at({ ...registered(members[1], 99n), type: "OperatorUpdated" } as MarketEventBody));
    const paid = ledger.jobs.get(job(1))!;
    expect(payoutEntries(paid.payout).map(({ amountWei }) => amountWei)).toEqual([100n, 250n, 20n, 11n, 12n]);
    expect(ledger.offers.get(offer(1))?.terms.priceWei).toBe(1n);
  });

  test("follows jobs through their states, in the order in which they were joined", () => {
    const ledger = market();
    for (const n of [1, 2, 3]) ledger.apply(at(funded(n, [1], 133n)));
    ledger.apply(at({ type: "JobJoined", job: job(2) }));
    ledger.apply(at({ type: "JobJoined", job: job(1) }));
    ledger.apply(at({ type: "JobFailed", job: job(3), reasons: ["PEER_LOST", "INTERNAL"] }));
    ledger.apply(at({ type: "JobRefunded", job: job(3), buyer: account(90), amountWei: 133n }));
    const outcome = { resultRoot: hash(1), payoutRoot: hash(2), budgetSpent: 0n };
    ledger.apply(at({ type: "JobAttested", job: job(2), ...outcome }));
    const last = at({ type: "JobSettled", job: job(2), payoutRoot: hash(2) });
    expect(ledger.apply(last)).toBe(ledger.jobs.get(job(2)));
    expect([...ledger.jobs.values()].map(({ state, joinOrder }) => [state, joinOrder])).toEqual([
      ["Joined", 2],
      ["Settled", 1],
      ["Refunded", 0],
    ]);
    expect(ledger.jobs.get(job(2))).toMatchObject({ payoutRoot: hash(2), changedAtSec: last.timestampSec });
    expect(ledger.jobs.get(job(3))?.failures).toEqual(["PEER_LOST", "INTERNAL"]);
  });

  test("knows who takes jobs and runs which algorithm", () => {
    const ledger = market();
    const upper = members[0].toUpperCase().replace("0X", "0x");
    const algorithm = `0x${"ab".repeat(32)}`;
    const capitals = `0x${"AB".repeat(32)}`;
    const approved = (operatorSet: string) =>
      ledger.operator(members[0])?.approved.get(operatorSet)?.has(algorithm) ?? false;
    ledger.apply(at({ type: "AlgorithmApproved", operator: upper, operatorSet: set, algorithm: capitals }));
    // In that set, and no other.
    expect([approved(set), approved(hash(101))]).toEqual([true, false]);
    ledger.apply(at({ type: "AlgorithmRevoked", operator: upper, operatorSet: hash(101), algorithm }));
    expect(approved(set)).toBe(true);
    ledger.apply(at({ type: "AlgorithmRevoked", operator: members[0], operatorSet: set, algorithm }));
    expect(approved(set)).toBe(false);
    ledger.apply(at({ type: "OperatorRetired", operator: members[0], withdrawableAtSec: 1 }));
    ledger.apply(at({ ...registered(members[0], 1n), type: "OperatorUpdated" } as MarketEventBody));
    expect(ledger.operator(members[0])?.active).toBe(false);
    ledger.apply(at({ type: "BondWithdrawn", operator: members[0], amountWei: 1n }));
    ledger.apply(at(registered(members[0], 1n)));
    expect(ledger.operator(members[0])?.active).toBe(true);
  });

  test("refuses events that cannot follow: some are missing", () => {
    const missing = expect.objectContaining({ code: "STATE_INVALID" });
    const bodies: MarketEventBody[] = [
      { type: "JobJoined", job: job(9) },
      { type: "OfferWithdrawn", offer: offer(9) },
      { type: "AlgorithmApproved", operator: account(9), operatorSet: set, algorithm: hash(1) },
      funded(1, [9], 1n),
      { ...funded(1, [1], 1n), operatorSet: hash(9) } as MarketEventBody,
    ];
    for (const body of bodies) expect(() => market().apply(at(body))).toThrow(missing);
  });
});
