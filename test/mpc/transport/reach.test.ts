/** Parties that cannot reach each other meet through the relay, and what a hostile relay can do to them. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { SymbolonError } from "../../../mpc/errors.ts";
import { generateX25519 } from "../../../mpc/transport/keys.ts";
import type { MeshChannels, MeshOptions } from "../../../mpc/transport/mesh.ts";
import { nextParty, type PartyIndex } from "../../../mpc/transport/transport.ts";
import { HostileMeshRelay, MeshRelayHost, type RelayHook } from "./mesh-relay-host.ts";
import { endings, MeshWorld, type Outcome, round } from "./mesh-world.ts";

let world: MeshWorld;
let host: MeshRelayHost;
beforeAll(async () => {
  world = await MeshWorld.start();
  host = await MeshRelayHost.start();
});
afterAll(async () => {
  await world.stop();
  await host.close();
});

/** Nobody listens there. */
const nowhere = { host: "127.0.0.1", port: 1 };
let computations = 0;

/** Party 1 cannot reach party 2 but through the relay. */
function blocked(contextId: Uint8Array, directMs = 50) {
  const computationId = `c${computations++}`;
  return (party: PartyIndex): Partial<MeshOptions> => ({
    ...(party === 1 ? world.via(nowhere, contextId) : {}),
    relay: host.fallback(party, computationId, directMs),
  });
}

const paths = (outcomes: readonly Outcome[]) =>
  outcomes.map((outcome) => {
    if (outcome instanceof Error) throw outcome;
    return Object.fromEntries((outcome as MeshChannels).paths);
  });
const transportsOf = (outcomes: readonly Outcome[]) =>
  (outcomes as MeshChannels[]).map(({ transport }) => transport);
const codes = (outcomes: readonly Outcome[]) =>
  outcomes.map((outcome) => (outcome instanceof SymbolonError ? outcome.code : "connected"));

async function expectRounds(outcomes: readonly Outcome[]): Promise<void> {
  const transports = transportsOf(outcomes);
  for (const [operation, size] of [0, 1, 1500, 65_536, 3_000_000].entries()) {
    await Promise.all(
      transports.map(async (transport) => {
        const payload = Buffer.alloc(size, transport.partyIndex);
        const received = await round(transport, operation, payload);
        expect(Buffer.alloc(size, nextParty(transport.partyIndex)).equals(received)).toBe(true);
      }),
    );
  }
  for (const transport of transports) transport.close();
}

