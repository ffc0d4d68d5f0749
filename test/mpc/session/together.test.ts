import { describe, expect, it } from "vitest";
import { PlanBackend } from "../../../mpc/session/plan.ts";
import { Session } from "../../../mpc/session/session.ts";
import { stackRows } from "../../../mpc/session/stack.ts";
import type { Tensor } from "../../../mpc/session/tensor.ts";
import { runEverywhere, type Secret } from "./three-sessions.ts";

const column: Secret = { rows: 4, cols: 1, fracBits: 16, values: [1.5, -0.25, 3, -2] };

describe("tasks that share rounds", () => {
  it("cost the rounds of the longest and the bytes of all, as declared", async () => {
    const { secure, plain, declaration } = await runEverywhere([column], async (session, [a]) => {
      const [square, bit, [small, fourth]] = await session.together([
        () => a.multiply(a),
        () => a.atLeast(0),
        async () => {
          const inner = await session.together([() => a.truncate(8), () => a.multiply(a)]);
          return [inner[0].widen(16), await inner[1].multiply(a)];
        },
      ]);
      return stackRows([square, bit.widen(16), small, fourth, await square.multiply(square)]);
    });
    secure.forEach((x, i) => {
      expect(Math.abs(x - plain[i])).toBeLessThan(2 ** -7);
    });
    const session = new Session(new PlanBackend(), 127);
    const a = session.input(null, 4, 1, 16, 3);
    await a.atLeast(0);
    expect(declaration.rounds).toBe(session.declaration.rounds + 1);
  });

  it("free what their scopes made only with the scope around them all", async () => {
    const { secure } = await runEverywhere([column], async (session, [a]) => {
      const squares = <D>(x: Tensor<D>) =>
        x.session.scope(async () => {
          const square = await x.multiply(x, { fracBits: 32 });
          return [await square.multiply(x, { fracBits: 48 })];
        });
      const [[left], [right]] = await session
        .scope(async () => {
          const both = await session.together([() => squares(a), () => squares(a.negate())]);
          return [stackRows([both[0][0], both[1][0]])];
        })
        .then(([all]) => [[all.sliceRows(0, 4)], [all.sliceRows(4, 4)]]);
      return stackRows([left, right]);
    });
    const cubes = column.values.map((x) => x ** 3);
    expect(secure).toEqual([...cubes, ...cubes.map((x) => -x)]);
  });

  it("name the step of the task that does not fit", async () => {
    const session = new Session(new PlanBackend(), 61);
    const [small, wide] = [session.input(null, 1, 1, 8, 1), session.input(null, 1, 1, 32, 1)];
    const run = session.together([
      async () => {
        session.step("the narrow task");
        return small.multiply(small);
      },
      async () => {
        session.step("the wide task");
        return wide.multiply(wide);
      },
    ]);
    await expect(run).rejects.toMatchObject({
      code: "RANGE_EXCEEDED",
      message: expect.stringContaining("the wide task"),
    });
  });
});
