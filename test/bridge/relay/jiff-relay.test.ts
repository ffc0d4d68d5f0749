import { createServer } from "node:http";
import { Server as SocketServer } from "socket.io";
import { io, type Socket } from "socket.io-client";
import { afterEach, describe, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { attachRelay, type RelayOptions } from "../../../bridge/relay/jiff-relay.ts";
import { KeyChallenge } from "../../../bridge/relay/key-proof.ts";
import { connectJiff } from "../../../mpc/transport/jiff.ts";
import { proveKey } from "../../../mpc/transport/jiff-proof.ts";
import { relayTransport } from "../../../mpc/transport/jiff-socket.ts";
import { generateX25519 } from "../../../mpc/transport/keys.ts";
import { partyIndices } from "../../../mpc/transport/transport.ts";
import {
  closeAll,
  connectThree,
  listen,
  makeGroup,
  type RelayHost,
  relayPath,
  runThree,
  startRelay,
  stop,
} from "../../mpc/transport/jiff-fixture.ts";

let host: RelayHost;
const sockets: Socket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.disconnect();
  await host.close();
});

/** A bare client that sends what it likes. */
async function connect(): Promise<Socket> {
  const options = { path: relayPath, transports: [relayTransport(1e7) as never], reconnection: false };
  const socket = io(host.url, { ...options, forceNew: true });
  sockets.push(socket);
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("connect_error", reject);
  });
  return socket;
}

const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    if (!socket.connected) resolve();
    else socket.once("disconnect", () => resolve());
  });

/** Resolves with the code of the relay's refusal. */
const refusal = (socket: Socket): Promise<string> =>
  new Promise((resolve) => {
    socket.once("error", (text: string) => resolve(JSON.parse(text).code));
  });

const publicKey = () => Buffer.from(generateX25519().publicKey).toString("hex");

function initialization(party: unknown, computation = "c", more: object = {}): string {
  const message = { computation_id: computation, party_id: party, party_count: 3, public_key: publicKey() };
  return JSON.stringify({ ...message, ...more });
}

async function join(party: number, computation = "c"): Promise<Socket> {
  const socket = await connect();
  const joined = new Promise((resolve) => socket.once("initialization", resolve));
  socket.emit("initialization", initialization(party, computation));
  await joined;
  return socket;
}

const sealed = `sb1.${"A".repeat(60)}`;
const acknowledge = (): void => undefined;

/** The relay still serves: three parties run to their end. */
async function expectAlive(): Promise<void> {
  const sessions = await connectThree(host.url);
  expect(await runThree(sessions, async (jiff) => String(await jiff.share(jiff.id)[2]!.open()))).toEqual([
    "2",
    "2",
    "2",
  ]);
  await closeAll(sessions);
}

interface Attempt {
  what: string;
  code: string;
  joinFirst?: boolean;
  send(socket: Socket): void;
}

const share = (more: object): string => JSON.stringify({ party_id: 2, op_id: "s:1", share: sealed, ...more });
const opening = (more: object): string =>
  JSON.stringify({ party_id: 2, op_id: "o:1", share: sealed, Zp: "13", ...more });
const custom = (more: object): string =>
  JSON.stringify({ party_id: 2, tag: "t", message: sealed, encrypted: true, ...more });

