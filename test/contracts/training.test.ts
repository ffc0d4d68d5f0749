/** Three rounds with five data owners on the embedded chain, and the hashes beside the contract's. */
import { Contract, id, type Wallet } from "ethers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { artifact } from "../../contracts/artifacts.ts";
import { operatorSetId } from "../../contracts/commitments.ts";
import type { ThreeSignatures } from "../../contracts/market-inputs.ts";
import { payoutTree } from "../../contracts/payouts.ts";
import { deployGradientRounds, type TrainingDeployment, TrainingMarket } from "../../contracts/training.ts";
import {
  inputChain,
  type RoundAttestationMessage,
  roundAttestationDigest,
  roundOutcomeHash,
  sharesCommitment,
  signRoundAttestation,
  signRoundFailure,
  signUpdateCommitment,
  trainingDomain,
  trainingSpecHash,
  trainingTermsHash,
} from "../../contracts/training-eip712.ts";
import { trainingStates, trainingTransitions } from "../../contracts/training-states.ts";
import { algorithm, type MarketFixture, startMarket } from "./market-fixture.ts";
import { feeWei } from "./operator-keys.ts";

const evidenceSec = 500;
const fee = 3n * feeWei;
const reward = 100_000n;
const deposit = 901n;
const three = (label: string): [string, string, string] => [
  id(`${label} 1`),
  id(`${label} 2`),
  id(`${label} 3`),
];

let market: MarketFixture;
let deployment: TrainingDeployment;
let owners: Wallet[];
beforeAll(async () => {
  market = await startMarket();
  deployment = await deployGradientRounds(market.deployer, {
    operatorRegistry: market.deployment.operatorRegistry,
    evidenceSec,
  });
  owners = market.wallets.slice(10, 15);
});
afterAll(() => market.close());

const of = (wallet: Wallet): TrainingMarket => new TrainingMarket(deployment, wallet);

async function open(): Promise<bigint> {
  const { training } = await of(market.buyer).open({
    members: market.members,
    algorithm,
    reward,
    fee,
    deposit,
    rounds: 3,
    minOwners: 5,
    maxOwners: 5,
    maxByzantine: 1,
    joinSec: 100,
    commitSec: 200,
    attestSec: 300,
    modelHashes: three("model"),
    spec: Buffer.from('{"dimension":10}'),
  });
  for (const owner of owners) await of(owner).join(training);
  return training;
}

/** All owners commit to the round that the training is in. */
async function commitAll(training: bigint): Promise<void> {
  await of(market.stranger).startRound(training);
  const { round } = await of(market.stranger).training(training);
  for (const owner of owners) await of(owner).commit(training, round, three(`${owner.address} ${round}`));
}

async function attestation(training: bigint, payoutRoot: string): Promise<RoundAttestationMessage> {
  const { round, inputRoot } = await of(market.stranger).training(training);
  return { training, round, inputRoot, resultRoot: id(`result ${round}`), payoutRoot, acceptedCount: 4n };
}

async function attest(message: RoundAttestationMessage): Promise<void> {
  const signed = market.signers.map((signer) => signRoundAttestation(signer, deployment, message));
  await of(market.stranger).attest(message, (await Promise.all(signed)) as unknown as ThreeSignatures);
}

/** The fifth owner is rejected; the others and the operators are paid. */
function payouts() {
  return payoutTree([
    ...owners.slice(0, 4).map(({ address }) => ({ account: address, amountWei: reward / 4n })),
    ...market.members.map((account) => ({ account, amountWei: feeWei })),
  ]);
}

