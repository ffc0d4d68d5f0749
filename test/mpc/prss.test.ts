import { createCipheriv, hkdfSync } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Prss } from "../../mpc/prss.ts";
import { randomBytes } from "../../mpc/random.ts";
import type { PartyIndex } from "../../mpc/transport/transport.ts";

const secrets = new Map([
  ["12", randomBytes(32)],
  ["13", randomBytes(32)],
  ["23", randomBytes(32)],
]);

function prss(party: PartyIndex): Prss {
  const peers = ([1, 2, 3] as PartyIndex[]).filter((p) => p !== party);
  return new Prss(party, new Map(peers.map((p) => [p, secrets.get([party, p].sort().join(""))!])));
}

describe("pseudo-random sharing", () => {
  it("gives the two parties of a pair the same bytes, and others for each purpose, pair and operation", () => {
    const [one, two, three] = [prss(1), prss(2), prss(3)];
    const draws = [
      one.bytes(3, "mask", 1, 100),
      one.bytes(2, "mask", 1, 100),
      one.bytes(3, "zero", 1, 100),
      one.bytes(3, "mask", 2, 100),
    ].map((b) => Buffer.from(b).toString("hex"));
    expect(new Set(draws).size).toBe(4);
    expect(Buffer.from(two.bytes(3, "mask", 1, 100)).toString("hex")).toBe(draws[0]);
    expect(Buffer.from(three.bytes(2, "mask", 1, 100)).toString("hex")).toBe(draws[1]);
  });

  it("gives AES-CTR key stream under the purpose's subkey, in pieces of any length", () => {
    const reference = (purpose: string, operation: number, length: number) => {
      const key = hkdfSync("sha256", secrets.get("12")!, new Uint8Array(0), `symbolon/prss/${purpose}`, 16);
      const counter = Buffer.alloc(16);
      counter.writeBigUInt64BE(BigInt(operation));
      return createCipheriv("aes-128-ctr", Buffer.from(key), counter).update(Buffer.alloc(length));
    };
    // Around the lengths at which the way of making them changes.
    const length = fc.oneof(
      fc.integer({ min: 0, max: 100 }),
      fc.integer({ min: 8100, max: 8300 }),
      fc.integer({ min: 16_000, max: 81_920 }),
    );
    const operation = fc.integer({ min: 0, max: 2 ** 48 - 1 });
    fc.assert(
      fc.property(fc.array(length, { maxLength: 6 }), operation, (lengths, operation) => {
        const next = prss(1).stream(3, "deal", operation);
        // A piece is valid until the next one is asked for.
        const pieces = lengths.map((n) => Buffer.from(next(n)));
        const sum = lengths.reduce((a, b) => a + b, 0);
        expect(pieces.map((piece) => piece.length)).toEqual(lengths);
        expect(Buffer.concat(pieces).equals(reference("deal", operation, sum))).toBe(true);
      }),
    );
    expect(Buffer.from(prss(2).bytes(3, "mask", 9, 300_001)).equals(reference("mask", 9, 300_001))).toBe(
      true,
    );
  });

  it("draws several streams at once, each for itself", () => {
    const [one, two] = [prss(1), prss(2)];
    const next = [one.stream(3, "mask", 4), one.stream(2, "mask", 4), one.stream(3, "zero", 4)];
    const first = next.map((draw) => Buffer.from(draw(40)));
    const later = next.map((draw) => Buffer.from(draw(40)));
    expect(Buffer.concat([first[0]!, later[0]!]).equals(two.bytes(3, "mask", 4, 80))).toBe(true);
    expect(Buffer.concat([first[2]!, later[2]!]).equals(two.bytes(3, "zero", 4, 80))).toBe(true);
  });

  it("expands a long stream as it begins a short one", () => {
    const long = prss(1).bytes(2, "mask", 7, 200_000);
    expect(Buffer.from(long.subarray(0, 90)).equals(Buffer.from(prss(1).bytes(2, "mask", 7, 90)))).toBe(true);
    expect(new Set(long).size).toBe(256);
  });

  it("refuses to draw a stream twice, to go back behind a closed operation, and to draw what it does not know", () => {
    const one = prss(1);
    one.bytes(2, "mask", 5, 10);
    expect(() => one.bytes(2, "mask", 5, 10)).toThrow(/drawn twice/);
    one.close(5);
    for (const operation of [4, 5]) expect(() => one.bytes(2, "zero", operation, 10)).toThrow(/backwards/);
    expect(() => one.bytes(1, "mask", 6, 10)).toThrow(/excludes it/);
  });

  it("has nothing in common between attempts", () => {
    const again = new Prss(
      1,
      new Map([
        [2 as PartyIndex, randomBytes(32)],
        [3 as PartyIndex, randomBytes(32)],
      ]),
    );
    const a = Buffer.from(prss(1).bytes(3, "mask", 1, 64)).toString("hex");
    expect(Buffer.from(again.bytes(3, "mask", 1, 64)).toString("hex")).not.toBe(a);
  });
});