const attempts: Attempt[] = [
  { what: "malformed JSON", code: "USAGE", send: (s) => s.emit("initialization", "{not json") },
  { what: "no message", code: "USAGE", send: (s) => s.emit("initialization") },
  { what: "a number", code: "USAGE", send: (s) => s.emit("initialization", 7) },
  { what: "binary", code: "USAGE", send: (s) => s.emit("initialization", Buffer.from("{}")) },
  { what: "JSON null", code: "USAGE", send: (s) => s.emit("initialization", "null") },
  { what: "party 4", code: "USAGE", send: (s) => s.emit("initialization", initialization(4)) },
  { what: "party s1", code: "USAGE", send: (s) => s.emit("initialization", initialization("s1")) },
  { what: "party 1 as text", code: "USAGE", send: (s) => s.emit("initialization", initialization("1")) },
  { what: "no party", code: "USAGE", send: (s) => s.emit("initialization", initialization(null)) },
  {
    what: "four parties",
    code: "USAGE",
    send: (s) => s.emit("initialization", initialization(1, "c", { party_count: 4 })),
  },
  {
    what: "a key that is none",
    code: "USAGE",
    send: (s) => s.emit("initialization", initialization(1, "c", { public_key: "[1,2" })),
  },
  { what: "__proto__", code: "USAGE", send: (s) => s.emit("initialization", initialization(1, "__proto__")) },
  {
    what: "constructor",
    code: "USAGE",
    send: (s) => s.emit("initialization", initialization(1, "constructor")),
  },
  { what: "a share too early", code: "STATE_INVALID", send: (s) => s.emit("share", share({}), acknowledge) },
  {
    what: "a share too early, malformed",
    code: "STATE_INVALID",
    send: (s) => s.emit("share", "{", acknowledge),
  },
  { what: "free too early", code: "STATE_INVALID", send: (s) => s.emit("free", "{}", acknowledge) },
  { what: "an unknown event", code: "NOT_AUTHORISED", send: (s) => s.emit("poll", "{}") },
  {
    what: "a dealer's request",
    code: "NOT_AUTHORISED",
    joinFirst: true,
    send: (s) => s.emit("crypto_provider", JSON.stringify({ label: "triplet", op_id: "x" }), acknowledge),
  },
  {
    what: "a second initialization",
    code: "STATE_INVALID",
    joinFirst: true,
    send: (s) => s.emit("initialization", initialization(2)),
  },
  {
    what: "a share without acknowledgement",
    code: "USAGE",
    joinFirst: true,
    send: (s) => s.emit("share", share({})),
  },
  {
    what: "an acknowledgement that is none",
    code: "USAGE",
    joinFirst: true,
    send: (s) => s.emit("open", opening({}), "yes"),
  },
  { what: "malformed share", code: "USAGE", joinFirst: true, send: (s) => s.emit("share", "{", acknowledge) },
  {
    what: "a share to nobody",
    code: "USAGE",
    joinFirst: true,
    send: (s) => s.emit("share", share({ party_id: 9 }), acknowledge),
  },
  {
    what: "a share to itself",
    code: "USAGE",
    joinFirst: true,
    send: (s) => s.emit("share", share({ party_id: 1 }), acknowledge),
  },
  {
    what: "a share to a party that has not come",
    code: "STATE_INVALID",
    joinFirst: true,
    send: (s) => s.emit("share", share({}), acknowledge),
  },
  {
    what: "a plaintext share",
    code: "USAGE",
    joinFirst: true,
    send: (s) => s.emit("share", share({ share: "123456789012345678901234567890" }), acknowledge),
  },
  {
    what: "a plaintext opening",
    code: "USAGE",
    joinFirst: true,
    send: (s) => s.emit("open", opening({ share: 12 }), acknowledge),
  },
  {
    what: "a plaintext custom message",
    code: "USAGE",
    joinFirst: true,
    send: (s) => s.emit("custom", custom({ message: "hello", encrypted: false }), acknowledge),
  },
  {
    what: "a plaintext that claims to be encrypted",
    code: "USAGE",
    joinFirst: true,
    send: (s) => s.emit("custom", custom({ message: "hello" }), acknowledge),
  },
  {
    what: "an operation id that is too long",
    code: "USAGE",
    joinFirst: true,
    send: (s) => s.emit("share", share({ op_id: "x".repeat(2000) }), acknowledge),
  },
];

describe("what would bring a stock JIFF server down closes one socket", () => {
  test.each(attempts)("$what: $code", async ({ code, joinFirst, send }) => {
    host = await startRelay();
    const socket = joinFirst ? await join(1) : await connect();
    const refused = refusal(socket);
    send(socket);
    expect(await refused).toBe(code);
    await closed(socket);
    await expectAlive();
    expect(host.relay.computations).toBe(0);
    expect(host.log).toContainEqual({
      details: expect.objectContaining({ code }),
      text: "JIFF socket closed",
    });
    expect(JSON.stringify(host.log)).not.toContain("AAAA");
  });

  test("a message that is too large", async () => {
    host = await startRelay({ limits: { maxMessageBytes: 2_000 } });
    const socket = await join(1);
    socket.emit("custom", custom({ message: `sb1.${"A".repeat(100_000)}` }), acknowledge);
    await closed(socket);
    await expectAlive();
  });

  test("frames that are not socket.io's, at once", async () => {
    host = await startRelay();
    const url = `${host.url.replace("http", "ws")}${relayPath}/?EIO=4&transport=websocket`;
    for (const text of ["40", "4999", "42{", '42["share"', "4", "x", "451-", '42["__proto__",{}]']) {
      const socket = new WebSocket(url);
      await new Promise((resolve) => socket.once("open", resolve));
      socket.send("40");
      socket.send(text);
      await new Promise((resolve) => setTimeout(resolve, 5));
      socket.terminate();
    }
    await expectAlive();
  });

  test("a flood", async () => {
    host = await startRelay({ limits: { burstMessages: 100, messagesPerSecond: 1 } });
    const socket = await connect();
    const refused = refusal(socket);
    const other = await join(1);
    await join(2);
    const flooded = refusal(other);
    for (let i = 0; i < 500; i++) other.emit("share", share({ op_id: `s:${i}` }), acknowledge);
    expect(await flooded).toBe("LIMIT_EXCEEDED");
    socket.emit("nothing");
    expect(await refused).toBe("NOT_AUTHORISED");
    expect(host.relay.queued).toEqual({ messages: 0, bytes: 0 });
    await expectAlive();
  });
});

