/** The buyer's side as a library: fund a proposal, follow the job, read the result, accept it, get money back. */
import { ZeroAddress } from "ethers";
import { encodeJobSpec } from "../../algorithms/job-spec.ts";
import type { BridgeClient, JobSummary, Watch } from "../../bridge/client.ts";
import type { Market } from "../../contracts/market.ts";
import type { Job } from "../../contracts/market-views.ts";
import { balanceOf, readToken, showAmount } from "../../contracts/tokens.ts";
import { shortId } from "../../contracts/use-terms.ts";
import { type ErrorCode, errorCodes, SymbolonError } from "../../mpc/errors.ts";
import type { Kernel } from "../../mpc/vector/index.ts";
import { chainTimeSec } from "../chain-time.ts";
import type { DataSetSchema } from "../data/schema.ts";
import type { DiffieHellmanKey } from "../keys.ts";
import { chunkElements } from "../result.ts";
import { recipients } from "../seller/client.ts";
import type { PrepareOptions } from "../seller/prepare.ts";
import { withSealedFiles } from "../seller/sealed-files.ts";
import { askedChunks, askedShares, describeAsked } from "./asked-chunks.ts";
import { type JobOrder, type JobProposal, proposeJob, specOf } from "./proposal.ts";
import type { JobResult } from "./result.ts";
import type { OnWait } from "./result-shares.ts";

export interface BuyerConnection {
  bridge: BridgeClient;
  /** With the buyer's account as signer. */
  market: Market;
  /** Address of that account. */
  buyer: string;
  resultKey: DiffieHellmanKey;
  /** Of the data sets of a job, for reading its result without the bridge's word. */
  schema?: DataSetSchema;
}

export interface FundedOrder {
  job: string;
  txHash: string;
  amountWei: bigint;
  deadlineSec: number;
}

export interface WatchOptions {
  onView?: (view: JobSummary) => void;
  signal?: AbortSignal;
  /** How often the chain itself is asked. */
  pollMs?: number;
}

/** How long the bridge gets to send a refund before the buyer sends it. */
const refundPatienceMs = 10_000;

/** How long the buyer's endpoint may be silent while a job runs. */
const silenceMs = 60_000;

export class BuyerClient {
  readonly #connection: BuyerConnection;

  constructor(connection: BuyerConnection) {
    this.#connection = connection;
  }

