import pino from "pino";
import { afterEach, beforeEach, expect, test } from "vitest";
import { BudgetReturns } from "../../../bridge/jobs/budget-returns.ts";
import type { Action } from "../../../bridge/jobs/duties.ts";
import { BridgeDatabase } from "../../../bridge/store/database.ts";
import { addressOf, funded, hashOf, jobOf } from "../memory-chain.ts";

const giveBack: Action = { kind: "returnBudget", jobId: jobOf(1) };
const mined = { outcome: "mined", txHash: hashOf("tx") } as const;
const cursor = (blockNumber: number, fork = "") => ({
  blockNumber,
  blockHash: hashOf(`block ${blockNumber}${fork}`),
});

let database: BridgeDatabase;
/** The block as of which the escrow says yes. */
let returnedAt: number;
let asked: (number | undefined)[];
let duringAnswer: () => void;
let returns: BudgetReturns;

beforeEach(() => {
  database = new BridgeDatabase(":memory:", { chainId: 31337, jobEscrow: addressOf("escrow") });
  const chain = { blockNumber: 1, timestampSec: 1001, txHash: hashOf("funding") };
  const event = { ...funded({ microRho: "1000" }), chain };
  database.append([{ key: "fund", jobId: jobOf(1), event }], cursor(1));
  [returnedAt, asked, duringAnswer] = [3, [], () => undefined];
  returns = new BudgetReturns({
    chain: {
      budgetReturned: async (_jobId, blockNumber) => {
        asked.push(blockNumber);
        duringAnswer();
        return blockNumber !== undefined && blockNumber >= returnedAt;
      },
    },
    database,
    logger: pino({ level: "silent" }),
  });
});
afterEach(() => database.close());

const isReturned = () => database.job(jobOf(1))?.job.budgetReturned;

test("asks as of the last block in the log, once a block, until that says yes", async () => {
  returns.sent(giveBack, mined);
  expect(await returns.confirm()).toBeNull();
  expect(await returns.confirm()).toBeNull();
  database.append([], cursor(2));
  expect(await returns.confirm()).toBeNull();
  database.append([], cursor(3));
  expect((await returns.confirm())?.changedJobs.map(({ job }) => job.id)).toEqual([jobOf(1)]);
  database.append([], cursor(4));
  expect(await returns.confirm()).toBeNull();
  expect(asked).toEqual([1, 2, 3]);
  expect(isReturned()).toBe(true);
});

test("asks for nothing that was refused, or that is about something else", async () => {
  returns.sent({ kind: "refund", jobId: jobOf(1) }, mined);
  const error = Object.assign(new Error("no"), { code: "CONTRACT_REVERTED" }) as never;
  returns.sent(giveBack, { outcome: "refused", error });
  expect(await returns.confirm()).toBeNull();
  expect(asked).toEqual([]);
});

test("does not believe an answer about a block that went away meanwhile", async () => {
  returnedAt = 1;
  returns.sent(giveBack, mined);
  database.append([], cursor(2));
  duringAnswer = () => database.rewind(1);
  expect(await returns.confirm()).toBeNull();
  expect(isReturned()).toBe(false);
  duringAnswer = () => undefined;
  database.append([], cursor(2, "of another fork"));
  await returns.confirm();
  expect(isReturned()).toBe(true);
});

test("goes on after the chain did not answer", async () => {
  returnedAt = 1;
  returns.sent(giveBack, mined);
  duringAnswer = () => {
    throw new Error("unreachable");
  };
  expect(await returns.confirm()).toBeNull();
  duringAnswer = () => undefined;
  await returns.confirm();
  expect(isReturned()).toBe(true);
});
