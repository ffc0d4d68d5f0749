import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { JobEvent } from "../../../bridge/jobs/events.ts";
import type { Point } from "../../../bridge/schemas.ts";
import { BridgeDatabase, type NewFact } from "../../../bridge/store/database.ts";
import { schemaVersion } from "../../../bridge/store/schema.ts";
import { addressOf, funded, hashOf, jobOf, offerOf, partsOf } from "../memory-chain.ts";

const times = { challengeWindowSec: 60, graceSec: 30 };
const identity = { chainId: 31337, jobEscrow: addressOf("escrow") };
let folder: string;
let path: string;
let opened: BridgeDatabase[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "symbolon-database-"));
  path = join(folder, "data", "bridge.sqlite");
  opened = [];
});
afterEach(async () => {
  for (const database of opened) database.close();
  await rm(folder, { recursive: true, force: true });
});

function open(who = identity): BridgeDatabase {
  const database = new BridgeDatabase(path, who);
  opened.push(database);
  return database;
}

function close(database: BridgeDatabase): void {
  database.close();
  opened.splice(opened.indexOf(database), 1);
}

const at = (blockNumber: number) => ({
  blockNumber,
  timestampSec: 1000 + blockNumber,
  txHash: hashOf(`transaction in ${blockNumber}`),
});
const cursor = (blockNumber: number, fork = "") => ({
  blockNumber,
  blockHash: hashOf(`block ${blockNumber}${fork}`),
});

const fund = (id: string, block: number, overrides = {}): NewFact => ({
  key: `fund ${id} in ${block}`,
  jobId: jobOf(id),
  event: { ...funded(overrides), chain: at(block) },
});
const joined = (id: string, block: number): NewFact => ({
  key: `joined ${id} in ${block}`,
  jobId: jobOf(id),
  event: { type: "Joined", chain: at(block) },
});
const join1 = (id: string, point: Point): NewFact => ({
  key: `join ${id} ${point}`,
  jobId: jobOf(id),
  event: {
    type: "JoinPosted",
    point,
    operator: addressOf(`operator ${point}`),
    signature: "0x",
  } as JobEvent,
});

const terms = (priceWei: string) => ({
  ...{ priceWei, rhoPriceWei: "0", maxMicroRho: "1000", expirySec: 2_000_000_000, minSellers: 2 },
  rules: {
    ...{ token: addressOf("token"), issuer: addressOf("issuer"), discountBps: 500, hook: addressOf("hook") },
    ...{ algorithms: hashOf("algorithms"), buyers: hashOf("buyers"), purposes: hashOf("purposes") },
    document: hashOf("document"),
  },
});
const published = (offer: string, block: number): NewFact => ({
  key: `offer ${offer} in ${block}`,
  jobId: null,
  event: {
    type: "OfferPublished",
    chain: at(block),
    offer: offerOf(offer),
    seller: addressOf("seller"),
    operatorSet: hashOf("set"),
    schemaHash: hashOf("schema"),
    rows: 10,
    columns: 3,
    nonce: hashOf("nonce"),
    ciphertextHashes: [hashOf("1"), hashOf("2"), hashOf("3")],
    budgetMicroRho: "1000",
    terms: terms("5"),
  },
});

/** Everything that the database shows. */
function shown(database: BridgeDatabase) {
  return {
    jobs: database.jobs({ limit: 100 }).entries,
    offers: database.offers({ limit: 100 }).entries,
    operators: database.operators(),
    sets: database.sets(),
    cursor: database.cursor(),
  };
}

