/** A bundle of a job that three made-up operators attested: all hashes and signatures are real. */
import { Wallet, ZeroAddress } from "ethers";
import { findAlgorithm, identify } from "../../../algorithms/catalog.ts";
import { encodeJobSpec } from "../../../algorithms/job-spec.ts";
import { dataRoot, jobId, operatorSetId, resultRoot, specHash } from "../../../contracts/commitments.ts";
import { signAttestation } from "../../../contracts/eip712.ts";
import { randomBytes } from "../../../mpc/random.ts";
import { type DataSetSchema, schemaHash } from "../../../parties/data/schema.ts";
import { payoutPlan } from "../../../parties/payout-plan.ts";
import type { Bundle } from "../../../parties/verify/bundle.ts";

export const anyHash = (): string => `0x${randomBytes(32).toString("hex")}`;
const three = <T>(make: (i: number) => T): [T, T, T] => [make(0), make(1), make(2)];
const anyAddress = (): string => Wallet.createRandom().address;

export async function sampleBundle(): Promise<Bundle> {
  const schema: DataSetSchema = {
    version: 1,
    columns: [
      { name: "x", min: -1, max: 1 },
      { name: "y", min: 0, max: 10 },
    ],
    outOfRange: "refuse",
    fracBits: 16,
    fieldBits: 127,
  };
  const deployment = {
    chainId: 31337,
    operatorRegistry: anyAddress(),
    jobEscrow: anyAddress(),
    gradientRounds: anyAddress(),
    reviewExchange: anyAddress(),
    disputes: anyAddress(),
    blockNumber: 1,
  };
  const members = three(anyAddress);
  const signers = three(() => Wallet.createRandom());
  const operatorSet = operatorSetId(members);
  const { manifest } = findAlgorithm("statistics");
  const { hash: algorithm } = await identify(manifest);
  const spec = Buffer.from(
    encodeJobSpec({
      version: 1,
      algorithm: { id: manifest.id, version: manifest.version },
      parameters: {},
      schemaHash: schemaHash(schema),
    }),
  );
  const offers = [1, 2].map(() => {
    const facts = {
      seller: anyAddress(),
      nonce: anyHash(),
      schemaHash: schemaHash(schema),
      rows: 10,
      columns: 2,
      ciphertextHashes: three(anyHash),
    };
    const root = dataRoot({ ...facts, chainId: 31337, registry: deployment.jobEscrow, members });
    return { offer: root, ...facts, priceWei: "1000" };
  });
  const operators = members.map((operator) => ({ operator, feeWei: "10" })) as Bundle["operators"];
  const order = {
    operatorSet,
    algorithm,
    resultKey: anyHash(),
    microRho: (2n ** 64n - 1n).toString(),
    purpose: `0x${"00".repeat(32)}`,
  };
  const payment = { buyer: anyAddress(), token: ZeroAddress, deadlineSec: 1_800_000_000 };
  const job = jobId({
    ...payment,
    amount: 2030n,
    specHash: specHash({
      ...order,
      microRho: BigInt(order.microRho),
      spec,
      offers: offers.map(({ offer }) => offer),
    }),
    signers: signers.map(({ address }) => address),
  });
  const { entries, tree } = payoutPlan({
    amountWei: 2030n,
    offers: offers.map(({ seller }) => ({ seller, priceWei: 1000n })),
    operators: members.map((address) => ({ address, feeWei: 10n })),
  });
  const shareRoots = three(anyHash);
  const ciphertextHashes = three(anyHash);
  const attestation = {
    job,
    resultRoot: resultRoot({ roots: shareRoots, ciphertextHashes, fieldBits: 127, total: 4 }),
    payoutRoot: tree.root,
    budgetSpent: 0n,
  };
  const signatures = await Promise.all(
    signers.map((signer) => signAttestation(signer, deployment, attestation)),
  );
  return {
    symbolonBundle: 1,
    deployment,
    job: {
      id: job,
      ...order,
      ...payment,
      members,
      signers: three((i) => signers[i]!.address),
      spec: `0x${spec.toString("hex")}`,
      amountWei: "2030",
    },
    schema,
    offers,
    operators,
    attestation: {
      resultRoot: attestation.resultRoot,
      payoutRoot: tree.root,
      budgetSpent: "0",
      shareRoots,
      ciphertextHashes,
      fieldBits: 127,
      elements: 4,
      signatures: signatures as [string, string, string],
    },
    payouts: tree.payouts.map(({ index, account, amountWei, proof }, i) => ({
      index,
      party: entries[i]!.party,
      account,
      amountWei: String(amountWei),
      proof,
    })),
    receipts: { fund: anyHash(), attest: anyHash(), settle: null },
  };
}
