import { type Provider, ZeroAddress } from "ethers";
import { describe, expect, it } from "vitest";
import { ether, type Token } from "../../../contracts/tokens.ts";
import { amountIn, parseAccount, parseMoney, TokenBook } from "../../../parties/cli/money.ts";

const token: Token = { address: `0x${"12".repeat(20)}`, symbol: "USDX", decimals: 6 };
const usage = expect.objectContaining({ code: "USAGE" });

describe("money on the command line", () => {
  it.each([
    ["0.01eth", 10n ** 16n],
    ["5gwei", 5n * 10n ** 9n],
    ["1000wei", 1000n],
  ])("is ETH with its unit: %s", (text, wei) => {
    expect(parseMoney(text)).toEqual({ wei });
    expect(amountIn(parseMoney(text), ether)).toBe(wei);
  });

  it.each([
    ["2.5", 2_500_000n],
    ["0", 0n],
    ["10", 10_000_000n],
    ["0.000001", 1n],
  ])("is a plain number of tokens: %s", (text, amount) => {
    expect(parseMoney(text)).toEqual({ tokens: text });
    expect(amountIn(parseMoney(text), token)).toBe(amount);
  });

  it("takes no unit of ETH for a token, and no plain number for ETH but nothing", () => {
    expect(() => amountIn(parseMoney("1eth"), token)).toThrow(usage);
    expect(() => amountIn(parseMoney("0wei"), token)).toThrow(usage);
    for (const text of ["1", "0.5", "0.01"]) expect(() => amountIn(parseMoney(text), ether)).toThrow(usage);
    for (const text of ["0", "0.0", "00"]) expect(amountIn(parseMoney(text), ether)).toBe(0n);
  });

  it("has no more digits than its token", () => {
    expect(() => amountIn(parseMoney("0.0000001"), token)).toThrow(
      expect.objectContaining({ code: "PARAMETER_INVALID" }),
    );
  });

  it.each(["-1", "1e3", "1,5", "1.", ".5", "1 eth", "much", ""])("is not: %s", (text) => {
    expect(() => parseMoney(text)).toThrow("expected an amount");
  });
});

describe("an account", () => {
  it("comes out with its checksum, and with a wrong one not at all", () => {
    const right = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
    expect(parseAccount(right.toLowerCase())).toBe(right);
    for (const text of [right.replace("5aA", "5Aa"), "0x12", "", "alice.eth"]) {
      expect(() => parseAccount(text)).toThrow("expected an account");
    }
  });
});

describe("the book of tokens", () => {
  /** A chain without any contract. */
  const empty = { call: async () => "0x" } as unknown as Provider;

  it("knows ETH without asking, and shows amounts by their token", async () => {
    const book = new TokenBook(empty);
    expect(await book.of(ZeroAddress)).toBe(ether);
    expect(await book.show(10n ** 16n, ZeroAddress)).toBe("0.01 ETH");
  });

  it("refuses an address without a token, and shows its amounts all the same", async () => {
    const book = new TokenBook(empty);
    await expect(book.of(token.address)).rejects.toMatchObject({ code: "PARAMETER_INVALID" });
    expect(await book.show(7n, token.address)).toBe(`7 units of ${token.address}`);
  });
});
