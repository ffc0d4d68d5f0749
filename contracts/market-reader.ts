/**
 * Typed reads of a market. The contracts keep hashes; the values stand in events. What comes from an event is
 * checked against the hash that the contract keeps, so the two cannot tell different stories.
 */
import {
  type BytesLike,
  Contract,
  hexlify,
  keccak256,
  type Provider,
  type Signer,
  toBeHex,
  ZeroHash,
} from "ethers";
import { SymbolonError } from "../mpc/errors.ts";
import { artifact, type ContractName, contractNames } from "./artifacts.ts";
import { type JobTerms, type Outcome, outcomeHash, termsHash } from "./commitments.ts";
import type { Deployment } from "./deployment.ts";
import { type JobState, jobStates } from "./job-states.ts";
import {
  addressOf,
  type EventOf,
  type EventPosition,
  emitterOf,
  type FundedJob,
  fetchMarketEvents,
  type MarketEvent,
  type MarketEventType,
  type PublishedOffer,
} from "./market-events.ts";
import { toChainError } from "./revert-reasons.ts";
import {
  exactMicroRho,
  type TermFailure,
  terms,
  type UseTerms,
  usePriceWei,
  useTermsTag,
} from "./use-terms.ts";

export const operatorStatuses = ["None", "Active", "Leaving"] as const;
export type OperatorStatus = (typeof operatorStatuses)[number];

export interface Operator {
  address: string;
  status: OperatorStatus;
  signer: string;
  sealKey: string;
  channelKey: string;
  jiffKey: string;
  endpoint: string;
  feeWei: bigint;
  bondWei: bigint;
  /** When the bond can be withdrawn; null while the operator takes jobs. */
  withdrawableAtSec: number | null;
}

export interface OperatorSet {
  id: string;
  /** By point: the first stands at 1. */
  members: [string, string, string];
}

/** An offer as it stands now; `terms` are today's. */
export interface Offer extends PublishedOffer {
  active: boolean;
  budgetLeftMicroRho: bigint;
  published: EventPosition;
}

/** A job as it stands now. */
export interface Job extends FundedJob {
  state: JobState;
  members: [string, string, string];
  /** Last second of the challenge window, once attested. */
  windowEndSec: number | null;
  /** What is not yet paid out, once attested. */
  unclaimedWei: bigint | null;
  attestation: (EventPosition & { resultRoot: string; payoutRoot: string; budgetSpent: bigint }) | null;
  funded: EventPosition;
}

/** What one party of a job is paid at the prices of its funding. */
export interface JobPrices {
  /** In the order of the job's offers. */
  offers: { offer: bigint; seller: string; rows: number; terms: UseTerms; priceWei: bigint }[];
  /** By point. */
  operators: { operator: string; feeWei: bigint }[];
  totalWei: bigint;
}

/** What a job asks of offers, and what the terms ask to be shown. */
export interface UseRequest {
  /** Ids, ascending. */
  offers: readonly bigint[];
  /** What the result spends of each budget; without it the result is exact. */
  microRho?: bigint;
  /** Hash of the declared purpose. */
  purpose?: string;
  /** By offer id, where its terms have lists. */
  proofs?: ReadonlyMap<bigint, UseProofs>;
  /** By offer id, the terms that the buyer has seen: with others the job is refused. Today's by default. */
  terms?: ReadonlyMap<bigint, UseTerms>;
}

export interface UseProofs {
  algorithm: readonly string[];
  buyer: readonly string[];
  purpose: readonly string[];
}

export interface QuoteRequest extends UseRequest {
  operatorSet: string;
  algorithm: string;
  buyer: string;
}

interface OfferUse {
  seller: string;
  dataRoot: string;
  terms: UseTerms;
  algorithmProof: readonly string[];
  buyerProof: readonly string[];
  purposeProof: readonly string[];
}

