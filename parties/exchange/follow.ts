/**
 * A seller's side that goes by itself: each step is done when it is due, until the session is over for its data set. A
 * step that is missed is lost, and phases may begin at any hour.
 */
import { setTimeout as pause } from "node:timers/promises";
import { SymbolonError } from "../../mpc/errors.ts";
import { lostBecause, type NextStep } from "./next-step.ts";
import type { PhaseTimes } from "./phases.ts";
import type { ExchangeProvider } from "./provider.ts";

/** What a follower needs of the seller's side. */
export type FollowedSide = Pick<
  ExchangeProvider,
  "status" | "requireStore" | "deliveryMissing" | "features" | "answer" | "claim" | "withdraw"
>;

/** A step that was done, with what came of it. */
export type DoneStep = {
  [Command in "features" | "answer" | "claim" | "withdraw"]: {
    command: Command;
    result: Awaited<ReturnType<FollowedSide[Command]>>;
  };
}["features" | "answer" | "claim" | "withdraw"];

export interface FollowOptions {
  /** How often to look, and how long after an error; four times in the shortest phase at the least. */
  pollMs: number;
  /** A step that is far off is looked for no more often, but as often as this. */
  farMs?: number;
  onDone?: (step: DoneStep) => Promise<void>;
  /** Told of a step that is waited for, and again when more is known of it. */
  onWait?: (next: NextStep) => void;
  /** Told of an error after which it goes on, once while errors of its kind last. */
  onTrouble?: (error: SymbolonError) => void;
  /** Told when there is no trouble any more. */
  onRecovered?: () => void;
}

/** How a followed session ended for its data set. */
export interface FollowedEnd {
  /** The steps that were done. */
  steps: DoneStep[];
  /** Why the deposit is the buyer's; undefined where it is not. */
  lost: string | undefined;
}

/**
 * Resolves when nothing is left to do. Once it has seen the session and, where no step is due that cannot wait, its store,
 * refusals and endpoints that do not answer are no end: it looks again and does what is due then. What was delivered
 * before and is not in the store is delivered again.
 * @throws NOT_FOUND before the data set is registered, and at the start for a store without the session; what the first
 * look throws; later what is a fault of the program
 */
export async function follow(side: FollowedSide, options: FollowOptions): Promise<FollowedEnd> {
  const { farMs = 60_000, onDone, onWait, onTrouble, onRecovered } = options;
  const steps: DoneStep[] = [];
  let seen = false;
  let complete = false;
  let waiting = "";
  let trouble = "";
  const take = async (command: string): Promise<void> => {
    // Until it has gone well, what is in the store is not known.
    if (command === "features") complete = false;
    const step = await doStep(side, command);
    if (command === "features") complete = true;
    steps.push(step);
    await onDone?.(step);
  };
  for (;;) {
    let { pollMs } = options;
    try {
      const { next, record, seat } = await side.status();
      pollMs = Math.min(pollMs, shortestMs(record.times) / 4);
      if (next?.command === "register") throw notRegistered();
      const mayWait =
        next !== null && !(next.due && (next.command !== "features" || seat?.state === "Accused"));
      if (!seen && mayWait) await side.requireStore();
      seen = true;
      if (next === null) return { steps, lost: seat === undefined ? undefined : lostBecause(record, seat) };
      if (next.due) {
        await take(next.command);
      } else {
        const shown = JSON.stringify(next);
        if (shown !== waiting) onWait?.(next);
        waiting = shown;
      }
      // After what is due, which a store that fails must not keep back.
      if (!complete && next.command !== "withdraw") {
        await side.requireStore();
        if (await side.deliveryMissing()) await take("features");
        complete = true;
      }
      if (complete) {
        if (trouble !== "") onRecovered?.();
        trouble = "";
      }
      // An accusation may come until an answer can be given.
      if (!next.due && next.command !== "answer" && next.fromSec !== undefined) {
        pollMs = Math.max(pollMs, Math.min((next.fromSec - record.nowSec) * 1000, farMs));
      }
    } catch (thrown) {
      if (!seen || !(thrown instanceof SymbolonError) || thrown.code === "INTERNAL") throw thrown;
      if (thrown.code !== trouble) onTrouble?.(thrown);
      trouble = thrown.code;
    }
    await pause(pollMs);
  }
}

/** The shortest time in which a step can be missed. */
function shortestMs(times: PhaseTimes): number {
  const ends = [times.registerBySec, times.sampleBySec, times.featuresBySec, times.accuseBySec];
  ends.push(times.reviewBySec, times.answerBySec, times.optimalBySec, times.claimBySec);
  return 1000 * Math.min(...ends.slice(1).map((end, at) => end - ends[at]!));
}

async function doStep(side: FollowedSide, command: string): Promise<DoneStep> {
  switch (command) {
    case "features":
      return { command, result: await side.features() };
    case "answer":
      return { command, result: await side.answer() };
    case "claim":
      return { command, result: await side.claim() };
    case "withdraw":
      return { command, result: await side.withdraw() };
    default:
      throw new SymbolonError("INTERNAL", `${command} is no step of a seller`);
  }
}

function notRegistered(): SymbolonError {
  return new SymbolonError(
    "NOT_FOUND",
    "this data set is not registered yet, so there is nothing to follow",
    {
      hint: "seller exchange register, given again, goes on where it was interrupted",
    },
  );
}