function fill(database: BridgeDatabase): void {
  database.append([published("1", 1), fund("1", 2), fund("2", 2)], cursor(2));
  database.append([join1("1", 1), join1("1", 2)]);
  database.append(
    [
      {
        key: "operator",
        jobId: null,
        event: {
          type: "OperatorRegistered",
          chain: at(3),
          operator: addressOf("operator 1"),
          signer: addressOf("signer 1"),
          sealKey: hashOf("seal"),
          channelKey: hashOf("channel"),
          jiffKey: hashOf("jiff"),
          endpoint: "127.0.0.1:9001",
          feeWei: "7",
        },
      },
      {
        key: "approved",
        jobId: null,
        event: {
          type: "AlgorithmApproved",
          chain: at(3),
          operator: addressOf("operator 1"),
          operatorSet: hashOf("set"),
          algorithm: hashOf("a"),
        },
      },
      {
        key: "price",
        jobId: null,
        event: { type: "OfferRelisted", chain: at(3), offer: offerOf(1), terms: terms("9") },
      },
      joined("1", 3),
    ],
    cursor(3),
  );
}

test("shows what the log says, also after it was closed", () => {
  const first = open();
  fill(first);
  const before = shown(first);
  expect(before.jobs.map(({ job }) => [job.id, job.state, job.joins.length])).toEqual([
    [jobOf(1), "Joined", 2],
    [jobOf(2), "Funded", 0],
  ]);
  expect(before.offers[0]).toMatchObject({ id: offerOf(1), terms: terms("9"), active: true });
  expect(before.operators[0]).toMatchObject({
    endpoint: "127.0.0.1:9001",
    approvals: [{ operatorSet: hashOf("set"), algorithm: hashOf("a") }],
  });
  close(first);
  expect(shown(open())).toEqual(before);
});

test("replaying the log gives the same views", () => {
  const database = open();
  fill(database);
  const before = shown(database);
  database.replay();
  expect(shown(database)).toEqual(before);
});

test("the same facts again change nothing", () => {
  const database = open();
  fill(database);
  const before = shown(database);
  fill(database);
  expect({ ...shown(database), cursor: before.cursor }).toEqual(before);
  expect(database.jobEvents(jobOf(1), 0, 100)).toHaveLength(4);
});

test("a batch is stored whole or not at all", () => {
  const database = open();
  const broken = {
    key: "bad",
    jobId: jobOf(2),
    event: {
      type: "Joined",
      chain: {
        get blockNumber(): number {
          throw new Error("torn");
        },
      },
    },
  };
  expect(() => database.append([fund("1", 1), broken as unknown as NewFact], cursor(1))).toThrow("torn");
  expect(shown(database)).toMatchObject({ jobs: [], cursor: null });
  database.append([fund("1", 1)], cursor(1));
  expect(database.job(jobOf(1))?.job.state).toBe("Funded");
});

test("a reorganisation voids the facts above it and lets them come again", () => {
  const database = open();
  fill(database);
  database.rewind(2);
  expect(database.cursor()).toEqual(cursor(2));
  expect(database.job(jobOf(1))?.job).toMatchObject({ state: "Funded", joins: [{ point: 1 }, { point: 2 }] });
  expect(database.operators()).toEqual([]);
  expect(database.offer(offerOf(1))?.terms.priceWei).toBe("5");
  database.append([joined("1", 3)], cursor(3, "of another fork"));
  expect(database.job(jobOf(1))?.job.state).toBe("Joined");
  expect(database.jobEvents(jobOf(1), 0, 100).map(({ type }) => type)).toEqual([
    "Funded",
    "JoinPosted",
    "JoinPosted",
    "Joined",
  ]);
  close(database);
  const again = open();
  again.rewind(2);
  expect(again.job(jobOf(1))?.job.state).toBe("Funded");
});

test("what operators signed survives when the funding itself is mined again", () => {
  const database = open();
  database.append([fund("1", 2)], cursor(2));
  database.append([join1("1", 1), join1("1", 2)]);
  database.append([], cursor(1));
  database.rewind(1);
  expect(database.job(jobOf(1))).toBeNull();
  database.append([fund("1", 3)], cursor(3));
  expect(database.job(jobOf(1))?.job.joins.map(({ point }) => point)).toEqual([1, 2]);
});

