/** Reading a result by what the state of its job leaves to read it from, and what is left to do where it cannot be. */
import { unreachableHint } from "../../bridge/client.ts";
import type { Job } from "../../contracts/market-views.ts";
import { shortId } from "../../contracts/use-terms.ts";
import { SymbolonError } from "../../mpc/errors.ts";
import { chainTimeSec } from "../chain-time.ts";
import { askedChunks, askedShares, describeAsked } from "./asked-chunks.ts";
import type { BuyerConnection } from "./client.ts";
import { readResult } from "./dispute.ts";
import { fetchResult, type JobResult } from "./result.ts";
import type { OnWait } from "./result-shares.ts";

export interface ReadOptions {
  /** Waits for shares that are not there yet where they may still come, and tells. */
  onWait?: OnWait;
  /** The result is read in order to be accepted. */
  accepting?: boolean;
}

/**
 * The result of what the bridge has and what was posted on chain.
 * @throws why it cannot be read, with the state of the job and what can be done about it
 */
export async function readJobResult(
  connection: BuyerConnection,
  id: string,
  { onWait, accepting = false }: ReadOptions = {},
): Promise<JobResult> {
  const { market } = connection;
  const [job, chunks, nowSec] = await Promise.all([
    market.job(id),
    askedChunks(market, id),
    chainTimeSec(market),
  ]);
  // Nodes deliver as soon as the chain has their attestation: of later, and of what was asked for on chain instead,
  // there is nothing to wait for.
  const waits = onWait !== undefined && chunks.length === 0 && isDisputable(job, nowSec);
  try {
    return waits ? await fetchResult(connection, id, onWait) : await readResult(connection, id);
  } catch (error) {
    const asked = askedShares(chunks).map((share) => describeAsked(share, nowSec));
    throw unread(error, job, { asked, nowSec, accepting });
  }
}

/** Of these a result that was attested cannot be read, and its buyer has a choice. */
const unreadCodes: readonly string[] = [
  "PEER_TIMEOUT",
  "BRIDGE_UNREACHABLE",
  "RESULT_TAMPERED",
  "SEAL_INVALID",
  "COMMITMENT_MISMATCH",
];

interface Circumstances {
  /** What was asked for on chain, in words. */
  asked: readonly string[];
  nowSec: number;
  accepting: boolean;
}

function unread(thrown: unknown, job: Job, circumstances: Circumstances): unknown {
  if (!(thrown instanceof SymbolonError) || job.attestation === null) return thrown;
  const { code, message, hint: known, stack } = thrown;
  if (!unreadCodes.includes(code)) return thrown;
  const standing = standingOf(job, circumstances.nowSec);
  const hints = [known];
  // An error that has advice of its own is not about the shares.
  if (known === undefined || known === unreachableHint) hints.push(adviceOn(code, job, circumstances));
  const { accepting, nowSec } = circumstances;
  const missing = code === "BRIDGE_UNREACHABLE" || (code === "PEER_TIMEOUT" && !isDisputable(job, nowSec));
  if (accepting && missing && !isOver(job)) {
    hints.push(
      `accept it unread, after which nothing of it can be disputed: symbolon buyer accept ${job.job} --unread`,
    );
  }
  const hint = hints.filter((each) => each !== undefined).join("; or ");
  // The address of a bridge stands at the beginning of its messages.
  const told = code === "BRIDGE_UNREACHABLE" ? `${message}, and ${standing}` : `${standing}; ${message}`;
  const words = standing === undefined ? message : told;
  return Object.assign(
    new SymbolonError(code, words, { ...(hint !== "" && { hint }), cause: thrown.cause }),
    { stack },
  );
}

/** Whether something of the result can be asked for or shown to be wrong now. */
function isDisputable({ state, windowEndSec }: Job, nowSec: number): boolean {
  return (state === "Attested" || state === "Disputed") && nowSec <= (windowEndSec ?? 0);
}

const isOver = ({ state }: Job): boolean => state === "Settled" || state === "Failed" || state === "Refunded";

/** What is to be known of the job before its result; undefined while all is open. */
function standingOf(job: Job, nowSec: number): string | undefined {
  const name = `job ${shortId(job.job)}`;
  if (job.state === "Refunded") return `the money of ${name} is back`;
  if (job.state === "Failed") return `the result of ${name} was overturned in a dispute`;
  if (job.state === "Settled") return `${name} is settled`;
  if (isDisputable(job, nowSec)) return undefined;
  return `the challenge window of ${name} ended at ${time(job.windowEndSec ?? 0)}`;
}

function adviceOn(
  code: string,
  { job, state, windowEndSec }: Job,
  { asked, nowSec }: Circumstances,
): string | undefined {
  if (state === "Refunded") return undefined;
  if (state === "Failed") return `to get the money back: symbolon buyer refund ${job}`;
  const open = state !== "Settled" && nowSec <= (windowEndSec ?? 0);
  const disclose = `symbolon buyer dispute ${job}${open ? " --disclose" : ""}`;
  if (state === "Disputed" && asked.length > 0) return `${asked.join("; ")}; to go on with it: ${disclose}`;
  if (!open) {
    return code === "RESULT_TAMPERED"
      ? "nothing of it can be disputed any more"
      : "it can be asked for on chain no more: try again later, for operators may still deliver it";
  }
  const until = `until ${time(windowEndSec ?? 0)}`;
  if (code === "RESULT_TAMPERED") {
    return `do not accept the result; ${until} it can be disputed: symbolon buyer dispute ${job}`;
  }
  return `try again later, or ask for what is missing on chain ${until}: ${disclose}`;
}

const time = (seconds: number): string => new Date(seconds * 1000).toISOString();
