/** Bytes go through a connection unchanged and in order, however they are written, read and held up. */
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { duplexPair } from "node:stream";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { blockBytes, Connection } from "../../../mpc/transport/connection.ts";

let server: Server;
let accepted: (socket: Socket) => void;
beforeAll(async () => {
  server = createServer({ pauseOnConnect: true }, (socket) => accepted(socket));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});
afterAll(() => {
  server.close();
});

async function overTcp(): Promise<[Connection, Connection]> {
  const arrival = new Promise<Socket>((resolve) => (accepted = resolve));
  const dialled = Connection.dial({ host: "127.0.0.1", port: (server.address() as AddressInfo).port });
  await dialled.connected();
  return [dialled, Connection.overSocket(await arrival)];
}

async function overStreams(): Promise<[Connection, Connection]> {
  const [one, other] = duplexPair();
  return [Connection.overStream(one), Connection.overStream(other)];
}

const longest = 12 * 3 * blockBytes;
/** A stream whose parts differ. */
const stream = Buffer.from(
  Uint32Array.from({ length: longest / 4 }, (_, i) => Math.imul(i, 2654435761)).buffer,
);
const pattern = (at: number, length: number) => Buffer.from(stream.subarray(at, at + length));

describe.each([
  ["TCP", overTcp],
  ["any other stream", overStreams],
])("over %s", (_, open) => {
  const size = fc.oneof(
    fc.integer({ min: 0, max: 3000 }),
    fc.integer({ min: blockBytes - 2, max: blockBytes + 2 }),
    fc.integer({ min: 0, max: 3 * blockBytes }),
  );
  // After a write: go on, flush, let the event loop turn, or hold the reader up or let it go on.
  const step = fc.tuple(size, fc.constantFrom("on", "flush", "turn", "pause", "resume"));

  test("what is written arrives, from blocks that are used again while a reader is held up", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
        for (const direction of [0, 1]) {
          const ends = await open();
          const [from, to] = direction === 0 ? ends : [ends[1], ends[0]];
          const total = steps.reduce((sum, [bytes]) => sum + bytes, 0);
          const got = Buffer.alloc(total);
          let fill = 0;
          const all = new Promise<void>((resolve) => {
            to.read((bytes) => {
              got.set(bytes, fill);
              fill += bytes.length;
              if (fill === total) resolve();
            });
            if (total === 0) resolve();
          });
          let at = 0;
          for (const [bytes, then] of steps) {
            const part = pattern(at, bytes);
            from.write(part);
            // The caller may overwrite it at once.
            part.fill(0);
            at += bytes;
            if (then === "flush" || then === "turn") from.flush();
            if (then === "turn") await new Promise((resolve) => setImmediate(resolve));
            if (then === "pause") to.pause();
            if (then === "resume") to.resume();
          }
          from.flush();
          to.resume();
          await all;
          expect(got.equals(pattern(0, total))).toBe(true);
          for (const end of ends) end.destroy();
        }
      }),
      { numRuns: 12 },
    );
  });

  test("exactly as many bytes are read as are asked for; the rest waits for the next reader", async () => {
    const [one, two] = await open();
    one.write(pattern(0, 100));
    one.flush();
    expect((await two.readExactly(10)).equals(pattern(0, 10))).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 20));
    one.write(pattern(100, 50));
    one.flush();
    expect((await two.readExactly(1)).equals(pattern(10, 1))).toBe(true);
    expect((await two.readExactly(120)).equals(pattern(11, 120))).toBe(true);
    const rest = new Promise<Buffer>((resolve) => two.read((bytes) => resolve(Buffer.from(bytes))));
    expect((await rest).equals(pattern(131, 19))).toBe(true);
    for (const end of [one, two]) end.destroy();
    await two.closed;
  });

  test("much that came for the next reader is kept as it was", async () => {
    for (const direction of [0, 1]) {
      const ends = await open();
      const [from, to] = direction === 0 ? ends : [ends[1], ends[0]];
      from.write(pattern(0, 400_000));
      from.flush();
      let at = 0;
      for (const length of [1, 30_000, 2, 300_000, 69_997]) {
        expect((await to.readExactly(length)).equals(pattern(at, length))).toBe(true);
        at += length;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      for (const end of ends) end.destroy();
    }
  });

  test("an end comes after what was written, and is noticed once", async () => {
    const [one, two] = await open();
    let [fill, losses] = [0, 0];
    two.onLost = () => {
      losses += 1;
      expect(fill).toBe(3_000_000);
    };
    two.read((bytes) => (fill += bytes.length));
    one.write(Buffer.alloc(3_000_000));
    one.end(10_000);
    await expect.poll(() => two.lost).toBe(true);
    two.end(0);
    await two.closed;
    expect(losses).toBe(1);
    await expect(two.readExactly(1)).rejects.toMatchObject({ code: "PEER_LOST" });
  });

  test("an end while somebody reads exactly is PEER_LOST", async () => {
    const [one, two] = await open();
    one.write(Buffer.alloc(3));
    one.end(10_000);
    await expect(two.readExactly(4)).rejects.toMatchObject({ code: "PEER_LOST" });
    two.destroy();
  });
});

test("nobody there: PEER_LOST with the system's reason", async () => {
  const nobody = Connection.dial({ host: "127.0.0.1", port: 1 });
  await expect(nobody.connected()).rejects.toMatchObject({ code: "PEER_LOST", message: "ECONNREFUSED" });
});
