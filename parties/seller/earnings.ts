/** What an account has earned by jobs, as a seller or an operator, and drawing it. */
import { ZeroAddress } from "ethers";
import type { Market } from "../../contracts/market.ts";
import type { MarketReader } from "../../contracts/market-reader.ts";
import type { PayoutTree } from "../../contracts/payouts.ts";
import { SymbolonError } from "../../mpc/errors.ts";
import { chainTimeSec } from "../chain-time.ts";
import { readLedger } from "../market-history.ts";
import { type PayoutFacts, payoutPlan } from "../payout-plan.ts";

/**
 * Where the pay of a job stands: in escrow while the job runs, in the challenge window, after it but not settled by
 * anybody yet, ready to be claimed, claimed, or gone back to the buyer.
 */
export type EarningState = "escrowed" | "window" | "settleable" | "claimable" | "claimed" | "returned";

export interface Earning {
  job: string;
  state: EarningState;
  /** What it is paid in; the zero address is ETH. */
  token: string;
  amountWei: bigint;
  /** Place in the job's payout tree, and the way from there to its root. */
  index: number;
  proof: string[];
}

export interface Earnings {
  account: string;
  jobs: Earning[];
  /** Of the jobs that are paid in ETH. */
  claimableWei: bigint;
  claimedWei: bigint;
}

/** All that jobs owe or paid to an account, from the chain alone. @throws CHAIN_UNREACHABLE */
export async function earningsOf(market: MarketReader, account: string): Promise<Earnings> {
  const ledger = await readLedger(market);
  const wanted = account.toLowerCase();
  const jobs: Earning[] = [];
  for (const job of ledger.jobs.values()) {
    const tree = treeOf(job.payout);
    const own = tree?.payouts.find((payout) => payout.account.toLowerCase() === wanted);
    if (tree === undefined || own === undefined || own.amountWei === 0n) continue;
    // What was attested is paid, whatever this computes: a root that differs has other leaves.
    const agreed = job.outcome === undefined || job.outcome.payoutRoot === tree.root;
    if (!agreed) continue;
    const state = await stateOf(market, job.state, job.job, own.index);
    jobs.push({
      job: job.job,
      state,
      token: job.token,
      amountWei: own.amountWei,
      index: own.index,
      proof: own.proof,
    });
  }
  const sum = (state: EarningState): bigint =>
    jobs
      .filter((job) => job.state === state && job.token === ZeroAddress)
      .reduce((total, { amountWei }) => total + amountWei, 0n);
  return { account, jobs, claimableWei: sum("claimable"), claimedWei: sum("claimed") };
}

/** None for a job whose prices do not add up: it must not hide what other jobs owe. */
function treeOf(facts: PayoutFacts): PayoutTree | undefined {
  try {
    return payoutPlan(facts).tree;
  } catch (error) {
    if (error instanceof SymbolonError && error.code === "STATE_INVALID") return undefined;
    throw error;
  }
}

async function stateOf(
  market: MarketReader,
  state: string,
  job: string,
  index: number,
): Promise<EarningState> {
  if (state === "Failed" || state === "Refunded") return "returned";
  if (state === "Attested" || state === "Disputed") {
    const untilSec = await market.contestedUntilSec(job);
    return untilSec !== null && (await chainTimeSec(market)) > untilSec ? "settleable" : "window";
  }
  if (state !== "Settled") return "escrowed";
  return (await market.isClaimed(job, index)) ? "claimed" : "claimable";
}

/**
 * Draws everything that is ready, or the pay of the given jobs only, in one transaction. Jobs whose challenge window
 * is over are settled first, each in a transaction of its own: the bridge does it for all, but it may be down.
 * `amountWei` is what was in ETH.
 * @param onSettle told of each of those jobs before anything is sent for it
 * @throws STATE_INVALID when there is nothing to draw
 */
export async function claimEarnings(
  market: Market,
  account: string,
  only?: readonly string[],
  onSettle: (job: string) => void = () => {},
): Promise<{
  txHash: string;
  amountWei: bigint;
  paid: { token: string; amountWei: bigint }[];
  jobs: string[];
  /** Those of the jobs that were settled for it. */
  settled: string[];
}> {
  const { jobs } = await earningsOf(market, account);
  const ready = jobs.filter(
    ({ job, state }) =>
      (state === "claimable" || state === "settleable") && (only === undefined || only.includes(job)),
  );
  if (ready.length === 0) {
    throw new SymbolonError("STATE_INVALID", `there is nothing to claim for ${account}`, {
      hint: "pay can be claimed once the buyer accepted the result, or when its challenge window is over and nobody disputes it",
    });
  }
  const settled = ready.filter(({ state }) => state === "settleable").map(({ job }) => job);
  for (const job of settled) {
    onSettle(job);
    await settle(market, job);
  }
  const claims = ready.map(({ job, index, amountWei, proof }) => ({ job, index, account, amountWei, proof }));
  const [first] = claims;
  const receipt = claims.length === 1 ? await market.claim(first!) : await market.claimMany(claims);
  const tokens = [...new Set(ready.map(({ token }) => token))];
  const paid = tokens.map((token) => ({
    token,
    amountWei: ready.reduce((sum, job) => (job.token === token ? sum + job.amountWei : sum), 0n),
  }));
  return {
    txHash: receipt.hash,
    amountWei: paid.find(({ token }) => token === ZeroAddress)?.amountWei ?? 0n,
    paid,
    jobs: ready.map(({ job }) => job),
    settled,
  };
}

/** Whoever else settles it meanwhile has done what was wanted. */
async function settle(market: Market, job: string): Promise<void> {
  try {
    await market.settle(job);
  } catch (error) {
    if ((await market.jobState(job)) !== "Settled") throw error;
  }
}