describe("the relay", () => {
  test("joins two parties of which one cannot be reached; the third is reached directly", async () => {
    const contextId = world.newContext();
    const outcomes = await world.connect(contextId, blocked(contextId));
    expect(paths(outcomes)).toEqual([
      { 2: "relay", 3: "direct" },
      { 1: "relay", 3: "direct" },
      { 1: "direct", 2: "direct" },
    ]);
    expect(host.relay.links).toBe(1);
    await expectRounds(outcomes);
    await expect.poll(() => host.relay.sockets).toBe(0);
  });

  test("carries all links where no direct one is tried", async () => {
    const computationId = `c${computations++}`;
    const outcomes = await world.connect(world.newContext(), (party) => ({
      relay: host.fallback(party, computationId, 0),
    }));
    expect(paths(outcomes)).toEqual([
      { 2: "relay", 3: "relay" },
      { 1: "relay", 3: "relay" },
      { 1: "relay", 2: "relay" },
    ]);
    await expectRounds(outcomes);
  });

  test("is not used by parties that reach each other", async () => {
    // Earlier tests' last words.
    await expect.poll(() => host.relay.sockets).toBe(0);
    const before = host.relay.bytes;
    const computationId = `c${computations++}`;
    const outcomes = await world.connect(world.newContext(), (party) => ({
      relay: host.fallback(party, computationId, 2_000),
    }));
    expect(new Set(paths(outcomes).flatMap((all) => Object.values(all)))).toEqual(new Set(["direct"]));
    await expectRounds(outcomes);
    expect(host.relay.bytes).toBe(before);
  });

  test("and a direct connection that come at the same time end in one link that both mean", async () => {
    for (let i = 0; i < 8; i++) {
      const computationId = `c${computations++}`;
      const outcomes = await world.connect(world.newContext(), (party) => ({
        relay: host.fallback(party, computationId, 1 + i),
      }));
      const [one, two, three] = paths(outcomes);
      expect([one![2], one![3], two![3]]).toEqual([two![1], three![1], three![2]]);
      await expectRounds(outcomes);
    }
  });

  test("tells an orderly end, an abort and a loss apart", async () => {
    const contextId = world.newContext();
    const [one, two] = transportsOf(await world.connect(contextId, blocked(contextId)));
    one!.send(2, 0, [Buffer.alloc(2_000_000, 3)]);
    one!.close();
    expect((await two!.receive(1, 0, 2_000_000))[1_999_999]).toBe(3);
    await expect(two!.receive(1, 1, 1)).rejects.toMatchObject({ code: "PEER_LOST" });

    const again = world.newContext();
    const transports = transportsOf(await world.connect(again, blocked(again)));
    transports[0]!.close(new SymbolonError("SHARES_INCONSISTENT", "not on a line"));
    expect(await endings(transports)).toEqual(Array(3).fill("SHARES_INCONSISTENT"));
  });

  test("that refuses, or is not there, is named when nobody is reached in time", async () => {
    for (const [url, said] of [
      [host.url, "NOT_AUTHORISED"],
      [`http://127.0.0.1:1/v1/mesh`, "cannot be reached"],
    ]) {
      const contextId = world.newContext();
      const outcomes = await world.connect(contextId, (party) => ({
        ...(party === 1 ? world.via(nowhere, contextId) : {}),
        deadlineMs: party === 1 ? 1_500 : 10_000,
        relay: { ...host.fallback(party, "c", 20), url: url!, secretKey: generateX25519().privateKey },
      }));
      expect(codes(outcomes)).toEqual(Array(3).fill("PEER_TIMEOUT"));
      expect((outcomes as SymbolonError[]).map(({ message }) => message).join()).toContain(said);
    }
    expect(await world.works()).toBe(true);
  });

  test("is left alone when connecting is cancelled", async () => {
    const contextId = world.newContext();
    const change = blocked(contextId);
    const cancel = new AbortController();
    const connecting = world.connect(contextId, (party) => ({
      ...change(party),
      ...(party === 1 ? { signal: cancel.signal } : { relay: undefined, deadlineMs: 3_000 }),
    }));
    await expect.poll(() => host.relay.sockets).toBe(1);
    cancel.abort();
    const [one, two, three] = codes(await connecting);
    expect(one).toBe("RUN_ABORTED");
    // Whoever was not connected to party 1 by then hears it from the other, or waits to the end.
    for (const code of [two, three]) expect(["RUN_ABORTED", "PEER_LOST", "PEER_TIMEOUT"]).toContain(code);
    await expect.poll(() => host.relay.sockets).toBe(0);
  });
});

