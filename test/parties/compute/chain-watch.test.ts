import { id, type JsonRpcProvider, type Log, Wallet, zeroPadValue } from "ethers";
import pino from "pino";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { artifact } from "../../../contracts/artifacts.ts";
import { buildContracts } from "../../../contracts/build.ts";
import { deployMarket } from "../../../contracts/deploy.ts";
import type { Deployment } from "../../../contracts/deployment.ts";
import { type DevChain, startDevChain } from "../../../contracts/dev-chain.ts";
import { signPossession } from "../../../contracts/eip712.ts";
import { Market } from "../../../contracts/market.ts";
import { MarketReader } from "../../../contracts/market-reader.ts";
import { openProvider } from "../../../contracts/provider.ts";
import { ChainWatch } from "../../../parties/compute/chain-watch.ts";
import type { LedgerJob } from "../../../parties/ledger.ts";

let chain: DevChain;
let provider: JsonRpcProvider;
let deployment: Deployment;
let watch: ChainWatch | undefined;
const logged: string[] = [];
let onLookFails = false;
const logger = pino({ level: "info" }, { write: (line: string) => logged.push(line) });

beforeAll(async () => {
  await buildContracts();
  chain = await startDevChain();
  provider = openProvider(chain.url, 31337);
  deployment = await deployMarket(new Wallet(chain.accounts[0]!.privateKey, provider), {
    challengeWindowSec: 60,
    graceSec: 60,
    challengeFeeWei: 1n,
    responseSec: 60,
    minBondWei: 1n,
    unbondingSec: 60,
  });
});
afterEach(async () => {
  await watch?.close();
  logged.length = 0;
  onLookFails = false;
});
afterAll(async () => {
  provider.destroy();
  await chain.close();
});

const key = (n: number) => `0x${n.toString(16).padStart(64, "0")}`;

const walletOf = (index: number) => new Wallet(chain.accounts[index]!.privateKey, provider);
const marketOf = (index: number) => new Market(deployment, walletOf(index));

async function register(index: number): Promise<string> {
  const { address } = chain.accounts[index]!;
  await marketOf(index).registerOperator({
    signer: address,
    possession: await signPossession(walletOf(index), deployment, { operator: address, signer: address }),
    ...{ sealKey: key(1), channelKey: key(2), jiffKey: key(3), endpoint: "127.0.0.1:1", feeWei: 1n },
  });
  return address;
}

function follow(confirmations: number, market = new MarketReader(deployment, provider), rereadMs?: number) {
  const looks: number[] = [];
  /** What was known after each look, also a failed one. */
  const after: number[] = [];
  const started = new ChainWatch({
    ...{ market, confirmations, logger },
    ...(rereadMs === undefined ? {} : { rereadMs }),
    pollMs: 20,
    onLook: (ledger) => {
      looks.push(ledger.operators.size);
      if (onLookFails) throw new Error("a full disk");
    },
    afterLook: (ledger) => after.push(ledger.operators.size),
  });
  started.start();
  watch = started;
  return { looks, after, ledger: () => started.ledger };
}

