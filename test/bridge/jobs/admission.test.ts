import { afterEach, beforeEach, expect, test } from "vitest";
import { admits, parseComputationId } from "../../../bridge/jobs/admission.ts";
import { BridgeDatabase } from "../../../bridge/store/database.ts";
import { addressOf, funded, hashOf } from "../memory-chain.ts";

const market = { chainId: 31337, jobEscrow: addressOf("escrow") };
const escrow = market.jobEscrow.toLowerCase();
let database: BridgeDatabase;

beforeEach(() => {
  database = new BridgeDatabase(":memory:", market);
  const chain = { blockNumber: 1, timestampSec: 1, txHash: hashOf("transaction") };
  database.append([
    { key: "1", jobId: "1", event: { ...funded(), chain } },
    { key: "2", jobId: "2", event: { ...funded(), chain } },
    { key: "3", jobId: "1", event: { type: "Joined", chain } },
  ]);
});
afterEach(() => database.close());

const allowed = (id: string, party = 1) => admits({ market, database, maxAttempts: 3 }, id, party);

test("names are read back", () => {
  expect(parseComputationId(`31337-${escrow}-12-3`)).toEqual({
    chainId: 31337,
    jobEscrow: escrow,
    jobId: "12",
    attempt: 3,
  });
});

test("joined jobs of this market are admitted, attempt by attempt", () => {
  for (const party of [1, 2, 3])
    for (const attempt of [1, 2, 3]) expect(allowed(`31337-${escrow}-1-${attempt}`, party)).toBe(true);
});

test.each([
  ["too many attempts", `31337-${escrow}-1-4`],
  ["a job that is not joined", `31337-${escrow}-2-1`],
  ["an unknown job", `31337-${escrow}-3-1`],
  ["another chain", `1-${escrow}-1-1`],
  ["another escrow", `31337-${addressOf("other").toLowerCase()}-1-1`],
  ["attempt 0", `31337-${escrow}-1-0`],
  ["a second spelling of the escrow", `31337-${market.jobEscrow}-1-1`],
  ["a second spelling of a number", `31337-${escrow}-01-1`],
  ["something behind it", `31337-${escrow}-1-1 `],
  ["nothing", ""],
])("%s is refused", (_what, id) => {
  expect(allowed(id)).toBe(false);
});

test("there are three parties", () => {
  for (const party of [0, 4, 1.5, Number.NaN]) expect(allowed(`31337-${escrow}-1-1`, party)).toBe(false);
});
