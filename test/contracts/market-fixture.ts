/** A market on a development chain of its own, with three operators, a seller and a buyer. */

import { Contract, HDNodeWallet, id, type JsonRpcProvider, Wallet } from "ethers";
import { artifact } from "../../contracts/artifacts.ts";
import { buildContracts } from "../../contracts/build.ts";
import { type ResultParts, resultRoot } from "../../contracts/commitments.ts";
import { deployMarket } from "../../contracts/deploy.ts";
import type { MarketSettings } from "../../contracts/deployment.ts";
import { signAttestation, signFailure, signJoin } from "../../contracts/eip712.ts";
import { Market } from "../../contracts/market.ts";
import type { JobInput, OfferInput, ThreeSignatures } from "../../contracts/market-inputs.ts";
import { openProvider } from "../../contracts/provider.ts";
import { exactMicroRho, openTerms } from "../../contracts/use-terms.ts";
import { provenKeys } from "./operator-keys.ts";
import { someParts } from "./some-parts.ts";
import { startTestChain } from "./test-chain.ts";

export const algorithm = id("an algorithm");
export const priceWei = 50_000n;
export const settings: MarketSettings = {
  challengeWindowSec: 100,
  graceSec: 50,
  minBondWei: 10n ** 18n,
  unbondingSec: 1000,
  challengeFeeWei: 10n ** 15n,
  responseSec: 300,
};

/** A public key that nobody has the private half of: the contracts never use it. */
export const bytes32 = (label: string): string => id(label);

export type MarketFixture = Awaited<ReturnType<typeof startMarket>>;

/** Deploys, registers three operators that approve {@link algorithm}, and makes them a set. */
export async function startMarket() {
  await buildContracts();
  const chain = await startTestChain();
  const provider: JsonRpcProvider = openProvider(chain.url, 31337);
  const wallets = chain.accounts.map(({ privateKey }) => new Wallet(privateKey, provider));
  const [deployer, seller, buyer, stranger] = wallets as [Wallet, Wallet, Wallet, Wallet];
  const owners = wallets.slice(4, 7) as [Wallet, Wallet, Wallet];
  const signers = owners.map(() => HDNodeWallet.createRandom()) as [HDNodeWallet, HDNodeWallet, HDNodeWallet];
  const deployment = await deployMarket(deployer, settings);
  const of = (wallet: Wallet): Market => new Market(deployment, wallet);
  for (const [index, owner] of owners.entries()) {
    const keys = await provenKeys(deployment, `${index}`, owner, signers[index]!);
    await of(owner).registerOperator({ ...keys, endpoint: `127.0.0.1:${9000 + index}` });
  }
  const members = owners.map(({ address }) => address) as [string, string, string];
  await of(owners[0]).createSet(members);
  const [set] = await of(buyer).sets();
  for (const owner of owners) await of(owner).approve(set!.id, algorithm);

  /** Publishes a data set that differs by `label`. */
  const publish = (label: string, changes: Partial<OfferInput> = {}, wallet = seller) =>
    of(wallet).publishOffer({
      operatorSet: set!.id,
      schemaHash: bytes32("schema"),
      rows: 7,
      columns: 2,
      nonce: bytes32(`nonce ${label}`),
      ciphertextHashes: [bytes32(`${label} 1`), bytes32(`${label} 2`), bytes32(`${label} 3`)],
      budgetMicroRho: exactMicroRho,
      terms: openTerms(priceWei),
      ...changes,
    });

  const nowSec = async (): Promise<number> => (await provider.getBlock("latest"))!.timestamp;

  let funded = 0;
  /** A job over `offers` with a deadline in `inSec`, asked for by nobody else. */
  const jobInput = async (offers: readonly string[], inSec = 600): Promise<JobInput> => ({
    algorithm,
    operatorSet: set!.id,
    deadlineSec: (await nowSec()) + inSec,
    resultKey: bytes32(`result key ${++funded}`),
    offers,
    spec: Buffer.from('{"columns":["a"]}'),
  });
  const fund = async (offers: readonly string[], inSec = 600, changes: Partial<JobInput> = {}) =>
    of(buyer).createJob({ ...(await jobInput(offers, inSec)), ...changes });

  /** The same message, signed by the three operators' keys. */
  const signAll = async (sign: (signer: HDNodeWallet) => Promise<string>): Promise<ThreeSignatures> =>
    (await Promise.all(signers.map(sign))) as unknown as ThreeSignatures;

  const join = async (job: string) =>
    of(stranger).join(job, await signAll((signer) => signJoin(signer, deployment, { job })));

  const attest = async (job: string, payoutRoot: string, parts: ResultParts = someParts) => {
    const attestation = { job, resultRoot: resultRoot(parts), payoutRoot, budgetSpent: 0n };
    const signatures = await signAll((signer) => signAttestation(signer, deployment, attestation));
    return of(stranger).attest({ ...attestation, parts }, signatures);
  };

  const fail = async (job: string, reason: string) => {
    const notice = async (point: 1 | 2 | 3) => ({
      point,
      reason,
      signature: await signFailure(signers[point - 1]!, deployment, { job, reason }),
    });
    return of(stranger).fail(job, [await notice(1), await notice(3)]);
  };

  /** Moves the chain's clock by `seconds` and mines a block. */
  const pass = async (seconds: number): Promise<void> => {
    await provider.send("evm_increaseTime", [seconds]);
    await provider.send("evm_mine", []);
  };

  /** What the escrow itself keeps of a job. */
  const storedJob = async (job: string): Promise<{ state: bigint; outcomeHash: string }> =>
    new Contract(deployment.jobEscrow, artifact("JobEscrow").abi, provider).getFunction("jobOf")(job);

  const close = async (): Promise<void> => {
    provider.destroy();
    await chain.close();
  };

  return {
    chain,
    provider,
    deployment,
    wallets,
    deployer,
    seller,
    buyer,
    stranger,
    owners,
    signers,
    members,
    set: set!,
    of,
    publish,
    jobInput,
    fund,
    signAll,
    join,
    attest,
    fail,
    nowSec,
    pass,
    storedJob,
    close,
  };
}
