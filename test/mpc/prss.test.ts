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

  it("expands a long stream as it begins a short one", () => {
    const long = prss(1).bytes(2, "mask", 7, 200_000);
    expect(Buffer.from(long.subarray(0, 90)).equals(Buffer.from(prss(1).bytes(2, "mask", 7, 90)))).toBe(true);
    expect(new Set(long).size).toBe(256);
  });

  it("refuses to draw a stream twice, to go back, and to draw what it does not know", () => {
    const one = prss(1);
    one.bytes(2, "mask", 5, 10);
    expect(() => one.bytes(2, "mask", 5, 10)).toThrow(/drawn twice/);
    expect(() => one.bytes(2, "zero", 4, 10)).toThrow(/backwards/);
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
