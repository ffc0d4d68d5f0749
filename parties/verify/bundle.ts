/**
 * The public record of a finished job in one JSON document: what was asked, over which data sets, what the
 * operators signed, who is paid. It holds no share and no result. `check.ts` verifies it without any network.
 *
 * Amounts are decimal strings, everything else hexadecimal as on chain.
 */
import { z } from "zod";
import { decodeJobSpec } from "../../algorithms/job-spec.ts";
import type { BridgeClient } from "../../bridge/client.ts";
import { attestationSignatures } from "../../contracts/attest-call.ts";
import { deploymentSchema } from "../../contracts/deployment.ts";
import { recoverAttestation } from "../../contracts/eip712.ts";
import type { ThreeSignatures } from "../../contracts/market-inputs.ts";
import type { MarketReader } from "../../contracts/market-reader.ts";
import type { Job } from "../../contracts/market-views.ts";
import { SymbolonError } from "../../mpc/errors.ts";
import { partyIndices } from "../../mpc/transport/transport.ts";
import { fetchFinishedJob } from "../buyer/finished-job.ts";
import { type DataSetSchema, dataSetSchema } from "../data/schema.ts";
import { payoutPlan } from "../payout-plan.ts";

const uint = z.string().regex(/^(0|[1-9][0-9]{0,77})$/, "expected a decimal number");
const hash = z.string().regex(/^0x[0-9a-f]{64}$/, "expected 32 bytes");
const address = z.string().regex(/^0x[0-9a-fA-F]{40}$/, "expected an address");
const three = <T extends z.ZodType>(part: T) => z.tuple([part, part, part]);

export const bundleSchema = z.strictObject({
  symbolonBundle: z.literal(1),
  deployment: deploymentSchema,
  job: z.strictObject({
    /** The hash of its terms. */
    id: hash,
    buyer: address,
    operatorSet: hash,
    /** Operators by point. */
    members: three(address),
    /** Who signs for them in this job. */
    signers: three(address),
    algorithm: hash,
    deadlineSec: z.int().nonnegative(),
    resultKey: hash,
    /** What the result spends of each privacy budget. */
    microRho: uint,
    purpose: hash,
    /** The bytes on chain. */
    spec: z.string().regex(/^0x([0-9a-f]{2})*$/),
    /** ERC-20 token of all amounts; zero is ETH. */
    token: address,
    amountWei: uint,
  }),
  schema: dataSetSchema,
  /** In the order of the job. */
  offers: z
    .array(
      z.strictObject({
        /** Its name, the data root. */
        offer: hash,
        seller: address,
        nonce: hash,
        schemaHash: hash,
        rows: z.int().positive(),
        columns: z.int().positive(),
        ciphertextHashes: three(hash),
        /** As funded. */
        priceWei: uint,
      }),
    )
    .min(1),
  /** By point; fees as funded. */
  operators: three(z.strictObject({ operator: address, feeWei: uint })),
  attestation: z.strictObject({
    resultRoot: hash,
    payoutRoot: hash,
    budgetSpent: uint,
    /** By point. */
    shareRoots: three(hash),
    ciphertextHashes: three(hash),
    fieldBits: z.union([z.literal(61), z.literal(89), z.literal(107), z.literal(127)]),
    elements: z.int().positive(),
    signatures: three(z.string().regex(/^0x[0-9a-f]{130}$/)),
  }),
  payouts: z.array(
    z.strictObject({
      index: z.int().nonnegative(),
      party: z.enum(["seller", "operator"]),
      account: address,
      amountWei: uint,
      proof: z.array(hash),
    }),
  ),
  receipts: z.strictObject({ fund: hash, attest: hash, settle: hash.nullable() }),
});

export type Bundle = z.infer<typeof bundleSchema>;

/**
 * Collects the bundle of a job that has a result.
 * @throws NOT_FOUND, STATE_INVALID before the attestation, RESULT_TAMPERED, BRIDGE_UNREACHABLE
 */
