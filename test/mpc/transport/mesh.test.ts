import { fork } from "node:child_process";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SymbolonError } from "../../../mpc/errors.ts";
import type { AttemptChannels } from "../../../mpc/transport/attempt.ts";
import { generateX25519 } from "../../../mpc/transport/keys.ts";
import { connectMesh, MeshListener } from "../../../mpc/transport/mesh.ts";
import { nextParty } from "../../../mpc/transport/transport.ts";
import { endings, errorOf, MeshWorld, type Outcome, round } from "./mesh-world.ts";

const toHex = (data: Uint8Array) => Buffer.from(data).toString("hex");
const codes = (outcomes: readonly Outcome[]) =>
  outcomes.map((outcome) => (outcome instanceof SymbolonError ? outcome.code : "connected"));

let world: MeshWorld;
beforeAll(async () => {
  world = await MeshWorld.start();
});
afterAll(async () => {
  await world.stop();
});

describe("mesh of three parties", () => {
  test("frames of every size arrive, gathered from parts; statistics count payloads", async () => {
    const transports = await world.transports(world.newContext());
    const sizes = [0, 1, 15, 1500, 65_535, 65_536, 65_537, 300_000, 5_000_000];
    for (const [operation, size] of sizes.entries()) {
      await Promise.all(
        transports.map(async (transport) => {
          const payload = Buffer.alloc(size, transport.partyIndex * 16 + operation);
          const received = await round(transport, operation, payload);
          const expected = Buffer.alloc(size, nextParty(transport.partyIndex) * 16 + operation);
          expect(expected.equals(received)).toBe(true);
        }),
      );
    }
    const total = sizes.reduce((sum, size) => sum + size, 0);
    for (const transport of transports) {
      expect(transport.stats).toMatchObject({
        framesSent: 18,
        bytesSent: 2 * total,
        bytesReceived: 2 * total,
      });
    }
    transports[0]!.send(2, 100, [Buffer.from("sym"), Buffer.alloc(200_000, 5), Buffer.from("bolon")]);
    const gathered = Buffer.from(await transports[1]!.receive(1, 100, 200_008));
    expect(gathered.subarray(0, 3).toString() + gathered.subarray(-5).toString()).toBe("symbolon");
    for (const transport of transports) transport.close();
  });

  test("the sender may overwrite its buffer at once, small and large", async () => {
    const transports = await world.transports(world.newContext());
    const [one, two] = [transports[0]!, transports[1]!];
    for (const size of [1000, 2_000_000]) {
      const part = Buffer.alloc(size, 1);
      for (let operation = 0; operation < 5; operation++) {
        part.fill(operation);
        one.send(2, operation, [part]);
      }
      part.fill(99);
      for (let operation = 0; operation < 5; operation++) {
        const received = await two.receive(1, operation, size);
        expect(Buffer.alloc(size, operation).equals(received)).toBe(true);
      }
    }
    for (const transport of transports) transport.close();
  });

  test("pair secrets agree within a pair, and are fresh even when a context is used again", async () => {
    const contextId = world.newContext();
    const seen = new Set<string>();
    for (let attempt = 0; attempt < 2; attempt++) {
      const outcomes = (await world.connect(contextId)) as AttemptChannels[];
      for (const [i, j] of [
        [1, 2],
        [1, 3],
        [2, 3],
      ] as const) {
        const secret = toHex(outcomes[i - 1]!.pairSecrets.get(j)!);
        expect(toHex(outcomes[j - 1]!.pairSecrets.get(i)!)).toBe(secret);
        expect(secret.length).toBe(64);
        seen.add(secret);
      }
      for (const { transport } of outcomes) transport.close();
    }
    expect(seen.size).toBe(6);
  });

  test("many attempts share the listeners", async () => {
    const attempts = await Promise.all(Array.from({ length: 8 }, () => world.transports(world.newContext())));
    await Promise.all(
      attempts.flatMap((transports, i) =>
        transports.map(async (transport) => {
          for (let operation = 0; operation < 20; operation++) {
            expect((await round(transport, operation, Uint8Array.of(i)))[0]).toBe(i);
          }
        }),
      ),
    );
    // One of them ends with an error; the others do not notice.
    attempts[0]![0]!.close(new SymbolonError("SHARES_INCONSISTENT", "shares do not lie on one line"));
    expect(await endings(attempts[0]!)).toEqual(Array(3).fill("SHARES_INCONSISTENT"));
    for (const transports of attempts.slice(1)) {
      await Promise.all(transports.map((transport) => round(transport, 20, Uint8Array.of(1))));
      for (const transport of transports) transport.close();
    }
  });

  test("a party that starts late is waited for", async () => {
    const contextId = world.newContext();
    const early = [1, 3].map((i) => connectMesh(world.options(i as 1 | 3, contextId)));
    await new Promise((resolve) => setTimeout(resolve, 150));
    const all = await Promise.all([...early, connectMesh(world.options(2, contextId))]);
    await Promise.all(all.map(({ transport }) => round(transport, 0, Uint8Array.of(1))));
    for (const { transport } of all) transport.close();
  });

  test("an orderly close delivers what was sent before, also much of it", async () => {
    const transports = await world.transports(world.newContext());
    const [one, two, three] = transports as [never, never, never] as unknown as typeof transports;
    one!.send(2, 0, [Buffer.alloc(20_000_000, 3)]);
    one!.close();
    two!.send(3, 0, [Uint8Array.of(4)]);
    expect((await three!.receive(2, 0, 1))[0]).toBe(4);
    const received = await two!.receive(1, 0, 20_000_000);
    expect(received[19_999_999]).toBe(3);
    expect((await errorOf(two!.receive(1, 1, 1))).code).toBe("PEER_LOST");
    expect((await errorOf(three!.receive(2, 1, 1))).code).toBe("PEER_LOST");
  });

  test("an emulated latency keeps the order", async () => {
    const transports = await world.transports(world.newContext(), { delayMs: 3 });
    for (let operation = 0; operation < 3; operation++) {
      await Promise.all(transports.map((transport) => round(transport, operation, Buffer.alloc(70_000))));
    }
    transports[0]!.send(2, 3, [Uint8Array.of(1)]);
    transports[0]!.send(2, 4, [Uint8Array.of(2)]);
    transports[0]!.close();
    expect((await transports[1]!.receive(1, 3, 1))[0]).toBe(1);
    expect((await transports[1]!.receive(1, 4, 1))[0]).toBe(2);
    for (const transport of transports) transport.close();
  });

  test("closing the listener lets attempts that have ended flush, and drops what goes on", async () => {
    const own = await MeshWorld.start();
    const transports = await own.transports(own.newContext());
    transports[1]!.send(1, 0, [Buffer.alloc(20_000_000, 3)]);
    transports[1]!.close();
    const closing = own.listeners[1]!.close(60_000);
    const received = await transports[0]!.receive(2, 0, 20_000_000);
    expect(received[19_999_999]).toBe(3);
    await closing;
    await own.listeners[2]!.close(0);
    expect((await errorOf(transports[0]!.receive(3, 0, 1))).code).toBe("PEER_LOST");
    await own.stop();
  });
});

