/** What is owed and not told of. On a real chain: challenge-restart.slow.test.ts. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { id } from "ethers";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { randomBytes } from "../../../mpc/random.ts";
import { createKernel } from "../../../mpc/vector/index.ts";
import { EvidenceStore } from "../../../parties/compute/evidence-store.ts";
import { createNodeLogger } from "../../../parties/compute/logger.ts";
import { MissedChallenges } from "../../../parties/compute/missed-challenges.ts";
import { encodeShare } from "../../../parties/data-set.ts";
import { challengeKey, type LedgerJob, MarketLedger } from "../../../parties/ledger.ts";
import { Secret } from "../../../parties/secret.ts";

const operator = "0xF39fd6e51Aad88f6F4CE6aB8827279CFFfb92266";
const [first, second] = [id("job 1"), id("job 2")];
const dueSec = 5000;
/** 65 elements are two chunks. */
const chunks = 2;

let folder: string;
let evidence: EvidenceStore;
let ledger: MarketLedger;
let missed: MissedChallenges;
let logged: string[];
/** By the contract: chunks by job. */
let owed: Map<string, number[]>;
/** Jobs that the endpoint says nothing of. */
let silent: Set<string>;
/** What the contract was asked. */
let asked: string[];
/** What its answers wait for. */
let hold: () => Promise<void>;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "symbolon-missed-"));
  evidence = await EvidenceStore.open(folder, new Secret(randomBytes(32)));
  const kernel = await createKernel(61);
  const values = kernel.allocate(65);
  kernel.fromBigints(
    values,
    Array.from({ length: 65 }, (_, i) => BigInt(i)),
  );
  const share = encodeShare(kernel, values, { rows: 65, cols: 1, fracBits: 0, point: 2 });
  for (const jobId of [first, second]) {
    const origin = { jobId, attempt: 1, operator, point: 2 as const };
    await evidence.keep({ origin, salt: new Uint8Array(32), share });
  }
  [owed, silent, asked, logged, ledger] = [new Map(), new Set(), [], [], new MarketLedger()];
  hold = async () => {};
  missed = new MissedChallenges({
    ...{ operator, evidence },
    logger: createNodeLogger("trace", { write: (line: string) => void logged.push(line) }),
    market: {
      openAgainst: async (account, block) => {
        asked.push(`${account} ${block}`);
        await hold();
        if (silent.has(account)) throw new Error("no answer");
        return [...owed.values()].flat().length;
      },
      isChallenged: async (job, block) => {
        asked.push(`${job} ${block}`);
        if (silent.has(job)) throw new Error("no answer");
        return owed.has(job);
      },
      openChallenges: async function* (about, options) {
        expect(about).toEqual({ job: about.job, point: 2, chunks });
        for (const chunk of owed.get(about.job) ?? []) {
          options?.signal?.throwIfAborted();
          yield { chunk, dueSec };
        }
      },
    },
  });
  vi.useFakeTimers({ toFake: ["performance"] });
});
afterEach(async () => {
  vi.useRealTimers();
  await missed.close();
  await rm(folder, { recursive: true, force: true });
});

const look = async (): Promise<string[]> => {
  await missed.look(ledger, 7);
  vi.advanceTimersByTime(60_000);
  return missed.notIn(ledger).map(([key]) => key);
};
const keyOf = (job: string, chunk: number): string => challengeKey({ job, operator, point: 2, chunk });
function tell(job: string, chunk: number): void {
  ledger.challenges.set(keyOf(job, chunk), {
    job,
    operator: operator.toLowerCase(),
    point: 2,
    chunk,
    dueSec,
  });
}

test("one number is asked for where the ledger has all, at the ledger's block", async () => {
  owed.set(first, [0]);
  tell(first, 0);
  expect(await look()).toEqual([]);
  expect(asked).toEqual([`${operator} 7`]);
  expect(logged).toEqual([]);
});

test("what the ledger lacks is found among the results on the disk, and no further than that", async () => {
  owed.set(first, [0, 1]);
  tell(first, 0);
  expect(await look()).toEqual([keyOf(first, 1)]);
  expect(logged.join()).toContain("told no event");
  owed.set(second, [1]);
  expect((await look()).sort()).toEqual([keyOf(first, 1), keyOf(second, 1)].sort());
  expect(missed.obstacles).toEqual([]);
  owed.clear();
  ledger.challenges.clear();
  expect(await look()).toEqual([]);
});

test("another operator's challenges are none of this one's", async () => {
  owed.set(first, [0]);
  ledger.challenges.set("other", {
    job: first,
    operator: `0x${"12".repeat(20)}`,
    point: 1,
    chunk: 0,
    dueSec,
  });
  expect(await look()).toEqual([keyOf(first, 0)]);
});

test("a settled job owes nothing, and is not asked about", async () => {
  owed.set(first, [0]);
  for (const job of [first, second]) ledger.jobs.set(job, { job, state: "Settled" } as LedgerJob);
  expect(await look()).toEqual([]);
  expect(asked).toEqual([`${operator} 7`]);
  expect(missed.obstacles).toEqual(["challenged for a chunk that this node cannot find"]);
});

test("a job that cannot be asked about hides no other, and keeps what was found of it", async () => {
  owed = new Map([first, second].map((job) => [job, [0]]));
  expect(await look()).toHaveLength(2);
  silent.add(second);
  expect(await look()).toHaveLength(2);
  owed.set(first, [0, 1]);
  expect((await look()).sort()).toEqual([keyOf(first, 0), keyOf(first, 1), keyOf(second, 0)].sort());
  expect(logged.join()).toContain("cannot be asked for");
});

test("a share that cannot be read hides no other, and is an obstacle when it is asked for", async () => {
  await writeFile(join(folder, first), randomBytes(500));
  owed = new Map([first, second].map((job) => [job, [0]]));
  expect(await look()).toEqual([keyOf(second, 0)]);
  expect(missed.obstacles).toHaveLength(1);
});

test("an endpoint that does not answer is told of once", async () => {
  silent.add(operator);
  for (let i = 0; i < 3; i++) expect(await look()).toEqual([]);
  expect(logged).toHaveLength(1);
});

test("nothing is looked for twice at once, or more often than once a minute", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  hold = () => promise;
  const looks = [missed.look(ledger, 7)];
  vi.advanceTimersByTime(120_000);
  looks.push(missed.look(ledger, 8));
  resolve();
  await Promise.all(looks);
  expect(asked).toHaveLength(1);
  await missed.look(ledger, 9);
  await missed.look(ledger, 9);
  expect(asked).toHaveLength(2);
});

test("an end does not wait for the rest of a search", async () => {
  owed.set(first, [0, 1]);
  const { promise, resolve } = Promise.withResolvers<void>();
  hold = () => promise;
  const looking = missed.look(ledger, 7);
  const closing = missed.close();
  resolve();
  await Promise.all([looking, closing]);
  expect(missed.notIn(ledger)).toEqual([]);
  await missed.look(ledger, 8);
  expect(asked.filter((each) => each.endsWith("8"))).toEqual([]);
});