test("a budget that came back is back until a reorganisation takes the block away", () => {
  const database = open();
  const withNoise = { microRho: "1000" };
  const refunded: NewFact = {
    key: "refunded",
    jobId: jobOf(1),
    event: { type: "Refunded", chain: at(3) },
  };
  const returned: NewFact = {
    key: "returned",
    jobId: jobOf(1),
    event: { type: "BudgetReturned", chain: at(5), offer: offerOf(1), microRho: "1000" },
  };
  const waiting = () => database.waitingJobs(5000, times).map(({ job }) => job.id);
  database.append([fund("1", 2, withNoise), refunded], cursor(3));
  expect(waiting()).toEqual([jobOf(1)]);
  database.append([returned], cursor(5));
  expect([database.job(jobOf(1))?.job.budgetReturned, waiting()]).toEqual([true, []]);
  database.rewind(3);
  expect([database.job(jobOf(1))?.job.budgetReturned, waiting()]).toEqual([false, [jobOf(1)]]);
  database.append([returned], cursor(5, "of another fork"));
  expect(waiting()).toEqual([]);
});

test("a chain event of an unknown job is kept and reported, and stops nothing", () => {
  const database = open();
  const result = database.append([joined("9", 4), fund("1", 4)], cursor(4));
  expect(result.misfits).toEqual(["joined 9 in 4"]);
  expect(database.job(jobOf(1))?.job.state).toBe("Funded");
});

test("the log can be neither changed nor shortened", () => {
  const database = open();
  fill(database);
  const raw = new DatabaseSync(path);
  expect(() => raw.exec("UPDATE facts SET data = '{}' WHERE sequence = 1")).toThrow("never changed");
  expect(() => raw.exec("DELETE FROM facts")).toThrow("never deleted");
  raw.close();
});

test("refuses the database of another market", () => {
  close(open());
  expect(() => open({ ...identity, chainId: 1 })).toThrow(
    expect.objectContaining({ code: "CONFIG_INVALID" }),
  );
  expect(() => open({ ...identity, jobEscrow: addressOf("other") })).toThrow("another market");
});

test.each([
  [-1, "of an older version", "move bridge.sqlite out"],
  [1, "of a newer version", "update the bridge"],
])(
  "refuses the database of a version %i off, says what to do, and leaves it as it is",
  (off, words, hint) => {
    const database = open();
    fill(database);
    close(database);
    const raw = new DatabaseSync(path);
    raw.exec(`PRAGMA user_version = ${schemaVersion + off}`);
    raw.close();
    expect(() => open()).toThrow(
      expect.objectContaining({
        code: "CONFIG_INVALID",
        message: expect.stringContaining(words),
        hint: expect.stringContaining(hint),
      }),
    );
    const after = new DatabaseSync(path);
    expect(after.prepare("SELECT count(*) AS n FROM facts").get()).toEqual({ n: 9 });
    after.close();
  },
);

/** The numbers of {@link jobOf} and {@link offerOf} by what they name. */
const labels = new Map(
  ["1", "2", "3", "4", "5"].flatMap((n) => [[jobOf(n), n] as const, [offerOf(n), n] as const]),
);

test("finds jobs by state, set and buyer, in the order of their funding and not of their names", () => {
  const database = open();
  const order = ["1", "2", "3"].sort((left, right) => (jobOf(left) < jobOf(right) ? 1 : -1));
  const [first, second, third] = order as [string, string, string];
  database.append(
    [
      fund(first, 1),
      fund(second, 1, { buyer: addressOf("other buyer") }),
      fund(third, 1, { operatorSet: hashOf("other set") }),
      joined(first, 2),
    ],
    cursor(2),
  );
  const ids = (filter: object) =>
    database.jobs({ limit: 10, ...filter }).entries.map(({ job }) => labels.get(job.id));
  expect(ids({})).toEqual(order);
  expect(ids({ state: "Joined" })).toEqual([first]);
  expect(ids({ operatorSet: hashOf("other set") })).toEqual([third]);
  expect(ids({ buyer: addressOf("other buyer").toUpperCase().replace("0X", "0x") })).toEqual([second]);
  expect(database.jobsByState()).toEqual([
    { state: "Funded", jobs: 2 },
    { state: "Joined", jobs: 1 },
  ]);
});