describe("who is let in", () => {
  test("only what the bridge admits", async () => {
    const asked: [string, number][] = [];
    host = await startRelay({
      admit: (computation, party) => {
        asked.push([computation, party]);
        return computation === "job:1:0";
      },
    });
    const stranger = await connect();
    const refused = refusal(stranger);
    stranger.emit("initialization", initialization(1, "job:2:0"));
    expect(await refused).toBe("NOT_AUTHORISED");
    const party = await join(3, "job:1:0");
    expect(party.connected).toBe(true);
    expect(asked).toEqual([
      ["job:2:0", 1],
      ["job:1:0", 3],
    ]);
    expect(host.relay.computations).toBe(1);
  });

  test("with the operators' keys, only who proves to hold one", async () => {
    let keys: Record<number, Uint8Array> = {};
    host = await startRelay({ admit: (_computation, party) => keys[party] ?? false });
    const group = makeGroup(host.url);
    keys = group.options(1).publicKeys;
    const squatter = await connect();
    const refused = refusal(squatter);
    squatter.emit("initialization", initialization(1, group.computationId));
    expect(await refused).toBe("NOT_AUTHORISED");
    const liar = await connect();
    const refusedToo = refusal(liar);
    liar.emit("initialization", initialization(1, group.computationId, { proof: "00".repeat(32) }));
    expect(await refusedToo).toBe("NOT_AUTHORISED");
    const sessions = await Promise.all(partyIndices.map((index) => connectJiff(group.options(index))));
    expect(await runThree(sessions, async (jiff) => String(await jiff.share(1)[2]!.open()))).toHaveLength(3);
    await closeAll(sessions);
  });

  test("a proof serves one connection, one computation, one party and one session key", async () => {
    const challenge = new KeyChallenge();
    const { privateKey, publicKey } = generateX25519();
    const claim = { computationId: "c", partyIndex: 1, sessionKey: "aa".repeat(32) };
    const proof = proveKey(privateKey, challenge.publicKey, claim);
    expect(challenge.accepts(proof, publicKey, claim)).toBe(true);
    expect(new KeyChallenge().accepts(proof, publicKey, claim)).toBe(false);
    expect(challenge.accepts(proof, generateX25519().publicKey, claim)).toBe(false);
    expect(challenge.accepts(proof, new Uint8Array(32), claim)).toBe(false);
    expect(challenge.accepts(undefined, publicKey, claim)).toBe(false);
    for (const change of [{ computationId: "d" }, { partyIndex: 2 }, { sessionKey: "bb".repeat(32) }]) {
      expect(challenge.accepts(proof, publicKey, { ...claim, ...change })).toBe(false);
    }
  });

  test("a refused party sees it by name", async () => {
    host = await startRelay({ admit: () => false });
    await expect(connectJiff(makeGroup(host.url).options(1))).rejects.toMatchObject({
      code: "NOT_AUTHORISED",
    });
  });

  test("nobody takes a place that is taken, and the one who has it keeps it", async () => {
    host = await startRelay();
    const party = await join(1);
    const second = await connect();
    const refused = refusal(second);
    second.emit("initialization", initialization(1));
    expect(await refused).toBe("NOT_AUTHORISED");
    expect(party.connected).toBe(true);
  });

  test("whoever joins nothing is sent away", async () => {
    host = await startRelay({ limits: { joinTimeoutMs: 50 } });
    const socket = await connect();
    expect(await refusal(socket)).toBe("LIMIT_EXCEEDED");
    await closed(socket);
  });

  test("no more connections and computations than the limits", async () => {
    host = await startRelay({ limits: { maxSockets: 2, maxComputations: 1 } });
    await join(1, "a");
    const second = await connect();
    const refused = refusal(second);
    await expect(connect()).rejects.toBeDefined();
    second.emit("initialization", initialization(1, "b"));
    expect(await refused).toBe("LIMIT_EXCEEDED");
    await closed(second);
  });
});

