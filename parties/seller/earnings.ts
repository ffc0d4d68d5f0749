/** What an account has earned by jobs, as a seller or an operator, and drawing it. */
import type { Market } from "../../contracts/market.ts";
import type { MarketReader } from "../../contracts/market-reader.ts";
import { SymbolonError } from "../../mpc/errors.ts";
import { readLedger } from "../market-history.ts";
import { payoutPlan } from "../payout-plan.ts";

/**
 * Where the pay of a job stands: in escrow while the job runs, in the challenge window, ready to be claimed,
 * claimed, or gone back to the buyer.
 */
export type EarningState = "escrowed" | "window" | "claimable" | "claimed" | "returned";

export interface Earning {
  job: string;
  state: EarningState;
  amountWei: bigint;
  /** Place in the job's payout tree, and the way from there to its root. */
  index: number;
  proof: string[];
}

export interface Earnings {
  account: string;
  jobs: Earning[];
  claimableWei: bigint;
  claimedWei: bigint;
}

/** All that jobs owe or paid to an account, from the chain alone. @throws CHAIN_UNREACHABLE */
export async function earningsOf(market: MarketReader, account: string): Promise<Earnings> {
  const ledger = await readLedger(market);
  const wanted = account.toLowerCase();
  const jobs: Earning[] = [];
  for (const job of ledger.jobs.values()) {
    const { tree } = payoutPlan(job.payout);
    const own = tree.payouts.find((payout) => payout.account.toLowerCase() === wanted);
    if (own === undefined || own.amountWei === 0n) continue;
    // What was attested is paid, whatever this computes: a root that differs has other leaves.
    const agreed = job.payoutRoot === undefined || job.payoutRoot === tree.root;
    if (!agreed) continue;
    const state = await stateOf(market, job.state, job.job, own.index);
    jobs.push({ job: job.job, state, amountWei: own.amountWei, index: own.index, proof: own.proof });
  }
  const sum = (state: EarningState): bigint =>
    jobs.reduce((total, job) => (job.state === state ? total + job.amountWei : total), 0n);
  return { account, jobs, claimableWei: sum("claimable"), claimedWei: sum("claimed") };
}

async function stateOf(
  market: MarketReader,
  state: string,
  job: string,
  index: number,
): Promise<EarningState> {
  if (state === "Failed" || state === "Refunded") return "returned";
  if (state === "Attested" || state === "Disputed") return "window";
  if (state !== "Settled") return "escrowed";
  return (await market.isClaimed(job, index)) ? "claimed" : "claimable";
}

/**
 * Draws everything that is ready, or the pay of the given jobs only, in one transaction.
 * @throws STATE_INVALID when there is nothing to draw
 */
export async function claimEarnings(
  market: Market,
  account: string,
  only?: readonly string[],
): Promise<{ txHash: string; amountWei: bigint; jobs: string[] }> {
  const { jobs } = await earningsOf(market, account);
  const ready = jobs.filter(
    ({ job, state }) => state === "claimable" && (only === undefined || only.includes(job)),
  );
  if (ready.length === 0) {
    throw new SymbolonError("STATE_INVALID", `there is nothing to claim for ${account}`, {
      hint: "pay can be claimed when its job is settled: accepted by the buyer, or after the challenge window",
    });
  }
  const claims = ready.map(({ job, index, amountWei, proof }) => ({ job, index, account, amountWei, proof }));
  const [first] = claims;
  const receipt = claims.length === 1 ? await market.claim(first!) : await market.claimMany(claims);
  return {
    txHash: receipt.hash,
    amountWei: ready.reduce((sum, { amountWei }) => sum + amountWei, 0n),
    jobs: ready.map(({ job }) => job),
  };
}
