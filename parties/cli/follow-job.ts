/** How a job gets on, until it has a result. */
import type { JobSummary } from "../../bridge/client.ts";
import { shortId } from "../../contracts/use-terms.ts";
import type { BuyerClient } from "../buyer/client.ts";
import type { Output } from "./output.ts";

/** Waits for the result and shows how the job gets on. */
export async function follow(buyer: BuyerClient, job: string, output: Output): Promise<void> {
  const progress = output.progress(`job ${shortId(job)}`);
  const onView = ({ progress: report }: JobSummary): void => {
    if (report !== null) progress.update(report.done, report.total, report.phase);
  };
  await buyer.waitForResult(job, { onView }).finally(() => progress.stop());
}
