import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { JobEvent } from "../../../bridge/jobs/events.ts";
import type { Point } from "../../../bridge/schemas.ts";
import { BridgeDatabase, type NewFact } from "../../../bridge/store/database.ts";
import { addressOf, funded, hashOf } from "../memory-chain.ts";

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
  jobId: id,
  event: { ...funded(overrides), chain: at(block) },
});
const joined = (id: string, block: number): NewFact => ({
  key: `joined ${id} in ${block}`,
  jobId: id,
  event: { type: "Joined", chain: at(block) },
});
const join1 = (id: string, point: Point, spec = "spec"): NewFact => ({
  key: `join ${id} ${point} ${spec}`,
  jobId: id,
  event: {
    type: "JoinPosted",
    point,
    operator: addressOf(`operator ${point}`),
    specHash: hashOf(spec),
    signature: "0x",
  } as JobEvent,
});

const terms = (priceWei: string) => ({
  ...{ priceWei, rhoPriceWei: "0", maxMicroRho: "1000", expirySec: 2_000_000_000, minSellers: 2 },
  algorithms: hashOf("algorithms"),
  buyers: hashOf("buyers"),
  purposes: hashOf("purposes"),
  document: hashOf("document"),
});
const published = (offer: string, block: number): NewFact => ({
  key: `offer ${offer} in ${block}`,
  jobId: null,
  event: {
    type: "OfferPublished",
    chain: at(block),
    offer,
    seller: addressOf("seller"),
    operatorSet: hashOf("set"),
    schemaHash: hashOf("schema"),
    rows: 10,
    columns: 3,
    nonce: hashOf("nonce"),
    ciphertextHashes: [hashOf("1"), hashOf("2"), hashOf("3")],
    budgetMicroRho: "1000",
    terms: terms("5"),
    dataRoot: hashOf("root"),
  },
});

/** Everything that the database shows. */
function shown(database: BridgeDatabase) {
  return {
    jobs: database.jobs({ limit: 100 }),
    offers: database.offers({ limit: 100 }),
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
          algorithm: hashOf("a"),
        },
      },
      {
        key: "price",
        jobId: null,
        event: { type: "OfferRelisted", chain: at(3), offer: "1", terms: terms("9") },
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
    ["1", "Joined", 2],
    ["2", "Funded", 0],
  ]);
  expect(before.offers[0]).toMatchObject({ id: "1", terms: { priceWei: "9" }, active: true });
  expect(before.operators[0]).toMatchObject({ endpoint: "127.0.0.1:9001", approvals: [hashOf("a")] });
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
  expect(database.jobEvents("1", 0, 100)).toHaveLength(4);
});

test("a batch is stored whole or not at all", () => {
  const database = open();
  const broken = {
    key: "bad",
    jobId: "2",
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
  expect(database.job("1")?.job.state).toBe("Funded");
});

test("a reorganisation voids the facts above it and lets them come again", () => {
  const database = open();
  fill(database);
  database.rewind(2);
  expect(database.cursor()).toEqual(cursor(2));
  expect(database.job("1")?.job).toMatchObject({ state: "Funded", joins: [{ point: 1 }, { point: 2 }] });
  expect(database.operators()).toEqual([]);
  expect(database.offer("1")?.terms.priceWei).toBe("5");
  database.append([joined("1", 3)], cursor(3, "of another fork"));
  expect(database.job("1")?.job.state).toBe("Joined");
  expect(database.jobEvents("1", 0, 100).map(({ type }) => type)).toEqual([
    "Funded",
    "JoinPosted",
    "JoinPosted",
    "Joined",
  ]);
  close(database);
  const again = open();
  again.rewind(2);
  expect(again.job("1")?.job.state).toBe("Funded");
});

test("what operators signed survives when the funding itself is mined again", () => {
  const database = open();
  database.append([fund("1", 2)], cursor(2));
  database.append([join1("1", 1), join1("1", 2)]);
  database.append([], cursor(1));
  database.rewind(1);
  expect(database.job("1")).toBeNull();
  database.append([fund("1", 3)], cursor(3));
  expect(database.job("1")?.job.joins.map(({ point }) => point)).toEqual([1, 2]);
});

test("what operators signed for one job does not count for the job that replaced it", () => {
  const database = open();
  database.append([fund("1", 2)], cursor(2));
  database.append([join1("1", 1)]);
  database.rewind(1);
  database.append([fund("1", 3, { specHash: hashOf("another spec") })], cursor(3));
  expect(database.job("1")?.job.joins).toEqual([]);
});

test("a chain event of an unknown job is kept and reported, and stops nothing", () => {
  const database = open();
  const result = database.append([joined("9", 4), fund("1", 4)], cursor(4));
  expect(result.misfits).toEqual(["joined 9 in 4"]);
  expect(database.job("1")?.job.state).toBe("Funded");
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

test("finds jobs by state, set and buyer, page by page", () => {
  const database = open();
  database.append(
    [
      fund("1", 1),
      fund("2", 1, { buyer: addressOf("other buyer") }),
      fund("3", 1, { operatorSet: hashOf("other set") }),
      joined("1", 2),
    ],
    cursor(2),
  );
  const ids = (filter: object) => database.jobs({ limit: 10, ...filter }).map(({ job }) => job.id);
  expect(ids({})).toEqual(["1", "2", "3"]);
  expect(ids({ state: "Joined" })).toEqual(["1"]);
  expect(ids({ operatorSet: hashOf("other set") })).toEqual(["3"]);
  expect(ids({ buyer: addressOf("other buyer").toUpperCase().replace("0X", "0x") })).toEqual(["2"]);
  expect(ids({ limit: 2 })).toEqual(["1", "2"]);
  expect(ids({ after: "2" })).toEqual(["3"]);
  expect(database.jobsByState()).toEqual([
    { state: "Funded", jobs: 2 },
    { state: "Joined", jobs: 1 },
  ]);
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
  ]);
  for (const point of [1, 2, 3] as const) database.append([join1("2", point)]);
  const attested = {
    type: "Attested" as const,
    chain: { ...at(3), timestampSec: 5000 },
    resultRoot: hashOf("r"),
    payoutRoot: hashOf("p"),
    inputRoot: hashOf("input"),
  };
  database.append([
    { key: "attested", jobId: "3", event: attested },
    { key: "failed", jobId: "4", event: { type: "Failed", chain: at(3), reasons: [] } },
  ]);
  const waiting = (nowSec: number) => database.waitingJobs(nowSec, 60).map(({ job }) => job.id);
  expect(waiting(5000)).toEqual(["2", "4"]);
  expect(waiting(5001)).toEqual(["1", "2", "4"]);
  expect(waiting(5060)).toEqual(["1", "2", "4"]);
  expect(waiting(5061)).toEqual(["1", "2", "3", "4"]);
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
      job: "1",
      algorithm: hashOf("algorithm"),
      inputRoot: hashOf("input"),
      resultRoot: hashOf("r"),
      payoutRoot: hashOf("p"),
      budgetSpent: "0",
    },
    resultCiphertext: hashOf("sealed result"),
    resultShareRoot: hashOf("root"),
    signature: "0x",
  };
  database.append([published("1", 1), fund("1", 1, { spec }), { key: "posted", jobId: "1", event: posted }]);
  for (let round = 0; round < 2; round++) {
    for (const name of ["1", "2", "3", "schema", "the buyer's input", "sealed result"]) {
      expect([name, database.namesBlob(hashOf(name))]).toEqual([name, true]);
    }
    expect(database.namesBlob(hashOf("nobody's"))).toBe(false);
    database.replay();
  }
});
