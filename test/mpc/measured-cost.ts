/** Holds what three parties measured to what was declared, in all and protocol by protocol. */
import { expect } from "vitest";
import type { Cost, Measurement, RunCost } from "../../mpc/cost.ts";

/** What the three parties measured together, in the form of a declared cost. */
export function costOf(parties: readonly Measurement[]): Cost {
  const [{ rounds, openings }] = parties;
  const sum = (key: "framesSent" | "bytesSent" | "bytesReceived"): number =>
    parties.reduce((total, party) => total + party[key], 0);
  // Everyone takes part in every round, knows of every opening, and receives what was sent to it.
  for (const party of parties) expect(party).toMatchObject({ rounds, openings });
  expect(sum("bytesReceived")).toBe(sum("bytesSent"));
  return { rounds, frames: sum("framesSent"), bytes: sum("bytesSent"), openings };
}

/** The same for each protocol. */
export function protocolCostsOf(parties: readonly RunCost[]): Record<string, Cost> {
  const names = Object.keys(parties[0].protocols);
  for (const { protocols } of parties) expect(Object.keys(protocols)).toEqual(names);
  return Object.fromEntries(names.map((name) => [name, costOf(parties.map((p) => p.protocols[name]))]));
}

export function expectDeclared(
  parties: readonly RunCost[],
  declared: Cost & { readonly protocols: Record<string, Cost> },
): void {
  const { rounds, frames, bytes, openings } = declared;
  expect(costOf(parties)).toEqual({ rounds, frames, bytes, openings });
  expect(protocolCostsOf(parties)).toEqual(declared.protocols);
  for (const { localMs, waitingMs, protocols } of parties) {
    const times = Object.values(protocols);
    for (const time of [localMs, waitingMs, ...times.flatMap((t) => [t.localMs, t.waitingMs])]) {
      expect(time).toBeGreaterThanOrEqual(0);
    }
    // The protocols' parts add up to the whole, but for what came after the last round.
    const total = (key: "localMs" | "waitingMs"): number => times.reduce((sum, t) => sum + t[key], 0);
    expect(total("waitingMs")).toBeCloseTo(waitingMs, 6);
    expect(total("localMs")).toBeLessThanOrEqual(localMs + 1e-6);
  }
}
