/**
 * A market on its chain, typed: the reads of MarketReader, and the transactions of one account. Every
 * transaction is estimated first, so that a refusal costs nothing and comes as words; it resolves when it is
 * mined.
 */
import { type Provider, type Signer, type TransactionReceipt, ZeroAddress } from "ethers";
import { SymbolonError } from "../mpc/errors.ts";
import { artifact, type ContractName } from "./artifacts.ts";
import type { Deployment } from "./deployment.ts";
import { type AttestationMessage, compactSignature, reasonBytes } from "./eip712.ts";
import {
  addressOf,
  type ChunkOpening,
  decodeMarketLog,
  type EventOf,
  type MarketEventType,
} from "./market-events.ts";
import {
  type AttestedResult,
  type ClaimInput,
  type FailureNotice,
  type JobInput,
  type OfferInput,
  type OperatorInput,
  operatorArguments,
  type PossessionProof,
  payoutArgument,
  type SharedAnew,
  sharedLater,
  type ThreeSignatures,
} from "./market-inputs.ts";
import { MarketReader } from "./market-reader.ts";
import { type AttestedJob, type Offer, outcomeOf, termsOf } from "./market-views.ts";
import { type GasEstimate, Transactions, type Urgency } from "./transactions.ts";
import { encodeTerms, type UseTerms } from "./use-terms.ts";

export class Market extends MarketReader {
  readonly #transactions: Transactions;

  /** @throws CONFIG_INVALID for a signer without a provider, or when the contracts are not built */
  constructor(deployment: Deployment, runner: Signer | Provider) {
    super(deployment, runner);
    this.#transactions = new Transactions(runner);
  }

  /** Called before a transaction is sent. */
  set onEstimate(listener: (estimate: GasEstimate) => void) {
    this.#transactions.onEstimate = listener;
  }

  // ---- operators -----------------------------------------------------------------------------------

  /** Registers the account as an operator with a bond, by default the smallest one. */
  async registerOperator(
    input: OperatorInput & PossessionProof & { bondWei?: bigint },
  ): Promise<TransactionReceipt> {
    const bondWei = input.bondWei ?? (await this.settings()).minBondWei;
    return this.#send("OperatorRegistry", "register", operatorArguments(input), bondWei);
  }

  /** The proof is needed where the signer changes. */
  async updateOperator(input: OperatorInput & Partial<PossessionProof>): Promise<TransactionReceipt> {
    return this.#send("OperatorRegistry", "update", operatorArguments(input));
  }

  approve(operatorSet: string, algorithm: string): Promise<TransactionReceipt> {
    return this.#send("OperatorRegistry", "approve", [operatorSet, algorithm]);
  }

  revoke(operatorSet: string, algorithm: string): Promise<TransactionReceipt> {
    return this.#send("OperatorRegistry", "revoke", [operatorSet, algorithm]);
  }

  acceptToken(token: string, fee: bigint): Promise<TransactionReceipt> {
    return this.#send("OperatorRegistry", "acceptToken", [token, fee]);
  }

  refuseToken(token: string): Promise<TransactionReceipt> {
    return this.#send("OperatorRegistry", "refuseToken", [token]);
  }

  /** Takes no new jobs, until it resumes. */
  pause(): Promise<TransactionReceipt> {
    return this.#send("OperatorRegistry", "pause", []);
  }

  resume(): Promise<TransactionReceipt> {
    return this.#send("OperatorRegistry", "resume", []);
  }

  requestUnbond(): Promise<TransactionReceipt> {
    return this.#send("OperatorRegistry", "requestUnbond", []);
  }

  withdrawBond(): Promise<TransactionReceipt> {
    return this.#send("OperatorRegistry", "withdrawBond", []);
  }

  /** Makes three operators a set; the first stands at point 1. */
  createSet(members: readonly [string, string, string]): Promise<TransactionReceipt> {
    return this.#send("OperatorRegistry", "createSet", [members]);
  }

  // ---- sellers -------------------------------------------------------------------------------------

