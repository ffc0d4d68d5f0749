import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { BridgeApp } from "../../../bridge/routes/context.ts";
import { resultRoot } from "../../../contracts/commitments.ts";
import { expectProblem } from "../expect-problem.ts";
import { TestMarket } from "../market-in-memory.ts";
import { addressOf, hashOf, jobOf, offerOf, partsOf } from "../memory-chain.ts";

let market: TestMarket;
let app: BridgeApp;

beforeEach(async () => {
  market = new TestMarket();
  app = await market.bridge();
});
afterEach(() => market.close());

const post = (path: string, payload: object) =>
  app.inject({ method: "POST", url: `/v1/jobs/${path}`, payload });
const get = (url: string) => app.inject({ url });

describe("operators' posts", () => {
  test("three joins make one transaction", async () => {
    await market.fund(app, jobOf(1));
    for (const point of [2, 1, 2, 3] as const) {
      const response = await post(`${jobOf(1)}/joins`, await market.join(point));
      expect(response.statusCode).toBe(200);
    }
    await expect.poll(() => market.chain.sent.map(({ kind }) => kind)).toEqual(["join"]);
    expect((await get(`/v1/jobs/${jobOf(1)}`)).json().joins).toEqual([1, 2, 3]);
    const events = (await get(`/v1/jobs/${jobOf(1)}/events`)).json().events;
    expect(events.map(({ type }: { type: string }) => type)).toEqual([
      "Funded",
      "JoinPosted",
      "JoinPosted",
      "JoinPosted",
    ]);
  });

  test("of others are refused", async () => {
    await market.fund(app, jobOf(1));
    const good = await market.join(1);
    expectProblem(await post(`${jobOf(1)}/joins`, await market.join(1, jobOf(1), 2)), 403, "NOT_AUTHORISED");
    expectProblem(await post(`${jobOf(1)}/joins`, await market.join(1, jobOf(2))), 403, "NOT_AUTHORISED");
    expectProblem(
      await post(`${jobOf(1)}/joins`, { ...good, operator: addressOf("stranger") }),
      403,
      "NOT_AUTHORISED",
    );
    expectProblem(
      await post(`${jobOf(1)}/joins`, { ...good, signature: `0x${"00".repeat(65)}` }),
      403,
      "NOT_AUTHORISED",
    );
    const failure = await market.fail(1);
    expectProblem(await post(`${jobOf(1)}/failures`, { ...failure, point: 2 }), 403, "NOT_AUTHORISED");
    expectProblem(
      await post(`${jobOf(1)}/failures`, { ...failure, reason: "PEER_TIMEOUT" }),
      403,
      "NOT_AUTHORISED",
    );
    expect((await get(`/v1/jobs/${jobOf(1)}`)).json()).toMatchObject({ joins: [], failures: [] });
  });

  test("need the right job, and not the ciphertext: parties deliver it when the chain has the attestation", async () => {
    await market.fund(app, jobOf(1));
    expectProblem(
      await post(`${jobOf(1)}/attestations`, await market.attest(1, { job: jobOf(2) })),
      400,
      "USAGE",
    );
    expect((await post(`${jobOf(1)}/attestations`, await market.attest(1))).statusCode).toBe(200);
  });

  test("attest once three agree; a conflict is kept, shown and sends nothing", async () => {
    await market.fund(app, jobOf(1));
    market.chain.mine([{ jobId: jobOf(1), event: { type: "Joined" } }]);
    market.chain.states.set(jobOf(1), "Joined");
    await market.until(app, jobOf(1), (job) => job.state === "Joined");
    for (const point of [1, 2] as const) await post(`${jobOf(1)}/attestations`, await market.attest(point));
    const other = partsOf("other");
    const odd = await post(
      `${jobOf(1)}/attestations`,
      await market.attest(3, { resultRoot: resultRoot(other) }, other),
    );
    expect(odd.json()).toMatchObject({ attestationConflict: true });
    const events = (await get(`/v1/jobs/${jobOf(1)}/events`)).json().events;
    expect(events.at(-1)).toMatchObject({ type: "AttestationConflict", data: { digests: { length: 3 } } });
    expect(market.chain.sent).toEqual([]);
    await post(`${jobOf(1)}/attestations`, await market.attest(3));
    await expect.poll(() => market.chain.sent.map(({ kind }) => kind)).toEqual(["attest"]);
    const view = (await get(`/v1/jobs/${jobOf(1)}`)).json();
    expect(view.attestations).toHaveLength(4);
    expect(view.attestations[0]).toMatchObject({ point: 1, parts: partsOf("result") });
  });

  test("name the parts of the result that they attest, and no others", async () => {
    await market.fund(app, jobOf(1));
    const whole = partsOf("result");
    const { roots, ciphertextHashes } = whole;
    const wrong = hashOf("wrong");
    for (const parts of [
      { ...whole, roots: [roots[0], wrong, roots[2]] as typeof roots },
      { ...whole, ciphertextHashes: [ciphertextHashes[0], ciphertextHashes[1], wrong] as typeof roots },
      { ...whole, fieldBits: 89 as const },
      { ...whole, total: 71 },
    ]) {
      expectProblem(await post(`${jobOf(1)}/attestations`, await market.attest(2, {}, parts)), 400, "USAGE");
    }
    expect((await get(`/v1/jobs/${jobOf(1)}`)).json().attestations).toEqual([]);
    // What was refused is not what the operator said.
    expect((await post(`${jobOf(1)}/attestations`, await market.attest(2))).statusCode).toBe(200);
  });

  test("attest also what the chain has already: whoever sent it first keeps no parts from the buyer", async () => {
    await market.fund(app, jobOf(1), { deadlineSec: 1020 });
    const { resultRoot: root, payoutRoot, budgetSpent } = market.attestation();
    const attested = { type: "Attested", resultRoot: root, payoutRoot, budgetSpent } as const;
    market.chain.mine([
      { jobId: jobOf(1), event: { type: "Joined" } },
      { jobId: jobOf(1), event: attested },
    ]);
    market.chain.states.set(jobOf(1), "Attested");
    await market.until(app, jobOf(1), (job) => job.state === "Attested");
    market.chain.mine([], 1030 + 30 + 1);
    await expect.poll(async () => (await get("/readyz")).json().logBlock).toBe(market.chain.blocks.length);
    const answer = await post(`${jobOf(1)}/attestations`, await market.attest(3));
    expect([answer.statusCode, answer.json().attestations]).toMatchObject([
      200,
      [{ point: 3, parts: partsOf("result") }],
    ]);
  });

  test("two failures end the job", async () => {
    await market.fund(app, jobOf(1));
    await post(`${jobOf(1)}/failures`, await market.fail(3, "PEER_TIMEOUT"));
    expect(market.chain.sent).toEqual([]);
    await post(`${jobOf(1)}/failures`, await market.fail(1));
    await expect
      .poll(() => market.chain.sent)
      .toMatchObject([
        {
          kind: "fail",
          notices: [
            { point: 1, reason: "PEER_LOST" },
            { point: 3, reason: "PEER_TIMEOUT" },
          ],
        },
      ]);
    expect((await get(`/v1/jobs/${jobOf(1)}`)).json().failures).toEqual([
      { point: 1, operator: market.operators[0].address, reason: "PEER_LOST" },
      { point: 3, operator: market.operators[2].address, reason: "PEER_TIMEOUT" },
    ]);
  });

  test("after the deadline nothing is taken and the buyer is refunded", async () => {
    await market.fund(app, jobOf(1), { deadlineSec: 1 });
    expectProblem(await post(`${jobOf(1)}/joins`, await market.join(1)), 403, "STATE_INVALID");
    await expect.poll(() => market.chain.sent.map(({ kind }) => kind)).toEqual(["refund"]);
  });

  test("progress is shown and never goes back within a phase", async () => {
    await market.fund(app, jobOf(1));
    await post(`${jobOf(1)}/progress`, await market.progress(1, "training", 5, 10));
    expect(
      (await post(`${jobOf(1)}/progress`, await market.progress(2, "training", 4, 10))).json().progress,
    ).toEqual({
      phase: "training",
      done: 5,
      total: 10,
    });
    await post(`${jobOf(1)}/progress`, await market.progress(2, "sealing", 0, 1));
    expect((await get(`/v1/jobs/${jobOf(1)}`)).json().progress).toEqual({
      phase: "sealing",
      done: 0,
      total: 1,
    });
    expectProblem(
      await post(`${jobOf(1)}/progress`, await market.progress(2, "sealing", 2, 1)),
      400,
      "USAGE",
    );
    const forged = { ...(await market.progress(2, "sealing", 0, 1)), done: 1 };
    expectProblem(await post(`${jobOf(1)}/progress`, forged), 403, "NOT_AUTHORISED");
  });

  test("a transaction that the contract refuses shows on the job", async () => {
    const { SymbolonError } = await import("../../../mpc/errors.ts");
    market.chain.onSend = async () => {
      throw new SymbolonError("CONTRACT_REVERTED", "wrong state");
    };
    await market.fund(app, jobOf(1), { deadlineSec: 1 });
    await market.until(app, jobOf(1), (job) => job.lastRefusal !== null);
    expect((await get(`/v1/jobs/${jobOf(1)}`)).json().lastRefusal).toEqual({
      kind: "refund",
      code: "CONTRACT_REVERTED",
      message: "wrong state",
    });
    await expect.poll(() => market.chain.sent.length).toBeGreaterThan(2);
    const events = (await get(`/v1/jobs/${jobOf(1)}/events`)).json().events;
    expect(events.filter(({ type }: { type: string }) => type === "TransactionRefused")).toHaveLength(1);
  });
});

