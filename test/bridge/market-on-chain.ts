/** The real contracts on a development chain of their own, with three operators whose words the tests post. */
import {
  AbiCoder,
  Contract,
  concat,
  HDNodeWallet,
  id,
  type JsonRpcProvider,
  keccak256,
  Wallet,
} from "ethers";
import type { BridgeClient } from "../../bridge/client.ts";
import type { Point, ResultPartsBody } from "../../bridge/schemas.ts";
import { artifact } from "../../contracts/artifacts.ts";
import { buildContracts } from "../../contracts/build.ts";
import { resultRoot } from "../../contracts/commitments.ts";
import { deployMarket } from "../../contracts/deploy.ts";
import type { MarketSettings } from "../../contracts/deployment.ts";
import { startDevChain } from "../../contracts/dev-chain.ts";
import {
  signAttestation,
  signFailure,
  signJoin,
  signPossession,
  signUnopened,
} from "../../contracts/eip712.ts";
import { Market } from "../../contracts/market.ts";
import { payoutTree } from "../../contracts/payouts.ts";
import { openProvider } from "../../contracts/provider.ts";
import { exactMicroRho, openTerms } from "../../contracts/use-terms.ts";

export const points: Point[] = [1, 2, 3];
export const algorithm = id("an algorithm");
export const feeWei = 1_000n;
export const priceWei = 50_000n;
export const settings: MarketSettings = {
  challengeWindowSec: 100,
  graceSec: 50,
  challengeFeeWei: 1_000n,
  responseSec: 60,
  minBondWei: 10n ** 18n,
  unbondingSec: 1000,
};

const abi = AbiCoder.defaultAbiCoder();
type Three<Value> = [Value, Value, Value];

export type MarketOnChain = Awaited<ReturnType<typeof startMarket>>;

/** Deploys, registers three operators, makes them a set and has them approve {@link algorithm}. */
export async function startMarket() {
  await buildContracts();
  const chain = await startDevChain();
  const provider: JsonRpcProvider = openProvider(chain.url, 31337);
  const wallets = chain.accounts.map(({ privateKey }) => new Wallet(privateKey, provider));
  const [deployer, seller, buyer, stranger] = wallets as [Wallet, Wallet, Wallet, Wallet];
  const owners = wallets.slice(4, 7) as Three<Wallet>;
  const signers = owners.map(() => HDNodeWallet.createRandom()) as Three<HDNodeWallet>;
  const deployment = await deployMarket(deployer, settings);
  const of = (wallet: Wallet): Market => new Market(deployment, wallet);
  for (const [index, owner] of owners.entries()) {
    const signer = signers[index]!;
    const message = { operator: owner.address, signer: signer.address };
    await of(owner).registerOperator({
      signer: signer.address,
      possession: await signPossession(signer, deployment, message),
      sealKey: id(`seal ${index}`),
      channelKey: id(`channel ${index}`),
      jiffKey: id(`jiff ${index}`),
      endpoint: `127.0.0.1:${9000 + index}`,
      feeWei,
    });
  }
  const members = owners.map(({ address }) => address) as Three<string>;
  await of(owners[0]).createSet(members);
  const [set] = await of(buyer).sets();
  for (const owner of owners) await of(owner).approve(set!.id, algorithm);

  /** Publishes a data set that differs by `label`; exact results are sold without a limit alone. */
  const publish = (label: string, budgetMicroRho = exactMicroRho) =>
    of(seller).publishOffer({
      operatorSet: set!.id,
      schemaHash: id("schema"),
      rows: 7,
      columns: 2,
      nonce: id(`nonce ${label}`),
      ciphertextHashes: [id(`${label} 1`), id(`${label} 2`), id(`${label} 3`)],
      budgetMicroRho,
      terms: openTerms(priceWei),
    });

  const nowSec = async (): Promise<number> => (await provider.getBlock("latest"))!.timestamp;

  /** Funds a job over an offer; its deadline is in `inSec`. */
  const fund = async (offer: string, inSec = 600, microRho = exactMicroRho) =>
    of(buyer).createJob({
      algorithm,
      operatorSet: set!.id,
      deadlineSec: (await nowSec()) + inSec,
      resultKey: id("result key"),
      offers: [offer],
      spec: Buffer.from('{"columns":["a"]}'),
      microRho,
      purpose: id("research"),
    });

  /** Moves the chain's clock by `seconds` and mines a block. */
  const pass = async (seconds: number): Promise<void> => {
    await provider.send("evm_increaseTime", [seconds]);
    await provider.send("evm_mine", []);
  };

  const disputes = new Contract(deployment.disputes, artifact("Disputes").abi, buyer);

  /** What the contract of disputes wants to be told about an attested job, and one chunk of a party's share. */
  async function disputeOver(job: string) {
    const stored = await of(stranger).job(job);
    const { deadlineSec, specHash, token, signers: signing, amountWei: amount } = stored;
    const terms = { buyer: stored.buyer, token, amount, deadlineSec, specHash, signers: signing };
    const { parts, root } = resultOf(job, members);
    const outcome = { buyer: stored.buyer, token, resultRoot: root, payoutRoot: payouts.root };
    return { terms, outcome, parts };
  }

  /** The buyer asks the operator at `point` for the only chunk of its share. */
  async function challenge(job: string, point: Point): Promise<void> {
    const { terms, outcome, parts } = await disputeOver(job);
    const options = { value: await of(buyer).challengeFeeWei() };
    await (await disputes.getFunction("challenge")(terms, outcome, parts, point, 0, options)).wait();
  }

  /** The operator posts it. */
  async function respond(job: string, point: Point): Promise<void> {
    const { terms, outcome, parts } = await disputeOver(job);
    const opening = { salt: id("salt"), attempt: 1, elements: elementsOf(point), proof: [] };
    await (await disputes.getFunction("respond")(terms, outcome, parts, point, 0, opening)).wait();
  }

  /** Anybody shows that it did not in time. */
  async function expose(job: string, point: Point): Promise<void> {
    const { terms, outcome } = await disputeOver(job);
    await (await disputes.getFunction("expose")(terms, outcome, point, 0)).wait();
  }

  const close = async (): Promise<void> => {
    provider.destroy();
    await chain.close();
  };

  const accounts = { deployer, seller, buyer, stranger, signers, members };
  const actions = { of, publish, fund, challenge, respond, expose, pass, close };
  return { chain, provider, deployment, set: set!, ...accounts, ...actions };
}