interface EncodedJobRequest {
  algorithm: string;
  members: readonly string[];
  deadlineSec: number;
  resultKey: string;
  microRho: bigint;
  purpose: string;
  offers: readonly OfferUse[];
  spec: string;
}

type ContractMethod = (...args: unknown[]) => Promise<unknown>;

export class MarketReader {
  readonly deployment: Deployment;
  protected readonly runner: Signer | Provider;
  readonly #contracts: Readonly<Record<ContractName, Contract>>;

  /** @throws CONFIG_INVALID for a signer without a provider, or when the contracts are not built */
  constructor(deployment: Deployment, runner: Signer | Provider) {
    if (runner.provider === null) throw new SymbolonError("CONFIG_INVALID", "the account has no provider");
    this.deployment = deployment;
    this.runner = runner;
    this.#contracts = Object.fromEntries(
      contractNames.map((name) => [
        name,
        new Contract(addressOf(deployment, name), artifact(name).abi, runner.provider),
      ]),
    ) as Record<ContractName, Contract>;
  }

  get provider(): Provider {
    return this.runner.provider as Provider;
  }

  // ---- operators -----------------------------------------------------------------------------------

  /** @throws NOT_FOUND for an account that is not registered */
  async operator(address: string): Promise<Operator> {
    const record = (await this.call("OperatorRegistry", "operators", [address])) as {
      status: bigint;
      getValue(name: "keys"): { signer: string; sealKey: string; channelKey: string; jiffKey: string };
      feeWei: bigint;
      bondWei: bigint;
      withdrawableAtSec: bigint;
      endpoint: string;
    };
    const status = operatorStatuses[Number(record.status)] ?? "None";
    if (status === "None") throw new SymbolonError("NOT_FOUND", `no operator ${address}`);
    // Not `record.keys`: that is Array's method, which ethers does not let a field hide.
    const { signer, sealKey, channelKey, jiffKey } = record.getValue("keys");
    return {
      address,
      status,
      signer,
      sealKey,
      channelKey,
      jiffKey,
      endpoint: record.endpoint,
      feeWei: record.feeWei,
      bondWei: record.bondWei,
      withdrawableAtSec: status === "Leaving" ? Number(record.withdrawableAtSec) : null,
    };
  }

  /** All that ever registered and are still there. */
  async operators(): Promise<Operator[]> {
    const registered = await this.#events("OperatorRegistered", []);
    const addresses = [...new Set(registered.map(({ operator }) => operator))];
    const found = addresses.map((address) => this.operator(address).catch(nullIfNotFound));
    return (await Promise.all(found)).filter((operator) => operator !== null);
  }

  /** @throws NOT_FOUND */
  async set(id: string): Promise<OperatorSet> {
    const members = (await this.call("OperatorRegistry", "setMembers", [id])) as { toArray(): string[] };
    return { id, members: members.toArray() as OperatorSet["members"] };
  }

  async sets(): Promise<OperatorSet[]> {
    const created = await this.#events("SetCreated", []);
    return created.map(({ operatorSet, members }) => ({ id: operatorSet, members }));
  }

  async isApproved(operator: string, algorithm: string): Promise<boolean> {
    return (await this.call("OperatorRegistry", "isApproved", [operator, algorithm])) as boolean;
  }

  /** Hashes of the algorithms that an operator runs. */
  async approvals(operator: string): Promise<string[]> {
    const approved = await this.#events("AlgorithmApproved", [operator]);
    const ever = [...new Set(approved.map(({ algorithm }) => algorithm))];
    const now = await Promise.all(ever.map((algorithm) => this.isApproved(operator, algorithm)));
    return ever.filter((_, index) => now[index]);
  }

  // ---- offers --------------------------------------------------------------------------------------

  /** @throws NOT_FOUND */
  async offer(id: bigint): Promise<Offer> {
    const [published] = await this.#events("OfferPublished", [toBeHex(id, 32)]);
    if (published === undefined) throw new SymbolonError("NOT_FOUND", `no offer ${id}`);
    return this.#withListing(published);
  }

  /** In the order of their ids. */
  async offers(filter: { operatorSet?: string; seller?: string } = {}): Promise<Offer[]> {
    const published = await this.#events("OfferPublished", [
      null,
      filter.seller === undefined ? null : topicOfAddress(filter.seller),
      filter.operatorSet ?? null,
    ]);
    return Promise.all(published.map((event) => this.#withListing(event)));
  }

  // ---- jobs ----------------------------------------------------------------------------------------

  async jobState(id: bigint): Promise<JobState> {
    const { state } = (await this.call("JobEscrow", "job", [id])) as { state: bigint };
    return jobStates[Number(state)] ?? "None";
  }

  async jobCount(): Promise<bigint> {
    return (await this.call("JobEscrow", "jobCount", [])) as bigint;
  }

  /** Storage and events of a job at one block. @throws NOT_FOUND; COMMITMENT_MISMATCH when they differ */
  async job(id: bigint): Promise<Job> {
    const at = await this.blockNumber();
    const topic = toBeHex(id, 32);
    const [stored, [funding], [attested]] = await Promise.all([
      this.call("JobEscrow", "job", [id, { blockTag: at }]) as Promise<{
        state: bigint;
        termsTag: bigint;
        windowEndSec: bigint;
        unclaimedWei: bigint;
        outcomeHash: string;
      }>,
      this.#events("JobFunded", [topic], at),
      this.#events("JobAttested", [topic], at),
    ]);
    const state = jobStates[Number(stored.state)] ?? "None";
    if (state === "None" || funding === undefined) throw new SymbolonError("NOT_FOUND", `no job ${id}`);
    const ended = state === "Attested" || state === "Settled";
    const hash = termsHash(termsOf(funding));
    const fits = ended
      ? attested !== undefined && stored.outcomeHash === outcomeHash(outcomeOf(funding, attested))
      : stored.termsTag === BigInt(hash) >> 10n;
    if (!fits) {
      throw new SymbolonError(
        "COMMITMENT_MISMATCH",
        `the events of job ${id} do not fit its state on chain`,
        {
          hint: "use another JSON-RPC endpoint",
        },
      );
    }
    const { type: _type, blockNumber, blockHash, timestampSec, txHash, logIndex, ...request } = funding;
    return {
      ...request,
      state,
      members: (await this.set(request.operatorSet)).members,
      windowEndSec: ended ? Number(stored.windowEndSec) : null,
      unclaimedWei: ended ? stored.unclaimedWei : null,
      attestation: attested === undefined ? null : attestationOf(attested),
      funded: { blockNumber, blockHash, timestampSec, txHash, logIndex },
    };
  }

  /** What a job over these offers costs its buyer now. @throws what creating it would throw */
  async quote(request: QuoteRequest): Promise<bigint> {
    const job = await this.jobRequest({ ...request, deadlineSec: 0, resultKey: ZeroHash, spec: "0x" });
    return (await this.call("JobEscrow", "quote", [job, { from: request.buyer }])) as bigint;
  }

  /** Every term of these offers that would refuse the job, by the contract's own judgement. */
  async explain(request: QuoteRequest): Promise<TermFailure[]> {
    const job = await this.jobRequest({ ...request, deadlineSec: 0, resultKey: ZeroHash, spec: "0x" });
    const failures = (await this.call("JobEscrow", "explain", [request.buyer, job])) as {
      offerId: bigint;
      dataRoot: string;
      term: bigint;
      found: string;
      asked: string;
    }[];
    return failures.map(({ offerId, dataRoot, term, found, asked }) => ({
      // An offer that is not listed has no number on chain.
      offer: offerId || (request.offers[job.offers.findIndex((use) => use.dataRoot === dataRoot)] ?? 0n),
      term: terms[Number(term)] ?? "Listing",
      found,
      asked,
    }));
  }

  /**
   * Prices and fees at the moment of a job's funding, from the events before it. They add up to what the
   * buyer paid, or this throws.
   */
  async jobPrices(
    job: Pick<Job, "job" | "offers" | "members" | "amountWei" | "microRho" | "funded">,
  ): Promise<JobPrices> {
    const upTo = job.funded.blockNumber;
    const offerTopics = job.offers.map((id) => toBeHex(id, 32));
    const memberTopics = job.members.map(topicOfAddress);
    const [published, relisted, registered, updated] = await Promise.all([
      this.#events("OfferPublished", [offerTopics], upTo),
      this.#events("OfferRelisted", [offerTopics], upTo),
      this.#events("OperatorRegistered", [memberTopics], upTo),
      this.#events("OperatorUpdated", [memberTopics], upTo),
    ]);
    const offers = job.offers.map((offer) => {
      const first = published.find((event) => event.offer === offer);
      const changed = lastBefore(relisted, job.funded, (event) => event.offer === offer);
      if (first === undefined) throw new SymbolonError("NOT_FOUND", `no offer ${offer}`);
      const useTerms = (changed ?? first).terms;
      const priceWei = usePriceWei(useTerms, job.microRho);
      return { offer, seller: first.seller, rows: first.rows, terms: useTerms, priceWei };
    });
    const operators = job.members.map((operator) => {
      const last = lastBefore(
        [...registered, ...updated].sort(byPosition),
        job.funded,
        (event) => event.operator === operator,
      );
      if (last === undefined) throw new SymbolonError("NOT_FOUND", `no operator ${operator}`);
      return { operator, feeWei: last.feeWei };
    });
    const totalWei =
      offers.reduce((sum, { priceWei }) => sum + priceWei, 0n) +
      operators.reduce((sum, { feeWei }) => sum + feeWei, 0n);
    if (totalWei !== job.amountWei) {
      throw new SymbolonError(
        "COMMITMENT_MISMATCH",
        `prices and fees of job ${job.job} are not what was paid`,
        {
          hint: "use another JSON-RPC endpoint",
        },
      );
    }
    return { offers, operators, totalWei };
  }

  async isClaimed(id: bigint, index: number | bigint): Promise<boolean> {
    return (await this.call("JobEscrow", "isClaimed", [id, index])) as boolean;
  }

  /** What was fixed at deployment. */
  async settings(): Promise<{ challengeWindowSec: number; minBondWei: bigint; unbondingSec: number }> {
    const [challengeWindowSec, minBondWei, unbondingSec] = (await Promise.all([
      this.call("JobEscrow", "challengeWindowSec", []),
      this.call("OperatorRegistry", "minBondWei", []),
      this.call("OperatorRegistry", "unbondingSec", []),
    ])) as [bigint, bigint, bigint];
    return {
      challengeWindowSec: Number(challengeWindowSec),
      minBondWei,
      unbondingSec: Number(unbondingSec),
    };
  }

  // ---- events --------------------------------------------------------------------------------------

  /** Everything that happened in these blocks, both included, in the chain's order. */
  async events(fromBlock: number, toBlock: number): Promise<MarketEvent[]> {
    const address = contractNames.map((name) => addressOf(this.deployment, name));
    return this.guard(() =>
      fetchMarketEvents(this.provider, this.deployment, { address, fromBlock, toBlock }),
    );
  }

  /** All events of one job, in the chain's order. */
  async jobEvents(id: bigint): Promise<MarketEvent[]> {
    const filter = {
      address: this.deployment.jobEscrow,
      topics: [null, toBeHex(id, 32)],
      fromBlock: this.deployment.blockNumber,
      toBlock: await this.blockNumber(),
    };
    const events = await this.guard(() => fetchMarketEvents(this.provider, this.deployment, filter));
    // An offer's events are of the same contract, and its number may be the same.
    return events.filter((event) => "job" in event);
  }

  async blockNumber(): Promise<number> {
    return this.guard(() => this.provider.getBlockNumber());
  }

  // ---- for the writes ------------------------------------------------------------------------------

  /** A job's terms as the escrow's calls repeat them. @throws NOT_FOUND */
  protected async terms(id: bigint): Promise<JobTerms> {
    return termsOf(await this.#funding(id));
  }

  /** An attested job's outcome as the escrow's calls repeat it. @throws NOT_FOUND, STATE_INVALID */
  protected async outcome(id: bigint): Promise<Outcome> {
    const [funding, [attested]] = await Promise.all([
      this.#funding(id),
      this.#events("JobAttested", [toBeHex(id, 32)]),
    ]);
    if (attested === undefined) {
      throw new SymbolonError("STATE_INVALID", `job ${id} has no attested result`);
    }
    return outcomeOf(funding, attested);
  }

  /** A job's request as the escrow takes it, its offers with the terms that they have now. */
  protected async jobRequest(
    request: UseRequest & {
      operatorSet: string;
      algorithm: string;
      deadlineSec: number;
      resultKey: string;
      spec: BytesLike;
    },
  ): Promise<EncodedJobRequest> {
    const { algorithm, deadlineSec, resultKey, microRho = exactMicroRho, purpose = ZeroHash } = request;
    const [{ members }, offers] = await Promise.all([this.set(request.operatorSet), this.#uses(request)]);
    const spec = hexlify(request.spec);
    return { algorithm, members, deadlineSec, resultKey, microRho, purpose, offers, spec };
  }

  async #uses({ offers: ids, proofs, terms: seen }: UseRequest): Promise<OfferUse[]> {
    if (ids.length === 0) throw new SymbolonError("PARAMETER_INVALID", "a job uses at least one offer");
    const topics = ids.map((id) => toBeHex(id, 32));
    const [published, relisted] = await Promise.all([
      this.#events("OfferPublished", [topics]),
      this.#events("OfferRelisted", [topics]),
    ]);
    return ids.map((id) => {
      const first = published.find(({ offer }) => offer === id);
      if (first === undefined) throw new SymbolonError("NOT_FOUND", `no offer ${id}`);
      const now = relisted.findLast(({ offer }) => offer === id) ?? first;
      const { algorithm = [], buyer = [], purpose = [] } = proofs?.get(id) ?? {};
      return {
        ...{ seller: first.seller, dataRoot: first.dataRoot, terms: seen?.get(id) ?? now.terms },
        ...{ algorithmProof: algorithm, buyerProof: buyer, purposeProof: purpose },
      };
    });
  }

  /** What a job reserved, as the call that gives it back repeats it. */
  protected async reservation(id: bigint) {
    const job = await this.#funding(id);
    const published = await this.#events("OfferPublished", [job.offers.map((offer) => toBeHex(offer, 32))]);
    const used = job.offers.map((offer) => {
      const event = published.find((candidate) => candidate.offer === offer);
      if (event === undefined) throw new SymbolonError("NOT_FOUND", `no offer ${offer}`);
      return event;
    });
    const { operatorSet, resultKey, microRho, purpose, offers: offerIds } = job;
    const dataRoots = used.map(({ dataRoot }) => dataRoot);
    const spec = { operatorSet, resultKey, microRho, purpose, offerIds, dataRoots };
    return {
      terms: termsOf(job),
      spec: { ...spec, specBytesHash: keccak256(job.spec) },
      sellers: used.map(({ seller }) => seller),
    };
  }

  /** A view function's answer. */
  protected call(contract: ContractName, method: string, args: readonly unknown[]): Promise<unknown> {
    const view = this.#contracts[contract].getFunction(method) as unknown as ContractMethod;
    return this.guard(() => view(...args));
  }

  protected async guard<T>(action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (error) {
      throw toChainError(error);
    }
  }

  async #funding(id: bigint): Promise<EventOf<"JobFunded">> {
    const [funding] = await this.#events("JobFunded", [toBeHex(id, 32)]);
    if (funding === undefined) throw new SymbolonError("NOT_FOUND", `no job ${id}`);
    return funding;
  }

  async #withListing(event: EventOf<"OfferPublished">): Promise<Offer> {
    const { type: _type, blockNumber, blockHash, timestampSec, txHash, logIndex, ...published } = event;
    const at = await this.blockNumber();
    const [stored, relisted] = await Promise.all([
      this.call("JobEscrow", "listing", [
        ...[event.seller, event.operatorSet, event.dataRoot],
        { blockTag: at },
      ]) as Promise<{ budgetLeftMicroRho: bigint; active: boolean; termsTag: bigint }>,
      this.#events("OfferRelisted", [toBeHex(event.offer, 32)], at),
    ]);
    const useTerms = (relisted.at(-1) ?? event).terms;
    if (useTermsTag(useTerms) !== stored.termsTag) {
      throw new SymbolonError(
        "COMMITMENT_MISMATCH",
        `the events of offer ${event.offer} do not fit its terms on chain`,
        { hint: "use another JSON-RPC endpoint" },
      );
    }
    return {
      ...published,
      terms: useTerms,
      budgetLeftMicroRho: stored.budgetLeftMicroRho,
      active: stored.active,
      published: { blockNumber, blockHash, timestampSec, txHash, logIndex },
    };
  }

  /** Events of one type by their indexed arguments. */
  async #events<Type extends MarketEventType>(
    type: Type,
    indexed: (string | string[] | null)[],
    toBlock?: number,
  ): Promise<EventOf<Type>[]> {
    const contract = emitterOf(type);
    const topic = artifact(contract).abi.getEvent(type)?.topicHash ?? null;
    const filter = {
      address: addressOf(this.deployment, contract),
      topics: [topic, ...indexed.map((value) => (typeof value === "string" ? paddedTopic(value) : value))],
      fromBlock: this.deployment.blockNumber,
      toBlock: toBlock ?? (await this.blockNumber()),
    };
    const events = await this.guard(() => fetchMarketEvents(this.provider, this.deployment, filter));
    return events as EventOf<Type>[];
  }
}