describe("the watch", () => {
  test("takes events when they have enough blocks on top of them", async () => {
    const before = follow(0);
    await expect.poll(() => before.looks.length).toBeGreaterThan(0);
    const known = before.ledger().operators.size;
    await watch?.close();
    const address = await register(1);
    const { looks, ledger } = follow(2);
    await expect.poll(() => looks.length).toBeGreaterThan(2);
    expect(ledger().operators.size).toBe(known);
    await provider.send("evm_mine", []);
    const after = looks.length;
    await expect.poll(() => looks.length).toBeGreaterThan(after + 2);
    expect(ledger().operators.size).toBe(known);
    await provider.send("evm_mine", []);
    await expect.poll(() => ledger().operator(address)?.status).toBe("Active");
  });

  test("reads anew when blocks that it took for final are gone", async () => {
    const snapshot = await provider.send("evm_snapshot", []);
    const gone = await register(2);
    const { ledger } = follow(0);
    await expect.poll(() => ledger().operator(gone)).toBeDefined();
    await provider.send("evm_revert", [snapshot]);
    const there = await register(3);
    await expect.poll(() => ledger().operator(there)).toBeDefined();
    expect(ledger().operator(gone)).toBeUndefined();
    expect(logged.join("")).toContain("reorganised");
  });

  test("believes no endpoint of another chain", async () => {
    const wrong = { ...deployment, chainId: 1 };
    const { looks } = follow(0, new MarketReader(wrong, openProvider(chain.url, 1)));
    await expect.poll(() => logged.join("")).toContain("CONFIG_INVALID");
    expect(looks).toEqual([]);
  });

  /** An endpoint that does something to the events of one operator, and says so to nobody. */
  function endpoint(change: (log: Log) => Log | undefined) {
    const hostile = openProvider(chain.url, 31337);
    const { getLogs } = hostile;
    vi.spyOn(hostile, "getLogs").mockImplementation(async (filter) =>
      (await getLogs.call(hostile, filter)).flatMap((log) => change(log) ?? []),
    );
    return { hostile, market: new MarketReader(deployment, hostile) };
  }
  const isOf = (type: "OperatorRegistered" | "OperatorPaused", operator: string) => (log: Log) =>
    log.topics[0] === artifact("OperatorRegistry").abi.getEvent(type)!.topicHash &&
    log.topics[1] === zeroPadValue(operator, 32).toLowerCase();

  /** A job that rests on these alone. */
  const jobOf = (members: string[], operatorSet = id("set")) =>
    ({ job: id("job"), operatorSet, offers: [id("offer")], members }) as LedgerJob;

  test("goes on when the endpoint leaves an event out, says so once, and doubts what it was about", async () => {
    const [left, other] = [await register(4), await register(5)];
    await marketOf(4).pause();
    await marketOf(5).pause();
    const isLeftOut = isOf("OperatorRegistered", left);
    const { hostile, market } = endpoint((log) => (isLeftOut(log) ? undefined : log));
    const { looks, ledger } = follow(0, market);
    await expect.poll(() => looks.length).toBeGreaterThan(2);
    expect(ledger().operator(left)).toBeUndefined();
    expect(ledger().operator(other)?.status).toBe("Paused");
    expect(ledger().isDoubtful(jobOf([other, other, left]))).toBe(true);
    expect(ledger().isDoubtful(jobOf([other, other, other]))).toBe(false);
    expect([watch?.healthy, watch?.skipped]).toEqual([true, 1]);
    expect(logged.filter((line) => line.includes("skipped"))).toHaveLength(1);
    hostile.destroy();
  });

  test("reads anew after a while what the endpoint left out", async () => {
    const left = await register(8);
    await marketOf(8).pause();
    const isLeftOut = isOf("OperatorRegistered", left);
    let lagging = true;
    const { hostile, market } = endpoint((log) => (lagging && isLeftOut(log) ? undefined : log));
    const { ledger } = follow(0, market, 200);
    await expect.poll(() => watch?.skipped).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(logged.filter((line) => line.includes("skipped"))).toHaveLength(1);
    lagging = false;
    await expect.poll(() => ledger().operator(left)?.status).toBe("Paused");
    expect(ledger().isDoubtful(jobOf([left]))).toBe(false);
    expect(watch?.skipped).toBe(0);
    hostile.destroy();
  });

  test("goes on when an event cannot be read, and doubts what it was about", async () => {
    const [garbled, other] = [await register(6), await register(7)];
    await marketOf(7).pause();
    const isGarbled = isOf("OperatorRegistered", garbled);
    const { hostile, market } = endpoint((log) =>
      isGarbled(log) ? ({ ...log, data: log.data.slice(0, 70), topics: log.topics } as Log) : log,
    );
    const { looks, ledger } = follow(0, market);
    await expect.poll(() => looks.length).toBeGreaterThan(2);
    expect(ledger().operator(other)?.status).toBe("Paused");
    expect(ledger().isDoubtful(jobOf([other, garbled, other]))).toBe(true);
    expect(ledger().isDoubtful(jobOf([other, other, other]))).toBe(false);
    expect(logged.filter((line) => line.includes("skipped"))).toHaveLength(1);
    hostile.destroy();
  });

  test("takes an endpoint that lacks a block for a moment for one that is behind, and reads nothing anew", async () => {
    const { hostile, market } = endpoint((log) => log);
    const { getBlock } = hostile;
    let behind = false;
    vi.spyOn(hostile, "getBlock").mockImplementation(async (block, ...rest) => {
      if (!behind || block === "latest") return getBlock.call(hostile, block, ...rest);
      behind = false;
      return null;
    });
    const { looks } = follow(0, market);
    await expect.poll(() => looks.length).toBeGreaterThan(1);
    behind = true;
    await expect.poll(() => logged.join("")).toContain("the chain answers again");
    expect(logged.join("")).toContain("the endpoint lacks a block");
    expect(logged.join("")).not.toContain("reorganised");
    hostile.destroy();
  });

  test("lets challenges be seen to with what is known, also when jobs cannot be or the endpoint is away", async () => {
    await register(9);
    onLookFails = true;
    const { hostile, market } = endpoint((log) => log);
    const { looks, after } = follow(0, market);
    await expect.poll(() => after.length).toBeGreaterThan(1);
    const known = after.at(-1)!;
    expect(known).toBeGreaterThan(0);
    expect(looks.at(-1)).toBe(known);
    // Also when the chain was reorganised and can be read from the first block no more.
    const { getBlock } = hostile;
    vi.spyOn(hostile, "getBlock").mockImplementation(async (block, ...rest) => {
      const found = await getBlock.call(hostile, block, ...rest);
      return block === "latest" || found === null ? found : Object.assign(found, { hash: id("another") });
    });
    vi.spyOn(hostile, "getLogs").mockRejectedValue(new Error("away"));
    await expect.poll(() => logged.join("")).toContain("the chain cannot be read");
    const [sofar, failed] = [looks.length, after.length];
    await expect.poll(() => after.length).toBeGreaterThan(failed + 2);
    expect(looks.length).toBe(sofar);
    expect(after.at(-1)).toBe(known);
    hostile.destroy();
  });

  test("goes on when the endpoint is away for a while", async () => {
    const away = openProvider("http://127.0.0.1:1", 31337, 200);
    const { looks } = follow(0, new MarketReader(deployment, away));
    await expect.poll(() => logged.length).toBeGreaterThan(0);
    expect(looks).toEqual([]);
    expect(logged.join("")).toContain("the chain cannot be read");
    away.destroy();
  });
});
