import { describe, expect, test } from "vitest";
import { SymbolonError } from "../../../mpc/errors.ts";
import { createMemoryChannels, createMemoryTransports } from "../../../mpc/transport/memory.ts";
import {
  nextParty,
  type PartyIndex,
  previousParty,
  type Transport,
} from "../../../mpc/transport/transport.ts";

const bytes = (...values: number[]) => Uint8Array.from(values);

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    return (error as SymbolonError).code;
  }
  return "none";
}

const thrownCode = (run: () => void): string => {
  try {
    run();
  } catch (error) {
    return (error as SymbolonError).code;
  }
  return "none";
};

/** Each party waits for one more frame from a peer: the error with which that ends. */
const endings = (transports: readonly Transport[], operation: number) =>
  Promise.all(transports.map((t) => codeOf(t.receive(nextParty(t.partyIndex), operation, 1))));

describe("memory transport", () => {
  test("frames arrive in order, gathered from their parts, and are copies", async () => {
    const [one, two] = createMemoryTransports();
    const part = bytes(1, 2, 3);
    one.send(2, 0, [part, bytes(4)]);
    part.fill(9);
    one.send(2, 1, []);
    one.send(2, 2, [part]);
    expect(Array.from(await two.receive(1, 0, 4))).toEqual([1, 2, 3, 4]);
    expect((await two.receive(1, 1, 0)).length).toBe(0);
    expect(Array.from(await two.receive(1, 2, 3))).toEqual([9, 9, 9]);
    expect(one.stats).toMatchObject({ framesSent: 3, bytesSent: 7, bytesReceived: 0 });
    expect(two.stats).toMatchObject({ framesSent: 0, bytesSent: 0, bytesReceived: 7 });
  });

  test("a receiver that asks first gets the frame when it comes", async () => {
    const [one, two] = createMemoryTransports({ delayMs: 5 });
    const waiting = two.receive(1, 7, 1);
    one.send(2, 7, [bytes(8)]);
    expect(Array.from(await waiting)).toEqual([8]);
    expect(two.stats.waitingMs).toBeGreaterThan(0);
  });

  test("many rounds of all three parties", async () => {
    const transports = createMemoryTransports();
    const run = async (t: Transport) => {
      let value = t.partyIndex as number;
      for (let round = 0; round < 200; round++) {
        t.send(nextParty(t.partyIndex), round, [bytes(value)]);
        value = ((await t.receive(previousParty(t.partyIndex), round, 1))[0]! + 1) % 256;
      }
      return value;
    };
    expect(await Promise.all(transports.map(run))).toEqual([2 + 200, 3 + 200, 1 + 200]);
  });

  test("pair secrets agree within a pair, differ between pairs and between attempts", () => {
    const [one, two, three] = createMemoryChannels();
    const hex = (secret: Uint8Array | undefined) => Buffer.from(secret!).toString("hex");
    expect(hex(one.pairSecrets.get(2))).toBe(hex(two.pairSecrets.get(1)));
    expect(hex(one.pairSecrets.get(3))).toBe(hex(three.pairSecrets.get(1)));
    expect(hex(two.pairSecrets.get(3))).toBe(hex(three.pairSecrets.get(2)));
    const again = createMemoryChannels();
    const all = [
      one.pairSecrets.get(2),
      one.pairSecrets.get(3),
      two.pairSecrets.get(3),
      again[0].pairSecrets.get(2),
    ];
    expect(new Set(all.map(hex)).size).toBe(4);
    expect(one.pairSecrets.get(2)!.length).toBe(32);
    expect(one.pairSecrets.has(1)).toBe(false);
  });

  test.each([
    ["another operation", 4, 2],
    ["another length", 3, 3],
  ])("%s than expected ends the attempt for all three", async (_, operation, byteLength) => {
    for (const sentFirst of [true, false]) {
      const transports = createMemoryTransports();
      const [one, two] = transports;
      if (sentFirst) {
        one.send(2, 3, [bytes(1, 2)]);
        await new Promise((resolve) => setImmediate(resolve));
      }
      const receiving = two.receive(1, operation, byteLength);
      if (!sentFirst) one.send(2, 3, [bytes(1, 2)]);
      expect(await codeOf(receiving)).toBe("PEER_MISBEHAVED");
      expect(await endings(transports, 9)).toEqual(Array(3).fill("PEER_MISBEHAVED"));
      expect(thrownCode(() => two.send(3, 9, []))).toBe("PEER_MISBEHAVED");
    }
  });

  test("a silent peer is a PEER_TIMEOUT for all three", async () => {
    const transports = createMemoryTransports({ idleTimeoutMs: 20 });
    expect(await codeOf(transports[0].receive(2, 0, 1))).toBe("PEER_TIMEOUT");
    expect(await endings(transports, 0)).toEqual(Array(3).fill("PEER_TIMEOUT"));
  });

  test("closing with a reason reaches both peers at once; the reason of a foreign kind is not taken over", async () => {
    const transports = createMemoryTransports();
    const waiting = endings(transports, 0);
    transports[2].close(new SymbolonError("SHARES_INCONSISTENT", "shares do not lie on one line"));
    expect(await waiting).toEqual(Array(3).fill("SHARES_INCONSISTENT"));

    const others = createMemoryTransports();
    const ends = endings(others, 0);
    others[0].close(new SymbolonError("CSV_EMPTY", "no rows"));
    expect(await ends).toEqual(["CSV_EMPTY", "RUN_ABORTED", "RUN_ABORTED"]);
  });

  test("an orderly close lets frames on their way arrive and leaves the other link alone", async () => {
    const [one, two, three] = createMemoryTransports();
    one.send(2, 0, [bytes(1)]);
    one.send(2, 1, [bytes(2)]);
    one.close();
    one.close();
    three.send(2, 0, [bytes(3)]);
    expect((await two.receive(1, 0, 1))[0]).toBe(1);
    expect((await two.receive(3, 0, 1))[0]).toBe(3);
    expect((await two.receive(1, 1, 1))[0]).toBe(2);
    expect(await codeOf(two.receive(1, 2, 1))).toBe("PEER_LOST");
    expect(thrownCode(() => one.send(2, 2, []))).toBe("PEER_LOST");
  });

  test("sending to a peer that has left is PEER_LOST", async () => {
    const [one, two] = createMemoryTransports();
    one.close();
    await new Promise((resolve) => setImmediate(resolve));
    expect(thrownCode(() => two.send(1, 0, []))).toBe("PEER_LOST");
  });

  test("frames above the limit, foreign operations and unknown peers are refused", async () => {
    const [one, two] = createMemoryTransports({ maxFrameBytes: 4 });
    expect(thrownCode(() => one.send(1, 0, []))).toBe("INTERNAL");
    for (const operation of [-1, 0.5, 2 ** 48]) {
      expect(thrownCode(() => one.send(2, operation, []))).toBe("INTERNAL");
    }
    one.send(2, 0, [bytes(1, 2, 3, 4)]);
    expect(thrownCode(() => one.send(2, 1, [bytes(1, 2, 3), bytes(4, 5)]))).toBe("LIMIT_EXCEEDED");
    expect(await codeOf(two.receive(1, 1, 5))).not.toBe("none");
  });

  test("two receives from one peer at once are a defect", async () => {
    const [one] = createMemoryTransports();
    const first = codeOf(one.receive(2, 0, 1));
    expect(await codeOf(one.receive(2, 1, 1))).toBe("INTERNAL");
    expect(await first).toBe("INTERNAL");
  });

  test("a tap records, alters, drops and repeats", async () => {
    const seen: [PartyIndex, PartyIndex, number][] = [];
    const [one, two] = createMemoryTransports({
      tap(from, to, operation, frame) {
        seen.push([from, to, operation]);
        if (operation === 1) frame[0]! ^= 1;
        if (operation === 2) return [];
        if (operation === 3)
          return [
            { operation, bytes: frame },
            { operation, bytes: frame },
          ];
        return undefined;
      },
    });
    for (let operation = 0; operation < 4; operation++) one.send(2, operation, [bytes(4)]);
    expect((await two.receive(1, 0, 1))[0]).toBe(4);
    expect((await two.receive(1, 1, 1))[0]).toBe(5);
    expect((await two.receive(1, 3, 1))[0]).toBe(4);
    expect(await codeOf(two.receive(1, 4, 1))).toBe("PEER_MISBEHAVED");
    expect(seen).toEqual([0, 1, 2, 3].map((operation) => [1, 2, operation]));
  });
});
