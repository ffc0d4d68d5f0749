/**
 * What the calls of the exchange of raw data sets cost at 100 shards, measured on a development chain with the compiler
 * settings as shipped.
 *
 * An ordinary call each: not the first in the life of a provider's seat, whose slot costs 17,100 gas more once.
 * Base cost and call data are included. Nothing is random: hashes come from labels.
 */
import { getBytes, id, keccak256, type TransactionReceipt, type Wallet, ZeroAddress } from "ethers";
import { deployExchange, ExchangeMarket, type Registration } from "../contracts/exchange.ts";
import { type SessionRequest, sampledIndices, shardTree } from "../contracts/exchange-commitments.ts";
import { gasOf, onGasChain, type StartChain, startSec } from "./gas-chain.ts";

export const exchangeGasNames = [
  "hyperx.registration",
  "hyperx.sample",
  "hyperx.features",
  "hyperx.candidate",
  "hyperx.review",
  "hyperx.optimal",
  "hyperx.claim",
  "hyperx.deposit",
] as const;
export type ExchangeGasFigures = Record<(typeof exchangeGasNames)[number], number>;

const daySec = 86_400;
/** Of each phase after registration. */
const phaseSec = 43_200;
const secret = id("secret");

/** What a data set has, and for how many of its shards one is sampled. */
export interface ShardPlan {
  shards: number;
  shardsPerSample: number;
}

/** Runs two sessions of two providers and reads the receipts of the second. */
export function measureExchangeGas(
  start: StartChain,
  plan: ShardPlan = { shards: 100, shardsPerSample: 20 },
): Promise<ExchangeGasFigures> {
  return onGasChain(start, async (wallets, jump) => {
    const [collector, first, second] = wallets as [Wallet, Wallet, Wallet];
    const address = await deployExchange(collector, 900);
    const of = (wallet: Wallet) => new ExchangeMarket(address, wallet);
    const session = (round: number, at: number) =>
      runSession(of(collector), [of(first), of(second)], { ...plan, round, startsAt: at, jump });
    // Seats are written for the first time in their life.
    await session(0, startSec + 1000);
    return session(1, startSec + 20 * daySec);
  });
}

interface SessionPlan extends ShardPlan {
  round: number;
  startsAt: number;
  jump: (timeSec: number) => Promise<void>;
}

async function runSession(
  collector: ExchangeMarket,
  providers: ExchangeMarket[],
  { shards, shardsPerSample, round, startsAt, jump }: SessionPlan,
): Promise<ExchangeGasFigures> {
  const figures: Partial<ExchangeGasFigures> = {};
  const note = (name: keyof ExchangeGasFigures, receipt: TransactionReceipt) => {
    figures[name] = gasOf(receipt);
  };
  await jump(startsAt);
  const request: SessionRequest = {
    token: ZeroAddress,
    reward: 123_456_789_012_345_678n,
    deposit: 12_345_678_901_234_567n,
    samplingBps: 500,
    minShards: shards,
    shardsPerSample,
    registerBySec: startsAt + daySec,
    sampleSec: phaseSec,
    featuresSec: phaseSec,
    reviewSec: phaseSec,
    answerSec: phaseSec,
    optimalSec: phaseSec,
    claimSec: phaseSec,
    secretHash: keccak256(secret),
    extractorHash: id("extractor"),
    descriptionHash: id(`description ${round}`),
  };
  const { terms, session } = await collector.open(request);
  const registrations: { at: ExchangeMarket; registration: Registration }[] = [];
  const masterKeys = providers.map((_, index) => getBytes(id(`master key ${round} ${index}`)));
  const trees = masterKeys.map((masterKey, index) =>
    shardTree(
      masterKey,
      Array.from({ length: shards }, (_, shard) => id(`ciphertext ${round} ${index} ${shard}`)),
    ),
  );
  for (const [index, at] of providers.entries()) {
    note("hyperx.deposit", await at.deposit(0, request.deposit));
    const { receipt, registration } = await at.register(terms, 0, trees[index]!.commitment);
    note("hyperx.registration", receipt);
    registrations.push({ at, registration });
  }
  await jump(request.registerBySec + 1000);
  for (const [index, { at, registration }] of registrations.entries()) {
    const sampled = await collector.sample(request, secret, registration);
    note("hyperx.sample", sampled.receipt);
    registration.seed = sampled.seed;
    registration.featuresRoot = id(`features ${round} ${index}`);
    note("hyperx.features", await at.features(session, 0, registration.featuresRoot));
    note("hyperx.candidate", await collector.candidate(terms, registration));
    note("hyperx.review", await collector.review(terms, registration));
  }
  await jump(request.registerBySec + 3 * phaseSec + 1);
  for (const [index, { at, registration }] of registrations.entries()) {
    const openings = trees[index]!.open(sampledIndices(registration.seed!, shards, request.shardsPerSample));
    await at.answer(terms, registration, openings);
    registration.keys = openings.map(({ key }) => key);
  }
  await jump(request.registerBySec + 4 * phaseSec + 1);
  const [winner, other] = registrations as [(typeof registrations)[0], (typeof registrations)[0]];
  note("hyperx.optimal", await collector.optimal(terms, winner.registration));
  note("hyperx.claim", await winner.at.claim(terms, winner.registration, masterKeys[0]!));
  await other.at.release(terms, other.registration);
  await other.at.withdraw(0, (await other.at.seat(other.registration.seat)).amount);
  return Object.fromEntries(exchangeGasNames.map((name) => [name, figures[name]])) as ExchangeGasFigures;
}