test("lists page by page, with nothing twice when jobs change or come in between", () => {
  const database = open();
  database.append(
    [fund("1", 1), fund("2", 1), fund("3", 1), published("2", 1), published("1", 1)],
    cursor(1),
  );
  const page = (after?: number) => {
    const { entries, next } = database.jobs({ limit: 2, after });
    return { ids: entries.map(({ job }) => labels.get(job.id)), next };
  };
  const { ids, next } = page();
  expect([ids, typeof next]).toEqual([["1", "2"], "number"]);
  database.append([joined("1", 2), fund("4", 2)], cursor(2));
  expect(page(next!)).toEqual({ ids: ["3", "4"], next: null });
  database.replay();
  expect(page(next!)).toEqual({ ids: ["3", "4"], next: null });
  const offers = database.offers({ limit: 1 });
  expect(offers.entries.map(({ id }) => labels.get(id))).toEqual(["2"]);
  const rest = database.offers({ limit: 1, after: offers.next! });
  expect([rest.entries.map(({ id }) => labels.get(id)), rest.next]).toEqual([["1"], null]);
});

test("finds jobs and offers by the beginning of their names", () => {
  const database = open();
  const twin = `${jobOf(1).slice(0, 20)}${"f".repeat(46)}`;
  const twinFact = { ...fund("twin", 1), jobId: twin } as NewFact;
  database.append([fund("1", 1), twinFact, fund("2", 1), published("1", 1), published("2", 1)], cursor(1));
  const ids = (prefix: string) => database.jobs({ limit: 9, prefix }).entries.map(({ job }) => job.id);
  expect(ids(jobOf(1).slice(0, 12))).toEqual([jobOf(1), twin]);
  expect(ids(jobOf(1).slice(0, 21))).toEqual([jobOf(1)]);
  expect(ids(jobOf(2))).toEqual([jobOf(2)]);
  expect(ids(`${twin.slice(0, 65)}f`)).toEqual([twin]);
  expect(ids("0x000000")).toEqual([]);
  const offers = database.offers({ limit: 9, prefix: offerOf(2).slice(0, 8) }).entries;
  expect(offers.map(({ id }) => id)).toEqual([offerOf(2)]);
});

test("names the jobs for which something may be due, and leaves the others alone", () => {
  const database = open();
  const early = { deadlineSec: 5000 };
  database.append([
    fund("1", 1, early),
    fund("2", 1),
    fund("3", 1),
    fund("4", 1),
    joined("3", 2),
    joined("4", 2),
    fund("5", 2, early),
    joined("5", 2),
  ]);
  for (const point of [1, 2, 3] as const) database.append([join1("2", point)]);
  const attested = {
    type: "Attested" as const,
    chain: { ...at(3), timestampSec: 5000 },
    resultRoot: hashOf("r"),
    payoutRoot: hashOf("p"),
    budgetSpent: "0",
  };
  database.append([
    { key: "attested", jobId: jobOf(3), event: attested },
    { key: "failed", jobId: jobOf(4), event: { type: "Failed", chain: at(3), reasons: [] } },
  ]);
  const waiting = (nowSec: number) =>
    database.waitingJobs(nowSec, times).map(({ job }) => labels.get(job.id));
  expect(waiting(5000)).toEqual(["2", "4"]);
  expect(waiting(5001)).toEqual(["1", "2", "4"]);
  expect(waiting(5030)).toEqual(["1", "2", "4"]);
  expect(waiting(5031)).toEqual(["1", "2", "4", "5"]);
  expect(waiting(5060)).toEqual(["1", "2", "4", "5"]);
  expect(waiting(5061)).toEqual(["1", "2", "3", "4", "5"]);
});

