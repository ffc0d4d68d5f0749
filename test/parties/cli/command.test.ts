import { describe, expect, it } from "vitest";
import { parseWei } from "../../../parties/cli/command.ts";

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
