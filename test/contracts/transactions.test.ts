/** Sending on a chain that does not mine at once: places, fees and what is paid for. */
import { Interface, type JsonRpcProvider, parseUnits, toQuantity, Wallet } from "ethers";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { type DevChain, startDevChain } from "../../contracts/dev-chain.ts";
import { openProvider } from "../../contracts/provider.ts";
import { type Place, Transactions, type Urgency } from "../../contracts/transactions.ts";

let chain: DevChain;
let provider: JsonRpcProvider;
let wallet: Wallet;
let contract: string;
const mostFeePerGas = parseUnits("100", "gwei");
const abi = new Interface(["function say(uint256 what)"]);
/** Stores the argument of any call in slot 0. */
const code = "0x60043560005500";
/** Initialisation code that leaves just that. */
const initCode = `0x66${code.slice(2)}60005260076019f3`;

beforeAll(async () => {
  chain = await startDevChain();
  provider = openProvider(chain.url, 31337);
  wallet = new Wallet(chain.accounts[1]!.privateKey, provider);
  const deployed = await (await wallet.sendTransaction({ data: initCode })).wait();
  contract = deployed!.contractAddress!;
  expect(await provider.getCode(contract)).toBe(code);
});
afterEach(async () => {
  vi.restoreAllMocks();
  await provider.send("evm_mine", []);
  await provider.send("evm_setAutomine", [true]);
});
afterAll(async () => {
  provider.destroy();
  await chain.close();
});

const hold = () => provider.send("evm_setAutomine", [false]);
const mine = () => provider.send("evm_mine", []);
const mined = () => provider.getTransactionCount(wallet.address, "latest");
const saying = (what: number) => ({ to: contract, abi, method: "say", args: [what] });
const notMined = { code: "CHAIN_UNREACHABLE" };

/** Sends from a process of its own that knows `last`. @returns the place, and what came of it */
function urgently(what: number, last?: Place, changes: Partial<Urgency> = {}) {
  const places: Place[] = [];
  const sending = new Transactions(wallet).sendUrgently(saying(what), {
    ...{ last, mostFeePerGas, patienceMs: 400 },
    ...changes,
    onSend: (place) => {
      changes.onSend?.(place);
      places.push(place);
    },
  });
  return { sending, place: () => places[0]! };
}

/** One that is not mined. */
async function waiting(what: number, last?: Place, changes: Partial<Urgency> = {}): Promise<Place> {
  const { sending, place } = urgently(what, last, changes);
  await expect(sending).rejects.toMatchObject(notMined);
  return place();
}

/** A block after which gas costs 20 gwei. */
async function dearGas(): Promise<void> {
  await provider.send("hardhat_setNextBlockBaseFeePerGas", [toQuantity(parseUnits("20", "gwei"))]);
  await mine();
}

/** Hardhat's count leaves out what waits for cheaper gas; geth's has all of the pool, which is `next` long so far. */
function asGeth(next: number) {
  const count = provider.getTransactionCount.bind(provider);
  const places: Place[] = [];
  vi.spyOn(provider, "getTransactionCount").mockImplementation(async (account, tag) => {
    const latest = await count(account, "latest");
    return tag === "pending" ? Math.max(latest, next) : latest;
  });
  const take = (place: Place): void => {
    places.push(place);
    next = Math.max(next, place.nonce + 1);
  };
  return { take, last: () => places.at(-1) };
}

/** Whether it ends soon. */
const settled = (promise: Promise<unknown>): Promise<boolean> =>
  Promise.race([promise.then(() => true), new Promise<false>((done) => setTimeout(() => done(false), 300))]);

