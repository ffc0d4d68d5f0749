/** `symbolon buyer status`: where a job stands. */
import type { Command } from "commander";
import type { Job } from "../../../contracts/market-views.ts";
import { shortId } from "../../../contracts/use-terms.ts";
import { partyIndices } from "../../../mpc/transport/transport.ts";
import { type AskedShare, askedChunks, askedShares, describeAsked } from "../../buyer/asked-chunks.ts";
import { deliveredBy } from "../../buyer/result-shares.ts";
import { chainTimeSec } from "../../chain-time.ts";
import { loadPublicKeys } from "../../keys.ts";
import { chunkElements } from "../../result.ts";
import { parseId } from "../command.ts";
import { keyFileOf } from "../key-options.ts";
import { type AccountOptions, accountCommand, withConnection } from "../market-options.ts";
import type { Output } from "../output.ts";

const notTold = "the bridge does not tell";

export function status(output: Output): Command {
  return accountCommand(
    "buyer",
    "status",
    "where a job stands; with a key file also whether its account bought it and it can read the result",
    "symbolon buyer status 0x5c1e",
  )
    .argument("<job>", "its name, or the first digits of it", parseId)
    .action((start: string, options: AccountOptions) =>
      withConnection(options, output, async ({ reader, bridge, tokens }) => {
        const id = await reader.jobNamed(start);
        const job = await reader.job(id);
        // The chain decides; what the bridge adds is progress, who joined before all did, and who has delivered.
        const view = await bridge.job(id).catch(() => null);
        const { attestation } = job;
        const delivered = attestation && (await deliveredBy(bridge, attestation.parts).catch(() => null));
        const asked = askedShares(await askedChunks(reader, id));
        const { state, buyer, token, amountWei, deadlineSec, offers, windowEndSec } = job;
        const heldUntilSec = await reader.heldUntilSec(id);
        const escrowedWei = escrowedBy(job);
        const joins = job.joined ? [...partyIndices] : (view?.joins ?? null);
        const progress = view?.progress ?? null;
        const failures = view?.failures ?? [];
        const keys = await ownership(job, options);
        const document = {
          ...{
            job: id,
            state,
            buyer,
            token,
            amountWei,
            escrowedWei,
            deadlineSec,
            windowEndSec,
            heldUntilSec,
          },
          ...{ offers, joins, progress, failures, delivered, asked, keys },
        };
        const price = await tokens.show(amountWei, token);
        const escrowed = escrowedWei === 0n ? "nothing" : await tokens.show(escrowedWei, token);
        const nowSec = await chainTimeSec(reader);
        output.result(document, () =>
          output.table(
            ["job", id],
            [
              ["state", state],
              ["buyer", buyer],
              ["price", price],
              ["escrowed", escrowed],
              ["offers", offers.map(shortId).join(", ")],
              ["deadline", time(deadlineSec)],
              ["joined", joinedWords(joins, state)],
              ...(progress === null
                ? []
                : [["progress", `${progress.phase} ${progress.done}/${progress.total}`]]),
              ...failures.map(({ point, reason }) => [`party ${point}`, reason]),
              ...resultRows(job, { delivered, asked, heldUntilSec, nowSec }),
              ...(keys === null
                ? []
                : [["these keys", keysWords(keys, job, isWhole(job, delivered, asked))]]),
            ],
          ),
        );
      }),
    );
}

/** What the escrow holds of a job's price now. */
function escrowedBy({ state, amountWei, unclaimedWei }: Job): bigint {
  if (state === "Refunded") return 0n;
  // A result that was overturned leaves all of the price to its buyer.
  return state === "Failed" ? amountWei : (unclaimedWei ?? amountWei);
}

function joinedWords(joins: readonly number[] | null, state: Job["state"]): string {
  if (joins === null) return notTold;
  return joins.join(", ") || (state === "Funded" ? "nobody yet" : "nobody");
}

interface ResultFacts {
  delivered: readonly number[] | null;
  asked: readonly AskedShare[];
  heldUntilSec: number | null;
  nowSec: number;
}

/** What there is to say of a result: who has delivered its share, what was asked for, how long it can be disputed. */
function resultRows(
  { state, attestation, windowEndSec }: Job,
  { delivered, asked, heldUntilSec, nowSec }: ResultFacts,
): string[][] {
  if (attestation === null) return [];
  const rows = [["delivered", deliveredWords(delivered)]];
  for (const share of asked) rows.push(["asked for", describeAsked(share, nowSec)]);
  if (state === "Attested" || state === "Disputed") {
    const endSec = windowEndSec ?? 0;
    rows.push(["challenge window", `${nowSec <= endSec ? "open until" : "ended at"} ${time(endSec)}`]);
  }
  if (state === "Disputed") rows.push(["held up", heldWords(heldUntilSec, nowSec)]);
  return rows;
}

function heldWords(heldUntilSec: number | null, nowSec: number): string {
  if (heldUntilSec === null) return "nobody can settle it until what was asked for is posted";
  const until = time(heldUntilSec);
  return nowSec <= heldUntilSec ? `only the buyer can settle it until ${until}` : `was until ${until}`;
}

function deliveredWords(delivered: readonly number[] | null): string {
  if (delivered === null) return notTold;
  const missing = partyIndices.filter((point) => !delivered.includes(point));
  const there = delivered.join(", ") || "nobody yet";
  if (missing.length === 0 || delivered.length === 0) return there;
  return `${there}; not ${missing.join(", ")}`;
}

/** Whether each share of the result is with the bridge or on chain. */
function isWhole(
  { attestation }: Job,
  delivered: readonly number[] | null,
  asked: readonly AskedShare[],
): boolean {
  if (attestation === null) return false;
  const chunks = Math.ceil(attestation.parts.total / chunkElements);
  const posted = asked.filter((share) => share.posted === chunks).map(({ point }) => point);
  return partyIndices.every((point) => delivered?.includes(point) === true || posted.includes(point));
}

/** Of the key file that is named, by its public part: nothing is signed or opened, so no passphrase is needed. */
async function ownership(job: Job, options: AccountOptions) {
  const file = keyFileOf(options);
  if (file === undefined) return null;
  const { account, resultKey } = (await loadPublicKeys(file)).public;
  return {
    bought: account?.toLowerCase() === job.buyer.toLowerCase(),
    reads: resultKey?.toLowerCase() === job.resultKey.toLowerCase(),
  };
}

function keysWords(
  { bought, reads }: { bought: boolean; reads: boolean },
  { attestation, state }: Job,
  whole: boolean,
): string {
  const purchase = bought ? "bought the job" : "did not buy the job";
  if (!reads) return `${purchase}, and cannot read its result`;
  if (whole) return `${purchase}, and can read its result`;
  if (attestation !== null) return `${purchase}; its result is sealed to them`;
  const comes = state === "Funded" || state === "Joined";
  return comes ? `${purchase}; its result will be sealed to them` : purchase;
}

const time = (seconds: number): string => new Date(seconds * 1000).toISOString();
