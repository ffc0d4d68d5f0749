import { ZeroAddress } from "ethers";
import { describe, expect, test } from "vitest";
import type { MarketEvent, MarketEventBody } from "../../contracts/market-events.ts";
import { exactMicroRho, openRules, openTerms } from "../../contracts/use-terms.ts";
import { MarketLedger } from "../../parties/ledger.ts";
import { payoutEntries, payoutPlan } from "../../parties/payout-plan.ts";
import { someParts } from "../contracts/some-parts.ts";

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
    const outcome = { parts: someParts, resultRoot: hash(4), payoutRoot: hash(5), budgetSpent: 0n };
    ledger.apply(at({ type: "JobAttested", job: job(2), ...outcome }));
    const last = at({ type: "JobSettled", job: job(2), payoutRoot: hash(5) });
    expect(ledger.apply(last)).toBe(ledger.jobs.get(job(2)));
    expect([...ledger.jobs.values()].map(({ state, joinOrder }) => [state, joinOrder])).toEqual([
      ["Joined", 2],
      ["Settled", 1],
      ["Refunded", 0],
    ]);
    expect(ledger.jobs.get(job(2))).toMatchObject({ outcome, changedAtSec: last.timestampSec });
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
    expect(ledger.operator(members[0])?.status).toBe("Leaving");
    ledger.apply(at({ type: "AlgorithmApproved", operator: upper, operatorSet: set, algorithm }));
    ledger.apply(at({ type: "TokenAccepted", operator: upper, token: account(7), fee: 1n }));
    ledger.apply(at({ type: "BondWithdrawn", operator: members[0], amountWei: 1n }));
    expect(ledger.operator(members[0])?.status).toBe("None");
    ledger.apply(at(registered(members[0], 1n)));
    expect(ledger.operator(members[0])?.status).toBe("Active");
    // Whoever comes back approves and accepts anew.
    expect([approved(set), ledger.operator(members[0])?.tokenFees.size]).toEqual([false, 0]);
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

describe("prices by credential", () => {
  const token = account(77);
  const rules = { ...openRules, issuer: account(60), discountBps: 2500 };

  test("are those of the offers that the chain vouched for in that job, rounded up", () => {
    const ledger = market();
    ledger.apply(at({ type: "OfferRelisted", offer: offer(1), terms: { ...openTerms(101n), rules } }));
    ledger.apply(at({ type: "OfferRelisted", offer: offer(2), terms: { ...openTerms(200n), rules } }));
    ledger.apply(at({ type: "OfferVouched", job: job(1), offer: offer(1) }));
    // 101 less a quarter is 75.75.
    const first = ledger.apply(at(funded(1, [1, 2], 76n + 200n + 33n)))!;
    expect(payoutEntries(first.payout).map(({ amountWei }) => amountWei)).toEqual([76n, 200n, 10n, 11n, 12n]);
    // The next job shows no credential.
    const second = ledger.apply(at(funded(2, [1], 101n + 33n)))!;
    expect(payoutEntries(second.payout)[0]?.amountWei).toBe(101n);
  });

  test("and fees in a token are those that the operators asked for at the funding", () => {
    const ledger = market();
    const terms = { ...openTerms(500n), rules: { ...openRules, token } };
    ledger.apply(at({ type: "OfferRelisted", offer: offer(1), terms }));
    const upper = token.toUpperCase().replace("0X", "0x");
    members.forEach((operator, i) => {
      ledger.apply(at({ type: "TokenAccepted", operator, token: upper, fee: BigInt(i + 1) }));
    });
    const paid = ledger.apply(at(funded(1, [1], 506n, token)))!;
    ledger.apply(at({ type: "TokenAccepted", operator: members[0], token, fee: 99n }));
    const { entries, tree } = payoutPlan(paid.payout);
    expect(entries.map(({ account: to, amountWei }) => [to, amountWei])).toEqual([
      [account(51), 500n],
      [members[0], 1n],
      [members[1], 2n],
      [members[2], 3n],
    ]);
    expect(tree.payouts.reduce((sum, { amountWei }) => sum + amountWei, 0n)).toBe(paid.amountWei);
    expect(paid.token).toBe(token);
    // Who takes no tokens any more cannot have been paid in them.
    const stranger = { type: "TokenRefused", operator: `0x${"9".repeat(40)}`, token: upper } as const;
    expect(() => ledger.apply(at(stranger))).not.toThrow();
    ledger.apply(at({ type: "TokenRefused", operator: members[1], token: upper }));
    expect(() => ledger.apply(at(funded(2, [1], 602n, token)))).toThrow(
      expect.objectContaining({ code: "STATE_INVALID" }),
    );
  });
});

