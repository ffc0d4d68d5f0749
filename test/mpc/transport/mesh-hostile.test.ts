/** What a network attacker between party 1 (dialling) and party 2 (listening) can do. */
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SymbolonError } from "../../../mpc/errors.ts";
import { dialPeer } from "../../../mpc/transport/dial.ts";
import { helloBytes } from "../../../mpc/transport/hello.ts";
import { HostileRelay, type RelayHooks } from "./hostile-relay.ts";
import { endings, errorOf, MeshWorld, round } from "./mesh-world.ts";

let world: MeshWorld;
beforeAll(async () => {
  world = await MeshWorld.start();
});
afterAll(async () => {
  await world.stop();
});

/** Three parties whose link 1-2 passes through the attacker. */
async function attacked(hooks: RelayHooks, idleTimeoutMs = 5_000) {
  const contextId = world.newContext();
  const relay = await HostileRelay.start(world.addresses[1]!, hooks);
  const transports = await world.transports(contextId, (i) => ({
    idleTimeoutMs,
    ...(i === 1 ? world.via(relay.address, contextId) : {}),
  }));
  return { relay, transports, contextId };
}

/** The frame of some round in the middle: 0 and 1 are the confirmation and the readiness. */
const target = 5;

const flip = (at: (frame: Buffer) => number) => (frame: Buffer) => {
  frame[at(frame)]! ^= 1;
  return [frame];
};
const announce = (length: number) => (frame: Buffer) => {
  frame.writeUInt32BE(length, 0);
  return [frame];
};
let held: Buffer | undefined;
const swap = (frame: Buffer, number: number) => {
  if (number === target) {
    held = frame;
    return [];
  }
  return [frame, held!];
};

const attacks: [string, string, (frame: Buffer, number: number) => Buffer[], number?][] = [
  ["a byte of the ciphertext altered", "CHANNEL_AUTH", flip(() => 20)],
  ["a byte of the tag altered", "CHANNEL_AUTH", flip((frame) => frame.length - 1)],
  ["the operation altered", "CHANNEL_AUTH", flip(() => 11)],
  [
    "the kind altered to an end",
    "CHANNEL_AUTH",
    (frame) => [Buffer.concat([Buffer.from([0, 0, 0, 16, 1]), frame.subarray(5, 28)])],
  ],
  [
    "the kind altered to an unknown one",
    "PEER_MISBEHAVED",
    (frame) => [Buffer.concat([frame.subarray(0, 4), Buffer.of(9), frame.subarray(5)])],
  ],
  ["the unused byte altered", "PEER_MISBEHAVED", flip(() => 5)],
  ["the length shortened", "CHANNEL_AUTH", announce(100 + 16 - 1)],
  ["a length above the limit", "PEER_MISBEHAVED", announce(0xffffffff)],
  ["a length below the tag's", "PEER_MISBEHAVED", announce(15)],
  ["a frame repeated", "CHANNEL_AUTH", (frame) => [frame, frame]],
  ["a frame left out", "CHANNEL_AUTH", () => []],
  ["two frames exchanged", "CHANNEL_AUTH", swap, target + 1],
];

