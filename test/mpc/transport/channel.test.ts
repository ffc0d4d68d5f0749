/** One channel over one loopback connection, its two ends with keys of our choosing. */
import { createCipheriv } from "node:crypto";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import type { SymbolonError } from "../../../mpc/errors.ts";
import { Channel, type ChannelOptions } from "../../../mpc/transport/channel.ts";
import { Connection } from "../../../mpc/transport/connection.ts";
import { DelayLine } from "../../../mpc/transport/delay-line.ts";
import type { LinkObserver } from "../../../mpc/transport/linked-transport.ts";

const open: Socket[] = [];
afterEach(() => {
  for (const socket of open.splice(0)) socket.destroy();
});

function socketPair(): Promise<[Socket, Socket]> {
  return new Promise((resolve) => {
    const server = createServer({ pauseOnConnect: true });
    server.listen(0, "127.0.0.1", () => {
      const dialled = connect((server.address() as AddressInfo).port, "127.0.0.1");
      server.on("connection", (accepted) => {
        server.close();
        open.push(dialled, accepted);
        resolve([dialled, accepted]);
      });
    });
  });
}

type Event = ["frame", number, string] | ["end"] | ["abort", string] | ["failure", string];

/** What a channel reports, and a way to wait for a number of reports. */
class Log implements LinkObserver {
  readonly events: Event[] = [];
  #wake = () => {};

  onFrame(operation: number, payload: Uint8Array): void {
    this.#add(["frame", operation, Buffer.from(payload).toString("latin1").slice(0, 20)]);
  }
  onEnd(): void {
    this.#add(["end"]);
  }
  onAbort(code: string): void {
    this.#add(["abort", code]);
  }
  onFailure(error: SymbolonError): void {
    this.#add(["failure", error.code]);
  }

