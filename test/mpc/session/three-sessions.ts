/** A program on three in-memory parties, in the clear and on the plan, with the measured cost held to the declared. */
import { expect } from "vitest";
import { PlaintextBackend } from "../../../mpc/session/plaintext.ts";
import { PlanBackend } from "../../../mpc/session/plan.ts";
import { SecureBackend } from "../../../mpc/session/secure.ts";
import { Session, type Tensor } from "../../../mpc/session/session.ts";
import { createKernel, type FieldBits } from "../../../mpc/vector/index.ts";
import { expectDeclared } from "../measured-cost.ts";
import { deal, reveal, threeParties, together } from "../three-parties.ts";

export interface Secret {
  rows: number;
  cols: number;
  values: readonly number[];
  fracBits: number;
  bound?: number;
}

export type Program = <D>(session: Session<D>, inputs: Tensor<D>[]) => Promise<Tensor<D>>;

export async function runEverywhere(inputs: readonly Secret[], program: Program, fieldBits: FieldBits = 127) {
  const raw = inputs.map((s) => s.values.map((x) => Math.round(x * 2 ** s.fracBits)));
  const bound = (s: Secret): number => s.bound ?? Math.max(...s.values.map(Math.abs));
  const wrap = <D>(session: Session<D>, data: D[]): Tensor<D>[] =>
    inputs.map((s, i) => session.input(data[i], s.rows, s.cols, s.fracBits, bound(s)));

  const planned = new Session(new PlanBackend(), fieldBits);
  const shape = await program(
    planned,
    wrap(
      planned,
      inputs.map(() => null),
    ),
  );

  const clear = new Session(new PlaintextBackend(), fieldBits);
  const plainOut = await program(
    clear,
    wrap(
      clear,
      raw.map((r) => Float64Array.from(r)),
    ),
  );
  const plain = Array.from(plainOut.data, (x) => x / 2 ** plainOut.fracBits);
  // The bounds that the ranges rest on hold in the clear.
  for (const x of plain) expect(Math.abs(x)).toBeLessThanOrEqual(plainOut.bound * (1 + 1e-9));

  const parties = await threeParties(fieldBits, { kernel: createKernel });
  const shares = raw.map((r) => deal(parties, r.map(BigInt)));
  const out = await together(parties, (party, i) => {
    const session = new Session(new SecureBackend(party), fieldBits);
    return program(
      session,
      wrap(
        session,
        shares.map((s) => s[i]),
      ),
    );
  });
  const secure = reveal(
    parties,
    out.map((o) => o.data),
  ).map((v) => Number(v) / 2 ** shape.fracBits);
  // The clear run computes in double precision, which is exact next to fixed point.
  const slack = 1e-12 * (1 + shape.bound);
  secure.forEach((x, i) => {
    expect(Math.abs(x - plain[i]), `error of element ${i}`).toBeLessThanOrEqual(shape.error + slack);
  });
  expect([out[0].rows, out[0].cols, out[0].fracBits]).toEqual([shape.rows, shape.cols, shape.fracBits]);

  const measured = parties.map((p) => p.meter.measurement());
  expectDeclared(measured, planned.declaration);
  return { secure, plain, declaration: planned.declaration, error: shape.error };
}
