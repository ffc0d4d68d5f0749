import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { BridgeApp } from "../../bridge/routes/context.ts";
import { resultRoot } from "../../contracts/commitments.ts";
import { errorCodes } from "../../mpc/errors.ts";
import { randomBytes } from "../../mpc/random.ts";
import { TestMarket } from "./market-in-memory.ts";
import { addressOf, hashOf, jobOf, offerOf, partsOf } from "./memory-chain.ts";

let market: TestMarket;
let app: BridgeApp;

beforeEach(async () => {
  market = new TestMarket();
  app = await market.bridge();
});
afterEach(() => market.close());

const sha256 = (bytes: Uint8Array) => `0x${createHash("sha256").update(bytes).digest("hex")}`;
const octets = { "content-type": "application/octet-stream" };
const upload = (bytes: Buffer) =>
  app.inject({ method: "PUT", url: "/v1/blobs", payload: bytes, headers: octets });
const post = (path: string, payload: object) =>
  app.inject({ method: "POST", url: `/v1/jobs/${path}`, payload });
const get = (url: string) => app.inject({ url });

function expectProblem(response: Awaited<ReturnType<typeof get>>, status: number, code: string): void {
  expect([response.statusCode, response.headers["content-type"]]).toEqual([
    status,
    "application/problem+json",
  ]);
  expect(response.json()).toMatchObject({ status, code, title: errorCodes[code as "USAGE"][1] });
}

describe("health", () => {
  test("alive and ready", async () => {
    expect((await get("/healthz")).json()).toEqual({ status: "ok" });
    await expect.poll(async () => (await get("/readyz")).statusCode).toBe(200);
  });

  test("not ready while the chain belongs to another market", async () => {
    await expect.poll(async () => (await get("/readyz")).statusCode).toBe(200);
    market.chain.reorganise(2);
    market.chain.mine();
    await expect.poll(async () => (await get("/readyz")).statusCode).toBe(503);
    expect((await get("/readyz")).json().reason).toContain("not the one");
    expect((await get("/healthz")).statusCode).toBe(200);
  });

  test("deployment", async () => {
    expect((await get("/v1/deployment")).json()).toEqual({
      ...market.deployment,
      challengeWindowSec: 60,
      graceSec: 30,
      confirmations: 0,
      relayPath: "/v1/relay",
      eventsPath: "/v1/events",
    });
  });

  test("metrics count jobs, stuck jobs, blobs and refusals by code", async () => {
    await market.fund(app, jobOf(1));
    await market.fund(app, jobOf(2), { deadlineSec: 1 });
    await upload(randomBytes(10));
    await get("/v1/jobs/x");
    const text = (await get("/metrics")).body;
    expect(text).toContain('symbolon_bridge_jobs{state="Funded"} 2');
    expect(text).toContain("symbolon_bridge_jobs_stuck 1");
    expect(text).toContain("symbolon_bridge_blobs 1");
    expect(text).toContain("symbolon_bridge_blob_bytes 10");
    expect(text).toContain('symbolon_bridge_rejected_inputs_total{code="USAGE"} 1');
    expect(text).toContain("symbolon_bridge_chain_lag_blocks 0");
  });
});

describe("the OpenAPI document", () => {
  test("describes every route with its answers", async () => {
    const document = (await get("/v1/openapi.json")).json();
    expect(document.openapi).toBe("3.1.0");
    const described = Object.entries<Record<string, { summary?: string; responses: object }>>(
      document.paths,
    ).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
    );
    expect(described.map(({ method, path }) => `${method} ${path}`).sort()).toEqual([
      "get /healthz",
      "get /metrics",
      "get /readyz",
      "get /v1/blobs/{hash}",
      "get /v1/deployment",
      "get /v1/jobs",
      "get /v1/jobs/{id}",
      "get /v1/jobs/{id}/events",
      "get /v1/offers",
      "get /v1/offers/{id}",
      "get /v1/operators",
      "get /v1/sets",
      "head /v1/blobs/{hash}",
      "post /v1/jobs/{id}/attestations",
      "post /v1/jobs/{id}/failures",
      "post /v1/jobs/{id}/joins",
      "post /v1/jobs/{id}/progress",
      "post /v1/jobs/{id}/unopened",
      "put /v1/blobs",
    ]);
    for (const { operation } of described) {
      expect(operation.summary).toBeTruthy();
      expect(Object.keys(operation.responses).length).toBeGreaterThan(0);
    }
    expect(JSON.stringify(document)).not.toContain('"$ref":"#/definitions');
  });

  test("has a page", async () => {
    expect((await get("/v1/docs")).statusCode).toBe(200);
  });
});

