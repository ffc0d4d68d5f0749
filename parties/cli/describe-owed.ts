/** What an operator owes, in words. */
import { shortId } from "../../contracts/use-terms.ts";
import type { OwedChunks } from "../owed-chunks.ts";
import { showSpan } from "./output.ts";

/** One phrase for each job, the one that is due first before the others; none where nothing is owed. */
export function describeOwed({ chunks, jobs }: OwedChunks, nowSec: number): string[] {
  const phrases = jobs.map(({ job, chunks: ofJob, dueSec }) => {
    const at = new Date(dueSec * 1000).toISOString();
    const first = ofJob === 1 ? "" : "the first ";
    const due =
      nowSec <= dueSec
        ? `${first}until ${at}, in ${showSpan(dueSec - nowSec)}`
        : `${first}was due until ${at}: anyone can have the bond taken`;
    return `${count(ofJob)} of job ${shortId(job)}, ${due}`;
  });
  const untold = chunks - jobs.reduce((sum, job) => sum + job.chunks, 0);
  if (untold > 0) phrases.push(`${count(untold)} of which this endpoint's events do not tell`);
  return phrases;
}

export const whatOwedIsAnsweredBy =
  "its node posts them: keep it running, with ETH in the account; what is not posted in time takes the bond and fails the job";

const count = (chunks: number): string => (chunks === 1 ? "1 chunk" : `${chunks} chunks`);
