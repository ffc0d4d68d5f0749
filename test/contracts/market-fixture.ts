/** A market on a development chain of its own, with three operators, a seller and a buyer. */
import { Contract, HDNodeWallet, id, type JsonRpcProvider, Wallet } from "ethers";
import { artifact } from "../../contracts/artifacts.ts";
import { buildContracts } from "../../contracts/build.ts";
import { deployMarket, type MarketSettings } from "../../contracts/deploy.ts";
import { type AttestationMessage, signAttestation, signFailure, signJoin } from "../../contracts/eip712.ts";
import { Market, type ThreeSignatures } from "../../contracts/market.ts";
import { openProvider } from "../../contracts/provider.ts";
import { exactMicroRho, openTerms } from "../../contracts/use-terms.ts";
import { startTestChain } from "./test-chain.ts";

export const algorithm = id("an algorithm");
export const feeWei = 1_000n;
export const priceWei = 50_000n;
export const settings: MarketSettings = {
  challengeWindowSec: 100,
  minBondWei: 10n ** 18n,
  unbondingSec: 1000,
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
    await of(owner).registerOperator({
      signer: signers[index]!.address,
      sealKey: bytes32(`seal ${index}`),
      channelKey: bytes32(`channel ${index}`),
      jiffKey: bytes32(`jiff ${index}`),
      endpoint: `127.0.0.1:${9000 + index}`,
      feeWei,
    });
    await of(owner).approve(algorithm);
  }
  const members = owners.map(({ address }) => address) as [string, string, string];
  await of(owners[0]).createSet(members);
  const [set] = await of(buyer).sets();

  /** Publishes a data set that differs by `label`. */
  const publish = (label: string) =>
    of(seller).publishOffer({
      operatorSet: set!.id,
      schemaHash: bytes32("schema"),
      rows: 7,
      columns: 2,
      nonce: bytes32(`nonce ${label}`),
      ciphertextHashes: [bytes32(`${label} 1`), bytes32(`${label} 2`), bytes32(`${label} 3`)],
      budgetMicroRho: exactMicroRho,
      terms: openTerms(priceWei),
    });

  const nowSec = async (): Promise<number> => (await provider.getBlock("latest"))!.timestamp;

  /** Funds a job over `offers` with a deadline in `inSec`. */
  const fund = async (offers: readonly bigint[], inSec = 600) =>
    of(buyer).createJob({
      algorithm,
      operatorSet: set!.id,
      deadlineSec: (await nowSec()) + inSec,
      resultKey: bytes32("result key"),
      offers,
      spec: Buffer.from('{"columns":["a"]}'),
    });

  const join = async (job: bigint) => {
    const { specHash } = await of(stranger).job(job);
    const signed = signers.map((signer) => signJoin(signer, deployment, { job, spec: specHash }));
    return of(stranger).join(job, (await Promise.all(signed)) as unknown as ThreeSignatures);
  };

  const attest = async (job: bigint, payoutRoot: string) => {
    const { inputRoot } = await of(stranger).job(job);
    const attestation: AttestationMessage = {
      job,
      algorithm,
      inputRoot,
      resultRoot: bytes32("result"),
      payoutRoot,
      budgetSpent: 0n,
    };
    const signed = signers.map((signer) => signAttestation(signer, deployment, attestation));
    return of(stranger).attest(attestation, (await Promise.all(signed)) as unknown as ThreeSignatures);
  };

  const fail = async (job: bigint, reason: string) => {
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
  const storedJob = async (job: bigint): Promise<{ termsTag: bigint; outcomeHash: string }> =>
    new Contract(deployment.jobEscrow, artifact("JobEscrow").abi, provider).getFunction("job")(job);

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
    fund,
    join,
    attest,
    fail,
    nowSec,
    pass,
    storedJob,
    close,
  };
}
