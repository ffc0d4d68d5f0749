import { parseEther, Wallet } from "ethers";
import { describe, expect, test } from "vitest";
import { devAccounts, startDevChain } from "../../contracts/dev-chain.ts";
import { chainIdOf, connectProvider } from "../../contracts/provider.ts";

describe("the development chain", () => {
  test("listens on this machine alone, funds its accounts, and ends", async () => {
    const chain = await startDevChain();
    expect(chain.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    const provider = await connectProvider(chain.url);
    expect(chain.accounts).toHaveLength(20);
    for (const { address, privateKey } of [chain.accounts[0]!, chain.accounts[19]!]) {
      expect(new Wallet(privateKey).address).toBe(address);
      expect(await provider.getBalance(address)).toBe(parseEther("10000"));
    }
    provider.destroy();
    await chain.close();
    await expect(chainIdOf(chain.url, 1000)).rejects.toMatchObject({ code: "CHAIN_UNREACHABLE" });
  });

  test("has the accounts of the public development mnemonic, the same each time", () => {
    expect(devAccounts()[0]!.address).toBe("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
    expect(devAccounts()).toEqual(devAccounts());
  });

  test("mines blocks of itself when it is asked to, and else only for transactions", async () => {
    const [ticking, quiet] = await Promise.all([startDevChain({ blockTimeSec: 0.05 }), startDevChain()]);
    const [first, second] = await Promise.all([connectProvider(ticking.url), connectProvider(quiet.url)]);
    await expect.poll(() => first.getBlockNumber(), { timeout: 5000 }).toBeGreaterThan(2);
    expect(await second.getBlockNumber()).toBe(0);
    first.destroy();
    second.destroy();
    await Promise.all([ticking.close(), quiet.close()]);
  });

  test("serves two chains beside each other that know nothing of one another", async () => {
    const [one, two] = await Promise.all([startDevChain(), startDevChain()]);
    const [first, second] = await Promise.all([connectProvider(one.url), connectProvider(two.url)]);
    const { address } = Wallet.createRandom();
    await first.send("hardhat_setBalance", [address, "0x1"]);
    expect(await first.getBalance(address)).toBe(1n);
    expect(await second.getBalance(address)).toBe(0n);
    first.destroy();
    second.destroy();
    await Promise.all([one.close(), two.close()]);
  });
});
