/**
 * Typed reads of a market. The contracts keep hashes; the values stand in events. What comes from an event is
 * checked against the hash that the contract keeps, so the two cannot tell different stories.
 */
import { type BytesLike, hexlify, keccak256, type Log, ZeroAddress, ZeroHash } from "ethers";
import { SymbolonError } from "../mpc/errors.ts";
import { type ContractName, contractNames } from "./artifacts.ts";
import { type JobTerms, jobId, type Outcome, outcomeHash } from "./commitments.ts";
import type { JobSettings } from "./deployment.ts";
import { DisputeReader } from "./dispute-reader.ts";
import { compactSignature } from "./eip712.ts";
import { type PricedJob, pricesOf } from "./job-prices.ts";
import { type JobState, jobStates } from "./job-states.ts";
import { addressOf, type EventOf, fetchMarketEvents, type MarketEvent } from "./market-events.ts";
import {
  type AttestedJob,
  type Job,
  type JobPrices,
  type Offer,
  outcomeOf,
  type QuoteRequest,
  type Replacement,
  termsOf,
  type UseRequest,
} from "./market-views.ts";
import { encodeTerms, exactMicroRho, type TermFailure, terms, useTermsTag } from "./use-terms.ts";

export class MarketReader extends DisputeReader {
  // ---- offers --------------------------------------------------------------------------------------

  /** @throws NOT_FOUND */
  async offer(id: string): Promise<Offer> {
    const [published] = await this.eventsOf("OfferPublished", [id]);
    if (published === undefined) throw notFound("offer", id);
    return this.#withListing(published);
  }

