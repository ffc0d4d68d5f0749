import { createHash } from "node:crypto";
import { openAsBlob } from "node:fs";
import { writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { io } from "socket.io-client";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { BridgeClient, type JobSummary, meshRelayPath } from "../../bridge/client.ts";
import type { SubscriptionReply } from "../../bridge/events.ts";
import type { BridgeApp } from "../../bridge/routes/context.ts";
import { randomBytes } from "../../mpc/random.ts";
import { TestMarket } from "./market-in-memory.ts";
import { hashOf, jobOf } from "./memory-chain.ts";

let market: TestMarket;
let app: BridgeApp;
let url: string;
let client: BridgeClient;

beforeEach(async () => {
  market = new TestMarket();
  app = await market.bridge();
  url = await app.listen({ host: "127.0.0.1", port: 0 });
  client = new BridgeClient({ url: `${url}/`, pollMs: 20 });
});
afterEach(() => market.close());

/** Starts a server that answers everything the same way. */
async function withServer(
  answer: Parameters<typeof createServer>[1],
  use: (url: string) => Promise<void>,
): Promise<void> {
  const server: Server = createServer(answer as never);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

describe("requests", () => {
  test("read the market", async () => {
    expect(await client.deployment()).toMatchObject(market.deployment);
    await expect.poll(() => client.sets()).toMatchObject([{ id: market.setId }]);
    expect(await client.operators()).toHaveLength(3);
    expect(await client.offers()).toEqual([]);
    await market.fund(app, jobOf(1));
    expect(await client.job(jobOf(1))).toMatchObject({ state: "Funded", spec: "0x7b7d" });
    expect(await client.jobs({ state: "Funded" })).toHaveLength(1);
    expect(await client.jobs({ operatorSet: hashOf("other") })).toEqual([]);
    expect(await client.jobs({ prefix: jobOf(1).slice(0, 12) })).toHaveLength(1);
    expect(await client.jobs({ prefix: jobOf(2).slice(0, 12) })).toEqual([]);
    expect((await client.jobEvents(jobOf(1))).map(({ type }) => type)).toEqual(["Funded"]);
  });

  test("walk through all pages", async () => {
    for (let id = 1; id <= 3; id++) market.chain.mine([]);
    const { funded } = await import("./memory-chain.ts");
    market.chain.mine(Array.from({ length: 501 }, (_, i) => ({ jobId: jobOf(i + 1), event: funded() })));
    await market.until(app, jobOf(501), () => true);
    const jobs = await client.jobs();
    expect(jobs.map(({ id }) => id)).toEqual(Array.from({ length: 501 }, (_, i) => jobOf(i + 1)));
  });

  test("post for operators", async () => {
    await market.fund(app, jobOf(1));
    expect((await client.postJoin(jobOf(1), await market.join(2))).joins).toEqual([2]);
    expect((await client.postAttestation(jobOf(1), await market.attest(1))).attestations).toHaveLength(1);
    expect(
      (await client.postProgress(jobOf(1), await market.progress(1, "training", 1, 2))).progress?.done,
    ).toBe(1);
    expect((await client.postFailure(jobOf(1), await market.fail(1))).failures).toHaveLength(1);
    await market.fund(app, jobOf(2), { microRho: "1000" });
    const ended = (["Joined", "Refunded"] as const).map((type) => ({ jobId: jobOf(2), event: { type } }));
    market.chain.mine(ended);
    await market.until(app, jobOf(2), (job) => job.state === "Refunded");
    const word = await market.unopened(2, jobOf(2));
    expect((await client.postUnopened(jobOf(2), word)).unopened).toEqual([2]);
  });

  test("turn problems into errors of the same code", async () => {
    await expect(client.job(jobOf(5))).rejects.toMatchObject({ code: "NOT_FOUND", name: "SymbolonError" });
    await market.fund(app, jobOf(1));
    const forged = { ...(await market.join(1)), signature: `0x${"01".repeat(65)}` };
    await expect(client.postJoin(jobOf(1), forged)).rejects.toMatchObject({ code: "NOT_AUTHORISED" });
  });
});

describe("blobs", () => {
  test("go up and come down checked", async () => {
    for (const size of [0, 1, 300_000]) {
      const bytes = randomBytes(size);
      const { hash } = await client.uploadBlob(bytes);
      expect(Buffer.from(await client.downloadBlob(hash, size))).toEqual(bytes);
      expect(await client.hasBlob(hash)).toBe(true);
    }
    expect(await client.hasBlob(hashOf("absent"))).toBe(false);
    await expect(client.downloadBlob(hashOf("absent"), 10)).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  test("go up from a file and come down in parts", async () => {
    const bytes = randomBytes(3_000_000);
    const path = join(market.folder, "upload.bin");
    await writeFile(path, bytes);
    const hash = `0x${createHash("sha256").update(bytes).digest("hex")}`;
    const blob = await openAsBlob(path);
    expect(await client.uploadBlob({ blob, hash })).toEqual({ hash, bytes: bytes.length });
    const parts: Uint8Array[] = [];
    for await (const part of client.streamBlob(hash, bytes.length)) parts.push(part);
    expect(Buffer.concat(parts).equals(bytes)).toBe(true);
    await expect(client.uploadBlob({ blob, hash: hashOf("another") })).rejects.toMatchObject({
      code: "COMMITMENT_MISMATCH",
    });
  });

  test("longer than expected are refused", async () => {
    const { hash } = await client.uploadBlob(randomBytes(1000));
    await expect(client.downloadBlob(hash, 999)).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
    await expect(client.streamBlob(hash, 999).next()).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
  });

  test("altered in the bridge's store are refused", async () => {
    const { hash } = await client.uploadBlob(randomBytes(1000));
    await writeFile(join(market.folder, "blobs", hash.slice(2, 4), hash.slice(4)), randomBytes(1000));
    await expect(client.downloadBlob(hash, 1000)).rejects.toMatchObject({ code: "COMMITMENT_MISMATCH" });
    await expect(client.hasBlob(hash)).rejects.toMatchObject({ code: "COMMITMENT_MISMATCH" });
  });

  test("altered by a bridge that lies are refused too", async () => {
    await withServer(
      (_request, response) => response.end(Buffer.from("other bytes")),
      async (lying) => {
        const liar = new BridgeClient({ url: lying });
        await expect(liar.downloadBlob(hashOf("wanted"), 1000)).rejects.toMatchObject({
          code: "COMMITMENT_MISMATCH",
        });
      },
    );
    const answer = { hash: hashOf("something else"), bytes: 3 };
    await withServer(
      (request, response) => request.resume().on("end", () => response.end(JSON.stringify(answer))),
      async (lying) => {
        const liar = new BridgeClient({ url: lying });
        await expect(liar.uploadBlob(Buffer.from("abc"))).rejects.toMatchObject({
          code: "COMMITMENT_MISMATCH",
        });
      },
    );
  });
});

describe("a bridge that is down, slow or something else", () => {
  let job: JobSummary;
  beforeEach(async () => {
    await market.fund(app, jobOf(1));
    [job] = (await client.jobs()) as [JobSummary];
  });

  test("is named", async () => {
    const nobody = new BridgeClient({ url: "http://127.0.0.1:1" });
    await expect(nobody.deployment()).rejects.toMatchObject({ code: "BRIDGE_UNREACHABLE" });
    await withServer(
      () => undefined,
      async (silent) => {
        const waiting = new BridgeClient({ url: silent, timeoutMs: 50 });
        await expect(waiting.deployment()).rejects.toMatchObject({ code: "BRIDGE_UNREACHABLE" });
      },
    );
    await withServer(
      (_request, response) => response.end("<html>"),
      async (other) => {
        await expect(new BridgeClient({ url: other }).deployment()).rejects.toMatchObject({
          code: "BRIDGE_UNREACHABLE",
        });
      },
    );
    await withServer(
      (_request, response) => {
        response.statusCode = 502;
        response.end("bad gateway");
      },
      async (other) => {
        await expect(new BridgeClient({ url: other }).jobs()).rejects.toMatchObject({
          code: "BRIDGE_UNREACHABLE",
        });
      },
    );
  });

  test.each([
    ["stay where they are", () => ({ jobs: [job], next: 1 })],
    ["go back", (after: number) => ({ jobs: [job], next: after === 0 ? 7 : 6 })],
    ["are empty and go on", (after: number) => ({ jobs: [], next: after + 1 })],
    ["are longer than asked for", () => ({ jobs: Array.from({ length: 501 }, () => job), next: null })],
  ])("does not keep a caller with pages that %s", async (_how, page) => {
    let asked = 0;
    await withServer(
      (request, response) => {
        asked += 1;
        const after = Number(new URL(request.url!, "http://bridge").searchParams.get("after") ?? 0);
        response.end(JSON.stringify(page(after)));
      },
      async (endless) => {
        await expect(new BridgeClient({ url: endless }).jobs()).rejects.toMatchObject({
          code: "BRIDGE_UNREACHABLE",
        });
      },
    );
    expect(asked).toBeLessThan(3);
  });

  test("that lists for ever is listened to for so long only", async () => {
    await withServer(
      (request, response) => {
        const after = Number(new URL(request.url!, "http://bridge").searchParams.get("after") ?? 0);
        response.end(JSON.stringify({ jobs: Array.from({ length: 500 }, () => job), next: after + 500 }));
      },
      async (endless) => {
        await expect(new BridgeClient({ url: endless }).jobs()).rejects.toMatchObject({
          code: "LIMIT_EXCEEDED",
        });
      },
    );
  }, 60_000);

  test("does not hold a caller who gives up", async () => {
    await withServer(
      () => undefined,
      async (silent) => {
        const controller = new AbortController();
        const waiting = new BridgeClient({ url: silent }).deployment({ signal: controller.signal });
        controller.abort();
        await expect(waiting).rejects.toMatchObject({ code: "RUN_ABORTED" });
      },
    );
  });
});

describe("watching", () => {
  test("a job shows each change once, in order", async () => {
    await market.fund(app, jobOf(1));
    const views: JobSummary[] = [];
    const watch = client.watchJob(jobOf(1), (view) => views.push(view));
    await expect.poll(() => views.length).toBe(1);
    for (const point of [1, 2, 3] as const) await client.postJoin(jobOf(1), await market.join(point));
    market.chain.mine([{ jobId: jobOf(1), event: { type: "Joined" } }]);
    await client.postProgress(jobOf(1), await market.progress(1, "training", 1, 2));
    await expect.poll(() => views.at(-1)?.state).toBe("Joined");
    watch.close();
    const versions = views.map(({ version }) => version);
    expect(versions).toEqual([...versions].sort((left, right) => left - right));
    expect(new Set(views.map((view) => JSON.stringify(view))).size).toBe(views.length);
    expect(views.map(({ joins }) => joins.length)).toContain(3);
    expect(views.some(({ progress }) => progress?.phase === "training")).toBe(true);
  });

  test("all jobs shows open ones first and new ones as they come", async () => {
    await market.fund(app, jobOf(1));
    const seen: string[] = [];
    const other: string[] = [];
    const watch = client.watchJobs((view) => seen.push(view.id), { operatorSet: market.setId });
    const otherWatch = client.watchJobs((view) => other.push(view.id), { operatorSet: hashOf("other set") });
    await expect.poll(() => seen).toEqual([jobOf(1)]);
    await market.fund(app, jobOf(2));
    await expect.poll(() => seen).toEqual([jobOf(1), jobOf(2)]);
    expect(other).toEqual([]);
    watch.close();
    otherWatch.close();
  });

  test("goes on through a restart of the bridge, and says that it was away", async () => {
    await market.fund(app, jobOf(1));
    const troubles: string[] = [];
    const views: JobSummary[] = [];
    const watch = client.watchJob(
      jobOf(1),
      (view) => views.push(view),
      ({ code }) => troubles.push(code),
    );
    await expect.poll(() => views.length).toBe(1);
    await app.close();
    await expect.poll(() => troubles).toContain("BRIDGE_UNREACHABLE");
    app = await market.bridge();
    await app.listen({ host: "127.0.0.1", port: Number(new URL(url).port) });
    await client.postJoin(jobOf(1), await market.join(1));
    await expect.poll(() => views.at(-1)?.joins).toEqual([1]);
    watch.close();
  });

  test("until a state is reached, or not in time", async () => {
    await market.fund(app, jobOf(1));
    const waiting = client.waitForJob(jobOf(1), ({ state }) => state === "Joined", { timeoutMs: 5000 });
    market.chain.mine([{ jobId: jobOf(1), event: { type: "Joined" } }]);
    expect((await waiting).state).toBe("Joined");
    const never = client.waitForJob(jobOf(1), ({ state }) => state === "Settled", { timeoutMs: 30 });
    await expect(never).rejects.toMatchObject({ code: "BRIDGE_UNREACHABLE" });
    const controller = new AbortController();
    const given = client.waitForJob(jobOf(1), () => false, { timeoutMs: 5000, signal: controller.signal });
    controller.abort();
    await expect(given).rejects.toMatchObject({ code: "RUN_ABORTED" });
  });
});

describe("live events", () => {
  const ask = (socket: ReturnType<typeof io>, what: unknown): Promise<SubscriptionReply> =>
    socket.timeout(2000).emitWithAck("subscribe", what);

  test("are pushed, not only polled", async () => {
    await market.fund(app, jobOf(1));
    const patient = new BridgeClient({ url, pollMs: 1_000_000 });
    const views: JobSummary[] = [];
    const watch = patient.watchJob(jobOf(1), (view) => views.push(view));
    await expect
      .poll(async () => (await app.inject("/metrics")).body)
      .toContain("symbolon_bridge_subscribers 1");
    await expect
      .poll(async () => {
        await client.postProgress(jobOf(1), await market.progress(1, `phase ${views.length}`, 1, 2));
        return views.length;
      })
      .toBeGreaterThan(2);
    watch.close();
  });

  /** Whether a socket.io server answers a websocket there. */
  async function answers(address: string, path: string): Promise<boolean> {
    const socket = new WebSocket(`${address.replace("http", "ws")}${path}/?EIO=4&transport=websocket`);
    const answered = await new Promise<boolean>((resolve) => {
      socket.addEventListener("message", ({ data }) => resolve(String(data).includes('"sid"')), {
        once: true,
      });
      socket.addEventListener("error", () => resolve(false), { once: true });
    });
    socket.close();
    return answered;
  }

  /** Whether the mesh relay sends its challenge there. */
  async function challenges(address: string): Promise<boolean> {
    const socket = new WebSocket(`${address.replace("http", "ws")}${meshRelayPath}`);
    const said = await new Promise<string>((resolve) => {
      socket.addEventListener("message", ({ data }) => resolve(String(data)), { once: true });
      socket.addEventListener("error", () => resolve(""), { once: true });
    });
    socket.close();
    return said.startsWith('{"challenge":');
  }

  test("and the relays, unless they are switched off, are the only websockets", async () => {
    const without = new TestMarket();
    const plain = await without.bridge({ relay: { enabled: false }, meshRelay: { enabled: false } });
    const plainUrl = await plain.listen({ host: "127.0.0.1", port: 0 });
    expect(await answers(url, "/v1/events")).toBe(true);
    expect(await answers(url, "/v1/relay")).toBe(true);
    expect(await challenges(url)).toBe(true);
    expect(await answers(plainUrl, "/v1/events")).toBe(true);
    expect(await answers(plainUrl, "/v1/relay")).toBe(false);
    expect(await challenges(plainUrl)).toBe(false);
    expect(await answers(url, "/v1/jobs")).toBe(false);
    expect(await answers(url, meshRelayPath)).toBe(false);
    await without.close();
  });

  test("the metrics count what the mesh relay carries", async () => {
    const text = (await app.inject("/metrics")).body;
    for (const name of ["links", "sockets", "bytes"])
      expect(text).toMatch(new RegExp(`^symbolon_bridge_mesh_relay_${name} \\d+$`, "m"));
  });

  test("answer bad subscriptions by name and bound their number", async () => {
    const socket = io(url, { path: "/v1/events", transports: ["polling"] });
    expect(await ask(socket, { job: "1" })).toMatchObject({ ok: false, code: "USAGE" });
    expect(await ask(socket, { job: jobOf(99) })).toMatchObject({ ok: false, code: "NOT_FOUND" });
    expect(await ask(socket, "everything")).toMatchObject({ ok: false, code: "USAGE" });
    const { funded } = await import("./memory-chain.ts");
    market.chain.mine(Array.from({ length: 70 }, (_, i) => ({ jobId: jobOf(i + 1), event: funded() })));
    await market.until(app, jobOf(70), () => true);
    const replies: SubscriptionReply[] = [];
    for (let id = 1; id <= 70; id++) replies.push(await ask(socket, { job: jobOf(id) }));
    expect(replies.filter(({ ok }) => ok)).toHaveLength(64);
    expect(replies.at(-1)).toMatchObject({ ok: false, code: "LIMIT_EXCEEDED" });
    socket.close();
  });

  test("refuse connections beyond the limit", async () => {
    const small = new TestMarket();
    const bounded = await small.bridge({ events: { maxSubscribers: 1, maxRoomsEach: 2 } });
    const address = await bounded.listen({ host: "127.0.0.1", port: 0 });
    const first = io(address, { path: "/v1/events", transports: ["polling"], reconnection: false });
    await new Promise((resolve) => first.once("connect", () => resolve(null)));
    const second = io(address, {
      path: "/v1/events",
      transports: ["polling"],
      reconnection: false,
      forceNew: true,
    });
    await new Promise((resolve) => second.once("connect_error", resolve));
    expect([first.connected, second.connected]).toEqual([true, false]);
    first.close();
    second.close();
    await small.close();
  });
});
