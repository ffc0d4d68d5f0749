/** What the mesh relay lets in, what it passes on, and where it ends a link. */
import { once } from "node:events";
import { afterEach, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import type { MeshRelayLimits } from "../../../bridge/relay/mesh-relay.ts";
import { proveKey } from "../../../mpc/transport/jiff-proof.ts";
import { generateX25519 } from "../../../mpc/transport/keys.ts";
import type { PartyIndex } from "../../../mpc/transport/transport.ts";
import { MeshRelayHost } from "../../mpc/transport/mesh-relay-host.ts";

let host: MeshRelayHost;
afterEach(() => host.close());

async function start(limits: Partial<MeshRelayLimits> = {}, admitted: () => boolean = () => true) {
  host = await MeshRelayHost.start({
    limits,
    admit: (_computation, party) => admitted() && host.keys[party].publicKey,
  });
}

interface Client {
  socket: WebSocket;
  challenge: string;
  /** What the relay passed on, and said, so far. */
  got: (Buffer | string)[];
  /** Resolves with the reason given. */
  closed: Promise<string>;
}

async function connect(): Promise<Client> {
  const socket = new WebSocket(host.url.replace("http", "ws"), { perMessageDeflate: false });
  socket.on("error", () => {});
  const closed = new Promise<string>((resolve) =>
    socket.on("close", (_code, reason) => resolve(String(reason))),
  );
  const [word] = await once(socket, "message");
  const got: (Buffer | string)[] = [];
  socket.on("message", (data: Buffer, isBinary) => got.push(isBinary ? data : String(data)));
  return { socket, challenge: JSON.parse(String(word)).challenge, got, closed };
}

function claim(client: Client, party: PartyIndex, peer: PartyIndex, change: object = {}): string {
  const about = { computationId: "c", partyIndex: party, sessionKey: `mesh ${peer}` };
  const proof = proveKey(host.keys[party].privateKey, client.challenge, about);
  return JSON.stringify({ computation: "c", party, peer, proof, ...change });
}

async function join(party: PartyIndex, peer: PartyIndex): Promise<Client> {
  const client = await connect();
  client.socket.send(claim(client, party, peer));
  return client;
}

async function pair(): Promise<[Client, Client]> {
  const ends: [Client, Client] = [await join(1, 2), await join(2, 1)];
  await expect.poll(() => ends.map(({ got }) => got.length)).toEqual([1, 1]);
  return ends;
}

const paired = '{"paired":true}';

describe("who is let in", () => {
  test("two that prove their keys are joined and hear each other, byte for byte and in order", async () => {
    await start();
    const [one, two] = await pair();
    expect([one.got, two.got]).toEqual([[paired], [paired]]);
    for (let i = 0; i < 50; i++) one.socket.send(Buffer.alloc(i * 100, i));
    two.socket.send(Buffer.from("back"));
    await expect.poll(() => [two.got.length, one.got.length]).toEqual([51, 2]);
    expect(two.got.slice(1)).toEqual(Array.from({ length: 50 }, (_, i) => Buffer.alloc(i * 100, i)));
    expect(one.got[1]).toEqual(Buffer.from("back"));
    expect(host.relay.links).toBe(1);
    expect(host.relay.bytes).toBe(122_504);
  });

  test("what one has sent still arrives when it leaves, then the other is closed", async () => {
    await start();
    const [one, two] = await pair();
    one.socket.send(Buffer.alloc(200_000, 1));
    one.socket.close();
    expect(await two.closed).toBe("");
    expect((two.got[1] as Buffer).length).toBe(200_000);
    expect(host.relay.links).toBe(0);
    expect(host.log.map(({ text }) => text)).toContain("mesh link ended");
  });

  const other = () => Buffer.from(generateX25519().publicKey).toString("hex");
  test.each<[string, string, (client: Client) => string | Buffer]>([
    ["no JSON", "USAGE", () => "{"],
    ["binary", "USAGE", (c) => Buffer.from(claim(c, 1, 2))],
    ["null", "USAGE", () => "null"],
    ["a party that is none", "USAGE", (c) => claim(c, 1, 2, { party: 4 })],
    ["itself as the peer", "USAGE", (c) => claim(c, 1, 1)],
    ["a name of another form", "USAGE", (c) => claim(c, 1, 2, { computation: "a/b" })],
    ["more than is asked", "USAGE", (c) => claim(c, 1, 2, { more: 1 })],
    ["no proof", "USAGE", (c) => claim(c, 1, 2, { proof: undefined })],
    ["a proof of another key", "NOT_AUTHORISED", (c) => claim(c, 1, 2, { proof: other() })],
    ["a proof for another party", "NOT_AUTHORISED", (c) => claim(c, 1, 2, { party: 3 })],
    ["a proof for another peer", "NOT_AUTHORISED", (c) => claim(c, 1, 2, { peer: 3 })],
    ["a proof for another computation", "NOT_AUTHORISED", (c) => claim(c, 1, 2, { computation: "d" })],
  ])("%s is refused with %s", async (_, code, message) => {
    await start();
    const client = await connect();
    client.socket.send(message(client));
    expect(await client.closed).toBe(code);
    await expect.poll(() => host.relay.sockets).toBe(0);
    await pair();
  });

  test("a proof is worth nothing on another connection", async () => {
    await start();
    const [first, second] = [await connect(), await connect()];
    second.socket.send(claim(first, 1, 2));
    expect(await second.closed).toBe("NOT_AUTHORISED");
  });

  test("a computation that is not admitted is refused", async () => {
    await start({}, () => false);
    expect(await (await join(1, 2)).closed).toBe("NOT_AUTHORISED");
  });

  test("parties of other links and computations are not joined", async () => {
    await start();
    const waiting = [await join(1, 2), await join(3, 1), await join(2, 3)];
    const elsewhere = await connect();
    const about = { computationId: "d", partyIndex: 2, sessionKey: "mesh 1" };
    const proof = proveKey(host.keys[2].privateKey, elsewhere.challenge, about);
    elsewhere.socket.send(JSON.stringify({ computation: "d", party: 2, peer: 1, proof }));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect([...waiting, elsewhere].flatMap(({ got }) => got)).toEqual([]);
    expect(host.relay.links).toBe(0);
  });
});

describe("a party that comes again", () => {
  test("takes the place of its older connection, waiting or joined", async () => {
    await start();
    const older = await join(1, 2);
    await expect.poll(() => host.relay.sockets).toBe(1);
    const newer = await join(1, 2);
    expect(await older.closed).toBe("STATE_INVALID");
    const two = await join(2, 1);
    await expect.poll(() => newer.got).toEqual([paired]);
    const newest = await join(1, 2);
    await Promise.all([newer.closed, two.closed]);
    await join(2, 1);
    await expect.poll(() => newest.got).toEqual([paired]);
  });
});

describe("limits", () => {
  test("who says nothing, or whose peer does not come, is let go", async () => {
    await start({ joinTimeoutMs: 50, waitTimeoutMs: 50 });
    expect(await (await connect()).closed).toBe("PEER_TIMEOUT");
    expect(await (await join(1, 2)).closed).toBe("PEER_TIMEOUT");
  });

  test("speaking before the peer is there, and in text afterwards, is refused", async () => {
    await start();
    const early = await join(1, 2);
    early.socket.send(Buffer.from("early"));
    expect(await early.closed).toBe("STATE_INVALID");
    const [one, two] = await pair();
    one.socket.send("text");
    expect(await one.closed).toBe("STATE_INVALID");
    await two.closed;
    expect(two.got).toEqual([paired]);
  });

  test("a message that is too long ends the link, and is not passed on", async () => {
    await start({ maxMessageBytes: 1000 });
    const [one, two] = await pair();
    one.socket.send(Buffer.alloc(1001));
    await Promise.all([one.closed, two.closed]);
    expect(two.got).toEqual([paired]);
  });

  test("a link that has carried too much ends", async () => {
    await start({ maxLinkBytes: 1000 });
    const [one, two] = await pair();
    for (let i = 0; i < 11; i++) one.socket.send(Buffer.alloc(100));
    await Promise.all([one.closed, two.closed]);
    expect(host.log.at(-1)!.details).toMatchObject({ reason: "carried too much" });
  });

  test("connections above the number are not taken", async () => {
    await start({ maxSockets: 2 });
    await pair();
    await expect(connect()).rejects.toThrow();
  });

  test("a party that reads slowly makes its peer wait, not the relay hold everything", async () => {
    await start({ maxBufferedBytes: 1_000_000 });
    const [one, two] = await pair();
    two.socket.pause();
    const total = 400;
    for (let i = 0; i < total; i++) one.socket.send(Buffer.alloc(100_000, i));
    // What the relay has taken stops growing: the rest stays with the sender and in the sockets.
    let taken = -1;
    await expect
      .poll(
        () => {
          const before = taken;
          taken = host.relay.bytes;
          return taken === before && taken > 0;
        },
        { interval: 200 },
      )
      .toBe(true);
    expect(taken).toBeLessThan((total * 100_000) / 2);
    two.socket.resume();
    await expect.poll(() => two.got.length, { timeout: 10_000 }).toBe(total + 1);
    expect(two.got.slice(1).every((data, i) => (data as Buffer)[0] === i % 256)).toBe(true);
  });

  test("a link on which nothing happens ends when its job has", async () => {
    let admitted = true;
    // Long enough between two looks for an answer to a ping, also on a busy machine.
    await start({ idleTimeoutMs: 20, sweepMs: 400 }, () => admitted);
    const [one, two] = await pair();
    await new Promise((resolve) => setTimeout(resolve, 900));
    expect(host.relay.links).toBe(1);
    admitted = false;
    await Promise.all([one.closed, two.closed]);
    expect(host.relay.links).toBe(0);
  });

  test("a connection that answers no ping is cut", async () => {
    await start({ sweepMs: 30 });
    const [one, two] = await pair();
    one.socket.pause();
    await two.closed;
    expect(host.relay.links).toBe(0);
    one.socket.terminate();
  });
});
