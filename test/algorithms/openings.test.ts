/**
 * Nothing is opened that is not counted and declared, as the network sees it: from the pattern of the frames of
 * each round follows how much it opens, without asking the meter.
 */
import { describe, expect, it } from "vitest";
import { findAlgorithm, openingsOf, parseParameters } from "../../algorithms/catalog.ts";
import { wrapInputs } from "../../algorithms/inputs.ts";
import type { JobShape, SessionAlgorithm } from "../../algorithms/manifest.ts";
import { planJob } from "../../algorithms/planner.ts";
import { maskedValuesLabel } from "../../mpc/protocols/masked-opening.ts";
import { maskedBitsLabel } from "../../mpc/protocols/outcomes.ts";
import { SecureBackend } from "../../mpc/session/secure.ts";
import { Session } from "../../mpc/session/session.ts";
import { createKernel, fieldSpecs } from "../../mpc/vector/index.ts";
import { deal, threeParties, together } from "../mpc/three-parties.ts";

const rows = 12;
const cases: [id: string, parameters: Record<string, unknown>, columns: number, hasLabel: boolean][] = [
  ["statistics", {}, 2, false],
  ["logistic-regression", { epochs: 1, batchSize: 4 }, 3, true],
  ["gradient-aggregation", {}, 1, false],
];

describe("the rounds of an algorithm", () => {
  it.each(cases)("%s open what it declares, counted on the wire", async (id, raw, columns, hasLabel) => {
    const algorithm = findAlgorithm(id) as SessionAlgorithm;
    const parameters = parseParameters(algorithm, raw);
    const shape: JobShape = {
      fieldBits: 127,
      fracBits: 16,
      inputs: [1, 2].map(() => ({ rows, columns, hasLabel, weight: rows })),
    };
    const plan = await planJob(algorithm, shape, parameters);
    const rounds = new Map<number, Map<string, number>>();
    const parties = await threeParties(plan.fieldBits, {
      kernel: createKernel,
      tap: (from, to, operation, bytes) => {
        const frames = rounds.get(operation) ?? new Map<string, number>();
        rounds.set(operation, frames.set(`${from}${to}`, bytes.length));
        return undefined;
      },
    });
    const values = Array.from({ length: rows * columns }, (_, i) =>
      hasLabel && i % columns === columns - 1 ? BigInt(i % 2) << 16n : BigInt((i * 7919) % 65536),
    );
    const shares = shape.inputs.map(() => deal(parties, values));
    await together(parties, async (party, i) => {
      const session = new Session(new SecureBackend(party), plan.fieldBits, undefined, plan.fracBits);
      const data = wrapInputs(session, shape, (key, { rows, columns }) =>
        session.backend.storeOf(shares[key as number][i], rows, columns),
      );
      await algorithm.run(session, data, shape, parameters);
    });

    const { elementBytes } = fieldSpecs[plan.fieldBits];
    let toAll = 0;
    let toTwo = 0;
    let toHelper = 0;
    for (const frames of rounds.values()) {
      const links = [...frames.keys()];
      const both = links.filter((link) => frames.has(`${link[1]}${link[0]}`));
      const receivers = links.map((link) => link[1]);
      if (both.length === 6) {
        // Everyone sends everyone its share.
        expect(new Set(frames.values()).size).toBe(1);
        toAll += frames.get("12")! / elementBytes;
      } else if (both.length === 2) {
        // Two who send each other their parts see the sum.
        toTwo += frames.get(both[0])! / elementBytes;
      } else if (new Set(receivers).size === 1 && receivers.length === 2) {
        toHelper += 1;
      } else if (receivers.length === 3 && new Set(receivers).size === 2) {
        // Gating: both openers send to the helper, and one to the other.
        toHelper += 1;
      } else {
        // One frame to a party, or none: nothing can be put together.
        expect(new Set(receivers).size, links.join(" ")).toBe(receivers.length);
      }
    }
    const { meter } = parties[0];
    const { [maskedValuesLabel]: masked = 0, [maskedBitsLabel]: bits = 0, ...open } = meter.openings;
    expect(toTwo).toBe(masked);
    expect(toAll).toBe(Object.values(open).reduce((sum, n) => sum + n, 0));
    expect(toHelper > 0).toBe(bits > 0);
    const labels = Object.keys(openingsOf(algorithm.manifest));
    for (const label of Object.keys(meter.openings)) expect(labels).toContain(label);
    for (const label of Object.keys(open)) expect(Object.keys(algorithm.manifest.openings)).toContain(label);
  });
});