  /** Checks an order and prices it; costs nothing. See `proposeJob`. */
  propose(order: JobOrder): Promise<JobProposal> {
    return proposeJob(this.#connection, order);
  }

  /**
   * Seals the validation data to the operators, then pays. `durationSec` is the time from now in which the
   * operators must be done; after it the money can go back.
   * @throws FUNDS_MISSING, CONTRACT_REVERTED and the codes of `shareDataSet`
   */
  async fund(proposal: JobProposal, durationSec: number, kernel?: Kernel): Promise<FundedOrder> {
    const { bridge, market, buyer, resultKey } = this.#connection;
    const { algorithm, parameters, schema, weights, validation } = proposal;
    const spec = specOf(algorithm, parameters, proposal.schemaHash, weights, validation, schema);
    if (validation !== undefined) {
      const options: PrepareOptions = {
        table: validation,
        schema,
        operators: recipients(proposal.operators),
        seller: buyer,
        chainId: market.deployment.chainId,
        registry: market.deployment.jobEscrow,
        ...(kernel && { kernel }),
      };
      const { nonce, rows, columns, ciphertextHashes } = await withSealedFiles(
        options,
        undefined,
        async (shared, sealed) => {
          for (const file of sealed) await bridge.uploadBlob(file);
          return shared;
        },
      );
      spec.validation = { nonce, rows, columns, ciphertextHashes };
    }
    const specBytes = encodeJobSpec(spec);
    await this.#checkFunds(proposal, specBytes.length);
    const deadlineSec = (await chainTimeSec(market)) + durationSec;
    const { receipt, job, amountWei } = await market.createJob({
      algorithm: proposal.identity.hash,
      operatorSet: proposal.operatorSet,
      deadlineSec,
      resultKey: resultKey.publicKey,
      offers: proposal.offers.map(({ offer }) => offer),
      purpose: proposal.purpose,
      proofs: proposal.proofs,
      credentials: proposal.credentials,
      token: proposal.token,
      terms: new Map(proposal.offers.map(({ offer, terms }) => [offer, terms])),
      spec: specBytes,
      // The price that was shown, not another that a seller may have set since.
      amountWei: proposal.amountWei,
    });
    return { job, txHash: receipt.hash, amountWei, deadlineSec };
  }

  /**
   * Waits until the job has an attested result.
   *
   * The bridge tells of progress; whether the job is done, failed or expired is read from the chain, so a
   * bridge that lies or is silent cannot keep the buyer waiting beyond the deadline.
   * @throws the reason on which the operators agree, else JOB_FAILED; JOB_EXPIRED. The money is back by then,
   * or the message says that it is not yet.
   */
  async waitForResult(id: string, options: WatchOptions = {}): Promise<Job> {
    const { bridge, market } = this.#connection;
    const { deadlineSec } = await market.job(id);
    // The bridge knows the job when its funding has enough confirmations; before, there is nothing to follow.
    let watch: Watch | undefined;
    const patience = new Patience();
    try {
      for (;;) {
        options.signal?.throwIfAborted();
        const end = await patience.over(() => this.#ended(id, deadlineSec));
        if (end instanceof SymbolonError) throw end;
        if (end === "attested") return await market.job(id);
        if (options.onView !== undefined && watch === undefined) {
          const known = await bridge.job(id).catch(() => undefined);
          if (known !== undefined) watch = bridge.watchJob(id, options.onView);
        }
        await pause(options.pollMs ?? 500, options.signal);
      }
    } finally {
      watch?.close();
    }
  }

  /** Fetches, checks, decrypts and decodes the result; waits a while for shares. See `readJobResult`. */
  async result(id: string, onWait: OnWait = () => {}): Promise<JobResult> {
    // It builds on this file.
    const { readJobResult } = await import("./read-result.ts");
    return readJobResult(this.#connection, id, { onWait });
  }

  /** Releases the payment at once instead of after the challenge window. */
  async accept(id: string): Promise<{ txHash: string }> {
    return { txHash: (await this.#connection.market.accept(id)).hash };
  }

  /** Takes the money of a failed or expired job back. @throws STATE_INVALID while the job can still be done */
  async refund(id: string): Promise<{ txHash: string }> {
    const { market } = this.#connection;
    const job = await market.job(id);
    if (job.state === "Disputed") throw await heldUp(market, job);
    if (job.attestation !== null) requireRefundable(job, await chainTimeSec(market));
    return { txHash: (await market.refund(id)).hash };
  }

  /** How the job ended, if it has: with a result, or with the error that the buyer is told. */
  async #ended(id: string, deadlineSec: number): Promise<"attested" | SymbolonError | undefined> {
    const { market } = this.#connection;
    const state = await market.jobState(id);
    if (state === "Attested" || state === "Disputed" || state === "Settled") return "attested";
    if (state === "Failed" || state === "Refunded") return this.#failure(id);
    if ((await chainTimeSec(market)) > deadlineSec) return this.#expiry(id, deadlineSec);
    return undefined;
  }

  /** An account with the price alone hears from the estimate what it lacks; without it there is none. */
  async #checkFunds({ token, amountWei, offers }: JobProposal, specBytes: number): Promise<void> {
    const { market, buyer } = this.#connection;
    const balance = await balanceOf(market.provider, token, buyer);
    if (balance >= amountWei) return;
    const paidIn = await readToken(market.provider, token);
    const gasWei = token === ZeroAddress ? await mostGasWei(market, offers.length, specBytes) : 0n;
    const gas = gasWei === 0n ? "" : ` and up to ${showAmount(gasWei, paidIn)} for gas`;
    throw new SymbolonError(
      "FUNDS_MISSING",
      `the job costs ${showAmount(amountWei, paidIn)}${gas}, the account ${buyer} holds ${showAmount(balance, paidIn)}`,
      {
        hint: `send at least ${showAmount(amountWei + gasWei - balance, paidIn)} to the account, or use fewer offers`,
      },
    );
  }

  async #failure(id: string): Promise<SymbolonError> {
    const back = await moneyBack(this.#connection.market, id);
    const events = await this.#connection.market.jobEvents(id);
    if (events.some(({ type }) => type === "JobOverturned")) {
      return new SymbolonError("JOB_FAILED", `the result of job ${id} was overturned in a dispute`, {
        hint: back,
      });
    }
    const failed = events.find((event) => event.type === "JobFailed");
    if (failed === undefined) return expired(id, back);
    const [first, second] = failed.reasons;
    const agreed = first === second && Object.hasOwn(errorCodes, first) ? (first as ErrorCode) : undefined;
    const what = agreed === undefined ? `${first} and ${second}` : errorCodes[agreed][1];
    return new SymbolonError(agreed ?? "JOB_FAILED", `job ${id} failed: the operators report: ${what}`, {
      hint: back,
    });
  }

  async #expiry(id: string, deadlineSec: number): Promise<SymbolonError> {
    // A block mined in the meantime may have brought the result after all.
    const state = await this.#connection.market.jobState(id);
    if (state === "Failed") return this.#failure(id);
    return expired(id, await moneyBack(this.#connection.market, id), deadlineSec);
  }
}

/**
 * More than the gas of a funding costs: 88 thousand with one offer, 1 million with 100, and 40 for each byte of call
 * data. Endpoints estimate nothing for an account that cannot pay the price.
 */
async function mostGasWei({ provider }: Market, offers: number, specBytes: number): Promise<bigint> {
  const { maxFeePerGas, gasPrice } = await provider.getFeeData();
  return BigInt(150_000 + 20_000 * offers + 40 * specBytes) * (maxFeePerGas ?? gasPrice ?? 0n);
}

/** Whose money a job with a result holds, and what its buyer can do. @throws STATE_INVALID */
function requireRefundable({ job, state, windowEndSec }: Job, nowSec: number): void {
  const endSec = windowEndSec ?? 0;
  const end = new Date(endSec * 1000).toISOString();
  const refuse = (why: string, hint?: string): SymbolonError =>
    new SymbolonError("STATE_INVALID", `job ${shortId(job)} ${why}`, hint === undefined ? {} : { hint });
  const accept = `symbolon buyer accept ${job}`;
  const dispute = `symbolon buyer dispute ${job}`;
  if (state === "Settled") throw refuse("is settled: its money is the sellers' and operators'");
  if (state !== "Attested") return;
  if (nowSec > endSec) {
    throw refuse(
      `has a result that nobody disputed until ${end}: its money is the sellers' and operators'`,
      `they are paid once anybody settles, or by you: ${accept}`,
    );
  }
  throw refuse(
    "has a result, and its money comes back only if that is shown to be wrong or withheld",
    `until ${end}, for a result that is: ${dispute}; for one that is right, to pay at once: ${accept}; without either the sellers and operators are paid after that time`,
  );
}

/** Why the money of a disputed job is not back, and what its buyer can do. */
async function heldUp(market: Market, { job, attestation, windowEndSec }: Job): Promise<SymbolonError> {
  const [chunks, heldUntilSec, nowSec] = await Promise.all([
    askedChunks(market, job),
    market.heldUntilSec(job),
    chainTimeSec(market),
  ]);
  const asked = askedShares(chunks);
  const dispute = `symbolon buyer dispute ${job}`;
  const refuse = (why: string, hint: string): SymbolonError =>
    new SymbolonError("STATE_INVALID", `job ${shortId(job)} is disputed${why}`, { hint });
  if (heldUntilSec === null) {
    const sofar = asked.map((share) => describeAsked(share, nowSec)).join("; ");
    return refuse(
      ": its money comes back when an operator does not post in time what it was asked for",
      `${sofar}; to go on with the dispute: ${dispute}`,
    );
  }
  const endSec = windowEndSec ?? 0;
  const settleSec = Math.max(heldUntilSec, endSec);
  const settled =
    nowSec <= settleSec
      ? `nobody but you can settle it until ${new Date(settleSec * 1000).toISOString()}`
      : "anybody can settle it now";
  const count = Math.ceil((attestation?.parts.total ?? 0) / chunkElements);
  const more = nowSec <= endSec && asked.some(({ posted }) => posted < count);
  return refuse(
    ", and all that was asked for was posted: its money comes back only if that shows the result to be wrong",
    [
      `to read the result: symbolon buyer result ${job}`,
      `to accept it now: symbolon buyer accept ${job}`,
      ...(more ? [`to ask for the rest of it: ${dispute} --disclose`] : []),
      settled,
    ].join("; "),
  );
}

/** Sees to it that the money is back, which the bridge should do first, and says so. */
export async function moneyBack(market: Market, id: string, patienceMs = refundPatienceMs): Promise<string> {
  const until = Date.now() + patienceMs;
  while (Date.now() < until) {
    if ((await market.jobState(id)) === "Refunded") return "the money is back in the buyer's account";
    await pause(250);
  }
  try {
    await market.refund(id);
    return "the money is back in the buyer's account";
  } catch {
    // The bridge may have been faster; otherwise the buyer tries again.
    return (await market.jobState(id)) === "Refunded"
      ? "the money is back in the buyer's account"
      : `the money is not back yet: symbolon buyer refund ${id}`;
  }
}

/** Lets an endpoint be silent for a while: a job goes on without the buyer's connection. */
class Patience {
  #silentSince: number | undefined;

  /** @throws CHAIN_UNREACHABLE when the endpoint did not answer for `silenceMs` */
  async over<T>(question: () => Promise<T>): Promise<T | undefined> {
    try {
      const answer = await question();
      this.#silentSince = undefined;
      return answer;
    } catch (error) {
      const silent = error instanceof SymbolonError && error.code === "CHAIN_UNREACHABLE";
      this.#silentSince ??= Date.now();
      if (!silent || Date.now() - this.#silentSince > silenceMs) throw error;
      return undefined;
    }
  }
}

function expired(id: string, back: string, deadlineSec?: number): SymbolonError {
  const when = deadlineSec === undefined ? "" : ` (${new Date(deadlineSec * 1000).toISOString()})`;
  return new SymbolonError("JOB_EXPIRED", `the deadline of job ${id}${when} passed before it was done`, {
    hint: back,
  });
}

async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
