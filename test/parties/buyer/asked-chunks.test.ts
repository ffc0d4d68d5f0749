import { describe, expect, test } from "vitest";
import {
  type AskedChunk,
  askedShares,
  describeAsked,
  isOverdue,
  partiesWords,
  sharesWords,
} from "../../../parties/buyer/asked-chunks.ts";

const opening = { elements: new Uint8Array(), salt: new Uint8Array(), proof: [] } as never;
const chunk = (number: number, more: Partial<AskedChunk> = {}): AskedChunk => ({
  ...{ point: 3, chunk: number, dueSec: 100 + number, posted: null, exposed: null },
  ...more,
});
const time = (seconds: number): string => new Date(seconds * 1000).toISOString();
const words = (chunks: AskedChunk[], nowSec: number) => {
  const [share] = askedShares(chunks);
  return describeAsked(share!, nowSec).replace("that it was asked for on chain, and ", "");
};

describe("what was asked of a party, in words", () => {
  test.each<[string, AskedChunk[], number, string]>([
    ["one chunk", [chunk(0)], 100, `0 of 1 chunk has until ${time(100)} for it`],
    ["one that is overdue", [chunk(0)], 101, `0 of 1 chunk had until ${time(100)} for it`],
    ["two at once", [chunk(0), chunk(1, { dueSec: 100 })], 99, `has until ${time(100)} for them`],
    [
      "two",
      [chunk(0), chunk(1)],
      99,
      `0 of 2 chunks has until ${time(100)} for the next, and until ${time(101)} for the last`,
    ],
    ["two, the first overdue", [chunk(0), chunk(1)], 101, `0 of 2 chunks had until ${time(100)} for them`],
    [
      "the rest of two",
      [chunk(0, { posted: opening }), chunk(1)],
      99,
      `1 of 2 chunks has until ${time(101)} for the other`,
    ],
    [
      "one that cost the bond",
      [chunk(0, { exposed: "0x1" })],
      101,
      "0 of 1 chunk lost its bond for what it did not post in time",
    ],
  ])("%s", (_name, chunks, nowSec, expected) => {
    expect(words(chunks, nowSec)).toContain(expected);
  });

  test("is overdue once the first chunk is, or its operator was exposed", () => {
    const [share] = askedShares([chunk(0), chunk(1)]);
    expect([100, 101].map((nowSec) => isOverdue(share!, nowSec))).toEqual([false, true]);
    const [exposed] = askedShares([chunk(0, { exposed: "0x1" })]);
    expect(isOverdue(exposed!, 0)).toBe(true);
  });

  test("names parties as people do", () => {
    expect([partiesWords([2]), partiesWords([1, 3])]).toEqual(["party 2", "parties 1 and 3"]);
    expect(sharesWords([2])).toBe("the share of party 2");
    expect(sharesWords([1, 2, 3])).toBe("the shares of parties 1, 2 and 3");
  });
});