describe("blobs", () => {
  test("come back as they went in", async () => {
    const bytes = randomBytes(5000);
    const put = await upload(bytes);
    expect([put.statusCode, put.json()]).toEqual([201, { hash: sha256(bytes), bytes: 5000 }]);
    expect((await upload(bytes)).statusCode).toBe(200);
    const response = await get(`/v1/blobs/${sha256(bytes)}`);
    expect(response.rawPayload).toEqual(bytes);
    expect(response.headers).toMatchObject({
      "content-length": "5000",
      "content-type": "application/octet-stream",
    });
    const head = await app.inject({
      method: "HEAD",
      url: `/v1/blobs/${sha256(bytes).toUpperCase().replace("0X", "0x")}`,
    });
    expect([head.statusCode, head.headers["content-length"], head.body]).toEqual([200, "5000", ""]);
  });

  test("an altered one is refused, not served", async () => {
    const bytes = randomBytes(500);
    await upload(bytes);
    const hash = sha256(bytes);
    await writeFile(join(market.folder, "blobs", hash.slice(2, 4), hash.slice(4)), randomBytes(500));
    expectProblem(await get(`/v1/blobs/${hash}`), 403, "COMMITMENT_MISMATCH");
    expect((await app.inject({ method: "HEAD", url: `/v1/blobs/${hash}` })).statusCode).toBe(403);
  });

  test("bad requests are refused by name", async () => {
    expectProblem(await get("/v1/blobs/0x12"), 400, "USAGE");
    expectProblem(await get(`/v1/blobs/${hashOf("absent")}`), 404, "NOT_FOUND");
    const text = await app.inject({
      method: "PUT",
      url: "/v1/blobs",
      payload: "x",
      headers: { "content-type": "text/plain" },
    });
    expectProblem(text, 415, "USAGE");
    expectProblem(
      await app.inject({ method: "PUT", url: "/v1/blobs", payload: { json: true } }),
      415,
      "USAGE",
    );
    expectProblem(await app.inject({ method: "PUT", url: "/v1/blobs" }), 415, "USAGE");
  });

  test("too large, too much", async () => {
    const small = new TestMarket();
    const bounded = await small.bridge({ blobs: { maxBytes: 100, quotaBytes: 150 } });
    const put = (bytes: Buffer) =>
      bounded.inject({ method: "PUT", url: "/v1/blobs", payload: bytes, headers: octets });
    expectProblem(await put(randomBytes(101)), 413, "LIMIT_EXCEEDED");
    expect((await put(randomBytes(100))).statusCode).toBe(201);
    expectProblem(await put(randomBytes(100)), 507, "LIMIT_EXCEEDED");
    await small.close();
  });

  test("too often", async () => {
    const small = new TestMarket();
    const bounded = await small.bridge({ rateLimit: { max: 100, uploads: 2, windowMs: 60_000 } });
    const put = () =>
      bounded.inject({ method: "PUT", url: "/v1/blobs", payload: randomBytes(16), headers: octets });
    expect([(await put()).statusCode, (await put()).statusCode]).toEqual([201, 201]);
    expectProblem(await put(), 429, "LIMIT_EXCEEDED");
    expect((await bounded.inject({ url: "/v1/jobs" })).statusCode).toBe(200);
    await small.close();
  });
});