describe("an attacker on the link of parties 1 and 2", () => {
  test.each(attacks)("%s: %s on every party", async (_, code, attack, last = target) => {
    for (const direction of ["toListener", "toDialer"] as const) {
      const { relay, transports } = await attacked({
        frame: (toward, number, bytes) =>
          toward === direction && number >= target && number <= last ? attack(bytes, number) : [bytes],
      });
      // Two frames a round, so that there is a later one to be exchanged with or to stand in for one left out.
      const run = async (transport: (typeof transports)[number]) => {
        for (let operation = 0; operation < 40; operation += 2) {
          const peers = [1, 2, 3].filter((peer) => peer !== transport.partyIndex) as (1 | 2 | 3)[];
          for (const peer of peers) {
            transport.send(peer, operation, [Buffer.alloc(100)]);
            transport.send(peer, operation + 1, [Buffer.alloc(100)]);
          }
          for (const step of [operation, operation + 1]) {
            await Promise.all(peers.map((peer) => transport.receive(peer, step, 100)));
          }
        }
      };
      const errors = await Promise.all(transports.map((transport) => errorOf(run(transport))));
      expect(errors.map((error) => error.code)).toEqual([code, code, code]);
      relay.close();
    }
    expect(await world.works()).toBe(true);
  });

  test("a frame cut off by the end of the connection is PEER_LOST on every party", async () => {
    const { relay, transports } = await attacked({
      frame(_, number, bytes, { dialer, listener }) {
        if (number < target) return [bytes];
        setImmediate(() => {
          dialer.destroy();
          listener.destroy();
        });
        return [bytes.subarray(0, 50)];
      },
    });
    expect(await endings(transports)).toEqual(Array(3).fill("PEER_LOST"));
    relay.close();
    expect(await world.works()).toBe(true);
  });

  test("a frame cut off by silence is PEER_TIMEOUT on every party", async () => {
    const { relay, transports } = await attacked(
      {
        frame: (_, number, bytes) =>
          number < target ? [bytes] : number === target ? [bytes.subarray(0, 50)] : [],
      },
      300,
    );
    expect(await endings(transports)).toEqual(Array(3).fill("PEER_TIMEOUT"));
    relay.close();
    expect(await world.works()).toBe(true);
  });

  test("a connection reset is PEER_LOST on every party", async () => {
    const { relay, transports } = await attacked({
      frame(_, number, bytes, { dialer, listener }) {
        if (number === target) {
          dialer.resetAndDestroy();
          listener.resetAndDestroy();
        }
        return [bytes];
      },
    });
    expect(await endings(transports)).toEqual(Array(3).fill("PEER_LOST"));
    relay.close();
  });

  test("a forged end of the connection is not taken for an orderly close", async () => {
    const { relay, transports } = await attacked({
      frame(_, number, bytes, { dialer, listener }) {
        if (number === target) {
          dialer.end();
          listener.end();
        }
        return number < target ? [bytes] : [];
      },
    });
    expect(await endings(transports)).toEqual(Array(3).fill("PEER_LOST"));
    relay.close();
  });

  test("altered and replayed handshakes do not keep the parties from each other", async () => {
    const contextId = world.newContext();
    let tries = 0;
    const relay = await HostileRelay.start(world.addresses[1]!, {
      hello(bytes) {
        tries += 1;
        if (tries === 1) bytes[60]! ^= 1; // the ephemeral key
        if (tries === 2) bytes[10]! ^= 1; // the context
        if (tries === 3) bytes[helloBytes - 1]! ^= 1; // the tag
        if (tries === 4) {
          // A replay of this hello, ahead of the honest connection.
          connect(world.addresses[1]!, function (this: ReturnType<typeof connect>) {
            this.write(bytes);
          }).on("error", () => {});
        }
        return bytes;
      },
    });
    const transports = await world.transports(contextId, (i) =>
      i === 1 ? world.via(relay.address, contextId) : {},
    );
    await Promise.all(transports.map((transport) => round(transport, 0, Buffer.alloc(10))));
    expect(tries).toBe(4);
    for (const transport of transports) transport.close();
    relay.close();
  });

  test("an answer that the registered party did not give is CHANNEL_AUTH", async () => {
    const contextId = world.newContext();
    const relay = await HostileRelay.start(world.addresses[1]!, {
      answer(bytes) {
        bytes[47]! ^= 1;
        return bytes;
      },
    });
    const outcomes = await world.connect(contextId, (i) =>
      i === 1 ? { deadlineMs: 200, ...world.via(relay.address, contextId) } : {},
    );
    expect(outcomes.map((outcome) => (outcome as SymbolonError).code)).toEqual(Array(3).fill("CHANNEL_AUTH"));
    relay.close();
  });

  test("a recorded connection played again, and a second one with the right key, change nothing", async () => {
    const { relay, transports, contextId } = await attacked({});
    await Promise.all(transports.map((transport) => round(transport, 0, Buffer.alloc(10))));
    const replayed = connect(world.addresses[1]!, () => replayed.write(relay.recorded[0]!));
    await new Promise((resolve) =>
      replayed
        .on("error", () => {})
        .on("close", resolve)
        .resume(),
    );
    const duplicate = dialPeer({
      ...world.addresses[1]!,
      contextId,
      from: 1,
      to: 2,
      staticPrivateKey: world.keys[0]!.privateKey,
      peerPublicKey: world.keys[1]!.publicKey,
      deadline: performance.now() + 100,
      signal: new AbortController().signal,
    });
    expect((await errorOf(duplicate)).code).toBe("PEER_TIMEOUT");
    await Promise.all(transports.map((transport) => round(transport, 1, Buffer.alloc(10))));
    for (const transport of transports) transport.close();
    relay.close();
  });

  test("a recorded connection does not stand in for the peer in a later attempt of the same name", async () => {
    const { relay, transports, contextId } = await attacked({});
    await Promise.all(transports.map((transport) => round(transport, 0, Buffer.alloc(10))));
    for (const transport of transports) transport.close();
    const again = world.connect(contextId, (i) =>
      i === 1
        ? { deadlineMs: 1, ...world.via({ host: "127.0.0.1", port: 1 }, contextId) }
        : { deadlineMs: 400 },
    );
    const replayed = connect(world.addresses[1]!, () => replayed.write(relay.recorded[0]!));
    replayed.on("error", () => {}).resume();
    for (const outcome of await again) expect(outcome).toBeInstanceOf(SymbolonError);
    replayed.destroy();
    relay.close();
  });

  test("errors hold no key, secret or payload; the wire holds no payload", async () => {
    const marked = Buffer.from("marked payload that must not show up anywhere");
    const { relay, transports } = await attacked({
      frame: (_, number, bytes) => {
        if (number === target) bytes[20]! ^= 1;
        return [bytes];
      },
    });
    const run = async (transport: (typeof transports)[number]) => {
      for (let operation = 0; ; operation++) await round(transport, operation, marked);
    };
    const errors = await Promise.all(transports.map((transport) => errorOf(run(transport))));
    const texts = errors.flatMap((error) => [error.stack!, JSON.stringify(error), String(error.cause)]);
    const secrets = [marked, ...world.keys.flatMap((pair) => [pair.privateKey, pair.publicKey])];
    for (const secret of secrets) {
      for (const form of ["hex", "base64", "latin1"] as const) {
        const mark = Buffer.from(secret).toString(form).slice(0, 12);
        for (const text of texts) expect(text).not.toContain(mark);
        expect(relay.recorded[0]!.toString("latin1")).not.toContain(
          Buffer.from(secret).toString("latin1").slice(0, 12),
        );
      }
    }
    relay.close();
  });
});