describe("parties that do not come or do not belong", () => {
  test("nobody there: PEER_TIMEOUT for all who wait", async () => {
    const contextId = world.newContext();
    const waiting = [1, 2].map((i) =>
      errorOf(connectMesh(world.options(i as 1 | 2, contextId, { deadlineMs: 200 }))),
    );
    expect((await Promise.all(waiting)).map((error) => error.code)).toEqual(["PEER_TIMEOUT", "PEER_TIMEOUT"]);
    expect(await world.works()).toBe(true);
  });

  // Who accepts sees the failed proof; who dials sees only that it is not answered. The deadlines are
  // staggered, so that the reason that each party gives is its own, or the first one given to it.
  test.each([
    [1, ["PEER_TIMEOUT", "CHANNEL_AUTH", "CHANNEL_AUTH"]],
    [2, ["CHANNEL_AUTH", "CHANNEL_AUTH", "CHANNEL_AUTH"]],
    [3, ["PEER_TIMEOUT", "PEER_TIMEOUT", "CHANNEL_AUTH"]],
  ])("party %i with a key that is not the registered one is refused", async (impostor, expected) => {
    const outcomes = await world.connect(world.newContext(), (partyIndex) => ({
      deadlineMs: 1800 - 400 * partyIndex,
      ...(partyIndex === impostor ? { staticPrivateKey: generateX25519().privateKey } : {}),
    }));
    expect(codes(outcomes)).toEqual(expected);
    expect(await world.works()).toBe(true);
  });

  test("a party in another job or attempt is not connected", async () => {
    const contextId = world.newContext();
    const outcomes = await world.connect(contextId, (partyIndex) => ({
      deadlineMs: 200,
      ...(partyIndex === 2 ? { contextId: world.newContext() } : {}),
    }));
    expect(codes(outcomes)).toEqual(Array(3).fill("PEER_TIMEOUT"));
    expect(await world.works()).toBe(true);
  });

  test("a failed connection to one peer ends the connecting of the third at once", async () => {
    const contextId = world.newContext();
    // Party 1 gives up early; party 3 would wait for a minute.
    const outcomes = await world
      .connect(contextId, (partyIndex) =>
        partyIndex === 1
          ? { deadlineMs: 250, ...world.via({ host: "127.0.0.1", port: 1 }, contextId) }
          : { deadlineMs: 60_000 },
      )
      .then(codes);
    expect(outcomes).toEqual(Array(3).fill("PEER_TIMEOUT"));
  });

  test("the signal ends the connecting", async () => {
    const contextId = world.newContext();
    const cancelled = connectMesh(world.options(2, contextId, { signal: AbortSignal.timeout(50) }));
    expect((await errorOf(cancelled)).code).toBe("RUN_ABORTED");
    const already = connectMesh(world.options(2, contextId, { signal: AbortSignal.abort() }));
    expect((await errorOf(already)).code).toBe("RUN_ABORTED");
  });

  test("an attempt is connected once at a time", async () => {
    const contextId = world.newContext();
    const first = errorOf(connectMesh(world.options(3, contextId, { deadlineMs: 200 })));
    expect((await errorOf(connectMesh(world.options(3, contextId)))).code).toBe("STATE_INVALID");
    expect((await first).code).toBe("PEER_TIMEOUT");
  });

  test("malformed options and taken addresses are named", async () => {
    const options = world.options(1, world.newContext());
    const code = async (change: object) => (await errorOf(connectMesh({ ...options, ...change }))).code;
    expect(await code({ contextId: new Uint8Array(31) })).toBe("USAGE");
    expect(await code({ deadlineMs: 0 })).toBe("USAGE");
    expect(await code({ peers: { 2: options.peers[2] } })).toBe("USAGE");
    expect(await code({ staticPrivateKey: new Uint8Array(5) })).toBe("KEY_INVALID");
    expect(
      await code({ peers: { ...options.peers, 3: { ...options.peers[3]!, publicKey: new Uint8Array(1) } } }),
    ).toBe("KEY_INVALID");
    const second = new MeshListener();
    expect((await errorOf(second.listen(world.addresses[0]!))).code).toBe("CONFIG_INVALID");
  });
});

