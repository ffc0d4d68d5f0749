/** `claim`, of sellers and of operators. */
import { shortId } from "../../contracts/use-terms.ts";
import type { AccountKey } from "../keys.ts";
import { jobsNamed, type MarketConnection } from "./market-options.ts";
import type { Output } from "./output.ts";

/** Draws an account's pay, of the named jobs or all, and says what was drawn. @throws STATE_INVALID when there is none */
export async function claimPay(
  { as, tokens }: MarketConnection,
  account: AccountKey,
  jobs: readonly string[] | undefined,
  output: Output,
): Promise<void> {
  const { claimEarnings } = await import("../seller/earnings.ts");
  const market = as(account);
  const named = await jobsNamed(market, jobs);
  const claimed = await claimEarnings(market, account.address, named, (job) =>
    output.note(settlingNote(job)),
  );
  const paid = await Promise.all(claimed.paid.map((p) => tokens.show(p.amountWei, p.token)));
  output.result(
    { ...claimed, account: account.address },
    () => `${paid.join(", ")} of job ${claimed.jobs.map(shortId).join(", ")}  tx ${claimed.txHash}`,
  );
}

/** The bridge settles jobs at its own cost; whoever does it in its place pays. */
function settlingNote(job: string): string {
  return `the challenge window of job ${shortId(job)} is over and nobody has settled it: it is settled first, at your cost`;
}
