/** What a job cost and whom that pays: the prices and fees of its funding, from the events before it. */
import { SymbolonError } from "../mpc/errors.ts";
import type { EventOf, EventPosition } from "./market-events.ts";
import type { Job, JobPrices } from "./market-views.ts";
import { usePriceWei } from "./use-terms.ts";

export type PricedJob = Pick<
  Job,
  "job" | "offers" | "members" | "token" | "amountWei" | "microRho" | "funded"
>;

/** Each in the chain's order, but for the fees. */
export interface PriceEvents {
  published: readonly EventOf<"OfferPublished">[];
  relisted: readonly EventOf<"OfferRelisted">[];
  /** Of the job. */
  vouched: readonly EventOf<"OfferVouched">[];
  /** In ETH or in the job's token. */
  fees: readonly EventOf<"OperatorRegistered" | "OperatorUpdated" | "TokenAccepted">[];
}

/** @throws NOT_FOUND; COMMITMENT_MISMATCH when they do not add up to what the buyer paid */
export function pricesOf(job: PricedJob, { published, relisted, vouched, fees }: PriceEvents): JobPrices {
  const offers = job.offers.map((offer) => {
    const first = published.find((event) => event.offer === offer);
    const changed = lastBefore(relisted, job.funded, (event) => event.offer === offer);
    if (first === undefined) throw new SymbolonError("NOT_FOUND", `no offer ${offer}`);
    const useTerms = (changed ?? first).terms;
    const isVouched = vouched.some((event) => event.offer === offer);
    const priceWei = usePriceWei(useTerms, job.microRho, isVouched);
    return { offer, seller: first.seller, rows: first.rows, terms: useTerms, vouched: isVouched, priceWei };
  });
  const stated = fees.toSorted(byPosition);
  const operators = job.members.map((operator) => {
    const last = lastBefore(stated, job.funded, (event) => event.operator === operator);
    if (last === undefined) throw new SymbolonError("NOT_FOUND", `no operator ${operator}`);
    return { operator, feeWei: "fee" in last ? last.fee : last.feeWei };
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
