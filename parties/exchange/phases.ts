/** The clock of a session: how long its phases are, when each ends, and what is told who comes too early or too late. */
import type { SessionRequest } from "../../contracts/exchange-commitments.ts";
import type { SessionState } from "../../contracts/exchange-states.ts";
import { SymbolonError } from "../../mpc/errors.ts";

/** Last second of each phase, and the first of sampling. Ends are included. */
export interface PhaseTimes {
  registerBySec: number;
  sampleFromSec: number;
  sampleBySec: number;
  featuresBySec: number;
  accuseBySec: number;
  reviewBySec: number;
  answerBySec: number;
  optimalBySec: number;
  claimBySec: number;
}

/** Lengths of the phases in seconds. */
export type PhaseLengths = Record<
  "register" | "sample" | "features" | "review" | "answer" | "optimal" | "claim",
  number
>;

interface Phase {
  name: string;
  length: keyof PhaseLengths;
  /** Of `buyer exchange open`. */
  option: string;
  end: keyof PhaseTimes;
}

const phases: readonly Phase[] = [
  { name: "registration", length: "register", option: "--register-for", end: "registerBySec" },
  { name: "sampling", length: "sample", option: "--sample-for", end: "sampleBySec" },
  { name: "features", length: "features", option: "--features-for", end: "featuresBySec" },
  { name: "review", length: "review", option: "--review-for", end: "reviewBySec" },
  { name: "answer", length: "answer", option: "--answer-for", end: "answerBySec" },
  { name: "choice", length: "optimal", option: "--choose-for", end: "optimalBySec" },
  { name: "claim", length: "claim", option: "--claim-for", end: "claimBySec" },
];

/** The contract's least for a phase, and for each of the two halves of the review. */
export const leastPhaseSec = 60;
/** The contract counts registration from the block that opens the session, which comes some seconds after the call. */
const openingSec = 15;

/**
 * Refuses lengths that the contract would refuse, before anything is kept or sent.
 * @throws PARAMETER_INVALID with the options to change
 */
export function requirePhases(lengths: PhaseLengths, sampleDelaySec: number): void {
  const least: PhaseLengths = {
    ...{ register: leastPhaseSec + openingSec, sample: sampleDelaySec + leastPhaseSec },
    ...{ features: leastPhaseSec, review: 2 * leastPhaseSec, answer: leastPhaseSec },
    ...{ optimal: leastPhaseSec, claim: leastPhaseSec },
  };
  const why: Partial<Record<keyof PhaseLengths, string>> = {
    register: "a minute from the block that opens the session",
    sample: `a minute after the chain's delay of ${sampleDelaySec} s`,
    review: "half of it for accusations",
  };
  const short = phases.filter(({ length }) => lengths[length] < least[length]);
  if (short.length === 0) return;
  const shown = short.map(({ name, length }) => {
    const reason = why[length] === undefined ? "" : ` (${why[length]})`;
    return `the ${name} phase is ${lengths[length]} s long and takes at least ${least[length]} s${reason}`;
  });
  const options = short.map(({ option, length }) => `${option} ${least[length]}`).join(" ");
  const forAll = Math.max(...short.map(({ length }) => least[length]));
  throw new SymbolonError("PARAMETER_INVALID", shown.join("; "), {
    hint: `give ${options} or more, or all phases at least --phase ${forAll}`,
  });
}

export function phaseTimes(request: SessionRequest, sampleDelaySec: number): PhaseTimes {
  const { registerBySec } = request;
  const sampleBySec = registerBySec + request.sampleSec;
  const featuresBySec = sampleBySec + request.featuresSec;
  const reviewBySec = featuresBySec + request.reviewSec;
  const answerBySec = reviewBySec + request.answerSec;
  const optimalBySec = answerBySec + request.optimalSec;
  return {
    registerBySec,
    sampleFromSec: registerBySec + sampleDelaySec,
    sampleBySec,
    featuresBySec,
    accuseBySec: featuresBySec + Math.floor(request.reviewSec / 2),
    reviewBySec,
    answerBySec,
    optimalBySec,
    claimBySec: optimalBySec + request.claimSec,
  };
}

/** The phases with their ends, and which one runs at `nowSec`. */
export function phaseTable(
  times: PhaseTimes,
  nowSec: number,
): { phase: string; bySec: number; current: boolean }[] {
  const current = phases.findIndex(({ end }) => nowSec <= times[end]);
  return phases.map(({ name, end }, index) => ({
    phase: name,
    bySec: times[end],
    current: index === current,
  }));
}

/** A second as people read it. */
export function showTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString();
}

/** A session's clock, and how far it is. */
export interface SessionClock {
  times: PhaseTimes;
  nowSec: number;
  state: SessionState;
}

/**
 * Looks at the clock before a call that shows a secret: the estimate of its gas already tells it to the endpoint, and a
 * refusal would come too late.
 * @param fromSec left out for what can be done from the beginning
 * @throws STATE_INVALID
 */
export function requireTime(
  { times, nowSec, state }: SessionClock,
  what: string,
  { fromSec, bySec }: { fromSec?: number; bySec: number },
): void {
  if (fromSec !== undefined && nowSec < fromSec) {
    throw new SymbolonError("STATE_INVALID", `${what} is from ${showTime(fromSec)} to ${showTime(bySec)}`, {
      hint: `try again in ${fromSec - nowSec} s: the chain's newest block is of ${showTime(nowSec)}`,
    });
  }
  if (nowSec <= bySec) return;
  const phase = phaseTable(times, nowSec).find(({ current }) => current)?.phase;
  const where = phase === undefined ? "all its phases are over" : `its ${phase} phase runs`;
  throw new SymbolonError("STATE_INVALID", `${what} is closed since ${showTime(bySec)}`, {
    hint: `the session is ${state}, and ${where}; the chain's newest block is of ${showTime(nowSec)}`,
  });
}
