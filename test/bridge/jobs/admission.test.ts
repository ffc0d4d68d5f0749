import { afterEach, beforeEach, expect, test } from "vitest";
import { admittedKey, parseComputationId } from "../../../bridge/jobs/admission.ts";
import { BridgeDatabase } from "../../../bridge/store/database.ts";
import { addressOf, funded, hashOf, jobOf } from "../memory-chain.ts";

const market = { chainId: 31337, jobEscrow: addressOf("escrow") };
const escrow = market.jobEscrow.toLowerCase();
let database: BridgeDatabase;

beforeEach(() => {
  database = new BridgeDatabase(":memory:", market);
  const chain = { blockNumber: 1, timestampSec: 1, txHash: hashOf("transaction") };
  const members = [1, 2, 3].map((point) => addressOf(`operator ${point}`)) as [string, string, string];
  database.append([
    ...members.map((operator, index) => ({
      key: operator,
      jobId: null,
      event: {
        type: "OperatorRegistered" as const,
        chain,
        operator,
        signer: addressOf(`signer ${index + 1}`),
        sealKey: hashOf("seal"),
        channelKey: hashOf("channel"),
        jiffKey: hashOf(`jiff ${index + 1}`),
        endpoint: "127.0.0.1:9001",
        feeWei: "7",
      },
    })),
    { key: "set", jobId: null, event: { type: "SetCreated", chain, set: hashOf("set"), members } },
    { key: "1", jobId: jobOf(1), event: { ...funded(), chain } },
    { key: "2", jobId: jobOf(2), event: { ...funded(), chain } },
    { key: "3", jobId: jobOf(1), event: { type: "Joined", chain } },
  ]);
});
afterEach(() => database.close());

const key = (id: string, party = 1) => admittedKey({ market, database, maxAttempts: 3 }, id, party);

test("names are read back", () => {
  expect(parseComputationId(`31337-${escrow}-${jobOf(12)}-3`)).toEqual({
    chainId: 31337,
    jobEscrow: escrow,
    jobId: jobOf(12),
    attempt: 3,
  });
});

test("each party of a joined job of this market is asked for its own registered key, attempt by attempt", () => {
  for (const party of [1, 2, 3]) {
    for (const attempt of [1, 2, 3]) {
      const expected = Buffer.from(hashOf(`jiff ${party}`).slice(2), "hex");
      expect(key(`31337-${escrow}-${jobOf(1)}-${attempt}`, party)).toEqual(expected);
    }
  }
});

test("an operator that changed its key is asked for the new one", () => {
  const chain = { blockNumber: 2, timestampSec: 2, txHash: hashOf("later") };
  const before = database.operator(addressOf("operator 2"))!;
  const {
    address: operator,
    status: _status,
    approvals: _approvals,
    tokens: _tokens,
    registeredAtSec: _since,
    ...keys
  } = before;
  const event = { type: "OperatorUpdated" as const, chain, operator, ...keys, jiffKey: hashOf("new key") };
  database.append([{ key: "update", jobId: null, event }]);
  expect(key(`31337-${escrow}-${jobOf(1)}-1`, 2)).toEqual(Buffer.from(hashOf("new key").slice(2), "hex"));
});

test.each([
  ["too many attempts", `31337-${escrow}-${jobOf(1)}-4`],
  ["a job that is not joined", `31337-${escrow}-${jobOf(2)}-1`],
  ["an unknown job", `31337-${escrow}-${jobOf(3)}-1`],
  ["another chain", `1-${escrow}-${jobOf(1)}-1`],
  ["another escrow", `31337-${addressOf("other").toLowerCase()}-${jobOf(1)}-1`],
  ["attempt 0", `31337-${escrow}-${jobOf(1)}-0`],
  ["a second spelling of the escrow", `31337-${market.jobEscrow}-${jobOf(1)}-1`],
  ["a second spelling of the job", `31337-${escrow}-${jobOf(1).toUpperCase()}-1`],
  ["something behind it", `31337-${escrow}-${jobOf(1)}-1 `],
  ["nothing", ""],
])("%s is refused", (_what, id) => {
  expect(key(id)).toBe(false);
});

test("there are three parties", () => {
  for (const party of [0, 4, 1.5, Number.NaN])
    expect(key(`31337-${escrow}-${jobOf(1)}-1`, party)).toBe(false);
});
