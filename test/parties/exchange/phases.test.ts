/** What is told of phases that do not fit, and who comes too early or too late. */
import { describe, expect, test } from "vitest";
import {
  type PhaseLengths,
  phaseTable,
  phaseTimes,
  requirePhases,
  requireTime,
  type SessionClock,
} from "../../../parties/exchange/phases.ts";

const lengths = (seconds: number, change: Partial<PhaseLengths> = {}): PhaseLengths => ({
  ...{ register: seconds, sample: seconds, features: seconds, review: seconds },
  ...{ answer: seconds, optimal: seconds, claim: seconds },
  ...change,
});
const refusal = (run: () => void) => {
  try {
    run();
  } catch (error) {
    return error as { code: string; message: string; hint: string };
  }
  throw new Error("nothing was refused");
};

describe("lengths of phases", () => {
  test.each([
    ["just long enough", lengths(60, { register: 75, sample: 65, review: 120 }), 5],
    ["long", lengths(86_400), 900],
  ])("that are %s pass", (_, given, delaySec) => {
    expect(() => requirePhases(given, delaySec)).not.toThrow();
  });

  test("too short for the two halves of the review name the option and its least", () => {
    const { code, message, hint } = refusal(() => requirePhases(lengths(75), 5));
    expect(code).toBe("PARAMETER_INVALID");
    expect(message).toBe(
      "the review phase is 75 s long and takes at least 120 s (half of it for accusations)",
    );
    expect(hint).toBe("give --review-for 120 or more, or all phases at least --phase 120");
  });

  test("too short for several reasons name all of them", () => {
    const { message, hint } = refusal(() => requirePhases(lengths(60), 900));
    for (const phase of ["registration", "sampling", "review"])
      expect(message).toContain(`the ${phase} phase`);
    expect(message).toContain("the chain's delay of 900 s");
    expect(hint).toBe(
      "give --register-for 75 --sample-for 960 --review-for 120 or more, or all phases at least --phase 960",
    );
  });

  test.each([
    ["--features-for", { features: 59 }],
    ["--answer-for", { answer: 59 }],
    ["--choose-for", { optimal: 59 }],
    ["--claim-for", { claim: 59 }],
  ])("name %s for the phase that it sets", (option, change) => {
    expect(refusal(() => requirePhases(lengths(120, change), 5)).hint).toContain(`give ${option} 60 or more`);
  });
});

describe("a step outside its time", () => {
  const times = phaseTimes(
    {
      ...{ token: "", reward: 1n, deposit: 1n, samplingBps: 0, minShards: 1, shardsPerSample: 1 },
      ...{ registerBySec: 1000, sampleSec: 100, featuresSec: 100, reviewSec: 100, answerSec: 100 },
      ...{ optimalSec: 100, claimSec: 100, secretHash: "", extractorHash: "", descriptionHash: "" },
    },
    30,
  );
  const clock = (nowSec: number, state: SessionClock["state"] = "Open"): SessionClock => ({
    ...{ times, nowSec, state },
  });

  test("is told from when to when it can be taken, and how long that is", () => {
    const { message, hint } = refusal(() =>
      requireTime(clock(1010), "sampling", { fromSec: 1030, bySec: 1100 }),
    );
    expect(message).toBe("sampling is from 1970-01-01T00:17:10.000Z to 1970-01-01T00:18:20.000Z");
    expect(hint).toContain("try again in 20 s");
  });

  test("is told since when it is closed, and where the session is", () => {
    const late = refusal(() => requireTime(clock(1250), "registration", { bySec: 1000 }));
    expect(late.message).toBe("registration is closed since 1970-01-01T00:16:40.000Z");
    expect(late.hint).toContain("the session is Open, and its review phase runs");
    const over = refusal(() => requireTime(clock(9000, "Claimed"), "registration", { bySec: 1000 }));
    expect(over.hint).toContain("the session is Claimed, and all its phases are over");
  });

  test("passes from its first to its last second", () => {
    for (const nowSec of [1030, 1100]) {
      requireTime(clock(nowSec), "sampling", { fromSec: 1030, bySec: 1100 });
    }
    for (const nowSec of [1029, 1101]) {
      refusal(() => requireTime(clock(nowSec), "sampling", { fromSec: 1030, bySec: 1100 }));
    }
  });

  test("one phase runs at a time, and none afterwards", () => {
    const running = (nowSec: number) =>
      phaseTable(times, nowSec).flatMap(({ phase, current }) => (current ? [phase] : []));
    expect([1000, 1001, 1300, 1600, 1601].map(running)).toEqual([
      ["registration"],
      ["sampling"],
      ["review"],
      ["claim"],
      [],
    ]);
  });
});