describe("a training of three rounds and five data owners", () => {
  test("pays those that each round accepted, and the deposits back", async () => {
    const training = await open();
    const tree = payouts();
    for (let round = 1n; round <= 3n; round += 1n) {
      await commitAll(training);
      await attest(await attestation(training, tree.root));
      expect(await of(market.stranger).roundPurse(training, round)).toEqual({
        unclaimed: reward + fee,
        outcomeHash: roundOutcomeHash(tree.root),
      });
    }
    expect(await of(market.stranger).training(training)).toMatchObject({ state: "Finished", round: 3n });
    const before = await market.provider.getBalance(owners[0]!.address);
    const claims = [1n, 2n, 3n].flatMap((round) =>
      tree.payouts.map((payout) => ({ training, round, ...payout })),
    );
    await of(market.stranger).claim(claims[0]!);
    await of(market.stranger).claimMany(claims.slice(1));
    expect((await market.provider.getBalance(owners[0]!.address)) - before).toBe((3n * reward) / 4n);
    expect(await of(market.stranger).isClaimed(training, 3n, 6)).toBe(true);
    await expect(of(market.stranger).claim(claims[0]!)).rejects.toMatchObject({
      code: "STATE_INVALID",
      message: `payout 0 of round 1 of training ${training} was paid before`,
    });
    await market.pass(evidenceSec + 1);
    for (const owner of owners) await of(market.stranger).withdraw(training, owner.address);
    expect(await of(market.stranger).dataOwner(training, owners[0]!.address)).toMatchObject({
      status: "Withdrawn",
      round: 3n,
    });
    expect(await market.provider.getBalance(deployment.gradientRounds)).toBe(0n);
    const types = (await of(market.stranger).events(training)).map(({ type }) => type);
    expect(types.filter((type) => type === "UpdateCommitted")).toHaveLength(15);
    expect(types.filter((type) => type === "RoundAttested")).toHaveLength(3);
    expect(types.filter((type) => type === "RoundPayoutClaimed")).toHaveLength(21);
    expect(types).toContain("TrainingFinished");
  });

  test("has the hashes that these bindings compute", async () => {
    const training = await open();
    await commitAll(training);
    const reader = of(market.stranger);
    const opening = await reader.opening(training);
    const now = await reader.training(training);
    const modelRoot = sharesCommitment(deployment, {
      training: 0n,
      round: 0n,
      owner: market.buyer.address,
      ciphertextHashes: three("model"),
    });
    const operatorSet = operatorSetId(market.members);
    expect(opening.operatorSet).toBe(operatorSet);
    expect(opening.terms.specHash).toBe(
      trainingSpecHash({ algorithm, operatorSet, modelRoot, spec: opening.spec }),
    );
    expect(opening.terms.signers).toEqual(market.signers.map(({ address }) => address));
    expect(now.termsHash).toBe(trainingTermsHash(opening.terms));
    const roots = owners.map(({ address }) =>
      sharesCommitment(deployment, {
        training,
        round: 1n,
        owner: address,
        ciphertextHashes: three(`${address} 1`),
      }),
    );
    expect(now.inputRoot).toBe(inputChain(now.termsHash, roots));
    const contract = new Contract(deployment.gradientRounds, artifact("GradientRounds").abi, market.provider);
    const [, name, version, chainId, verifyingContract] = await contract.getFunction("eip712Domain")();
    expect({ name, version, chainId: Number(chainId), verifyingContract }).toEqual(
      trainingDomain(deployment),
    );
  });

  test("goes on after a failure in nothing but refunds", async () => {
    const training = await open();
    await commitAll(training);
    const notice = async (point: 1 | 3) => ({
      point,
      reason: "PEER_LOST",
      signature: await signRoundFailure(market.signers[point - 1]!, deployment, {
        training,
        round: 1n,
        reason: "PEER_LOST",
      }),
    });
    await of(market.stranger).fail(training, [await notice(1), await notice(3)]);
    await of(market.stranger).refund(training);
    const events = await of(market.stranger).events(training);
    expect(events.slice(-2)).toMatchObject([
      { type: "TrainingFailed", round: 1n, reasons: ["PEER_LOST", "PEER_LOST"] },
      { type: "TrainingRefunded", modelOwner: market.buyer.address, amount: 3n * (reward + fee) },
    ]);
    await expect(of(market.stranger).expire(training)).rejects.toMatchObject({ code: "STATE_INVALID" });
  });
});

