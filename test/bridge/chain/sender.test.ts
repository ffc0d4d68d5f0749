import pino from "pino";
import { beforeEach, expect, test } from "vitest";
import { type SendOutcome, statesOf, TransactionSender } from "../../../bridge/chain/sender.ts";
import type { Action } from "../../../bridge/jobs/duties.ts";
import type { ActionKind } from "../../../bridge/jobs/events.ts";
import { jobTransitions } from "../../../contracts/job-states.ts";
import { SymbolonError } from "../../../mpc/errors.ts";
import { hashOf, jobOf, MemoryChain } from "../memory-chain.ts";

const refund: Action = { kind: "refund", jobId: jobOf(1) };

let chain: MemoryChain;
let outcomes: SendOutcome[];

beforeEach(() => {
  chain = new MemoryChain();
  chain.states.set(jobOf(1), "Failed");
  outcomes = [];
});

function sender(backOffMs = 0, retries = 2): TransactionSender {
  return new TransactionSender({
    chain,
    logger: pino({ level: "silent" }),
    onOutcome: (_action, outcome) => outcomes.push(outcome),
    retries,
    backOffMs,
  });
}

test("sends what is due and reports the transaction", async () => {
  sender().offer(refund);
  await expect.poll(() => outcomes).toEqual([{ outcome: "mined", txHash: hashOf("tx") }]);
  expect(chain.sent).toEqual([refund]);
});

test("sends nothing when the chain is past it", async () => {
  chain.states.set(jobOf(1), "Refunded");
  sender().offer(refund);
  await expect.poll(() => outcomes).toEqual([{ outcome: "unneeded", state: "Refunded" }]);
  expect(chain.sent).toEqual([]);
});

test("sends nothing in a state from which the contract has no arrow", () => {
  const arrows = {
    ...{ join: "Joined", attest: "Attested", fail: "Failed", refund: "Refunded", settle: "Settled" },
  } as const satisfies Partial<Record<ActionKind, string>>;
  for (const [kind, to] of Object.entries(arrows)) {
    for (const from of statesOf[kind as ActionKind]) expect(jobTransitions[from]).toContain(to);
  }
});

test("refunds no attested job, whose arrow back is for disputes alone", async () => {
  chain.states.set(jobOf(1), "Attested");
  sender().offer(refund);
  await expect.poll(() => outcomes).toEqual([{ outcome: "unneeded", state: "Attested" }]);
});

test("gives back a budget once: who did it before shows on chain", async () => {
  const giveBack: Action = { kind: "returnBudget", jobId: jobOf(1) };
  chain.states.set(jobOf(1), "Refunded");
  sender().offer(giveBack);
  await expect.poll(() => chain.sent).toEqual([giveBack]);
  chain.returned.add(jobOf(1));
  sender().offer(giveBack);
  await expect.poll(() => outcomes.at(-1)).toEqual({ outcome: "unneeded", state: "Refunded" });
  expect(chain.sent).toHaveLength(1);
});

test("has one transaction of a kind under way, however often it is offered", async () => {
  const { promise, resolve } = Promise.withResolvers<{ txHash: string }>();
  chain.onSend = () => promise;
  const sending = sender();
  for (let i = 0; i < 5; i++) sending.offer(refund);
  await expect.poll(() => chain.sent.length).toBe(1);
  sending.offer(refund);
  resolve({ txHash: "0x1" });
  await expect.poll(() => outcomes.length).toBe(1);
  expect(chain.sent).toHaveLength(1);
});

test("bounds what is on its way; the rest goes when it is offered again", async () => {
  const waiting: (() => void)[] = [];
  chain.onSend = () => new Promise((resolve) => waiting.push(() => resolve({ txHash: "0x1" })));
  const sending = new TransactionSender({
    chain,
    logger: pino({ level: "silent" }),
    onOutcome: (_action, outcome) => outcomes.push(outcome),
    maxInFlight: 2,
  });
  const actions = [1, 2, 3].map((label): Action => ({ kind: "refund", jobId: jobOf(label) }));
  for (const { jobId } of actions) chain.states.set(jobId, "Failed");
  for (const action of actions) sending.offer(action);
  await expect.poll(() => waiting.length).toBe(2);
  for (const finish of waiting) finish();
  await expect.poll(() => outcomes.length).toBe(2);
  for (const action of actions) sending.offer(action);
  await expect.poll(() => chain.sent.map(({ jobId }) => jobId)).toEqual([1, 2, 3].map(jobOf));
});

test("tries again through an outage, and looks at the chain again before it", async () => {
  let outages = 1;
  chain.onSend = async () => {
    if (outages-- > 0) {
      // The transaction went through, only the answer was lost.
      chain.states.set(jobOf(1), "Refunded");
      throw new SymbolonError("CHAIN_UNREACHABLE", "lost");
    }
    return { txHash: "0x1" };
  };
  sender().offer(refund);
  await expect.poll(() => outcomes).toEqual([{ outcome: "unneeded", state: "Refunded" }]);
  expect(chain.sent).toHaveLength(1);
});

test("reports a refusal of the contract at once and tries again later", async () => {
  chain.onSend = async () => {
    throw new SymbolonError("CONTRACT_REVERTED", "too early");
  };
  const sending = sender(50);
  sending.offer(refund);
  await expect
    .poll(() => outcomes)
    .toMatchObject([{ outcome: "refused", error: { code: "CONTRACT_REVERTED" } }]);
  sending.offer(refund);
  expect(chain.sent).toHaveLength(1);
  await expect
    .poll(() => {
      sending.offer(refund);
      return chain.sent.length;
    })
    .toBe(2);
});

test("a changed job is tried at once again", async () => {
  chain.onSend = async () => {
    throw new SymbolonError("CONTRACT_REVERTED", "too early");
  };
  const sending = sender(1_000_000);
  sending.offer(refund);
  await expect.poll(() => outcomes.length).toBe(1);
  sending.forget(jobOf(1));
  sending.offer(refund);
  await expect.poll(() => chain.sent.length).toBe(2);
});

test("sends nothing after it was closed", async () => {
  const sending = sender();
  await sending.close();
  sending.offer(refund);
  await new Promise((resolve) => setTimeout(resolve, 10));
  expect(chain.sent).toEqual([]);
});