function termsOf(funding: FundedJob): JobTerms {
  const { buyer, amountWei, deadlineSec, algorithm, specHash, inputRoot, signers } = funding;
  return { buyer, amountWei, deadlineSec, algorithm, specHash, inputRoot, signers };
}

function outcomeOf(funding: FundedJob, attested: EventOf<"JobAttested">): Outcome {
  const { resultRoot, payoutRoot } = attested;
  return { termsHash: termsHash(termsOf(funding)), buyer: funding.buyer, resultRoot, payoutRoot };
}

function attestationOf(event: EventOf<"JobAttested">): NonNullable<Job["attestation"]> {
  const { type: _type, job: _job, inputRoot: _inputRoot, ...attestation } = event;
  return attestation;
}

/** The last of `events`, which are in the chain's order, that stands before `position`. */
function lastBefore<E extends EventPosition>(
  events: readonly E[],
  position: EventPosition,
  matches: (event: E) => boolean,
): E | undefined {
  return events.findLast((event) => matches(event) && byPosition(event, position) < 0);
}

function byPosition(a: EventPosition, b: EventPosition): number {
  return a.blockNumber - b.blockNumber || a.logIndex - b.logIndex;
}

function topicOfAddress(address: string): string {
  return toBeHex(BigInt(address), 32);
}

function paddedTopic(value: string): string {
  return value.length === 42 ? topicOfAddress(value) : value;
}

function nullIfNotFound(error: unknown): null {
  if (error instanceof SymbolonError && error.code === "NOT_FOUND") return null;
  throw error;
}
