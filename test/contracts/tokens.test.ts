/** Tokens as the bindings read them, and their permits as a token takes them, on a chain in this process. */
import { Signature, Wallet, ZeroAddress } from "ethers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startDevChain } from "../../contracts/dev-chain.ts";
import { openProvider } from "../../contracts/provider.ts";
import {
  allowanceOf,
  balanceOf,
  ether,
  parseAmount,
  readToken,
  showAmount,
  signPermit,
} from "../../contracts/tokens.ts";
import { deployTestContract } from "./test-contracts.ts";

type Deployed = Awaited<ReturnType<typeof deployTestContract>>;

let chain: Awaited<ReturnType<typeof startDevChain>>;
let provider: ReturnType<typeof openProvider>;
let holder: Wallet;
let spender: Wallet;
let dollar: Deployed;
beforeAll(async () => {
  chain = await startDevChain();
  provider = openProvider(chain.url, 31337);
  [holder, spender] = chain.accounts.map(({ privateKey }) => new Wallet(privateKey, provider)) as [
    Wallet,
    Wallet,
  ];
  dollar = await deployTestContract("PermitToken", holder, ["tUSD"]);
  await (await dollar.contract.getFunction("mint")(holder.address, 1_000_000n)).wait();
});
afterAll(async () => {
  provider.destroy();
  await chain.close();
});

describe("a token", () => {
  test("says its symbol and its decimals", async () => {
    expect(await readToken(provider, dollar.address)).toEqual({
      address: dollar.address,
      symbol: "tUSD",
      decimals: 6,
    });
    expect(await readToken(provider, ZeroAddress)).toEqual(ether);
  });

  test.each([
    ["control characters", "\u001b[31mUSD"],
    ["no characters", ""],
    ["many characters", "A".repeat(13)],
    ["blanks, which could hide what follows", "USD     x"],
    ["letters that look like others", "\u0405USD"],
  ])("whose symbol has %s is shown by its address", async (_, symbol) => {
    const { address } = await deployTestContract("PermitToken", holder, [symbol]);
    expect((await readToken(provider, address)).symbol).toBe(address.slice(0, 10));
  });

  test("is none where no contract stands, and where another one does", async () => {
    const { address: other } = await deployTestContract("OneBuyer", holder, [holder.address]);
    for (const address of [spender.address, other]) {
      await expect(readToken(provider, address)).rejects.toMatchObject({
        code: "PARAMETER_INVALID",
        message: expect.stringContaining(address),
      });
    }
  });

  test("is not said to be none by an endpoint that does not answer", async () => {
    const nowhere = openProvider("http://127.0.0.1:9", 31337, 500);
    await expect(readToken(nowhere, dollar.address)).rejects.not.toMatchObject({ code: "PARAMETER_INVALID" });
    nowhere.destroy();
  });

  test("tells balances and allowances, ETH only balances", async () => {
    expect(await balanceOf(provider, dollar.address, holder.address)).toBe(1_000_000n);
    expect(await balanceOf(provider, ZeroAddress, spender.address)).toBe(10_000n * 10n ** 18n);
    await (await dollar.contract.getFunction("approve")(spender.address, 12n)).wait();
    expect(await allowanceOf(provider, dollar.address, holder.address, spender.address)).toBe(12n);
    expect(await allowanceOf(provider, dollar.address, spender.address, holder.address)).toBe(0n);
  });
});

describe("an amount", () => {
  const token = { address: `0x${"11".repeat(20)}`, symbol: "tUSD", decimals: 6 };

  test.each([
    [0n, "0 tUSD"],
    [1n, "0.000001 tUSD"],
    [2_500_000n, "2.5 tUSD"],
    [10_000_000n, "10 tUSD"],
  ])("of %i units is shown as %s, and read back", (amount, text) => {
    expect(showAmount(amount, token)).toBe(text);
    expect(parseAmount(text.split(" ")[0]!, token)).toBe(amount);
  });

  test.each(["", "-1", "1.0000001", "1,5", "one", "0x10", " "])("%j is none", (text) => {
    expect(() => parseAmount(text, token)).toThrow(
      expect.objectContaining({ code: "PARAMETER_INVALID", message: expect.stringContaining("tUSD") }),
    );
  });
});

describe("a permit", () => {
  const farSec = 4_000_000_000;

  test("is taken by the token that it was signed for, once, and by no other", async () => {
    const other = await deployTestContract("PermitToken", holder, ["tUSD"]);
    const permit = (await signPermit(holder, dollar.address, spender.address, 77n, farSec))!;
    const { value, deadlineSec, v, r, s } = permit;
    expect({ value, deadlineSec }).toEqual({ value: 77n, deadlineSec: farSec });
    const args = [holder.address, spender.address, value, deadlineSec, v, r, s];
    await expect(other.contract.getFunction("permit")(...args)).rejects.toThrow();
    await (await dollar.contract.getFunction("permit")(...args)).wait();
    expect(await allowanceOf(provider, dollar.address, holder.address, spender.address)).toBe(77n);
    await expect(dollar.contract.getFunction("permit")(...args)).rejects.toThrow();
    // The next one counts on from the token's number for the account.
    const next = (await signPermit(holder, dollar.address, spender.address, 78n, farSec))!;
    expect(Signature.from(next).serialized).not.toBe(Signature.from(permit).serialized);
    const again = [holder.address, spender.address, next.value, next.deadlineSec, next.v, next.r, next.s];
    await (await dollar.contract.getFunction("permit")(...again)).wait();
    expect(await allowanceOf(provider, dollar.address, holder.address, spender.address)).toBe(78n);
  });

  test("is not signed for a token without permits, nor in the domain of another contract", async () => {
    for (const name of ["StubbornToken", "ForeignDomainToken"] as const) {
      const { address } = await deployTestContract(name, holder, ["X"]);
      expect(await signPermit(holder, address, spender.address, 1n, farSec), name).toBeUndefined();
    }
  });
});