describe("bad requests", () => {
  test("malformed JSON, wrong type, wrong fields, too long", async () => {
    await market.fund(app, jobOf(1));
    const raw = (payload: string, type = "application/json") =>
      app.inject({
        method: "POST",
        url: `/v1/jobs/${jobOf(1)}/joins`,
        payload,
        headers: { "content-type": type },
      });
    expectProblem(await raw("{bad"), 400, "USAGE");
    expectProblem(await raw(""), 400, "USAGE");
    expectProblem(await raw("{}", "text/plain"), 415, "USAGE");
    expectProblem(await raw("{}", "application/octet-stream"), 400, "USAGE");
    expectProblem(await raw("[]"), 400, "USAGE");
    expectProblem(await raw(`{"__proto__": {"x": 1}}`), 400, "USAGE");
    expectProblem(await raw(JSON.stringify({ operator: "x".repeat(9000) })), 413, "LIMIT_EXCEEDED");
    const wrong = await post(`${jobOf(1)}/joins`, { ...(await market.join(1)), extra: 1 });
    expectProblem(wrong, 400, "USAGE");
    expect(wrong.json().errors).toHaveLength(1);
  });

  test("unknown paths, ids and filters", async () => {
    expectProblem(await get("/v2"), 404, "NOT_FOUND");
    expectProblem(await get(`/v1/jobs/${jobOf(12)}`), 404, "NOT_FOUND");
    expectProblem(await get(`/v1/jobs/${jobOf(12)}/events`), 404, "NOT_FOUND");
    for (const id of ["1", "0x", "x", jobOf(1).slice(2), jobOf(1).slice(0, 12), `${jobOf(1)}0`])
      expectProblem(await get(`/v1/jobs/${id}`), 400, "USAGE");
    expectProblem(await get("/v1/jobs?state=Lost"), 400, "USAGE");
    for (const filter of [
      "limit=0",
      "after=-1",
      `after=${jobOf(1)}`,
      "prefix=0x12345",
      "prefix=123456",
      `prefix=${jobOf(1)}0`,
    ])
      expectProblem(await get(`/v1/jobs?${filter}`), 400, "USAGE");
    expectProblem(await get(`/v1/offers/${offerOf(3)}`), 404, "NOT_FOUND");
    expectProblem(await post(`${jobOf(12)}/joins`, await market.join(1, jobOf(12))), 404, "NOT_FOUND");
  });

  test("an unforeseen error says nothing about its cause", async () => {
    market.chain.times = async () => {
      throw new Error("secret address http://key@rpc.example");
    };
    const response = await get("/v1/deployment");
    expectProblem(response, 500, "INTERNAL");
    expect(response.body).not.toContain("secret");
    expect(market.logged.join("")).not.toContain("secret address");
  });
});

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
    const { SymbolonError } = await import("../../mpc/errors.ts");
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

test("a disputed job shows its open challenges, and is settled when there are none", async () => {
  const chunk = { operator: market.operators[1].address, point: 2 as const, chunk: 7 };
  await market.fund(app, jobOf(1));
  const [jobId, timestampSec] = [jobOf(1), Math.floor(Date.now() / 1000) - 100];
  const roots = { resultRoot: hashOf("r"), payoutRoot: hashOf("p"), budgetSpent: "0" };
  const challenged = {
    type: "ChunkChallenged" as const,
    ...chunk,
    dueSec: Math.floor(Date.now() / 1000) + 1000,
  };
  market.chain.mine(
    [
      { jobId, event: { type: "Joined" } },
      { jobId, event: { type: "Attested", ...roots } },
      { jobId, event: challenged },
      { jobId, event: { type: "Disputed" } },
    ],
    timestampSec,
  );
  market.chain.states.set(jobId, "Disputed");
  await market.until(app, jobId, (job) => job.state === "Disputed");
  expect((await get(`/v1/jobs/${jobId}`)).json().openChallenges).toMatchObject([chunk]);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(market.chain.sent).toEqual([]);
  market.chain.mine([{ jobId, event: { type: "ChunkPosted", ...chunk, heldUntilSec: 1 } }]);
  await expect.poll(() => market.chain.sent).toEqual([{ kind: "settle", jobId }]);
  expect((await get(`/v1/jobs/${jobId}`)).json().openChallenges).toEqual([]);
});

