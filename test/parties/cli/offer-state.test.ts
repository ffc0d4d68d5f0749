import { expect, test } from "vitest";
import { linksOf, stateWords } from "../../../parties/cli/offer-state.ts";

const name = (digit: string): string => `0x${digit.repeat(64)}`;
const replacements = [
  { offer: name("a"), replacement: name("b") },
  { offer: name("b"), replacement: name("c") },
  { offer: name("a"), replacement: name("d") },
];
const words = (offer: string, active: boolean, replaced: boolean): string =>
  stateWords({ active, replaced, ...linksOf(offer, replacements) });

test("an offer says in whose place it stands, and which stand in its place", () => {
  expect(words(name("e"), true, false)).toBe("active");
  expect(words(name("e"), false, false)).toBe("withdrawn");
  expect(words(name("a"), false, true)).toBe("replaced by 0xbbbbbbbbbb and 0xdddddddddd");
  expect(words(name("b"), false, true)).toBe("replaced by 0xcccccccccc, in the place of 0xaaaaaaaaaa");
  expect(words(name("d"), true, false)).toBe("active, in the place of 0xaaaaaaaaaa");
});

test("an offer for sale says which members keep its set from taking jobs; one that ended need not", () => {
  const links = linksOf(name("e"), []);
  const idleMembers = [
    { operator: `0x${"1".repeat(40)}`, status: "Slashed" as const },
    { operator: `0x${"2".repeat(40)}`, status: "None" as const },
  ];
  expect(stateWords({ active: true, replaced: false, ...links, idleMembers })).toBe(
    "active, but its set takes no jobs now: operator 0x1111111111 is slashed, operator 0x2222222222 is not registered",
  );
  expect(stateWords({ active: false, replaced: false, ...links, idleMembers })).toBe("withdrawn");
});