describe("what came of a job's privacy budget", () => {
  const kinds = () => market.chain.sent.map(({ kind }) => kind);

  /** Mines an event of the job and takes its state over. */
  function happen(...types: ("Joined" | "Refunded")[]): void {
    market.chain.mine(types.map((type) => ({ jobId: jobOf(1), event: { type } })));
    market.chain.states.set(jobOf(1), types.at(-1)!);
  }

  /** Mines the events of a budget that came back to the two offers of the job. */
  function giveBack(): void {
    market.chain.returned.add(jobOf(1));
    market.chain.mine(
      [1, 2].map((n) => ({
        jobId: jobOf(1),
        event: { type: "BudgetReturned", offer: offerOf(n), microRho: "1000" },
      })),
    );
  }

  test("is given back once when it ended unjoined, and the view says so when that is final", async () => {
    await app.close();
    app = await market.bridge({ confirmations: 1 });
    market.chain.onSend = async () => {
      giveBack();
      return { txHash: hashOf("tx") };
    };
    market.chain.mine([{ jobId: jobOf(1), event: market.funding({ microRho: "1000" }) }]);
    happen("Refunded");
    market.chain.mine();
    await expect.poll(kinds).toEqual(["returnBudget"]);
    await market.until(app, jobOf(1), (job) => job.state === "Refunded");
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect((await get(`/v1/jobs/${jobOf(1)}`)).json().budgetReturned).toBe(false);
    market.chain.mine();
    await market.until(app, jobOf(1), (job) => job.budgetReturned);
    const { events } = (await get(`/v1/jobs/${jobOf(1)}/events`)).json();
    const data = (n: number) => ({ offer: offerOf(n), microRho: "1000" });
    expect(events.slice(-2)).toMatchObject([1, 2].map((n) => ({ type: "BudgetReturned", data: data(n) })));
    expect(kinds()).toEqual(["returnBudget"]);
  });

  test("that somebody else gave back is noted, with nothing sent", async () => {
    market.chain.returned.add(jobOf(1));
    await market.fund(app, jobOf(1), { microRho: "1000" });
    happen("Refunded");
    giveBack();
    await market.until(app, jobOf(1), (job) => job.budgetReturned);
    expect(kinds()).toEqual([]);
  });

  test("of a joined job is given back when all three say that nothing was opened", async () => {
    await market.fund(app, jobOf(1), { microRho: "1000" });
    happen("Joined");
    await market.until(app, jobOf(1), (job) => job.state === "Joined");
    const early = await post(`${jobOf(1)}/unopened`, await market.unopened(1));
    expectProblem(early, 403, "STATE_INVALID");
    happen("Refunded");
    await market.until(app, jobOf(1), (job) => job.state === "Refunded");
    const forged = await market.unopened(1, jobOf(1), 2);
    expectProblem(await post(`${jobOf(1)}/unopened`, forged), 403, "NOT_AUTHORISED");
    const other = await market.unopened(1, jobOf(2));
    expectProblem(await post(`${jobOf(1)}/unopened`, other), 403, "NOT_AUTHORISED");
    const joins = { ...(await market.join(1)) };
    expectProblem(await post(`${jobOf(1)}/unopened`, joins), 403, "NOT_AUTHORISED");
    for (const point of [3, 1, 3] as const) {
      const response = await post(`${jobOf(1)}/unopened`, await market.unopened(point));
      expect(response.statusCode).toBe(200);
    }
    expect((await get(`/v1/jobs/${jobOf(1)}`)).json().unopened).toEqual([1, 3]);
    expect(kinds()).toEqual([]);
    await post(`${jobOf(1)}/unopened`, await market.unopened(2));
    const signatures = [1, 2, 3].map(async (point) => (await market.unopened(point as 1)).signature);
    await expect
      .poll(() => market.chain.sent)
      .toEqual([{ kind: "returnUnopened", jobId: jobOf(1), signatures: await Promise.all(signatures) }]);
  });

  test.each([
    ["was never joined", { microRho: "1000" }, ["Refunded"]],
    ["is of an exact result", {}, ["Joined", "Refunded"]],
  ] as const)("takes no word of operators for a job that %s", async (_what, terms, events) => {
    market.chain.returned.add(jobOf(1));
    await market.fund(app, jobOf(1), terms);
    happen(...events);
    await market.until(app, jobOf(1), (job) => job.state === "Refunded");
    const response = await post(`${jobOf(1)}/unopened`, await market.unopened(1));
    expectProblem(response, 403, "STATE_INVALID");
  });
});
