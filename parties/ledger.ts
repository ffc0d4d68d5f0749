/**
 * The market as its events tell it: operators, sets, offers and jobs, with what each job was funded at. A pure
 * projection, so that everybody who reads the same blocks computes the same payouts, whatever was changed in
 * the registries since.
 */
import { ZeroAddress } from "ethers";
import type { JobState } from "../contracts/job-states.ts";
import type {
  AttestedOutcome,
  ChunkOfOperator,
  EventOf,
  FundedJob,
  MarketEvent,
  OperatorDetails,
  PublishedOffer,
} from "../contracts/market-events.ts";
import type { OperatorStatus } from "../contracts/market-views.ts";
import { usePriceWei } from "../contracts/use-terms.ts";
import { SymbolonError } from "../mpc/errors.ts";
import type { PayoutFacts } from "./payout-plan.ts";

const statusAfter = {
  OperatorResumed: "Active",
  OperatorPaused: "Paused",
  OperatorRetired: "Leaving",
  BondWithdrawn: "None",
  OperatorSlashed: "Slashed",
} as const satisfies Partial<Record<MarketEvent["type"], OperatorStatus>>;

export interface LedgerOperator extends OperatorDetails {
  /** Only an active one takes new jobs. */
  status: OperatorStatus;
  /** Hashes of the algorithms that it runs, lower case, by operator set. */
  approved: Map<string, Set<string>>;
  /** What it asks for a job that is paid in a token, by the token's address in lower case. */
  tokenFees: Map<string, bigint>;
}

export interface LedgerOffer extends PublishedOffer {
  active: boolean;
  /** The offer that took its place for good, the last where there are several. */
  replacedBy: string | null;
}

export interface LedgerJob extends FundedJob {
  state: JobState;
  /** Operators by point. */
  members: [string, string, string];
  /** Prices and fees at the moment of funding. */
  payout: PayoutFacts;
  /** Place among all jobs in the order in which they were funded, from 1. */
  fundOrder: number;
  /** Place among all jobs in the order in which they were joined, from 1; 0 before. */
  joinOrder: number;
  fundedAtSec: number;
  /** Time of the block of the last event. */
  changedAtSec: number;
  fundTx: string;
  /** Once attested. */
  outcome?: AttestedOutcome;
  failures?: [string, string];
}

/** A chunk of a result that an operator was asked for and did not post yet. */
export interface Challenge extends ChunkOfOperator {
  /** Last second in which it can be posted. */
  dueSec: number;
}

export class MarketLedger {
  readonly operators = new Map<string, LedgerOperator>();
  readonly sets = new Map<string, [string, string, string]>();
  readonly offers = new Map<string, LedgerOffer>();
  readonly jobs = new Map<string, LedgerJob>();
  /** Open ones, by job, point and chunk. */
  readonly challenges = new Map<string, Challenge>();
  readonly #doubtful = new Set<string>();
  /** Offers that a job's buyer got by a credential, told before its funding. */
  readonly #vouched = new Map<string, Set<string>>();
  #joined = 0;

  /** Addresses are found in any case. */
  operator(address: string): LedgerOperator | undefined {
    return this.operators.get(address.toLowerCase());
  }

