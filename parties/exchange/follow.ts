/**
 * A seller's side that goes by itself: each step is done when it is due, until the session is over for its data set. A
 * step that is missed is lost, and phases may begin at any hour.
 */
import { setTimeout as pause } from "node:timers/promises";
import { SymbolonError } from "../../mpc/errors.ts";
import type { NextStep } from "./next-step.ts";
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
  /** How often to look, and how long after an error. */
  pollMs: number;
  /** A step that is far off is looked for no more often, but as often as this. */
  farMs?: number;
  onDone?: (step: DoneStep) => Promise<void>;
  /** Told once of each step that is waited for. */
  onWait?: (next: NextStep) => void;
  /** Told of an error after which it goes on, once while errors of its kind last. */
  onTrouble?: (error: SymbolonError) => void;
  /** Told when there is no trouble any more. */
  onRecovered?: () => void;
}

/**
 * Resolves when nothing is left to do. Once it has seen the session, refusals and endpoints that do not answer are no
 * end: it looks again and does what is due then. What was delivered before and is not in the store is delivered again.
 * @returns the steps that it did
 * @throws NOT_FOUND before the data set is registered, and for features that would go into a store without the session;
 * what the first look throws; later what is a fault of the program
 */
export async function follow(side: FollowedSide, options: FollowOptions): Promise<DoneStep[]> {
  const { pollMs, farMs = 60_000, onDone, onWait, onTrouble, onRecovered } = options;
  const done: DoneStep[] = [];
  const take = async (command: string): Promise<void> => {
    const step = await doStep(side, command);
    done.push(step);
    await onDone?.(step);
  };
  let seen = false;
  let complete = false;
  let waiting = "";
  let trouble = "";
  for (;;) {
    let pauseMs = pollMs;
    try {
      const { next, record } = await side.status();
      if (next?.command === "register") throw notRegistered();
      if (!seen && next?.command === "features") await side.requireStore();
      seen = true;
      if (next?.due === true) {
        await take(next.command);
      } else if (next !== null) {
        const shown = JSON.stringify(next);
        if (shown !== waiting) onWait?.(next);
        waiting = shown;
        const untilMs = next.fromSec === undefined ? 0 : (next.fromSec - record.nowSec) * 1000;
        pauseMs = Math.max(pollMs, Math.min(untilMs, farMs));
      }
      // After what is due, which a store that fails must not keep back.
      if (!complete && next !== null) {
        if (await side.deliveryMissing()) await take("features");
        complete = true;
      }
      if (trouble !== "") onRecovered?.();
      trouble = "";
      if (next === null) return done;
    } catch (thrown) {
      if (!seen || !(thrown instanceof SymbolonError) || thrown.code === "INTERNAL") throw thrown;
      if (thrown.code !== trouble) onTrouble?.(thrown);
      trouble = thrown.code;
    }
    await pause(pauseMs);
  }
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
