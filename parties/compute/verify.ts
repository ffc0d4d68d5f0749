/**
 * What a party checks of a funded job before it signs to join: everything that it can know by itself, from the
 * chain as its own endpoint shows it and from its own keys and allow-list. The bridge is asked for bytes only,
 * and they are checked against hashes on chain.
 */
import { codeHash, findAlgorithm, identify, parseParameters } from "../../algorithms/catalog.ts";
import { decodeJobSpec, type JobSpec } from "../../algorithms/job-spec.ts";
import type { Algorithm, JobShape, Plan } from "../../algorithms/manifest.ts";
import { planJob } from "../../algorithms/planner.ts";
import type { BridgeClient } from "../../bridge/client.ts";
import { dataRoot } from "../../contracts/commitments.ts";
import type { Deployment } from "../../contracts/deployment.ts";
import type { MarketReader } from "../../contracts/market-reader.ts";
import type { Job, JobPrices, Offer, Operator } from "../../contracts/market-views.ts";
import { describeTermFailure, exactMicroRho, rhoText, termFailures } from "../../contracts/use-terms.ts";
import { SymbolonError } from "../../mpc/errors.ts";
import type { PartyIndex } from "../../mpc/transport/transport.ts";
import { createKernel, fieldSpecs, type Kernel } from "../../mpc/vector/index.ts";
import { type DataSetSchema, parseSchema } from "../data/schema.ts";
import { checkShape, dataSetShareBytes, type ShareBlock, shareBlocks, shareBytes } from "../data-set.ts";
import { jobShape } from "../job-shape.ts";
import type { OperatorKeys } from "../keys.ts";
import { payoutPlan } from "../payout-plan.ts";
import { resultElements } from "../result.ts";
import { type InputSealContext, seal, sealedBytes, unsealChunks } from "../sealing.ts";
import { fetchLists } from "../terms.ts";
import type { NodeConfig } from "./config.ts";
import type { SealedStore } from "./sealed-store.ts";

/** One sealed matrix of a job: where it is and in which context it opens. */
export interface JobInput {
  /** For messages: "data set 3" or "the validation data". */
  name: string;
  /** Hash of this party's sealed share. */
  ciphertext: string;
  context: InputSealContext;
  hasLabel: boolean;
}

/** A job that this party is willing to run, with all public facts of the run. */
export interface VerifiedJob {
  job: Job;
  /** The operators by point, with their endpoints and keys as registered now. */
  members: Operator[];
  point: PartyIndex;
  spec: JobSpec;
  // biome-ignore lint/suspicious/noExplicitAny: each algorithm has its own parameter type, checked by its zod schema
  algorithm: Algorithm<any>;
  parameters: Record<string, unknown>;
  schema: DataSetSchema;
  shape: JobShape;
  plan: Plan;
  /** In the order of the offers, then the validation data when there is any. */
  inputs: JobInput[];
  /** What the three parties attest about pay. */
  payoutRoot: string;
}

export interface VerifierOptions {
  config: NodeConfig;
  /** Through this operator's own endpoint. */
  market: MarketReader;
  keys: OperatorKeys;
  bridge: BridgeClient;
  sealed: SealedStore;
}

/** Largest schema document. */
const maxSchemaBytes = 16 * 1024 * 1024;

export class JobVerifier {
  readonly #options: VerifierOptions;

  constructor(options: VerifierOptions) {
    this.#options = options;
  }

  /**
   * Checks a job. Reads the inputs and opens them block by block, in memory only.
   * @param nowSec the chain's time
   * @throws the code with which this party refuses the job; BRIDGE_UNREACHABLE and NOT_FOUND may pass
   */
  async verify(job: Job, nowSec: number, signal?: AbortSignal): Promise<VerifiedJob> {
    const verified = await this.check(job, nowSec, signal);
    const kernel = await createKernel(verified.shape.fieldBits);
    for (const input of verified.inputs) {
      // Reading to the end is the check.
      for await (const _ of this.readInput(verified, input, kernel, signal));
    }
    await this.#checkResultKey(verified);
    return verified;
  }

