/** An exchange on a development chain of its own, with a collector and providers. */
import { id, keccak256, Wallet, ZeroAddress } from "ethers";
import { buildContracts } from "../../contracts/build.ts";
import { deployExchange, ExchangeMarket } from "../../contracts/exchange.ts";
import type { SessionRequest } from "../../contracts/exchange-commitments.ts";
import { openProvider } from "../../contracts/provider.ts";
import { startTestChain } from "./test-chain.ts";

export const sampleDelaySec = 30;
export const phaseSec = 200;
export const secret = id("secret");

export type ExchangeFixture = Awaited<ReturnType<typeof startExchange>>;

export async function startExchange() {
  await buildContracts();
  const chain = await startTestChain();
  const provider = openProvider(chain.url, 31337);
  const wallets = chain.accounts.map(({ privateKey }) => new Wallet(privateKey, provider));
  const [collector, ...providers] = wallets as [Wallet, ...Wallet[]];
  const address = await deployExchange(collector, sampleDelaySec);

  const request = async (label: string): Promise<SessionRequest> => ({
    token: ZeroAddress,
    reward: 100_000n,
    deposit: 7_000n,
    samplingBps: 1000,
    minShards: 4,
    shardsPerSample: 4,
    registerBySec: (await provider.getBlock("latest"))!.timestamp + phaseSec,
    sampleSec: phaseSec,
    featuresSec: phaseSec,
    reviewSec: phaseSec,
    answerSec: phaseSec,
    optimalSec: phaseSec,
    claimSec: phaseSec,
    secretHash: keccak256(secret),
    extractorHash: id("extractor"),
    descriptionHash: id(label),
  });

  return {
    address,
    provider,
    collector,
    providers,
    request,
    of: (wallet: Wallet) => new ExchangeMarket(address, wallet),
    /** Mines a block at this second. */
    jump: async (timeSec: number): Promise<void> => {
      await provider.send("evm_setNextBlockTimestamp", [timeSec]);
      await provider.send("evm_mine", []);
    },
    close: async (): Promise<void> => {
      provider.destroy();
      await chain.close();
    },
  };
}
