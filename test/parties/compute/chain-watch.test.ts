import type { JsonRpcProvider } from "ethers";
import { Wallet } from "ethers";
import pino from "pino";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { buildContracts } from "../../../contracts/build.ts";
import { deployMarket } from "../../../contracts/deploy.ts";
import type { Deployment } from "../../../contracts/deployment.ts";
import { type DevChain, startDevChain } from "../../../contracts/dev-chain.ts";
import { signPossession } from "../../../contracts/eip712.ts";
import { Market } from "../../../contracts/market.ts";
import { MarketReader } from "../../../contracts/market-reader.ts";
import { openProvider } from "../../../contracts/provider.ts";
import { ChainWatch } from "../../../parties/compute/chain-watch.ts";

let chain: DevChain;
let provider: JsonRpcProvider;
let deployment: Deployment;
let watch: ChainWatch | undefined;
const logged: string[] = [];
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
});
afterAll(async () => {
  provider.destroy();
  await chain.close();
});

const key = (n: number) => `0x${n.toString(16).padStart(64, "0")}`;

async function register(index: number): Promise<string> {
  const { privateKey, address } = chain.accounts[index]!;
  const wallet = new Wallet(privateKey, provider);
  await new Market(deployment, wallet).registerOperator({
    signer: address,
    possession: await signPossession(wallet, deployment, { operator: address, signer: address }),
    ...{ sealKey: key(1), channelKey: key(2), jiffKey: key(3), endpoint: "127.0.0.1:1", feeWei: 1n },
  });
  return address;
}

function follow(confirmations: number, market = new MarketReader(deployment, provider)) {
  const looks: number[] = [];
  const started = new ChainWatch({
    ...{ market, confirmations, logger },
    pollMs: 20,
    onLook: (ledger) => looks.push(ledger.operators.size),
  });
  started.start();
  watch = started;
  return { looks, ledger: () => started.ledger };
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
    await expect.poll(() => ledger().operator(address)?.active).toBe(true);
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

  test("goes on when the endpoint is away for a while", async () => {
    const away = openProvider("http://127.0.0.1:1", 31337, 200);
    const { looks } = follow(0, new MarketReader(deployment, away));
    await expect.poll(() => logged.length).toBeGreaterThan(0);
    expect(looks).toEqual([]);
    expect(logged.join("")).toContain("the chain cannot be read");
    away.destroy();
  });
});