describe("an urgent transaction", () => {
  test("that is not mined in time is sent again in its place, at a fee that nodes take, and one is paid for", async () => {
    await hold();
    const before = await mined();
    const first = await waiting(1);
    const second = await waiting(1, first);
    const third = urgently(2, second, { patienceMs: 10_000 });
    await expect.poll(() => third.place()).toBeDefined();
    for (const [low, high] of [
      [first, second],
      [second, third.place()],
    ] as const) {
      expect(high.nonce).toBe(low.nonce);
      expect(high.maxFeePerGas * 1000n).toBeGreaterThanOrEqual(low.maxFeePerGas * 1125n);
      expect(high.maxPriorityFeePerGas * 1000n).toBeGreaterThanOrEqual(low.maxPriorityFeePerGas * 1125n);
    }
    const pending = () => provider.send("eth_getBlockByNumber", ["pending", true]);
    await expect.poll(async () => (await pending()).transactions).toHaveLength(1);
    await mine();
    const receipt = await third.sending;
    expect((await provider.getTransaction(receipt.hash))?.data).toBe(abi.encodeFunctionData("say", [2]));
    expect(await mined()).toBe(before + 1);
    await mine();
    expect(await mined()).toBe(before + 1);
  });

  test("does not take the place of one that was mined", async () => {
    await hold();
    const first = await waiting(1);
    await mine();
    await provider.send("evm_setAutomine", [true]);
    const next = urgently(1, first);
    await next.sending;
    expect(next.place().nonce).toBe(first.nonce + 1);
    expect(next.place().maxFeePerGas).toBeLessThanOrEqual(first.maxFeePerGas);
  });

  test("that needs more gas than was estimated, for another one came first, is mined all the same", async () => {
    await urgently(1).sending;
    await hold();
    const { sending, place } = urgently(2, undefined, { patienceMs: 10_000 });
    await expect.poll(place).toBeDefined();
    const stranger = new Wallet(chain.accounts[2]!.privateKey, provider);
    const fees = { maxFeePerGas: mostFeePerGas, maxPriorityFeePerGas: mostFeePerGas };
    // Nothing is in the slot any more, which makes it dear.
    await stranger.sendTransaction({
      to: contract,
      data: abi.encodeFunctionData("say", [0]),
      gasLimit: 100_000n,
      ...fees,
    });
    await mine();
    const receipt = await sending;
    expect([receipt.index, receipt.status]).toEqual([1, 1]);
  });

  test("stands behind what others sent from the account, until it is not mined in time", async () => {
    await hold();
    const other = await wallet.sendTransaction({ to: wallet.address, value: 1n });
    const first = urgently(1, undefined, { patienceMs: 10_000 });
    await expect.poll(() => first.place()?.nonce).toBe(other.nonce + 1);
    await mine();
    await first.sending;
    expect((await other.wait())?.status).toBe(1);
  });

  test("takes the place of what was sent before it for too little, which would hold it up for ever", async () => {
    await hold();
    const stuck = await wallet.sendTransaction({
      ...{ to: wallet.address, value: 1n, gasLimit: 21_000n },
      ...{ maxFeePerGas: parseUnits("3", "gwei"), maxPriorityFeePerGas: 1n },
    });
    await dearGas();
    const pool = asGeth(stuck.nonce + 1);
    const first = await waiting(1, undefined, { onSend: pool.take });
    expect(first.nonce).toBe(stuck.nonce + 1);
    await dearGas();
    const second = urgently(1, first, { patienceMs: 10_000, onSend: pool.take });
    await expect.poll(() => pool.last()?.nonce).toBe(stuck.nonce);
    await dearGas();
    expect((await second.sending).status).toBe(1);
  });

  test("offers more and more where it is refused in the place of one that nobody knows the fee of", async () => {
    await hold();
    const fee = parseUnits("7", "gwei");
    const stuck = await wallet.sendTransaction({
      ...{ to: wallet.address, value: 1n, gasLimit: 21_000n },
      ...{ maxFeePerGas: fee, maxPriorityFeePerGas: fee },
    });
    await dearGas();
    const pool = asGeth(stuck.nonce + 1);
    let last: Place | undefined = await waiting(1, undefined, { onSend: pool.take });
    const steps: bigint[] = [];
    for (let step = 0; step < 20; step += 1) {
      await dearGas();
      const next = urgently(1, last, { onSend: pool.take, patienceMs: 2000 });
      const done = next.sending.then(
        () => "mined",
        (error: { message: string }) => error.message,
      );
      await expect.poll(() => pool.last()).not.toBe(last);
      last = pool.last();
      steps.push(last!.maxPriorityFeePerGas);
      if (await settled(done)) {
        expect(await done).not.toBe("mined");
        continue;
      }
      await dearGas();
      expect(await done).toBe("mined");
      break;
    }
    expect(last?.nonce).toBe(stuck.nonce);
    expect(steps.length).toBeGreaterThan(1);
    expect(steps.at(-1)! * 10n).toBeGreaterThanOrEqual(fee * 11n);
  });

  test("leaves no gap where the nodes dropped what stood before it", async () => {
    await hold();
    const before = await wallet.sendTransaction({ to: wallet.address, value: 1n });
    const first = await waiting(1);
    await provider.send("hardhat_dropTransaction", [before.hash]);
    const second = urgently(1, first, { patienceMs: 10_000 });
    await expect.poll(() => second.place()?.nonce).toBe(before.nonce);
    await mine();
    await second.sending;
    await mine();
  });

  test("pays no more than was allowed", async () => {
    await hold();
    const first = await waiting(1);
    const most = first.maxFeePerGas + 1n;
    const second = urgently(1, first, { mostFeePerGas: most });
    await expect(second.sending).rejects.toBeDefined();
    expect(second.place()).toMatchObject({ nonce: first.nonce, maxFeePerGas: most });
  });

  test("is told before it is sent: what cannot be taken down is not sent", async () => {
    await hold();
    const onSend = () => {
      throw new Error("the disk is full");
    };
    const next = () => provider.getTransactionCount(wallet.address, "pending");
    const before = await next();
    await expect(urgently(1, undefined, { onSend }).sending).rejects.toThrow("the disk is full");
    expect(await next()).toBe(before);
  });
});