describe("a hostile relay", () => {
  let relay: HostileMeshRelay;
  afterEach(() => relay.close());

  async function attacked(hook: RelayHook, change: (party: PartyIndex) => Partial<MeshOptions> = () => ({})) {
    relay = await HostileMeshRelay.start();
    relay.hook = hook;
    const contextId = world.newContext();
    const computationId = `c${computations++}`;
    return world.connect(contextId, (party) => ({
      ...(party === 1 ? world.via(nowhere, contextId) : {}),
      relay: { ...host.fallback(party, computationId, 20), url: relay.url },
      ...change(party),
    }));
  }

  /** Each party's first three messages are of the handshake and the connecting. */
  const target = 6;
  let held: Buffer | undefined;
  const attacks: [string, string, RelayHook][] = [
    [
      "alters a byte",
      "CHANNEL_AUTH",
      (_, number, message) => {
        if (number === target) message[20]! ^= 1;
        return undefined;
      },
    ],
    ["drops a message", "CHANNEL_AUTH", (_, number) => (number === target ? [] : undefined)],
    [
      "repeats a message",
      "CHANNEL_AUTH",
      (_, number, message) => (number === target ? [message, message] : undefined),
    ],
    [
      "reorders messages",
      "CHANNEL_AUTH",
      (from, number, message) => {
        if (from !== 1) return undefined;
        if (number === target) held = message;
        return number === target ? [] : number === target + 1 ? [message, held!] : undefined;
      },
    ],
    [
      "sends a party its own message back",
      "CHANNEL_AUTH",
      (_, number, message, { sender }) => {
        if (number === target) sender.send(message);
        return undefined;
      },
    ],
    [
      "injects a frame",
      "CHANNEL_AUTH",
      (_, number, message) =>
        number === target
          ? [Buffer.concat([Buffer.of(0, 0, 0, 16, 0, 0), Buffer.alloc(22)]), message]
          : undefined,
    ],
    ["injects text", "PEER_MISBEHAVED", (_, number) => (number === target ? ["x".repeat(200)] : undefined)],
    [
      "sends more than it may at once",
      "PEER_LOST",
      (_, number) => (number === target ? [Buffer.alloc(2 ** 20)] : undefined),
    ],
    [
      "hangs up",
      "PEER_LOST",
      (_, number, _message, { receiver, sender }) => {
        if (number !== target) return undefined;
        receiver.terminate();
        sender.terminate();
        return [];
      },
    ],
    ["falls silent", "PEER_TIMEOUT", (_, number) => (number >= target ? [] : undefined)],
  ];

  test.each(attacks)("that %s ends the attempt with %s on every party", async (_, code, hook) => {
    const outcomes = await attacked(hook, () => ({
      idleTimeoutMs: code === "PEER_TIMEOUT" ? 400 : 5_000,
    }));
    const transports = transportsOf(outcomes);
    const run = async (transport: (typeof transports)[number]) => {
      const peers = [1, 2, 3].filter((peer) => peer !== transport.partyIndex) as PartyIndex[];
      for (let operation = 0; operation < 100; operation += 2) {
        // Two frames a round: a later one stands in for one that is missing.
        for (const step of [operation, operation + 1])
          for (const peer of peers) transport.send(peer, step, [Buffer.alloc(100)]);
        for (const step of [operation, operation + 1])
          await Promise.all(peers.map((peer) => transport.receive(peer, step, 100)));
      }
    };
    const errors = await Promise.all(
      transports.map((transport) => run(transport).catch((error: SymbolonError) => error)),
    );
    expect(errors.map((error) => (error as SymbolonError).code)).toEqual([code, code, code]);
    expect(await world.works()).toBe(true);
  });

  test("that spoils the handshakes keeps the parties apart, by name, and no more", async () => {
    const spoil: RelayHook = (from, number, message) => {
      if (from === 2 && number === 0) message[47]! ^= 1;
      return undefined;
    };
    const outcomes = await attacked(spoil, (party) => ({ deadlineMs: party === 1 ? 500 : 5_000 }));
    expect(codes(outcomes)).toEqual(Array(3).fill("CHANNEL_AUTH"));
    expect(await world.works()).toBe(true);
  });

  test("that spoils one handshake is asked again", async () => {
    let spoiled = 0;
    const outcomes = await attacked((from, number, message) => {
      if (from === 2 && number === 0 && spoiled++ === 0) message[47]! ^= 1;
      return undefined;
    });
    await expectRounds(outcomes);
    expect(spoiled).toBe(2);
  });

  test("sees no payload", async () => {
    const outcomes = await attacked(() => undefined);
    const marked = Buffer.from("marked payload that must not show up anywhere");
    await Promise.all(transportsOf(outcomes).map((transport) => round(transport, 0, marked)));
    for (const transport of transportsOf(outcomes)) transport.close();
    const seen = Buffer.concat(relay.seen);
    expect(seen.length).toBeGreaterThan(2 * marked.length);
    expect(seen.includes(marked.subarray(0, 12))).toBe(false);
  });
});
