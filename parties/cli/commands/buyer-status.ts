/** `symbolon buyer status`: where a job stands. */
import type { Command } from "commander";
import type { Job } from "../../../contracts/market-views.ts";
import { shortId } from "../../../contracts/use-terms.ts";
import { partyIndices } from "../../../mpc/transport/transport.ts";
import { type AskedShare, askedChunks, askedShares, describeAsked } from "../../buyer/asked-chunks.ts";
import { chainTimeSec } from "../../buyer/client.ts";
import { deliveredBy } from "../../buyer/result.ts";
import { parseId } from "../command.ts";
import { keysOf } from "../key-options.ts";
import { type AccountOptions, accountCommand, withConnection } from "../market-options.ts";
import type { Output } from "../output.ts";

export function status(output: Output): Command {
  return accountCommand(
    "buyer",
    "status",
    "where a job stands; with --keys also whether they bought it and read its result",
    "symbolon buyer status 0x5c1e",
  )
    .argument("<job>", "its name, or the first digits of it", parseId)
    .action((start: string, options: AccountOptions) =>
      withConnection(options, output, async ({ reader, bridge, tokens }) => {
        const id = await reader.jobNamed(start);
        const job = await reader.job(id);
        // The chain decides; what the bridge adds is progress, and who has delivered.
        const view = await bridge.job(id).catch(() => null);
        const { attestation } = job;
        const delivered = attestation && (await deliveredBy(bridge, attestation.parts).catch(() => null));
        const asked = askedShares(await askedChunks(reader, id));
        const { state, buyer, token, amountWei, deadlineSec, offers, windowEndSec } = job;
        const joins = view?.joins ?? [];
        const progress = view?.progress ?? null;
        const failures = view?.failures ?? [];
        const keys = await ownership(job, options);
        const document = {
          ...{ job: id, state, buyer, token, amountWei, deadlineSec, windowEndSec, offers },
          ...{ joins, progress, failures, delivered, asked, keys },
        };
        const escrowed = await tokens.show(amountWei, token);
        const nowSec = await chainTimeSec(reader);
        output.result(document, () =>
          output.table(
            ["job", id],
            [
              ["state", state],
              ["buyer", buyer],
              ["escrowed", escrowed],
              ["offers", offers.map(shortId).join(", ")],
              ["deadline", time(deadlineSec)],
              ["joined", joins.join(", ") || "nobody yet"],
              ["progress", progress === null ? "" : `${progress.phase} ${progress.done}/${progress.total}`],
              ...failures.map(({ point, reason }) => [`party ${point}`, reason]),
              ...resultRows(job, delivered, asked, nowSec),
              ...(keys === null ? [] : [["these keys", keysWords(keys)]]),
            ],
          ),
        );
      }),
    );
}

/** What there is to say of a result: who has delivered its share, what was asked for, how long it can be disputed. */
function resultRows(
  { state, attestation, windowEndSec }: Job,
  delivered: readonly number[] | null,
  asked: readonly AskedShare[],
  nowSec: number,
): string[][] {
  if (attestation === null) return [];
  const rows = [["delivered", deliveredWords(delivered)]];
  for (const share of asked) rows.push([`party ${share.point}`, describeAsked(share, nowSec)]);
  if (state === "Attested" || state === "Disputed") {
    const endSec = windowEndSec ?? 0;
    rows.push(["challenge window", `${nowSec <= endSec ? "open until" : "ended at"} ${time(endSec)}`]);
  }
  return rows;
}

function deliveredWords(delivered: readonly number[] | null): string {
  if (delivered === null) return "the bridge does not tell";
  const missing = partyIndices.filter((point) => !delivered.includes(point));
  const there = delivered.join(", ") || "nobody yet";
  if (missing.length === 0 || delivered.length === 0) return there;
  return `${there}; not ${missing.join(", ")}`;
}

/** Only of keys that are named: the job is anybody's to look at, and a passphrase may be needed for them. */
async function ownership(job: Job, options: AccountOptions) {
  if (options.keys === undefined) return null;
  const { account, resultKey } = await keysOf("buyer", options);
  return {
    bought: account.address === job.buyer,
    reads: resultKey.publicKey.toLowerCase() === job.resultKey.toLowerCase(),
  };
}

function keysWords({ bought, reads }: { bought: boolean; reads: boolean }): string {
  return `${bought ? "bought the job" : "did not buy the job"}, and ${reads ? "read its result" : "do not read its result"}`;
}

const time = (seconds: number): string => new Date(seconds * 1000).toISOString();