const payouts = payoutTree([{ account: id("payee").slice(0, 42), amountWei: priceWei + 3n * feeWei }]);

/** Two elements of 16 bytes: a result so short has one chunk, and its root is the leaf. */
const total = 2;
const elementsOf = (point: Point): string => `0x${`0${point}`.padStart(64, "0")}`;

const three = (of: (point: Point) => string): [string, string, string] => [of(1), of(2), of(3)];

function resultOf(job: string, members: string[]) {
  const leaf = ["bytes32", "bytes32", "uint256", "address", "uint8", "uint256", "uint256", "bytes32"];
  const roots = three((point) => {
    const content = [job, 1, members[point - 1], point, 0, total, keccak256(elementsOf(point))];
    return keccak256(concat([keccak256(abi.encode(leaf, [id("salt"), ...content]))]));
  });
  const ciphertextHashes = three((point) => id(`result ${point}`));
  const parts: ResultPartsBody = { roots, ciphertextHashes, fieldBits: 61, total };
  return { parts, root: resultRoot(parts) };
}

/** What the three operators post about jobs, each signed with its key. */
export class OperatorsOnChain {
  readonly #market: MarketOnChain;
  readonly #client: () => BridgeClient;

  constructor(market: MarketOnChain, client: () => BridgeClient) {
    this.#market = market;
    this.#client = client;
  }

  async join(job: string, who = points): Promise<void> {
    for (const point of who) {
      const signature = await signJoin(this.#signer(point), this.#market.deployment, { job });
      await this.#client().postJoin(job, { operator: this.#member(point), signature });
    }
  }

  async attest(job: string, who = points): Promise<void> {
    const { parts, root } = resultOf(job, this.#market.members);
    const roots = { job, resultRoot: root, payoutRoot: payouts.root };
    for (const point of who) {
      const typed = { ...roots, budgetSpent: 0n };
      await this.#client().postAttestation(job, {
        operator: this.#member(point),
        point,
        attestation: { ...roots, budgetSpent: "0" },
        parts,
        signature: await signAttestation(this.#signer(point), this.#market.deployment, typed),
      });
    }
  }

  async fail(job: string, who: Point[]): Promise<void> {
    for (const point of who) {
      const notice = { job, reason: "PEER_LOST" };
      const signature = await signFailure(this.#signer(point), this.#market.deployment, notice);
      const operator = this.#member(point);
      await this.#client().postFailure(job, { operator, point, reason: notice.reason, signature });
    }
  }

  async unopened(job: string, who = points): Promise<void> {
    for (const point of who) {
      const signature = await signUnopened(this.#signer(point), this.#market.deployment, { job });
      await this.#client().postUnopened(job, { operator: this.#member(point), signature });
    }
  }

  #signer(point: Point): HDNodeWallet {
    return this.#market.signers[point - 1]!;
  }

  #member(point: Point): string {
    return this.#market.members[point - 1]!;
  }
}