describe("operators", () => {
  test("take no new jobs while they pause, and none after they were slashed", () => {
    const ledger = market();
    const status = () => ledger.operator(members[0])?.status;
    ledger.apply(at({ type: "OperatorPaused", operator: members[0] }));
    expect(status()).toBe("Paused");
    // An update is no resumption.
    ledger.apply(at({ ...registered(members[0], 1n), type: "OperatorUpdated" } as MarketEventBody));
    expect(status()).toBe("Paused");
    ledger.apply(at({ type: "OperatorResumed", operator: members[0] }));
    expect(status()).toBe("Active");
    const slashed = { operator: members[0], beneficiary: account(90), bondWei: 10n, rewardWei: 1n };
    ledger.apply(at({ type: "OperatorSlashed", ...slashed }));
    expect(status()).toBe("Slashed");
    expect(ledger.operator(members[1])?.status).toBe("Active");
  });

  test("keep their approvals and fees when they change their keys", () => {
    const ledger = market();
    const [operator] = members;
    ledger.apply(at({ type: "AlgorithmApproved", operator, operatorSet: set, algorithm: hash(13) }));
    ledger.apply(at({ type: "TokenAccepted", operator, token: account(77), fee: 5n }));
    ledger.apply(at({ ...registered(operator, 21n), type: "OperatorUpdated" } as MarketEventBody));
    const known = ledger.operator(operator)!;
    expect(known.approved.get(set)?.has(hash(13))).toBe(true);
    expect([known.feeWei, known.tokenFees.get(account(77))]).toEqual([21n, 5n]);
  });
});

describe("challenges", () => {
  const asked = (n: number, chunk: number, point = 1) => ({
    job: job(n),
    operator: members[point - 1]!,
    point,
    chunk,
  });
  const opening = { salt: hash(3), attempt: 1n, elements: new Uint8Array(16), proof: [] };
  const posted = { heldUntilSec: 90, opening };
  const open = (ledger: MarketLedger) =>
    [...ledger.challenges.values()].map((c) => [c.job, c.point, c.chunk, c.dueSec]);

  test("are open until their chunk is posted or their operator exposed", () => {
    const ledger = market();
    ledger.apply(at(funded(1, [1], 133n)));
    ledger.apply(at({ type: "ChunkChallenged", ...asked(1, 0), dueSec: 70 }));
    ledger.apply(at({ type: "ChunkChallenged", ...asked(1, 1), dueSec: 71 }));
    ledger.apply(at({ type: "ChunkChallenged", ...asked(1, 0, 2), dueSec: 72 }));
    ledger.apply(at({ type: "JobDisputed", job: job(1) }));
    expect(ledger.jobs.get(job(1))?.state).toBe("Disputed");
    expect(open(ledger)).toEqual([
      [job(1), 1, 0, 70],
      [job(1), 1, 1, 71],
      [job(1), 2, 0, 72],
    ]);
    ledger.apply(at({ type: "ChunkPosted", ...asked(1, 0), ...posted }));
    expect(open(ledger)).toEqual([
      [job(1), 1, 1, 71],
      [job(1), 2, 0, 72],
    ]);
    ledger.apply(at({ type: "OperatorExposed", ...asked(1, 0, 2) }));
    ledger.apply(at({ type: "JobOverturned", job: job(1) }));
    expect(ledger.jobs.get(job(1))?.state).toBe("Failed");
    ledger.apply(at({ type: "JobRefunded", job: job(1), buyer: account(90), amountWei: 133n }));
    // The other one is owed all the same.
    expect(open(ledger)).toEqual([[job(1), 1, 1, 71]]);
    expect(ledger.jobs.get(job(1))?.state).toBe("Refunded");
  });

  test("leave a job that was disputed to be settled once they are answered", () => {
    const ledger = market();
    ledger.apply(at(funded(1, [1], 133n)));
    ledger.apply(at({ type: "ChunkChallenged", ...asked(1, 0), dueSec: 70 }));
    ledger.apply(at({ type: "JobDisputed", job: job(1) }));
    ledger.apply(at({ type: "ChunkPosted", ...asked(1, 0), ...posted }));
    ledger.apply(at({ type: "JobSettled", job: job(1), payoutRoot: hash(2) }));
    expect([ledger.jobs.get(job(1))?.state, ledger.challenges.size]).toEqual(["Settled", 0]);
  });
});

test("a replaced offer is not for sale, and what replaces it is", () => {
  const ledger = market();
  ledger.apply(at(published(3, 300n)));
  ledger.apply(
    at({ type: "OfferReplaced", offer: offer(1), replacement: offer(3), budgetLeftMicroRho: exactMicroRho }),
  );
  expect([1, 2, 3].map((n) => ledger.offers.get(offer(n))?.active)).toEqual([false, true, true]);
  expect([1, 2, 3].map((n) => ledger.offers.get(offer(n))?.replacedBy)).toEqual([offer(3), null, null]);
});
