/**
 * A seller's side that goes by itself: each step is done when it is due, until the session is over for its data set. A
 * step that is missed is lost, and phases may begin at any hour.
 */
import { setTimeout as pause } from "node:timers/promises";
import { SymbolonError } from "../../mpc/errors.ts";
import type { NextStep } from "./next-step.ts";
import type { ExchangeProvider } from "./provider.ts";

/** What a follower needs of the seller's side. */
export type FollowedSide = Pick<ExchangeProvider, "status" | "features" | "answer" | "claim" | "withdraw">;

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
  /** Told of an error after which it goes on, once while it lasts. */
  onTrouble?: (error: SymbolonError) => void;
}

/**
 * Resolves when nothing is left to do. Once it has seen the session, refusals and endpoints that do not answer are no
 * end: it looks again and does what is due then.
 * @returns the steps that it did
 * @throws NOT_FOUND before the data set is registered; what the first look throws; later what is a fault of the program
 */
export async function follow(side: FollowedSide, options: FollowOptions): Promise<DoneStep[]> {
  const { pollMs, farMs = 60_000, onDone, onWait, onTrouble } = options;
  const done: DoneStep[] = [];
  let seen = false;
  let waiting = "";
  let trouble = "";
  for (;;) {
    let pauseMs = pollMs;
    try {
      const { next, record } = await side.status();
      if (next?.command === "register") throw notRegistered();
      seen = true;
      if (next === null) return done;
      if (next.due) {
        const step = await take(side, next.command);
        done.push(step);
        await onDone?.(step);
      } else {
        const shown = JSON.stringify(next);
        if (shown !== waiting) onWait?.(next);
        waiting = shown;
        const untilMs = next.fromSec === undefined ? 0 : (next.fromSec - record.nowSec) * 1000;
        pauseMs = Math.max(pollMs, Math.min(untilMs, farMs));
      }
      trouble = "";
    } catch (thrown) {
      if (!seen || !(thrown instanceof SymbolonError) || thrown.code === "INTERNAL") throw thrown;
      if (thrown.message !== trouble) onTrouble?.(thrown);
      trouble = thrown.message;
    }
    await pause(pauseMs);
  }
}

async function take(side: FollowedSide, command: string): Promise<DoneStep> {
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
