/** What the calls of a job cost, over 1, 10 and 100 offers. */
import { id, toUtf8Bytes, Wallet } from "ethers";
import { type ResultParts, resultRoot } from "../contracts/commitments.ts";
import { deployMarket } from "../contracts/deploy.ts";
import { signAttestation, signJoin, signPossession } from "../contracts/eip712.ts";
import { Market } from "../contracts/market.ts";
import type { ThreeSignatures } from "../contracts/market-inputs.ts";
import { type PayoutTree, payoutTree } from "../contracts/payouts.ts";
import { exactMicroRho, openTerms } from "../contracts/use-terms.ts";
import { SymbolonError } from "../mpc/errors.ts";
import { gasOf, onGasChain, type StartChain } from "./gas-chain.ts";

export const marketGasNames = [
  "createJob1",
  "createJob10",
  "createJob100",
  "join3",
  "attest3",
  "accept",
  "claim100",
  "claim10000",
  "offer",
  "deploy",
] as const;
export type MarketGasFigures = Record<(typeof marketGasNames)[number], number>;

const algorithm = id("statistics 1.0.0");
const priceWei = 10n ** 16n;
const feeWei = 10n ** 15n;
const settings = {
  challengeWindowSec: 3600,
  graceSec: 600,
  minBondWei: 1n,
  unbondingSec: 3600,
  challengeFeeWei: 10n ** 15n,
  responseSec: 3600,
};
const deadlineSec = 2_000_086_400;

/**
 * The specification of the simplest real job, statistics over one schema: 161 bytes. Each further byte costs
 * 24 gas, 16 as call data and 8 in the event.
 */
const spec = toUtf8Bytes(
  JSON.stringify({
    algorithm: { id: "statistics", version: "1.0.0" },
    parameters: {},
    schemaHash: id("schema"),
    version: 1,
  }),
);

/** Deploys a market, runs one job of each size through it and reads the receipts. */
export function measureMarketGas(start: StartChain): Promise<MarketGasFigures> {
  return onGasChain(start, measureOn);
}

async function measureOn(wallets: Wallet[]): Promise<MarketGasFigures> {
  const [deployer, seller, buyer, bridge, ...others] = wallets as [
    Wallet,
    Wallet,
    Wallet,
    Wallet,
    ...Wallet[],
  ];
  const owners = others.slice(0, 3);
  const signers = owners.map((_, index) => new Wallet(id(`signer ${index}`)));
  const figures: Partial<MarketGasFigures> = {};

  const provider = deployer.provider;
  const before = await deployer.getNonce();
  const deployment = await deployMarket(deployer, settings);
  let deployGas = 0n;
  // The market's own three; trainings and exchange, which come after them, stand beside it.
  for (let block = deployment.blockNumber; block < deployment.blockNumber + 3; block += 1) {
    deployGas += (await provider!.getBlock(block))?.gasUsed ?? 0n;
  }
  if ((await deployer.getNonce()) !== before + 5) {
    throw new SymbolonError("INTERNAL", "a deployment is not five transactions");
  }
  figures.deploy = Number(deployGas);

  const of = (wallet: Wallet) => new Market(deployment, wallet);
  for (const [index, owner] of owners.entries()) {
    const signer = signers[index]!;
    const message = { operator: owner.address, signer: signer.address };
    await of(owner).registerOperator({
      signer: signer.address,
      possession: await signPossession(signer, deployment, message),
      sealKey: id(`seal ${index}`),
      channelKey: id(`channel ${index}`),
      jiffKey: id(`jiff ${index}`),
      endpoint: `node-${index}.example.org:7000`,
      feeWei,
    });
  }
  const members = owners.map(({ address }) => address) as [string, string, string];
  await of(buyer).createSet(members);
  const operatorSet = (await of(buyer).sets())[0]!.id;
  for (const owner of owners) await of(owner).approve(operatorSet, algorithm);

  const offers: string[] = [];
  for (let index = 0; index < 100; index += 1) {
    const { receipt, offer } = await of(seller).publishOffer({
      operatorSet,
      schemaHash: id("schema"),
      rows: 10_000,
      columns: 31,
      nonce: id(`nonce ${index}`),
      ciphertextHashes: [id(`a ${index}`), id(`b ${index}`), id(`c ${index}`)],
      budgetMicroRho: exactMicroRho,
      terms: openTerms(priceWei),
    });
    offers.push(offer);
    figures.offer ??= gasOf(receipt);
  }

  const create = async (count: number) =>
    of(buyer).createJob({
      algorithm,
      operatorSet,
      deadlineSec,
      resultKey: id("result key"),
      offers: offers.slice(0, count),
      spec,
    });
  const one = await create(1);
  figures.createJob1 = gasOf(one.receipt);
  figures.createJob10 = gasOf((await create(10)).receipt);
  const hundred = await create(100);
  figures.createJob100 = gasOf(hundred.receipt);

  /** Takes a job to its end; the figures of joining, attesting and accepting. */
  const settle = async (job: string, tree: PayoutTree) => {
    const joins = signers.map((signer) => signJoin(signer, deployment, { job }));
    const join3 = gasOf(await of(bridge).join(job, (await Promise.all(joins)) as unknown as ThreeSignatures));
    const parts: ResultParts = {
      roots: [id(`root 1 ${job}`), id(`root 2 ${job}`), id(`root 3 ${job}`)],
      ciphertextHashes: [id(`sealed 1 ${job}`), id(`sealed 2 ${job}`), id(`sealed 3 ${job}`)],
      fieldBits: 127,
      total: 1_000_000,
    };
    const outcome = { job, payoutRoot: tree.root, budgetSpent: 0n };
    const attestation = { ...outcome, resultRoot: resultRoot(parts) };
    const signed = signers.map((signer) => signAttestation(signer, deployment, attestation));
    const attest3 = gasOf(
      await of(bridge).attest(
        { ...outcome, parts },
        (await Promise.all(signed)) as unknown as ThreeSignatures,
      ),
    );
    return { join3, attest3, accept: gasOf(await of(buyer).accept(job)) };
  };
  /** The dearest of an ordinary payee's claims: the last index, its bitmap word touched before. */
  const claimLast = async (job: string, tree: PayoutTree) => {
    const last = tree.payouts.length - 1;
    if (last > 110) await of(bridge).claim({ job, ...tree.payouts[last - 1]! });
    return gasOf(await of(seller).claim({ job, ...tree.payouts[last]! }));
  };
  const treeOf = (payees: number, totalWei: bigint) =>
    payoutTree(
      Array.from({ length: payees }, () => ({
        account: seller.address,
        amountWei: totalWei / BigInt(payees),
      })),
    );
  const treeOf100 = treeOf(100, hundred.amountWei);
  Object.assign(figures, await settle(hundred.job, treeOf100));
  figures.claim100 = await claimLast(hundred.job, treeOf100);
  const treeOf10000 = treeOf(10_000, one.amountWei);
  await settle(one.job, treeOf10000);
  figures.claim10000 = await claimLast(one.job, treeOf10000);
  return Object.fromEntries(marketGasNames.map((name) => [name, figures[name]])) as MarketGasFigures;
}