describe("lists", () => {
  test("of operators and sets", async () => {
    await expect.poll(async () => (await get("/v1/sets")).json().sets.length).toBe(1);
    expect((await get("/v1/operators")).json().operators).toHaveLength(3);
  });

  test("of jobs, page by page, without specifications", async () => {
    for (const id of ["1", "2", "3"]) await market.fund(app, jobOf(id));
    const first = (await get("/v1/jobs?limit=2")).json();
    expect(first.jobs.map(({ id }: { id: string }) => id)).toEqual([jobOf(1), jobOf(2)]);
    expect(first.jobs[0]).not.toHaveProperty("spec");
    const second = (await get(`/v1/jobs?limit=2&after=${first.next}`)).json();
    expect([second.jobs.length, second.next]).toEqual([1, null]);
    expect((await get(`/v1/jobs/${jobOf(3)}`)).json().spec).toBe("0x7b7d");
    const { jobs, next } = (await get("/v1/jobs?limit=3")).json();
    expect([jobs.length, next]).toEqual([3, null]);
  });

  test("of jobs by the beginning of a name, in either case", async () => {
    for (const id of ["1", "2"]) await market.fund(app, jobOf(id));
    const prefix = jobOf(2).slice(0, 12).toUpperCase().replace("0X", "0x");
    const { jobs } = (await get(`/v1/jobs?prefix=${prefix}`)).json();
    expect(jobs.map(({ id }: { id: string }) => id)).toEqual([jobOf(2)]);
    expect((await get("/v1/offers?prefix=0x123456")).json()).toEqual({ offers: [], next: null });
  });
});

test("a restarted bridge goes on with what it knew", async () => {
  await market.fund(app, jobOf(1));
  await post(`${jobOf(1)}/joins`, await market.join(1));
  await post(`${jobOf(1)}/joins`, await market.join(2));
  const before = (await get(`/v1/jobs/${jobOf(1)}`)).json();
  await app.close();
  app = await market.bridge();
  expect((await get(`/v1/jobs/${jobOf(1)}`)).json()).toEqual(before);
  await post(`${jobOf(1)}/joins`, await market.join(3));
  await expect.poll(() => market.chain.sent.map(({ kind }) => kind)).toEqual(["join"]);
});

test("the log holds neither bodies nor signatures", async () => {
  await market.fund(app, jobOf(1));
  const join = await market.join(1);
  const bytes = Buffer.from("marked ciphertext bytes");
  await upload(bytes);
  await post(`${jobOf(1)}/joins`, join);
  await post(`${jobOf(1)}/joins`, { ...join, operator: "marked wrong operator" });
  const log = market.logged.join("");
  expect(log).toContain(`/v1/jobs/${jobOf(1)}/joins`);
  for (const secret of [join.signature.slice(2), "marked", bytes.toString("hex"), bytes.toString("base64")]) {
    expect(log).not.toContain(secret);
  }
});

test("pages of allowed origins may call it, others may not", async () => {
  const open = new TestMarket();
  const bridge = await open.bridge({ corsOrigins: ["https://console.example"] });
  const ask = (origin: string, method: "GET" | "OPTIONS") =>
    bridge.inject({ method, url: "/v1/jobs", headers: { origin } });
  expect((await ask("https://console.example", "GET")).headers["access-control-allow-origin"]).toBe(
    "https://console.example",
  );
  expect((await ask("https://console.example", "OPTIONS")).statusCode).toBe(204);
  expect((await ask("https://evil.example", "GET")).headers["access-control-allow-origin"]).toBeUndefined();
  await open.close();
});
