import { describe, expect, test } from "vitest";
import { declareCost, emptyDeclaration } from "../../mpc/cost.ts";
import { deviation, type RunMeasurement, runReport } from "../../parties/run-cost.ts";

const openings = { "masked values": 5 };
const declaration = emptyDeclaration();
declareCost(declaration, "check inputs", { rounds: 2, frames: 6, bytes: 60, openings: {} });
declareCost(declaration, "truncate", { rounds: 1, frames: 2, bytes: 30, openings });

function measurement(point: number): RunMeasurement {
  const part = { framesSent: 2, bytesReceived: 10, localMs: point, waitingMs: 0.0004 };
  return {
    ...{ ...part, rounds: 3, bytesSent: 30, openings },
    protocols: {
      "check inputs": { ...part, rounds: 2, bytesSent: 20, openings: {} },
      truncate: { ...part, rounds: 1, bytesSent: 10, openings },
    },
    seconds: point / 10,
    links: { 1: "direct", 2: "direct" },
  };
}

describe("the report of a run", () => {
  const report = runReport(declaration, [1, 2, 3].map(measurement));

  test("adds up bytes and takes the longest times, protocol by protocol, beside what was declared", () => {
    expect(report.protocols).toEqual([
      {
        protocol: "check inputs",
        ...{ rounds: 2, bytesSent: 60, openings: {}, localMs: 3, waitingMs: 0 },
        declared: { rounds: 2, bytes: 60, openings: {} },
      },
      {
        protocol: "truncate",
        ...{ rounds: 1, bytesSent: 30, openings, localMs: 3, waitingMs: 0 },
        declared: { rounds: 1, bytes: 30, openings },
      },
    ]);
    expect(report).toMatchObject({ rounds: 3, bytesSent: 90, seconds: 0.3, openings });
    expect(report.declared).toEqual({ rounds: 3, bytes: 90, openings });
    expect(report.parties[1]).toEqual({ bytesSent: 30, bytesReceived: 10, localMs: 2, waitingMs: 0 });
    expect(report.links).toEqual({ "1-2": "direct", "1-3": "unknown", "2-3": "unknown" });
  });

  test("has no protocol that the plan does not have", () => {
    const stray = measurement(1);
    stray.protocols.other = stray.protocols.truncate!;
    const { protocols } = runReport(declaration, [stray, measurement(2), measurement(3)]);
    expect(protocols.map(({ protocol }) => protocol)).toEqual(["check inputs", "truncate"]);
  });
});

describe("a node's comparison of its run with the plan", () => {
  const changed = (change: (measured: RunMeasurement) => void): string | undefined => {
    const measured = structuredClone(measurement(1));
    change(measured);
    return deviation(measured, declaration);
  };

  test("finds nothing in an honest run", () => {
    expect(changed(() => {})).toBeUndefined();
  });

  test.each<[string, (measured: RunMeasurement) => void, RegExp]>([
    ["a round more", (m) => (m.rounds += 1), /run: 4 rounds, declared 3/],
    ["an undeclared opening", (m) => (m.openings = { ...m.openings, weights: 1 }), /openings of weights/],
    ["a value more", (m) => (m.openings = { "masked values": 6 }), /openings of masked values/],
    ["an opening less", (m) => (m.openings = {}), /openings of masked values/],
    ["a protocol's round more", (m) => (m.protocols.truncate!.rounds += 1), /truncate: 2 rounds/],
    [
      "an opening of another protocol",
      (m) => (m.protocols["check inputs"]!.openings = openings),
      /check inputs/,
    ],
    [
      "an undeclared protocol",
      (m) => (m.protocols.open = m.protocols.truncate!),
      /open: 1 rounds, declared 0/,
    ],
    ["a protocol missing", (m) => delete m.protocols.truncate, /truncate: 0 rounds, declared 1/],
  ])("finds %s", (_, change, expected) => {
    expect(changed(change)).toMatch(expected);
  });
});