describe("before the first round", () => {
  test("an owner leaves, and a training that has too few expires", async () => {
    const training = await open();
    await of(owners[4]!).leave(training);
    await expect(of(owners[4]!).leave(training)).rejects.toMatchObject({ code: "STATE_INVALID" });
    await expect(of(market.stranger).startRound(training)).rejects.toMatchObject({
      message: `a round of training ${training} needs 5 data owners and has 4`,
    });
    await market.pass(101);
    await of(market.stranger).expire(training);
    expect((await of(market.stranger).training(training)).state).toBe("Expired");
  });

  test("is not opened while an operator is paused, and says so", async () => {
    const { members } = market;
    await market.of(market.owners[2]).pause();
    await expect(open()).rejects.toMatchObject({
      code: "STATE_INVALID",
      message: `operator ${members[2]} is paused, and takes no new jobs`,
    });
    await market.of(market.owners[2]).resume();
  });

  test("what is not there is not found, and who has no account sends nothing", async () => {
    await expect(of(market.stranger).training(999n)).rejects.toMatchObject({ code: "NOT_FOUND" });
    await expect(of(market.stranger).terms(999n)).rejects.toMatchObject({ code: "NOT_FOUND" });
    await expect(new TrainingMarket(deployment, market.provider).leave(1n)).rejects.toMatchObject({
      code: "CONFIG_INVALID",
    });
    const nothing = { ...deployment, gradientRounds: market.stranger.address };
    await expect(new TrainingMarket(nothing, market.buyer).leave(1n)).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      message: `there is no contract at ${market.stranger.address} on this chain`,
    });
  });
});

describe("proof of a contradiction", () => {
  test("costs a data owner its deposit", async () => {
    const training = await open();
    await commitAll(training);
    const sign = async (owner: Wallet, label: string) => ({
      root: id(label),
      signature: await signUpdateCommitment(owner, deployment, { training, round: 1n, root: id(label) }),
    });
    const [first, second] = owners as [Wallet, Wallet];
    await attest(await attestation(training, id("payouts")));
    await of(market.stranger).convictCommitter(training, first.address, await sign(first, "a"));
    await of(market.stranger).convictOwner(training, second.address, 1n, [
      await sign(second, "a"),
      await sign(second, "b"),
    ]);
    await of(market.stranger).payForfeit(training, first.address);
    expect((await of(market.stranger).dataOwner(training, first.address)).status).toBe("Forfeited");
    expect((await of(market.stranger).dataOwner(training, second.address)).status).toBe("Convicted");
    expect(await of(market.stranger).training(training)).toMatchObject({ owners: 3, round: 2n });
  });

  test("marks an operator, with the digests that these bindings compute", async () => {
    const training = await open();
    await commitAll(training);
    const two = [
      await attestation(training, id("payouts")),
      await attestation(training, id("other payouts")),
    ] as const;
    const signer = market.signers[2]!;
    const { logs } = await of(market.stranger).convictOperator(two, [
      await signRoundAttestation(signer, deployment, two[0]),
      await signRoundAttestation(signer, deployment, two[1]),
    ]);
    expect(await of(market.stranger).isConvicted(market.members[2]!)).toBe(true);
    const { args } = artifact("GradientRounds").abi.parseLog(logs[0]!)!;
    expect(args.digests.toArray()).toEqual(two.map((message) => roundAttestationDigest(deployment, message)));
    await expect(open()).rejects.toMatchObject({ code: "TERMS_REFUSED" });
  });
});

test("the table of states is the contract's, for all pairs", async () => {
  const contract = new Contract(deployment.gradientRounds, artifact("GradientRounds").abi, market.provider);
  for (const [from, fromName] of trainingStates.entries()) {
    for (const [to, toName] of trainingStates.entries()) {
      const here = trainingTransitions[fromName].includes(toName);
      expect(await contract.getFunction("transitionAllowed")(from, to), `${fromName} to ${toName}`).toBe(
        here,
      );
    }
  }
  await expect(contract.getFunction("transitionAllowed")(trainingStates.length, 0)).rejects.toThrow();
});