  /** All checks but those that need the inputs themselves. */
  async check(job: Job, nowSec: number, signal?: AbortSignal): Promise<VerifiedJob> {
    const { config, keys, market } = this.#options;
    const members = await Promise.all(job.members.map((address) => market.operator(address)));
    const point = checkOwnPlace(job, members, keys);
    const remainingSec = job.deadlineSec - nowSec;
    if (remainingSec < config.limits.minRemainingSec) {
      throw new SymbolonError(
        "JOB_EXPIRED",
        `job ${job.job} has ${Math.max(0, remainingSec)} s left, this node asks for ${config.limits.minRemainingSec}`,
      );
    }
    const offers = await Promise.all(job.offers.map((id) => market.offer(id)));
    for (const offer of offers) checkOffer(job, offer, config.deployment);
    const prices = await market.jobPrices(job);
    const { root: payoutRoot } = payoutPlan({
      amountWei: job.amountWei,
      offers: prices.offers,
      operators: prices.operators.map(({ operator, feeWei }) => ({ address: operator, feeWei })),
    }).tree;

    const spec = decodeJobSpec(Buffer.from(job.spec.slice(2), "hex"));
    const algorithm = await this.#checkAlgorithm(job, spec);
    const parameters = parseParameters(algorithm, spec.parameters);
    const schema = await this.#schema(spec.schemaHash, signal);
    const shape = jobShape(spec, schema, offers);
    const inputs = this.#inputs(job, spec, offers, point, schema.label !== undefined);
    this.#checkSizes(inputs, shape);
    const plan = await planJob(algorithm, shape, parameters);
    const elements = resultElements(plan);
    if (elements < 1 || elements > config.limits.maxResultElements) {
      throw new SymbolonError("LIMIT_EXCEEDED", `the result has ${elements} elements`);
    }
    await this.#checkTerms(job, prices, signal);
    return {
      ...{ job, members, point, spec, algorithm, parameters, schema, shape, plan, inputs, payoutRoot },
    };
  }

  /**
   * This party's share of one input, block by block, from its sealed bytes on the disk; they are fetched when
   * they are not there.
   * @throws NOT_FOUND, COMMITMENT_MISMATCH, SEAL_INVALID, FIELD_ENCODING, LIMIT_EXCEEDED, STORAGE_FULL,
   * BRIDGE_UNREACHABLE; before the last block is read, or instead of it
   */
  async *readInput(
    { shape, point }: VerifiedJob,
    { ciphertext, context }: JobInput,
    kernel: Kernel,
    signal?: AbortSignal,
  ): AsyncGenerator<ShareBlock> {
    const { keys, sealed } = this.#options;
    const { rows, columns } = context;
    const bytes = dataSetShareBytes(fieldSpecs[shape.fieldBits], rows, columns, point);
    const ciphertextParts = sealed.read(ciphertext, sealedBytes(bytes), signal);
    const share = unsealChunks(keys.sealKey.privateKey, context, ciphertextParts);
    const format = { rows, cols: columns, fracBits: shape.fracBits, point, seeded: true };
    for await (const block of shareBlocks(kernel, share, format)) {
      signal?.throwIfAborted();
      yield block;
    }
  }

