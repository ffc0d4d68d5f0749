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
