/** `symbolon buyer jobs`: what a buyer has bought, from the chain alone. */
import type { Command } from "commander";
import type { Job } from "../../../contracts/market-views.ts";
import { shortId } from "../../../contracts/use-terms.ts";
import { keysOf } from "../key-options.ts";
import { type AccountOptions, accountCommand, withConnection } from "../market-options.ts";
import type { Output } from "../output.ts";

export function jobs(output: Output): Command {
  return accountCommand(
    "buyer",
    "jobs",
    "the jobs of the buyer, in the order in which they were funded",
    "symbolon buyer jobs --keys buyer.keys.json",
  ).action((options: AccountOptions) =>
    withConnection(options, output, async ({ reader, tokens }) => {
      const { identify, listAlgorithms } = await import("../../../algorithms/catalog.ts");
      const { account } = await keysOf("buyer", options);
      const known = await Promise.all(listAlgorithms().map(({ manifest }) => identify(manifest)));
      const all: Job[] = [];
      // One after the other: public endpoints limit requests, and each job takes several.
      for (const id of await reader.jobsOf(account.address)) all.push(await reader.job(id));
      const shown = all.map(({ job, algorithm, state, token, amountWei, deadlineSec, windowEndSec }) => ({
        ...{ job, algorithm: known.find(({ hash }) => hash === algorithm)?.id ?? null },
        ...{ algorithmHash: algorithm, state, token, amountWei, deadlineSec, windowEndSec },
      }));
      const lines = await Promise.all(
        shown.map(async (j) => [
          shortId(j.job),
          j.algorithm ?? shortId(j.algorithmHash),
          j.state,
          await tokens.show(j.amountWei, j.token),
          endOf(j),
        ]),
      );
      output.result({ buyer: account.address, jobs: shown }, () =>
        lines.length === 0
          ? `${account.address} has bought nothing: symbolon buyer browse shows what there is`
          : output.table(["job", "algorithm", "state", "price", "until"], lines),
      );
    }),
  );
}

/** What a job waits for at most: its result, then the end of the time in which it can be disputed. */
function endOf({
  state,
  deadlineSec,
  windowEndSec,
}: Pick<Job, "state" | "deadlineSec" | "windowEndSec">): string {
  const time = (seconds: number): string => new Date(seconds * 1000).toISOString();
  if (state === "Funded" || state === "Joined") return `deadline ${time(deadlineSec)}`;
  if (state === "Attested" || state === "Disputed") return `window ${time(windowEndSec ?? 0)}`;
  return "";
}