  /**
   * Whether an offer would be taken now, before its data are shared.
   * @throws what `publishOffer` and `replaceOffer` throw; FUNDS_MISSING when the account cannot pay for the gas
   */
  async checkOffer(input: Omit<OfferInput, keyof SharedAnew>, replaces?: string): Promise<void> {
    const [method, args] = await this.#offerCall({ ...input, ...sharedLater }, replaces);
    const { abi } = artifact("JobEscrow");
    const call = { to: addressOf(this.deployment, "JobEscrow"), abi, method, args };
    await this.guard(() => this.#transactions.check(call));
  }

  async publishOffer(input: OfferInput): Promise<{ receipt: TransactionReceipt; offer: string }> {
    const receipt = await this.#send("JobEscrow", ...(await this.#offerCall(input)));
    return { receipt, offer: this.#emitted(receipt, "OfferPublished").offer };
  }

  /** Publishes data that were shared anew, to other operators; what is left of the old budget goes along, for good. */
  async replaceOffer(id: string, input: OfferInput): Promise<{ receipt: TransactionReceipt; offer: string }> {
    const receipt = await this.#send("JobEscrow", ...(await this.#offerCall(input, id)));
    return { receipt, offer: this.#emitted(receipt, "OfferPublished").offer };
  }

  /** An offer of this account. @throws NOT_FOUND, NOT_AUTHORISED */
  async ownOffer(id: string): Promise<Offer> {
    const offer = await this.offer(id);
    const account = await this.#transactions.signer.getAddress();
    if (offer.seller === account) return offer;
    throw new SymbolonError("NOT_AUTHORISED", `offer ${id} is of seller ${offer.seller}, not of ${account}`, {
      hint: "use the keys of its seller, or name an offer of your own: see symbolon seller offers",
    });
  }

  async withdrawOffer(id: string): Promise<TransactionReceipt> {
    const { operatorSet } = await this.ownOffer(id);
    return this.#send("JobEscrow", "withdraw", [operatorSet, id]);
  }

  /** Offers the data set under other terms from now on, also one that was withdrawn. */
  async relist(id: string, useTerms: UseTerms): Promise<TransactionReceipt> {
    const { operatorSet } = await this.ownOffer(id);
    const { terms, rules } = encodeTerms(useTerms);
    return this.#send("JobEscrow", "relist", [operatorSet, id, terms, rules]);
  }

  // ---- buyers --------------------------------------------------------------------------------------

  /**
   * Funds a job: with ETH, or with a token, which the escrow is allowed to take exactly that much of, by the account's
   * signature where the token knows permits (EIP-2612), by a transaction before where it does not.
   */
  async createJob(input: JobInput): Promise<{ receipt: TransactionReceipt; job: string; amountWei: bigint }> {
    const buyer = await this.#transactions.signer.getAddress();
    const request = await this.jobRequest(input);
    const { token } = request;
    const inEth = token === ZeroAddress;
    // The escrow refuses another amount of ETH than is due; of a token it takes what is due, if it is allowed to.
    const agreed = inEth ? input.amountWei : undefined;
    const amount = agreed ?? (await this.quote({ ...input, buyer }));
    if (input.amountWei !== undefined && !inEth && amount > input.amountWei) {
      throw new SymbolonError(
        "FUNDS_MISSING",
        `the job costs ${amount} units of token ${token}, and ${input.amountWei} were agreed to`,
        { hint: "ask for the price again" },
      );
    }
    const { jobEscrow } = this.deployment;
    const permit = inEth
      ? undefined
      : await this.guard(() => this.#transactions.allow(token, jobEscrow, amount, input.deadlineSec));
    const receipt =
      permit === undefined
        ? await this.#send("JobEscrow", "createJob", [request], inEth ? amount : 0n)
        : await this.#send("JobEscrow", "createJobWithPermit", [request, permit]);
    const { job, amountWei } = this.#emitted(receipt, "JobFunded");
    return { receipt, job, amountWei };
  }

  async accept(id: string): Promise<TransactionReceipt> {
    return this.#send("JobEscrow", "accept", [id, await this.outcome(id)]);
  }

  // ---- anyone --------------------------------------------------------------------------------------

  async join(id: string, signatures: ThreeSignatures): Promise<TransactionReceipt> {
    return this.#send("JobEscrow", "join", [await this.terms(id), signatures.map(compactSignature)]);
  }

  /** @param signatures over the attestation whose result root is that of the parts */
  async attest(result: AttestedResult, signatures: ThreeSignatures): Promise<TransactionReceipt> {
    const { job, parts, payoutRoot, budgetSpent } = result;
    const compact = signatures.map(compactSignature);
    const args = [await this.terms(job), parts, payoutRoot, budgetSpent, compact];
    return this.#send("JobEscrow", "attest", args);
  }

  async settle(id: string): Promise<TransactionReceipt> {
    return this.#send("JobEscrow", "settle", [id, await this.outcome(id)]);
  }

  async fail(id: string, notices: readonly [FailureNotice, FailureNotice]): Promise<TransactionReceipt> {
    const encoded = notices.map(({ point, reason, signature }) => ({
      point,
      reason: reasonBytes(reason),
      signature: compactSignature(signature),
    }));
    return this.#send("JobEscrow", "fail", [await this.terms(id), encoded]);
  }

  async refund(id: string): Promise<TransactionReceipt> {
    return this.#send("JobEscrow", "refund", [await this.terms(id)]);
  }

  /** Gives back the privacy budget of a job that ended before the operators joined. */
  async returnBudget(id: string): Promise<TransactionReceipt> {
    const { terms, spec, sellers } = await this.reservation(id);
    return this.#send("JobEscrow", "returnBudget", [terms, spec, sellers]);
  }

  /** Gives back the privacy budget of a job that ended later, of which all three say that nothing was opened. */
  async returnUnopened(id: string, signatures: ThreeSignatures): Promise<TransactionReceipt> {
    const { terms, spec, sellers } = await this.reservation(id);
    const args = [terms, spec, sellers, signatures.map(compactSignature)];
    return this.#send("JobEscrow", "returnUnopened", args);
  }

  async claim(claim: ClaimInput): Promise<TransactionReceipt> {
    const { job, proof, ...payout } = claim;
    return this.#send("JobEscrow", "claim", [job, await this.outcome(job), payoutArgument(payout), proof]);
  }

  async claimMany(claims: readonly ClaimInput[]): Promise<TransactionReceipt> {
    const encoded = claims.map(async ({ job, proof, ...payout }) => ({
      job,
      outcome: await this.outcome(job),
      payout: payoutArgument(payout),
      proof,
    }));
    return this.#send("JobEscrow", "claimMany", [await Promise.all(encoded)]);
  }

  // ---- disputes ------------------------------------------------------------------------------------

  /** Asks an operator for a chunk of its share of a result, once, and pays for the answer in advance. */
  async challenge(job: AttestedJob, point: number, chunk: number): Promise<TransactionReceipt> {
    const args = [termsOf(job), outcomeOf(job), job.parts, point, chunk];
    return this.#send("Disputes", "challenge", args, await this.challengeFeeWei());
  }

  /**
   * Posts a chunk that was asked for. Time is short then: `job` comes from who has read the chain, not from all of its
   * blocks again, and the contract holds it against its hashes.
   */
  async respond(
    job: AttestedJob,
    point: number,
    chunk: number,
    opening: ChunkOpening,
    urgency?: Urgency,
  ): Promise<TransactionReceipt> {
    const args = [termsOf(job), outcomeOf(job), job.parts, point, chunk, opening];
    return this.#send("Disputes", "respond", args, 0n, urgency);
  }

  /** Slashes an operator that did not post a chunk in time; the job can be refunded then. */
  async expose(id: string, point: number, chunk: number): Promise<TransactionReceipt> {
    const job = await this.attestedJob(id);
    return this.#send("Disputes", "expose", [termsOf(job), outcomeOf(job), point, chunk]);
  }

  /** Pays a buyer the fees of its challenges that nobody answered. */
  async withdrawFees(buyer: string): Promise<TransactionReceipt> {
    return this.#send("Disputes", "withdrawFees", [buyer]);
  }

  /** Shows that the three shares of a coordinate are not on a line; the job can be refunded then. */
  async contest(
    job: AttestedJob,
    coordinate: { chunk: number; place: number },
    openings: readonly [ChunkOpening, ChunkOpening, ChunkOpening],
  ): Promise<TransactionReceipt> {
    const { chunk, place } = coordinate;
    const args = [termsOf(job), outcomeOf(job), job.parts, chunk, place, openings];
    return this.#send("Disputes", "contest", args);
  }

  /** Slashes the operator whose key signed two results of one job. */
  async convict(
    attestations: readonly [AttestationMessage, AttestationMessage],
    signatures: readonly [string, string],
  ): Promise<TransactionReceipt> {
    return this.#send("Disputes", "convict", [attestations, signatures.map(compactSignature)]);
  }

  // ---- sending -------------------------------------------------------------------------------------

  #send(
    contract: ContractName,
    method: string,
    args: readonly unknown[],
    valueWei = 0n,
    urgency?: Urgency,
  ): Promise<TransactionReceipt> {
    const { abi } = artifact(contract);
    const call = { to: addressOf(this.deployment, contract), abi, method, args, valueWei };
    return this.guard(() =>
      urgency === undefined ? this.#transactions.send(call) : this.#transactions.sendUrgently(call, urgency),
    );
  }

  async #offerCall(input: OfferInput, replaces?: string): Promise<["publish" | "replace", unknown[]]> {
    const offer = await this.#offerArgument(input);
    if (replaces === undefined) return ["publish", [offer]];
    const { operatorSet } = await this.ownOffer(replaces);
    return ["replace", [offer, operatorSet, replaces]];
  }

  async #offerArgument({ operatorSet, terms: useTerms, ...rest }: OfferInput) {
    const { members } = await this.set(operatorSet);
    return { members, ...rest, ...encodeTerms(useTerms) };
  }

  #emitted<Type extends MarketEventType>(
    receipt: TransactionReceipt,
    type: Type,
  ): Omit<EventOf<Type>, keyof TransactionReceipt> {
    for (const log of receipt.logs) {
      const body = decodeMarketLog(this.deployment, log);
      if (body?.type === type) return body as EventOf<Type>;
    }
    throw new SymbolonError("INTERNAL", `the transaction has no ${type} event`);
  }
}
