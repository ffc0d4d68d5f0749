import { describe, expect, it } from "vitest";
import { parseId, parseWei } from "../../../parties/cli/command.ts";

describe("an amount", () => {
  it.each([
    ["0.01eth", 10n ** 16n],
    ["1ETH", 10n ** 18n],
    ["5gwei", 5n * 10n ** 9n],
    ["1_000wei", 1000n],
    ["0wei", 0n],
  ])("%s", (text, wei) => {
    expect(parseWei(text)).toBe(wei);
  });

  it.each(["1", "0", "0.01", "1.5wei", "0.0000000001gwei", "-1eth", "1 eth", "1dai", "eth", ""])(
    "is refused without a unit or with too many digits: %s",
    (text) => {
      expect(() => parseWei(text)).toThrow("expected an amount with its unit, such as 0.01eth");
    },
  );
});

describe("a name", () => {
  it.each([
    ["0x3fa9", "0x3fa9"],
    ["3FA9c2", "0x3fa9c2"],
    ["0X3fa9".toLowerCase(), "0x3fa9"],
    [`0x${"ab".repeat(32)}`, `0x${"ab".repeat(32)}`],
    ["1234", "0x1234"],
  ])("is a hash or its first digits: %s", (text, name) => {
    expect(parseId(text)).toBe(name);
  });

  it.each(["", "0x", "1", "123", "0x3fa", "0x3fag", "job 1", "-0x3fa9", `0x${"ab".repeat(32)}c`, "0x0x3fa9"])(
    "is not: %s",
    (text) => {
      expect(() => parseId(text)).toThrow("expected a name such as 0x3fa9c20b");
    },
  );
});