describe("memory", () => {
  test("everything of a computation is forgotten when its parties are done", async () => {
    host = await startRelay();
    await expectAlive();
    expect(host.relay.computations).toBe(0);
    expect(host.relay.queued).toEqual({ messages: 0, bytes: 0 });
  });

  test("a party that vanishes ends the computation, and the others hear who", async () => {
    host = await startRelay();
    const [one, two, three] = [await join(1), await join(2), await join(3)];
    const words = [one, two].map(
      (socket) => new Promise((resolve) => socket.once("error", (text) => resolve(JSON.parse(text)))),
    );
    three.disconnect();
    for (const word of words) expect(await word).toMatchObject({ code: "PEER_LOST", party: 3 });
    await Promise.all([closed(one), closed(two)]);
    expect(host.relay.computations).toBe(0);
  });

  test("a party that does not read ends the computation before the queue grows", async () => {
    host = await startRelay({ limits: { maxQueuedMessages: 50 } });
    const [one, two] = [await join(1), await join(2)];
    // A bare client does not acknowledge what it receives.
    const refused = refusal(two);
    for (let i = 0; i < 80; i++) one.emit("share", share({ op_id: `s:${i}` }), acknowledge);
    expect(await refused).toBe("LIMIT_EXCEEDED");
    await closed(one);
    expect(host.relay.computations).toBe(0);
    expect(host.relay.queued).toEqual({ messages: 0, bytes: 0 });
  });

  test("an idle computation ends", async () => {
    host = await startRelay({ limits: { idleTimeoutMs: 50 } });
    const socket = await join(1);
    await closed(socket);
    expect(host.relay.computations).toBe(0);
  });

  test("an idle computation of three lives as long as it is admitted", async () => {
    let admitted = true;
    let asked = 0;
    const admit = () => {
      asked++;
      return admitted;
    };
    host = await startRelay({ admit, limits: { idleTimeoutMs: 20 } });
    const parties = [await join(1), await join(2), await join(3)];
    await expect.poll(() => asked).toBeGreaterThan(6);
    expect(host.relay.computations).toBe(1);
    admitted = false;
    await Promise.all(parties.map(closed));
    expect(host.relay.computations).toBe(0);
  });

  test("a party that lost its connection while it waited for the others can come again", async () => {
    host = await startRelay();
    const first = await join(1);
    first.disconnect();
    await expect.poll(() => host.relay.computations).toBe(0);
    const again = await join(1);
    expect(again.connected).toBe(true);
  });
});

describe("beside other servers on one HTTP server", () => {
  test.each(["before", "after"])(
    "another socket.io server attached %s it works, and so does HTTP",
    async (when) => {
      const http = createServer((_request, response) => response.end("plain"));
      const attachEvents = () =>
        new SocketServer(http, { path: "/v1/events", wsEngine: WebSocketServer, destroyUpgrade: false });
      let events = when === "before" ? attachEvents() : undefined;
      const silent = { info: () => undefined, warn: () => undefined };
      const options: RelayOptions = { path: relayPath, admit: () => true, logger: silent };
      const relay = attachRelay(http, options);
      events ??= attachEvents();
      const url = await listen(http);
      host = { url, http, relay, log: [], close: async () => undefined };
      events.on("connection", (socket) => socket.emit("welcome", "here"));
      const client = io(url, {
        path: "/v1/events",
        transports: [relayTransport(1e6) as never],
        forceNew: true,
        reconnection: false,
      });
      sockets.push(client);
      expect(await new Promise((resolve) => client.once("welcome", resolve))).toBe("here");
      await expectAlive();
      expect(await (await fetch(`${url}/anything`)).text()).toBe("plain");
      await relay.close();
      expect(client.connected).toBe(true);
      client.disconnect();
      events.engine.close();
      await stop(http);
    },
  );
});

test("what passes through the relay holds no share in clear", async () => {
  host = await startRelay();
  const frames: string[] = [];
  const original = WebSocket.prototype.send;
  WebSocket.prototype.send = function send(this: WebSocket, ...parameters: unknown[]) {
    frames.push(String(parameters[0]));
    return Reflect.apply(original, this, parameters);
  } as typeof original;
  const values: string[] = [];
  try {
    const sessions = await Promise.all(
      (({ options }) => partyIndices.map((index) => connectJiff(options(index))))(makeGroup(host.url)),
    );
    await runThree(sessions, async (jiff) => {
      const shares = Object.values(jiff.share(jiff.id + 70_000));
      for (const one of shares) values.push(String(await one.wThen((value) => value)));
      await shares[0]!.smult(shares[1]!).open();
      jiff.emit("note", null, "a marked text");
    });
    await closeAll(sessions);
  } finally {
    WebSocket.prototype.send = original;
  }
  const traffic = frames.join("\n");
  expect(frames.length).toBeGreaterThan(50);
  expect(values).toHaveLength(9);
  for (const value of values) {
    const bytes = Buffer.from(BigInt(value).toString(16).padStart(32, "0"), "hex");
    for (const form of [value, bytes.toString("hex"), bytes.toString("base64").slice(0, 20)]) {
      expect(traffic.includes(form)).toBe(false);
    }
  }
  for (const form of ["a marked text", "70001"]) expect(traffic.includes(form)).toBe(false);
});
