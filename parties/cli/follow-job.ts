/** How a job gets on, until its result is read. */
import type { JobSummary } from "../../bridge/client.ts";
import { shortId } from "../../contracts/use-terms.ts";
import type { BuyerClient } from "../buyer/client.ts";
import type { JobResult, OnWait } from "../buyer/result.ts";
import type { Output } from "./output.ts";

/** Waits for the result and shows how the job gets on. */
export async function follow(buyer: BuyerClient, job: string, output: Output): Promise<void> {
  const progress = output.progress(`job ${shortId(job)}`);
  const onView = ({ progress: report }: JobSummary): void => {
    if (report !== null) progress.update(report.done, report.total, report.phase);
  };
  await buyer.waitForResult(job, { onView }).finally(() => progress.stop());
}

/** The result, and while shares of it are not there yet, whose. */
export async function awaitResult(buyer: BuyerClient, job: string, output: Output): Promise<JobResult> {
  const progress = output.progress(`job ${shortId(job)}`);
  const onWait: OnWait = (missing, waitedMs, patienceMs) => {
    // Nodes look at the chain before they deliver, so a moment is nothing to speak of.
    if (waitedMs < 1000) return;
    progress.update(
      Math.floor(waitedMs / 1000),
      patienceMs / 1000,
      `waiting for the share of party ${missing.join(", ")}, seconds`,
    );
  };
  return await buyer.result(job, onWait).finally(() => progress.stop());
}