export async function exportBundle(
  connection: { bridge: BridgeClient; market: MarketReader; schema?: DataSetSchema },
  id: string,
): Promise<Bundle> {
  const { market } = connection;
  const finished = await fetchFinishedJob(connection, id);
  const { job, schema } = finished;
  const { parts } = job;
  const attestation = job.attestation!;
  const prices = await market.jobPrices(job);
  const offers = await Promise.all(job.offers.map((offer) => market.offer(offer)));
  const { entries, tree } = payoutPlan({
    amountWei: job.amountWei,
    offers: prices.offers,
    operators: prices.operators.map(({ operator, feeWei }) => ({ address: operator, feeWei })),
  });
  const events = await market.jobEvents(id);
  const signatures = (await calledSignatures(market, job)) ?? (await postedSignatures(connection, job));
  const bundle = {
    symbolonBundle: 1,
    deployment: market.deployment,
    job: {
      id: job.job,
      buyer: job.buyer,
      operatorSet: job.operatorSet,
      members: job.members,
      signers: job.signers,
      algorithm: job.algorithm,
      deadlineSec: job.deadlineSec,
      resultKey: job.resultKey,
      spec: job.spec,
      token: job.token,
      amountWei: String(job.amountWei),
      microRho: String(job.microRho),
      purpose: job.purpose,
    },
    schema,
    offers: offers.map((o, i) => ({
      offer: o.offer,
      seller: o.seller,
      nonce: o.nonce,
      schemaHash: o.schemaHash,
      rows: o.rows,
      columns: o.columns,
      ciphertextHashes: o.ciphertextHashes,
      priceWei: String(prices.offers[i]!.priceWei),
    })),
    operators: prices.operators.map(({ operator, feeWei }) => ({ operator, feeWei: String(feeWei) })),
    attestation: {
      resultRoot: attestation.resultRoot,
      payoutRoot: attestation.payoutRoot,
      budgetSpent: String(attestation.budgetSpent),
      shareRoots: parts.roots,
      ciphertextHashes: parts.ciphertextHashes,
      fieldBits: parts.fieldBits,
      elements: parts.total,
      signatures,
    },
    payouts: tree.payouts.map(({ index, account, amountWei, proof }, i) => ({
      index,
      party: entries[i]!.party,
      account,
      amountWei: String(amountWei),
      proof,
    })),
    receipts: {
      fund: job.funded.txHash,
      attest: attestation.txHash,
      settle: events.find(({ type }) => type === "JobSettled")?.txHash ?? null,
    },
  };
  return parseBundle(bundle);
}

/** Those in the call that brought the attestation; null where they are not there. */
async function calledSignatures(market: MarketReader, job: Job): Promise<ThreeSignatures | null> {
  const { provider, deployment } = market;
  const signatures = await attestationSignatures(provider, deployment, job.attestation!.txHash);
  return signatures?.every((signature, i) => hasSigned(market, job, i, signature)) ? signatures : null;
}

/** As the operators posted them. @throws BRIDGE_UNREACHABLE */
async function postedSignatures(
  { bridge, market }: { bridge: BridgeClient; market: MarketReader },
  job: Job,
): Promise<string[]> {
  const { attestations } = await bridge.job(job.job);
  return partyIndices.map((point) => {
    const posted = attestations.find(
      (a) => a.point === point && hasSigned(market, job, point - 1, a.signature),
    );
    if (posted !== undefined) return posted.signature;
    throw new SymbolonError(
      "BRIDGE_UNREACHABLE",
      `the bridge does not have the signature of operator ${point} under the result of job ${job.job}`,
      { hint: "ask another bridge" },
    );
  });
}

/** Neither a bridge nor an endpoint has to tell the truth. */
function hasSigned(
  { deployment }: MarketReader,
  { job, signers, attestation }: Job,
  place: number,
  signature: string,
): boolean {
  try {
    return recoverAttestation(deployment, { job, ...attestation! }, signature) === signers[place];
  } catch {
    return false;
  }
}

/** @throws USAGE naming the place */
export function parseBundle(value: unknown): Bundle {
  const parsed = bundleSchema.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new SymbolonError(
      "USAGE",
      `this is not a bundle: ${issue!.path.join(".") || "document"}: ${issue!.message}`,
      {
        hint: "`symbolon bundle JOB` writes one",
      },
    );
  }
  // Read here already, so that a bundle whose specification is malformed is none.
  decodeJobSpec(Buffer.from(parsed.data.job.spec.slice(2), "hex"));
  return parsed.data;
}
