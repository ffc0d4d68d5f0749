import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { floor, round } from "../../../mpc/session/floor.ts";
import { PlanBackend } from "../../../mpc/session/plan.ts";
import { Session } from "../../../mpc/session/session.ts";
import { column, fixedPoint, someFields } from "../functions/values.ts";
import { runEverywhere } from "./three-sessions.ts";

describe.each(someFields)("rounding to a grid over p = 2^%i - 1", (field) => {
  it("is exact, on the grid and beside it", async () => {
    const values = fc.array(fc.oneof(fixedPoint(14, 64), fc.integer({ min: -64, max: 64 })), {
      minLength: 1,
    });
    await fc.assert(
      fc.asyncProperty(values, fc.integer({ min: 0, max: 14 }), async (xs, fracBits) => {
        const input = [column(xs, 14, 64)];
        const unit = 2 ** fracBits;
        const down = await runEverywhere(input, (_, [x]) => floor(x, fracBits), field);
        expect(down.secure).toEqual(xs.map((x) => Math.floor(x * unit) / unit));
        expect(down.error).toBe(0);
        expect(down.declaration.rounds).toBe(fracBits < 14 ? 5 : 0);
        const nearest = await runEverywhere(input, (_, [x]) => round(x, fracBits), field);
        expect(nearest.secure).toEqual(xs.map((x) => Math.floor(x * unit + 0.5) / unit));
      }),
      { numRuns: 6 },
    );
  });
});

it("an inexact value may fall on the other side of a line of the grid", async () => {
  const x = new Session(new PlanBackend(), 127).input(null, 1, 1, 20, 1).assumeError(2 ** -10);
  expect((await floor(x, 4)).error).toBe(2 ** -10 + 2 ** -4);
  await expect(floor(x, -1)).rejects.toMatchObject({ code: "SHAPE_MISMATCH" });
});

it("the distances of both masked openings are counted", async () => {
  const session = new Session(new PlanBackend(), 127);
  await floor(session.input(null, 3, 1, 20, 1), 4);
  // 21 bits of the value, with one for rounding, and 17 of what remains below 1.5 units of 2^16.
  expect(session.declaration.statisticalDistance).toBe(3 * (2 ** (21 + 1 - 125) + 2 ** (17 + 1 - 125)));
});
