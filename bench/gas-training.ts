/**
 * What the calls of a training cost, measured like those of bench/gas.ts: receipts on a development chain whose
 * clock is set, with hashes from labels, so that zero bytes of call data do not make the figures flicker.
 */
import { id, type TransactionReceipt, toUtf8Bytes, Wallet } from "ethers";
import { operatorSetId } from "../contracts/commitments.ts";
import { deployMarket } from "../contracts/deploy.ts";
import { signPossession } from "../contracts/eip712.ts";
import { Market } from "../contracts/market.ts";
import type { ThreeSignatures } from "../contracts/market-inputs.ts";
import { payoutTree } from "../contracts/payouts.ts";
import { deployGradientRounds, TrainingMarket } from "../contracts/training.ts";
import { signRoundAttestation } from "../contracts/training-eip712.ts";
import { gasOf, onGasChain, type StartChain } from "./gas-chain.ts";

export const trainingGasNames = [
  "training.open",
  "training.join",
  "training.commit",
  "training.attest",
  "training.claim",
] as const;
export type TrainingGasFigures = Record<(typeof trainingGasNames)[number], number>;

const algorithm = id("multi-krum 1.0.0");
const feeWei = 10n ** 15n;
const reward = 10n ** 18n;
const three = (label: string): [string, string, string] => [
  id(`${label} 1`),
  id(`${label} 2`),
  id(`${label} 3`),
];
const spec = toUtf8Bytes(
  JSON.stringify({ algorithm: { id: "multi-krum", version: "1.0.0" }, parameters: {}, version: 1 }),
);

/** Takes a training of two rounds and five data owners to its end, and reads the receipts of the usual call. */
export function measureTrainingGas(start: StartChain): Promise<TrainingGasFigures> {
  return onGasChain(start, measureOn);
}

async function measureOn(wallets: Wallet[]): Promise<TrainingGasFigures> {
  const [deployer, modelOwner, bridge, ...others] = wallets as [Wallet, Wallet, Wallet, ...Wallet[]];
  const [operators, owners] = [others.slice(0, 3), others.slice(3, 8)];
  const signers = operators.map((_, index) => new Wallet(id(`signer ${index}`)));
  const market = await deployMarket(deployer, {
    challengeWindowSec: 3600,
    graceSec: 600,
    minBondWei: 1n,
    unbondingSec: 3600,
    challengeFeeWei: 10n ** 15n,
    responseSec: 3600,
  });
  for (const [index, operator] of operators.entries()) {
    const account = new Market(market, operator);
    const signer = signers[index]!;
    const message = { operator: operator.address, signer: signer.address };
    await account.registerOperator({
      signer: signer.address,
      possession: await signPossession(signer, market, message),
      sealKey: id(`seal ${index}`),
      channelKey: id(`channel ${index}`),
      jiffKey: id(`jiff ${index}`),
      endpoint: `node-${index}.example.org:7000`,
      feeWei,
    });
  }
  const members = operators.map(({ address }) => address) as [string, string, string];
  await new Market(market, deployer).createSet(members);
  for (const operator of operators) {
    await new Market(market, operator).approve(operatorSetId(members), algorithm);
  }
  const deployment = await deployGradientRounds(deployer, {
    operatorRegistry: market.operatorRegistry,
    evidenceSec: 86_400,
  });
  const of = (wallet: Wallet) => new TrainingMarket(deployment, wallet);
  const open = () =>
    of(modelOwner).open({
      members,
      algorithm,
      reward,
      fee: 3n * feeWei,
      deposit: 10n ** 17n,
      rounds: 2,
      minOwners: 5,
      maxOwners: 5,
      maxByzantine: 1,
      joinSec: 3_601,
      commitSec: 3_601,
      attestSec: 3_601,
      modelHashes: three("model"),
      spec,
    });
  // The first writes the counter's slot for the first time, once in the life of a contract.
  await open();
  const { training, receipt } = await open();
  const joins: TransactionReceipt[] = [];
  for (const owner of owners) joins.push(await of(owner).join(training));

  const tree = payoutTree([
    ...owners.map(({ address }) => ({ account: address, amountWei: reward / 5n })),
    ...members.map((account) => ({ account, amountWei: feeWei })),
  ]);
  const commits: TransactionReceipt[] = [];
  const attests: TransactionReceipt[] = [];
  for (let round = 1n; round <= 2n; round += 1n) {
    await of(bridge).startRound(training);
    for (const owner of owners) {
      commits.push((await of(owner).commit(training, round, three(`${owner.address} ${round}`))).receipt);
    }
    const { inputRoot } = await of(bridge).training(training);
    const message = {
      training,
      round,
      inputRoot,
      resultRoot: id(`result ${round}`),
      payoutRoot: tree.root,
      acceptedCount: 5n,
    };
    const signed = signers.map((signer) => signRoundAttestation(signer, deployment, message));
    attests.push(await of(bridge).attest(message, (await Promise.all(signed)) as unknown as ThreeSignatures));
  }
  const claim = await of(bridge).claim({ training, round: 1n, ...tree.payouts[0]! });
  return {
    "training.open": gasOf(receipt),
    "training.join": gasOf(joins[1]!),
    "training.commit": gasOf(commits[1]!),
    "training.attest": gasOf(attests[0]!),
    "training.claim": gasOf(claim),
  };
}
