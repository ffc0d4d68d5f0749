import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { BridgeApp } from "../../bridge/routes/context.ts";
import { randomBytes } from "../../mpc/random.ts";
import { expectProblem } from "./expect-problem.ts";
import { TestMarket } from "./market-in-memory.ts";
import { hashOf, jobOf, offerOf } from "./memory-chain.ts";

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