  /**
   * Takes the next event of the chain. Events come in the chain's order, from the deployment on, none left out.
   * @returns the job that it changed
   * @throws STATE_INVALID for an event that cannot follow: events are missing. It changes nothing then
   */
  apply(event: MarketEvent): LedgerJob | undefined {
    switch (event.type) {
      case "OperatorRegistered":
      case "OperatorUpdated":
        this.#keepOperator(event);
        return undefined;
      case "OperatorResumed":
      case "OperatorRetired":
      case "OperatorPaused":
      case "OperatorSlashed":
      case "BondWithdrawn":
        this.#operatorOf(event.operator).status = statusAfter[event.type];
        return undefined;
      case "AlgorithmApproved":
        this.#approvalsOf(event).add(event.algorithm.toLowerCase());
        return undefined;
      case "AlgorithmRevoked":
        this.#approvalsOf(event).delete(event.algorithm.toLowerCase());
        return undefined;
      case "TokenAccepted":
        this.#operatorOf(event.operator).tokenFees.set(event.token.toLowerCase(), event.fee);
        return undefined;
      case "TokenRefused":
        // Nothing follows from it for an account that is no operator.
        this.operator(event.operator)?.tokenFees.delete(event.token.toLowerCase());
        return undefined;
      case "SetCreated":
        this.sets.set(event.operatorSet, event.members);
        return undefined;
      case "OfferPublished":
        this.offers.set(event.offer, { ...withoutPosition(event), active: true, replacedBy: null });
        return undefined;
      case "OfferRelisted":
        Object.assign(this.#offerOf(event.offer), { terms: event.terms, active: true });
        return undefined;
      case "OfferVouched":
        this.#vouched.set(event.job, (this.#vouched.get(event.job) ?? new Set()).add(event.offer));
        return undefined;
      case "OfferReplaced":
        Object.assign(this.#offerOf(event.offer), { active: false, replacedBy: event.replacement });
        return undefined;
      case "OfferWithdrawn":
        this.#offerOf(event.offer).active = false;
        return undefined;
      case "JobFunded":
        return this.#fund(event);
      case "PayoutClaimed":
      case "BudgetReturned":
      case "OperatorConvicted":
      case "ResultContested":
        return undefined;
      case "ChunkChallenged": {
        const { job, operator, point, chunk, dueSec } = event;
        this.challenges.set(challengeKey(event), { job, operator, point, chunk, dueSec });
        return undefined;
      }
      case "ChunkPosted":
      case "OperatorExposed":
        this.challenges.delete(challengeKey(event));
        return undefined;
      default:
        return this.#progress(event);
    }
  }

  /** Of these jobs, offers, operator sets or operators an event is missing: nothing may rest on what stands here. */
  doubt(names: Iterable<string>): void {
    for (const name of names) this.#doubtful.add(name.toLowerCase());
  }

  /** Whether an event is missing of the job or of what it rests on. */
  isDoubtful({ job, operatorSet, offers, members }: LedgerJob): boolean {
    if (this.#doubtful.size === 0) return false;
    return [job, operatorSet, ...offers, ...members].some((name) => this.#doubtful.has(name.toLowerCase()));
  }

  #keepOperator(event: EventOf<"OperatorRegistered"> | EventOf<"OperatorUpdated">): void {
    const { operator, signer, sealKey, channelKey, jiffKey, endpoint, feeWei } = event;
    // What an operator approved and accepted before it left counts no more when it comes back.
    const known = event.type === "OperatorRegistered" ? undefined : this.operator(operator);
    this.operators.set(operator.toLowerCase(), {
      ...{ operator, signer, sealKey, channelKey, jiffKey, endpoint, feeWei },
      status: known?.status ?? "Active",
      approved: known?.approved ?? new Map(),
      tokenFees: known?.tokenFees ?? new Map(),
    });
  }

  #approvalsOf({ operator, operatorSet }: { operator: string; operatorSet: string }): Set<string> {
    const { approved } = this.#operatorOf(operator);
    const inSet = approved.get(operatorSet) ?? new Set();
    approved.set(operatorSet, inSet);
    return inSet;
  }

  #fund(event: EventOf<"JobFunded">): LedgerJob {
    const members = this.sets.get(event.operatorSet);
    if (members === undefined) throw missing(`the operator set of job ${event.job}`);
    const vouched = this.#vouched.get(event.job);
    const payout: PayoutFacts = {
      amountWei: event.amountWei,
      offers: event.offers.map((id) => {
        const { seller, terms } = this.#offerOf(id);
        return { seller, priceWei: usePriceWei(terms, event.microRho, vouched?.has(id)) };
      }),
      operators: members.map((address) => ({ address, feeWei: this.#feeOf(address, event.token) })),
    };
    const job: LedgerJob = {
      ...withoutPosition(event),
      state: "Funded",
      members,
      payout,
      fundOrder: this.jobs.size + 1,
      joinOrder: 0,
      fundedAtSec: event.timestampSec,
      changedAtSec: event.timestampSec,
      fundTx: event.txHash,
    };
    this.jobs.set(event.job, job);
    this.#vouched.delete(event.job);
    return job;
  }

  #feeOf(address: string, token: string): bigint {
    const operator = this.#operatorOf(address);
    if (token === ZeroAddress) return operator.feeWei;
    const fee = operator.tokenFees.get(token.toLowerCase());
    if (fee === undefined) throw missing(`the fee of operator ${address} in token ${token}`);
    return fee;
  }

  #progress(
    event: EventOf<
      | "JobJoined"
      | "JobAttested"
      | "JobDisputed"
      | "JobSettled"
      | "JobFailed"
      | "JobOverturned"
      | "JobRefunded"
    >,
  ): LedgerJob {
    const job = this.jobs.get(event.job);
    if (job === undefined) throw missing(`job ${event.job}`);
    job.changedAtSec = event.timestampSec;
    switch (event.type) {
      case "JobJoined":
        job.state = "Joined";
        this.#joined += 1;
        job.joinOrder = this.#joined;
        break;
      case "JobAttested":
        job.state = "Attested";
        job.outcome = withoutPosition(event);
        break;
      case "JobDisputed":
        job.state = "Disputed";
        break;
      case "JobSettled":
        job.state = "Settled";
        break;
      case "JobFailed":
        job.state = "Failed";
        job.failures = event.reasons;
        break;
      case "JobOverturned":
        job.state = "Failed";
        break;
      case "JobRefunded":
        job.state = "Refunded";
        break;
    }
    return job;
  }

  #operatorOf(address: string): LedgerOperator {
    const operator = this.operator(address);
    if (operator === undefined) throw missing(`operator ${address}`);
    return operator;
  }

  #offerOf(id: string): LedgerOffer {
    const offer = this.offers.get(id);
    if (offer === undefined) throw missing(`offer ${id}`);
    return offer;
  }
}

/** An event's own values, without where it stands. */
function withoutPosition<Event extends MarketEvent>(event: Event) {
  const {
    type: _t,
    blockNumber: _b,
    blockHash: _h,
    timestampSec: _s,
    txHash: _x,
    logIndex: _l,
    ...own
  } = event;
  return own;
}

function challengeKey({ job, point, chunk }: ChunkOfOperator): string {
  return `${job}/${point}/${chunk}`;
}

function missing(what: string): SymbolonError {
  return new SymbolonError("STATE_INVALID", `${what} is not among the events that were read`);
}