  async count(wanted: number): Promise<Event[]> {
    while (this.events.length < wanted) await new Promise<void>((resolve) => (this.#wake = resolve));
    return this.events;
  }

  #add(event: Event): void {
    this.events.push(event);
    this.#wake();
  }
}

const keys = () => ({ sendKey: Buffer.alloc(32, 1), receiveKey: Buffer.alloc(32, 2) });
const opposite = () => ({ sendKey: Buffer.alloc(32, 2), receiveKey: Buffer.alloc(32, 1) });

async function channels(responder: Partial<ChannelOptions> = {}, initiator: Partial<ChannelOptions> = {}) {
  const [dialled, accepted] = await socketPair();
  const contextId = Buffer.alloc(32, 7);
  const one = new Channel({
    connection: Connection.overSocket(dialled),
    secrets: keys(),
    contextId,
    partyIndex: 1,
    peer: 2,
    role: "initiator",
    ...initiator,
  });
  const two = new Channel({
    connection: Connection.overSocket(accepted),
    secrets: opposite(),
    contextId,
    partyIndex: 2,
    peer: 1,
    role: "responder",
    ...responder,
  });
  const closed = new Promise<void>((resolve) => accepted.on("close", () => resolve()));
  const confirmed = new Promise<void>((resolve) => two.awaitConfirmation(resolve));
  const [logOne, logTwo] = [new Log(), new Log()];
  return { one, two, logOne, logTwo, dialled, accepted, closed, confirmed };
}

async function connected(...args: Parameters<typeof channels>) {
  const all = await channels(...args);
  await all.confirmed;
  all.one.observe(all.logOne);
  all.two.observe(all.logTwo);
  return all;
}

describe("channel", () => {
  test("frames go both ways, an end comes after them", async () => {
    const { one, two, logOne, logTwo } = await connected();
    one.send(5, [Buffer.from("first "), Buffer.from("frame")]);
    two.send(2 ** 48 - 1, [Buffer.from("answer")]);
    one.close();
    expect(await logTwo.count(2)).toEqual([["frame", 5, "first frame"], ["end"]]);
    // What one had not taken when it closed is thrown away.
    expect(logOne.events.filter(([kind]) => kind === "failure")).toEqual([]);
  });

  test("frames that come before anyone observes are kept", async () => {
    const { one, two, logTwo, confirmed } = await channels();
    one.send(1, [Buffer.from("early")]);
    one.close("RUN_ABORTED");
    await confirmed;
    await new Promise((resolve) => setTimeout(resolve, 20));
    two.observe(logTwo);
    expect(await logTwo.count(2)).toEqual([
      ["frame", 1, "early"],
      ["abort", "RUN_ABORTED"],
    ]);
  });

  test("a connection lost before anyone observes is reported", async () => {
    const { one, two, logTwo, confirmed, accepted } = await channels();
    await confirmed;
    one.destroy();
    await new Promise((resolve) => accepted.once("close", resolve));
    two.observe(logTwo);
    expect(await logTwo.count(1)).toEqual([["failure", "PEER_LOST"]]);
  });

  test.each([
    ["the context", { contextId: Buffer.alloc(32, 8) }],
    ["the sender", { peer: 3 }],
    ["the receiver", { partyIndex: 3 }],
    ["the key", { secrets: keys() }],
  ] as [string, Partial<ChannelOptions>][])("%s is bound: another one never confirms", async (_, change) => {
    const { logTwo, closed, two } = await channels(change);
    two.observe(logTwo);
    await closed;
    expect(logTwo.events).toEqual([]);
  });

  test("a responder takes nothing before the confirmation", async () => {
    // The peer's first frame is data: an initiator of another kind that did not confirm.
    const { one, closed, logTwo, two } = await channels({}, { role: "responder" });
    two.observe(logTwo);
    one.send(0, [Buffer.from("data")]);
    await closed;
    expect(logTwo.events).toEqual([]);
  });

  test("a frame above the receiver's limit is PEER_MISBEHAVED, whatever the sender's", async () => {
    for (const size of [1001, 100_000]) {
      const { one, logTwo } = await connected({ maxFrameBytes: 1000 });
      one.send(0, [Buffer.alloc(1000, 65)]);
      one.send(1, [Buffer.alloc(size)]);
      expect(await logTwo.count(2)).toEqual([
        ["frame", 0, "A".repeat(20)],
        ["failure", "PEER_MISBEHAVED"],
      ]);
    }
  });

  test("after a failure nothing more is delivered", async () => {
    for (const delayMs of [0, 2]) {
      const { one, logTwo } = await connected({
        maxFrameBytes: 10,
        delayLine: delayMs > 0 ? new DelayLine(delayMs) : undefined,
      });
      one.send(0, [Buffer.alloc(11)]);
      one.send(1, [Buffer.alloc(10)]);
      await logTwo.count(1);
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(logTwo.events).toEqual([["failure", "PEER_MISBEHAVED"]]);
    }
  });

  test("a peer that does not read ends in LIMIT_EXCEEDED, not in endless memory", async () => {
    const { one, logOne, accepted } = await connected({}, { maxQueuedBytes: 1_000_000 });
    accepted.pause();
    const part = Buffer.alloc(500_000);
    for (let operation = 0; operation < 100 && logOne.events.length === 0; operation++)
      one.send(operation, [part]);
    expect(logOne.events).toEqual([["failure", "LIMIT_EXCEEDED"]]);
  });

  test("a paused channel holds frames back until it is resumed", async () => {
    const { one, two, logTwo } = await connected();
    two.pause();
    one.send(0, [Buffer.from("held")]);
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(logTwo.events).toEqual([]);
    two.resume();
    expect(await logTwo.count(1)).toEqual([["frame", 0, "held"]]);
  });

  test("large payloads lie in buffers that are used again, aligned for wide words", async () => {
    const { one, two, logTwo } = await connected();
    const memory: ArrayBufferLike[] = [];
    const frames = logTwo.onFrame.bind(logTwo);
    logTwo.onFrame = (operation, payload) => {
      expect(payload.byteOffset % 8).toBe(0);
      memory.push(payload.buffer);
      frames(operation, payload);
      two.recycle(payload);
    };
    for (let operation = 0; operation < 4; operation++) {
      one.send(operation, [Buffer.alloc(200_000 - operation, 65 + operation)]);
      await logTwo.count(operation + 1);
    }
    expect(new Set(memory).size).toBe(1);
    expect(logTwo.events.map((event) => event[2])).toEqual(
      ["A", "B", "C", "D"].map((letter) => letter.repeat(20)),
    );
  });

  test("closing tells a peer that is in the middle of sending", async () => {
    const { one, two, logOne } = await connected();
    one.send(0, [Buffer.alloc(30_000_000)]);
    two.close("SHARES_INCONSISTENT");
    expect(await logOne.count(1)).toEqual([["abort", "SHARES_INCONSISTENT"]]);
  });

  test("a connection lost before the channel exists is reported", async () => {
    const [dialled, accepted] = await socketPair();
    const closed = new Promise((resolve) => dialled.once("close", resolve));
    dialled.destroy();
    await closed;
    const contextId = Buffer.alloc(32, 7);
    const log = new Log();
    new Channel({
      connection: Connection.overSocket(dialled),
      secrets: keys(),
      contextId,
      partyIndex: 1,
      peer: 2,
      role: "initiator",
    }).observe(log);
    expect(await log.count(1)).toEqual([["failure", "PEER_LOST"]]);
    accepted.destroy();
  });
});

describe("channel toward a peer that holds the keys and misbehaves", () => {
  /** A frame as the format says, with any header. */
  function seal(sequence: number, kind: number, payload: Buffer, change: { unused?: number } = {}): Buffer {
    const header = Buffer.alloc(12);
    header.writeUInt32BE(payload.length + 16, 0);
    header[4] = kind;
    header[5] = change.unused ?? 0;
    header[11] = 9;
    const nonce = Buffer.alloc(12);
    nonce[11] = sequence;
    const associated = Buffer.concat([Buffer.alloc(32, 7), Buffer.of(1, 2), header, nonce.subarray(4)]);
    const cipher = createCipheriv("aes-256-gcm", Buffer.alloc(32, 1), nonce).setAAD(associated);
    return Buffer.concat([header, cipher.update(payload), cipher.final(), cipher.getAuthTag()]);
  }

  async function hostile(delayMs = 0) {
    const [dialled, accepted] = await socketPair();
    const contextId = Buffer.alloc(32, 7);
    const two = new Channel({
      connection: Connection.overSocket(accepted),
      secrets: opposite(),
      contextId,
      partyIndex: 2,
      peer: 1,
      role: "responder",
      delayLine: delayMs > 0 ? new DelayLine(delayMs) : undefined,
    });
    const log = new Log();
    two.awaitConfirmation(() => two.observe(log));
    return { dialled, log };
  }

  const [data, end, abort, confirm] = [0, 1, 2, 3];
  const nothing = Buffer.alloc(0);

  test("the format is the one that is written down", async () => {
    const { dialled, log } = await hostile();
    dialled.write(
      Buffer.concat([
        seal(0, confirm, nothing),
        seal(1, data, Buffer.from("payload")),
        seal(2, end, nothing),
      ]),
    );
    expect(await log.count(2)).toEqual([["frame", 9, "payload"], ["end"]]);
  });

  test("frames in single bytes are put together", async () => {
    const { dialled, log } = await hostile();
    dialled.setNoDelay(true);
    const bytes = Buffer.concat([
      seal(0, confirm, nothing),
      seal(1, data, Buffer.from("payload")),
      seal(2, end, nothing),
    ]);
    for (const byte of bytes) {
      dialled.write(Buffer.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await log.count(2)).toEqual([["frame", 9, "payload"], ["end"]]);
  });

  test.each([
    ["an unknown kind", [seal(1, 4, nothing)]],
    ["a header of another form", [seal(1, data, nothing, { unused: 1 })]],
    ["a second confirmation", [seal(1, confirm, nothing)]],
    ["an end with a payload", [seal(1, end, Buffer.from("x"))]],
    ["an abort of excessive length", [seal(1, abort, Buffer.alloc(65))]],
  ])("%s is PEER_MISBEHAVED", async (_, frames) => {
    const { dialled, log } = await hostile();
    dialled.write(Buffer.concat([seal(0, confirm, nothing), ...frames]));
    expect(await log.count(1)).toEqual([["failure", "PEER_MISBEHAVED"]]);
  });

  test("a frame after the end is PEER_MISBEHAVED", async () => {
    const { dialled, log } = await hostile();
    dialled.write(Buffer.concat([seal(0, confirm, nothing), seal(1, end, nothing), seal(2, data, nothing)]));
    expect(await log.count(2)).toEqual([["end"], ["failure", "PEER_MISBEHAVED"]]);
  });

  test("a failed frame is the last, also while its report is delayed", async () => {
    const { dialled, log } = await hostile(20);
    const altered = seal(1, data, Buffer.from("x"));
    altered[12]! ^= 1;
    dialled.write(Buffer.concat([seal(0, confirm, nothing), altered]));
    await new Promise((resolve) => setTimeout(resolve, 5));
    dialled.write(seal(2, data, Buffer.from("y")));
    await log.count(1);
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(log.events).toEqual([["failure", "CHANNEL_AUTH"]]);
  });
});