test("knows which blobs offers, specifications and attestations name, also after a replay", () => {
  const database = open();
  const input = hashOf("the buyer's input");
  const spec = `0x${Buffer.from(JSON.stringify({ validation: [input] })).toString("hex")}`;
  const posted: JobEvent = {
    type: "AttestationPosted",
    point: 1,
    operator: addressOf("operator 1"),
    digest: hashOf("digest"),
    attestation: {
      job: jobOf(1),
      resultRoot: hashOf("r"),
      payoutRoot: hashOf("p"),
      budgetSpent: "0",
    },
    parts: partsOf("result"),
    signature: "0x",
  };
  database.append([
    published("1", 1),
    fund("1", 1, { spec }),
    { key: "posted", jobId: jobOf(1), event: posted },
  ]);
  for (let round = 0; round < 2; round++) {
    for (const name of [
      "1",
      "2",
      "3",
      "schema",
      "document",
      "the buyer's input",
      "result sealed 1",
      "result sealed 3",
    ]) {
      expect([name, database.namesBlob(hashOf(name))]).toEqual([name, true]);
    }
    expect(database.namesBlob(hashOf("nobody's"))).toBe(false);
    database.replay();
  }
});

test("an operator's status, approvals and tokens follow the registry", () => {
  const database = open();
  fill(database);
  const operator = addressOf("operator 1");
  const shown = () => database.operator(operator)!;
  let facts = 0;
  const take = (event: object) =>
    database.append([
      { key: `fact ${++facts}`, jobId: null, event: { ...event, operator, chain: at(4) } } as NewFact,
    ]);
  const statuses = ["OperatorPaused", "OperatorResumed", "OperatorRetired", "BondWithdrawn"].map((type) => {
    take({ type });
    return shown().status;
  });
  expect(statuses).toEqual(["Paused", "Active", "Leaving", "None"]);
  take({ type: "OperatorSlashed" });
  expect(shown().status).toBe("Slashed");
  take({ type: "TokenAccepted", token: addressOf("token"), fee: "5" });
  take({ type: "TokenAccepted", token: addressOf("token"), fee: "6" });
  expect(shown().tokens).toEqual([{ token: addressOf("token"), fee: "6" }]);
  take({ type: "TokenRefused", token: addressOf("token") });
  expect(shown().tokens).toEqual([]);
  take({ type: "AlgorithmApproved", operatorSet: hashOf("other set"), algorithm: hashOf("a") });
  take({ type: "AlgorithmRevoked", operatorSet: hashOf("set"), algorithm: hashOf("a") });
  expect(shown().approvals).toEqual([{ operatorSet: hashOf("other set"), algorithm: hashOf("a") }]);
  take({ type: "TokenAccepted", token: addressOf("token"), fee: "6" });
  const keys = { signer: operator, sealKey: hashOf("seal"), channelKey: hashOf("c"), jiffKey: hashOf("j") };
  take({ type: "OperatorUpdated", ...keys, endpoint: "127.0.0.1:1", feeWei: "7" });
  expect([shown().status, shown().approvals.length, shown().tokens.length]).toEqual(["Slashed", 1, 1]);
  // Whoever comes back approves and accepts anew.
  take({ type: "OperatorRegistered", ...keys, endpoint: "127.0.0.1:1", feeWei: "7" });
  expect(shown()).toMatchObject({ status: "Active", approvals: [], tokens: [] });
});

test("an offer that another one replaced says so and is not for sale", () => {
  const database = open();
  database.append([
    published("1", 1),
    published("2", 2),
    {
      key: "replaced",
      jobId: null,
      event: { type: "OfferReplaced", chain: at(2), offer: offerOf(1), replacement: offerOf(2) },
    },
  ]);
  expect(database.offer(offerOf(1))).toMatchObject({ active: false, replacedBy: offerOf(2) });
  expect(database.offer(offerOf(2))).toMatchObject({ active: true, replacedBy: null });
});
