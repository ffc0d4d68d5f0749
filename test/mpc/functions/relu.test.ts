import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { abs, clamp, relu } from "../../../mpc/functions/relu.ts";
import { PlanBackend } from "../../../mpc/session/plan.ts";
import { Session } from "../../../mpc/session/session.ts";
import { runEverywhere } from "../session/three-sessions.ts";
import { column, fixedPoint, someFields } from "./values.ts";

const fracBits = 12;
const bound = 256;

describe.each(someFields)("functions of hinges over p = 2^%i - 1", (field) => {
  const values = fc.array(fixedPoint(fracBits, bound), { minLength: 1, maxLength: 40 });

  it("are exact on any values", async () => {
    await fc.assert(
      fc.asyncProperty(values, async (xs) => {
        const input = [column(xs, fracBits, bound)];
        const run = async (f: typeof relu) => (await runEverywhere(input, (_, [x]) => f(x), field)).secure;
        expect(await run(relu)).toEqual(xs.map((x) => Math.max(x, 0)));
        expect(await run(abs)).toEqual(xs.map(Math.abs));
        expect(await run((x) => clamp(x, -0.5, 17))).toEqual(xs.map((x) => Math.min(Math.max(x, -0.5), 17)));
      }),
      { numRuns: 8 },
    );
  });

  it("take 4 rounds", async () => {
    for (const f of [relu, abs, <D>(x: Parameters<typeof relu<D>>[0]) => clamp(x, 0, 1)]) {
      const { declaration } = await runEverywhere([column([1, -1], fracBits)], (_, [x]) => f(x), field);
      expect(declaration.rounds).toBe(4);
    }
  });
});

it("limits that cross are refused", async () => {
  const x = new Session(new PlanBackend(), 127).input(null, 1, 1, 8, 1);
  await expect(clamp(x, 1, 0)).rejects.toMatchObject({ code: "PARAMETER_INVALID" });
  await expect(clamp(x, Number.NaN, 0)).rejects.toMatchObject({ code: "PARAMETER_INVALID" });
});