  /** In the order of their publication. */
  async offers(filter: { operatorSet?: string; seller?: string } = {}): Promise<Offer[]> {
    const published = await this.eventsOf("OfferPublished", [
      null,
      filter.seller ?? null,
      filter.operatorSet ?? null,
    ]);
    return Promise.all(published.map((event) => this.#withListing(event)));
  }

  /** Which offers took the place of which, in the order of the chain. */
  async replacements(): Promise<Replacement[]> {
    const replaced = await this.eventsOf("OfferReplaced", []);
    return replaced.map(({ offer, replacement }) => ({ offer, replacement }));
  }

  // ---- jobs ----------------------------------------------------------------------------------------

  async jobState(id: string): Promise<JobState> {
    const { state } = (await this.call("JobEscrow", "jobOf", [id])) as { state: bigint };
    return jobStates[Number(state)] ?? "None";
  }

  /** Names of all jobs, in the order of their funding. */
  async jobs(): Promise<string[]> {
    return (await this.eventsOf("JobFunded", [])).map(({ job }) => job);
  }

  /** Those of one buyer. */
  async jobsOf(buyer: string): Promise<string[]> {
    return (await this.eventsOf("JobFunded", [null, buyer])).map(({ job }) => job);
  }

  /** Storage and events of a job at one block. @throws NOT_FOUND; COMMITMENT_MISMATCH when they differ */
  async job(id: string): Promise<Job> {
    const at = await this.blockNumber();
    const [stored, [funding], [attested]] = await Promise.all([
      this.call("JobEscrow", "jobOf", [id, { blockTag: at }]) as Promise<{
        state: bigint;
        joined: boolean;
        windowEndSec: bigint;
        unclaimed: bigint;
        outcomeHash: string;
      }>,
      this.eventsOf("JobFunded", [id], at),
      this.eventsOf("JobAttested", [id], at),
    ]);
    const state = jobStates[Number(stored.state)] ?? "None";
    if (state === "None" || funding === undefined) throw notFound("job", id);
    const told = attested === undefined ? ZeroHash : outcomeHash(outcomeOf({ ...funding, ...attested }));
    const jobTerms = termsOf(funding);
    if (jobId(jobTerms) !== id || told !== stored.outcomeHash) {
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
      specHash: jobTerms.specHash,
      state,
      members: (await this.set(request.operatorSet)).members,
      joined: stored.joined,
      windowEndSec: attested === undefined ? null : Number(stored.windowEndSec),
      unclaimedWei: attested === undefined ? null : stored.unclaimed,
      attestation: attested === undefined ? null : attestationOf(attested),
      funded: { blockNumber, blockHash, timestampSec, txHash, logIndex },
    };
  }

  /** As its events tell it. @throws NOT_FOUND, STATE_INVALID */
  async attestedJob(id: string): Promise<AttestedJob> {
    const [funding, [attested]] = await Promise.all([this.fundedJob(id), this.eventsOf("JobAttested", [id])]);
    if (attested === undefined) {
      throw new SymbolonError("STATE_INVALID", `job ${id} has no attested result`);
    }
    const { parts, resultRoot, payoutRoot } = attested;
    return { ...funding, parts, resultRoot, payoutRoot };
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
      dataRoot: string;
      term: bigint;
      found: string;
      asked: string;
    }[];
    return failures.map(({ dataRoot, term, found, asked }) => ({
      offer: dataRoot,
      term: terms[Number(term)] ?? "Listing",
      found,
      asked,
    }));
  }

  /**
   * Prices and fees at the moment of a job's funding, from the events before it. They add up to what the
   * buyer paid, or this throws.
   */
  async jobPrices(job: PricedJob): Promise<JobPrices> {
    const upTo = job.funded.blockNumber;
    const [published, relisted, vouched, ...fees] = await Promise.all([
      this.eventsOf("OfferPublished", [job.offers], upTo),
      this.eventsOf("OfferRelisted", [job.offers], upTo),
      this.eventsOf("OfferVouched", [job.job], upTo),
      ...(job.token === ZeroAddress
        ? [
            this.eventsOf("OperatorRegistered", [job.members], upTo),
            this.eventsOf("OperatorUpdated", [job.members], upTo),
          ]
        : [this.eventsOf("TokenAccepted", [job.members, job.token], upTo)]),
    ]);
    return pricesOf(job, { published, relisted, vouched, fees: fees.flat() });
  }

  /** Full names from their first digits. @throws NOT_FOUND; USAGE where several begin so */
  async jobNamed(start: string): Promise<string> {
    return complete("job", start, () => this.jobs());
  }

  async offerNamed(start: string): Promise<string> {
    const all = async () => (await this.eventsOf("OfferPublished", [])).map(({ offer }) => offer);
    return complete("offer", start, all);
  }

  async setNamed(start: string): Promise<string> {
    return complete("operator set", start, async () => (await this.sets()).map(({ id }) => id));
  }

  async isClaimed(id: string, index: number | bigint): Promise<boolean> {
    return (await this.call("JobEscrow", "isClaimed", [id, index])) as boolean;
  }

  /** What was fixed at deployment. */
  async settings(): Promise<JobSettings> {
    const read = (contract: ContractName, method: keyof JobSettings) =>
      this.call(contract, method, []) as Promise<bigint>;
    const [challengeWindowSec, graceSec, minBondWei, unbondingSec, challengeFeeWei, responseSec] =
      await Promise.all([
        read("JobEscrow", "challengeWindowSec"),
        read("JobEscrow", "graceSec"),
        read("OperatorRegistry", "minBondWei"),
        read("OperatorRegistry", "unbondingSec"),
        read("Disputes", "challengeFeeWei"),
        read("Disputes", "responseSec"),
      ]);
    return {
      challengeWindowSec: Number(challengeWindowSec),
      graceSec: Number(graceSec),
      minBondWei,
      unbondingSec: Number(unbondingSec),
      challengeFeeWei,
      responseSec: Number(responseSec),
    };
  }

  // ---- events --------------------------------------------------------------------------------------

  /**
   * Everything that happened in these blocks, both included, in the chain's order.
   * @param onUnreadable gets what is no event of these contracts; without it, such a log ends the reading
   */
  async events(
    fromBlock: number,
    toBlock: number,
    onUnreadable?: (log: Log) => void,
  ): Promise<MarketEvent[]> {
    const address = contractNames.map((name) => addressOf(this.deployment, name));
    const filter = { address, fromBlock, toBlock };
    return this.guard(() => fetchMarketEvents(this.provider, this.deployment, filter, onUnreadable));
  }

  /** All events of one job, in the chain's order. */
  async jobEvents(id: string): Promise<MarketEvent[]> {
    const filter = {
      address: [this.deployment.jobEscrow, this.deployment.disputes],
      topics: [null, id],
      fromBlock: this.deployment.blockNumber,
      toBlock: await this.blockNumber(),
    };
    return this.guard(() => fetchMarketEvents(this.provider, this.deployment, filter));
  }

  // ---- for the writes ------------------------------------------------------------------------------

  /** A job's terms as the escrow's calls repeat them. @throws NOT_FOUND */
  protected async terms(id: string): Promise<JobTerms> {
    return termsOf(await this.fundedJob(id));
  }

  /** An attested job's outcome as the escrow's calls repeat it. @throws NOT_FOUND, STATE_INVALID */
  protected async outcome(id: string): Promise<Outcome> {
    return outcomeOf(await this.attestedJob(id));
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
  ) {
    const { algorithm, deadlineSec, resultKey } = request;
    const { microRho = exactMicroRho, purpose = ZeroHash, token = ZeroAddress } = request;
    const [{ members }, offers] = await Promise.all([this.set(request.operatorSet), this.#uses(request)]);
    const spec = hexlify(request.spec);
    return { algorithm, members, deadlineSec, resultKey, microRho, purpose, token, offers, spec };
  }

  async #uses({ offers: ids, proofs, credentials, terms: seen }: UseRequest) {
    if (ids.length === 0) throw new SymbolonError("PARAMETER_INVALID", "a job uses at least one offer");
    const [published, relisted] = await Promise.all([
      this.eventsOf("OfferPublished", [[...ids]]),
      this.eventsOf("OfferRelisted", [[...ids]]),
    ]);
    return ids.map((id) => {
      const first = published.find(({ offer }) => offer === id);
      if (first === undefined) throw notFound("offer", id);
      const now = relisted.findLast(({ offer }) => offer === id) ?? first;
      const encoded = encodeTerms(seen?.get(id) ?? now.terms);
      const { algorithm = [], buyer = [], purpose = [] } = proofs?.get(id) ?? {};
      const credential = credentials?.get(id);
      const shown = {
        ...{ algorithmProof: algorithm, buyerProof: buyer, purposeProof: purpose },
        credential:
          credential === undefined
            ? []
            : [{ expirySec: credential.expirySec, signature: compactSignature(credential.signature) }],
      };
      return {
        ...{ seller: first.seller, dataRoot: id, terms: encoded.terms },
        rules: encoded.rules.map((rules) => ({ rules, ...shown })),
      };
    });
  }

  /** What a job reserved, as the call that gives it back repeats it. */
  protected async reservation(id: string) {
    const job = await this.fundedJob(id);
    const published = await this.eventsOf("OfferPublished", [job.offers]);
    const sellers = job.offers.map((offer) => {
      const event = published.find((candidate) => candidate.offer === offer);
      if (event === undefined) throw new SymbolonError("NOT_FOUND", `no offer ${offer}`);
      return event.seller;
    });
    const { operatorSet, algorithm, resultKey, microRho, purpose, offers: dataRoots } = job;
    const spec = { operatorSet, algorithm, resultKey, microRho, purpose, dataRoots };
    return { terms: termsOf(job), spec: { ...spec, specBytesHash: keccak256(job.spec) }, sellers };
  }

  /** As its event tells it. @throws NOT_FOUND */
  async fundedJob(id: string): Promise<EventOf<"JobFunded">> {
    const [funding] = await this.eventsOf("JobFunded", [id]);
    if (funding === undefined) throw notFound("job", id);
    return funding;
  }

  async #withListing(event: EventOf<"OfferPublished">): Promise<Offer> {
    const { type: _type, blockNumber, blockHash, timestampSec, txHash, logIndex, ...published } = event;
    const at = await this.blockNumber();
    const [stored, relisted] = await Promise.all([
      this.call("JobEscrow", "listing", [
        ...[event.seller, event.operatorSet, event.offer],
        { blockTag: at },
      ]) as Promise<{ budgetLeftMicroRho: bigint; active: boolean; replaced: boolean; termsTag: bigint }>,
      this.eventsOf("OfferRelisted", [event.offer], at),
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
      replaced: stored.replaced,
      published: { blockNumber, blockHash, timestampSec, txHash, logIndex },
    };
  }
}

const lists = {
  job: "`symbolon buyer jobs` lists those of a buyer",
  offer: "`symbolon buyer browse` lists the offers, with `--all` also those that are not for sale",
  "operator set": "`symbolon buyer browse` names the sets of the offers",
} as const;

function notFound(what: keyof typeof lists, name: string): SymbolonError {
  return new SymbolonError("NOT_FOUND", `no ${what} ${name}`, { hint: lists[what] });
}

async function complete(
  what: keyof typeof lists,
  start: string,
  all: () => Promise<string[]>,
): Promise<string> {
  if (/^0x[0-9a-f]{64}$/.test(start)) return start;
  const found = [...new Set(await all())].filter((id) => id.startsWith(start));
  const [only] = found;
  if (only === undefined) throw notFound(what, start);
  if (found.length === 1) return only;
  throw new SymbolonError("USAGE", `${found.length} names of a ${what} begin with ${start}`, {
    hint: `give more digits: ${found.slice(0, 5).join(", ")}`,
  });
}

function attestationOf(event: EventOf<"JobAttested">): NonNullable<Job["attestation"]> {
  const { type: _type, job: _job, ...attestation } = event;
  return attestation;
}