describe("a peer that vanishes", () => {
  test("silence is PEER_TIMEOUT on every party", async () => {
    const transports = await world.transports(world.newContext(), (i) => ({
      idleTimeoutMs: i === 1 ? 100 : 60_000,
    }));
    // Party 2 sends nothing at all.
    const waiting = [errorOf(transports[0]!.receive(2, 0, 1)), errorOf(transports[2]!.receive(1, 0, 1))];
    expect((await Promise.all(waiting)).map((error) => error.code)).toEqual(["PEER_TIMEOUT", "PEER_TIMEOUT"]);
    expect((await errorOf(transports[1]!.receive(1, 0, 1))).code).toBe("PEER_TIMEOUT");
    expect(await world.works()).toBe(true);
  });

  test("a frame that came while this process was busy is not taken for silence", async () => {
    const transports = await world.transports(world.newContext(), { idleTimeoutMs: 50 });
    const waiting = transports[0]!.receive(2, 0, 3);
    transports[1]!.send(1, 0, [Buffer.from("yes")]);
    const start = performance.now();
    while (performance.now() - start < 120);
    expect(Buffer.from(await waiting).toString()).toBe("yes");
    for (const transport of transports) transport.close();
  });

  test("a process killed mid-round is PEER_LOST on both others", async () => {
    const victim = fork(`${import.meta.dirname}/mesh-victim.ts`);
    const said = () => new Promise<unknown>((resolve) => victim.once("message", resolve));
    const address = (await said()) as { host: string; port: number };
    const contextId = world.newContext();
    const connected = said();
    victim.send({
      contextId: toHex(contextId),
      privateKey: toHex(world.keys[2]!.privateKey),
      publicKeys: world.keys.map(({ publicKey }) => toHex(publicKey)),
    });
    const pair = await Promise.all(
      ([1, 2] as const).map((i) => {
        const { peers, ...options } = world.options(i, contextId, { idleTimeoutMs: 60_000 });
        return connectMesh({ ...options, peers: { ...peers, 3: { ...peers[3]!, ...address } } });
      }),
    );
    await connected;
    const run = async ({ transport }: AttemptChannels) => {
      for (let operation = 0; ; operation++) {
        await round(transport, operation, Buffer.alloc(100));
        if (transport.partyIndex === 1 && operation === 10) victim.kill("SIGKILL");
      }
    };
    const errors = await Promise.all(pair.map((channels) => errorOf(run(channels))));
    expect(errors.map((error) => error.code)).toEqual(["PEER_LOST", "PEER_LOST"]);
    expect(await world.works()).toBe(true);
  });
});

describe("strangers at the listener", () => {
  const open = (address: { host: string; port: number }) =>
    new Promise<{ socket: ReturnType<typeof connect>; closed: Promise<void> }>((resolve) => {
      const socket = connect(address);
      const closed = new Promise<void>((done) => socket.on("close", () => done()));
      socket.on("error", () => {}).on("connect", () => resolve({ socket, closed }));
      socket.resume();
    });

  test("are bounded in number, and honest parties get through", async () => {
    const small = await MeshWorld.start({ maxStrangers: 4, strangerTimeoutMs: 60_000 });
    const idle = [];
    for (let i = 0; i < 12; i++) idle.push(await open(small.addresses[2]!));
    await Promise.all(idle.slice(0, 8).map(({ closed }) => closed));
    expect(small.listeners[2]!.strangers).toBeLessThanOrEqual(4);
    expect(await small.works()).toBe(true);
    for (const { socket } of idle) socket.destroy();
    await small.stop();
  });

  test("are dropped when they do not say who they are in time, or talk nonsense", async () => {
    const small = await MeshWorld.start({ strangerTimeoutMs: 50 });
    const silent = await open(small.addresses[1]!);
    await silent.closed;
    const rude = await open(small.addresses[1]!);
    rude.socket.write(Buffer.alloc(500, 65));
    await rude.closed;
    expect(small.listeners[1]!.strangers).toBe(0);
    await small.stop();
  });
});