  async #checkAlgorithm(job: Job, spec: JobSpec) {
    const algorithm = findAlgorithm(spec.algorithm.id, spec.algorithm.version);
    const { hash } = await identify(algorithm.manifest);
    if (hash.toLowerCase() !== job.algorithm.toLowerCase()) {
      throw new SymbolonError(
        "ALGORITHM_UNKNOWN",
        `job ${job.job} asks for another build of ${spec.algorithm.id} than this node has`,
        { hint: `this node's code is ${(await codeHash()).slice(0, 16)}` },
      );
    }
    const { config, keys, market } = this.#options;
    const allowed =
      config.algorithms?.includes(hash.toLowerCase()) ??
      (await market.isApproved(keys.owner.address, job.operatorSet, hash));
    if (!allowed) {
      throw new SymbolonError(
        "ALGORITHM_NOT_APPROVED",
        `this operator does not run ${spec.algorithm.id} ${spec.algorithm.version}`,
      );
    }
    return algorithm;
  }

  /** The schema, whose hash is the address of its bytes. */
  async #schema(hash: string, signal?: AbortSignal): Promise<DataSetSchema> {
    const bytes = await this.#options.bridge.downloadBlob(hash, maxSchemaBytes, { signal });
    let value: unknown;
    try {
      value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    } catch {
      throw new SymbolonError("SCHEMA_INVALID", "the schema is not JSON");
    }
    return parseSchema(value);
  }

  #inputs(
    job: Job,
    { schemaHash, validation }: JobSpec,
    offers: readonly Offer[],
    point: PartyIndex,
    hasLabel: boolean,
  ): JobInput[] {
    const { deployment } = this.#options.config;
    const common = {
      kind: "input-share" as const,
      chainId: deployment.chainId,
      operator: job.members[point - 1]!,
      point,
    };
    const inputs = offers.map((offer, i): JobInput => {
      const { nonce, rows, columns, seller } = offer;
      return {
        name: `data set ${i + 1}`,
        ciphertext: offer.ciphertextHashes[point - 1]!.toLowerCase(),
        context: {
          ...common,
          registry: deployment.jobEscrow,
          owner: seller,
          ...{ nonce, schemaHash: offer.schemaHash, rows, columns },
        },
        hasLabel,
      };
    });
    if (validation !== undefined) {
      const { nonce, rows, columns, ciphertextHashes } = validation;
      inputs.push({
        name: "the validation data",
        ciphertext: ciphertextHashes[point - 1]!,
        context: {
          ...common,
          registry: deployment.jobEscrow,
          owner: job.buyer,
          ...{ nonce, schemaHash, rows, columns },
        },
        hasLabel,
      });
    }
    return inputs;
  }

  /**
   * The terms once more, as they stood when the job was funded. What this version computes is exact: a job that
   * declares less would be charged less privacy than it takes.
   */
  async #checkTerms(job: Job, prices: JobPrices, signal?: AbortSignal): Promise<void> {
    if (job.microRho !== exactMicroRho) {
      throw new SymbolonError(
        "TERMS_REFUSED",
        `job ${job.job} declares ${rhoText(job.microRho)}, but the result of this algorithm is exact`,
      );
    }
    const offers = [];
    for (const { offer, seller, terms, vouched } of prices.offers) {
      offers.push({
        ...{ offer, seller, terms, vouched },
        lists: await fetchLists(this.#options.bridge, offer, terms, signal),
      });
      // A long list is hashed in one go; the process has other jobs to serve between two of them.
      await new Promise((resolve) => setImmediate(resolve));
      signal?.throwIfAborted();
    }
    const [failure] = termFailures({ ...job, atSec: job.funded.timestampSec }, offers);
    if (failure !== undefined) {
      throw new SymbolonError("TERMS_REFUSED", describeTermFailure(failure).message);
    }
  }

  /**
   * What the shares take as elements, at every point: the seed at one of them is short, the table that is made
   * of it is not. Before anything grows with the sizes, which a buyer or a seller may have invented.
   */
  #checkSizes(inputs: readonly JobInput[], shape: JobShape): void {
    const { maxInputBytes } = this.#options.config.limits;
    let bytes = 0;
    for (const { context } of inputs) {
      checkShape(context.rows, context.columns);
      bytes += shareBytes(fieldSpecs[shape.fieldBits], context.rows, context.columns);
    }
    if (bytes > maxInputBytes) {
      throw new SymbolonError(
        "LIMIT_EXCEEDED",
        `the job's inputs have ${bytes} bytes, this node takes ${maxInputBytes}`,
      );
    }
  }

  /** A key that nothing can be sealed to would show at the end of the run only. */
  async #checkResultKey({ job, point }: VerifiedJob): Promise<void> {
    const { deployment } = this.#options.config;
    await seal(
      job.resultKey,
      {
        kind: "result-share",
        chainId: deployment.chainId,
        escrow: deployment.jobEscrow,
        jobId: job.job,
        buyer: job.buyer,
        operator: job.members[point - 1]!,
        point,
        attempt: 0,
      },
      new Uint8Array(),
    );
  }
}

/** The registered keys must be the ones in this node's key file, or it can neither open nor sign. */
function checkOwnPlace(job: Job, members: readonly Operator[], keys: OperatorKeys): PartyIndex {
  const own = keys.owner.address.toLowerCase();
  const index = members.findIndex(({ address }) => address.toLowerCase() === own);
  if (index < 0) throw new SymbolonError("NOT_AUTHORISED", `job ${job.job} is of another operator set`);
  const registered = members[index]!;
  const fits =
    registered.sealKey.toLowerCase() === keys.sealKey.publicKey.toLowerCase() &&
    registered.channelKey.toLowerCase() === keys.channelKey.publicKey.toLowerCase() &&
    registered.jiffKey.toLowerCase() === keys.jiffKey.publicKey.toLowerCase() &&
    job.signers[index]!.toLowerCase() === keys.signer.address.toLowerCase();
  if (!fits) {
    throw new SymbolonError("KEY_INVALID", "this node's keys are not the ones that its operator registered");
  }
  return (index + 1) as PartyIndex;
}

/** An offer must be of the job's set, and its root that of what its seller published. */
function checkOffer(job: Job, offer: Offer, { chainId, jobEscrow }: Deployment): void {
  if (offer.operatorSet !== job.operatorSet) {
    throw new SymbolonError("TERMS_REFUSED", `offer ${offer.offer} is of another operator set than the job`);
  }
  const { seller, nonce, schemaHash, rows, columns, ciphertextHashes } = offer;
  const root = dataRoot({
    ...{ chainId, registry: jobEscrow, seller, nonce, schemaHash, rows, columns },
    ...{ members: job.members, ciphertextHashes },
  });
  if (root !== offer.offer) {
    throw new SymbolonError("COMMITMENT_MISMATCH", `offer ${offer.offer} does not fit its own commitments`);
  }
}
