/** Runs an algorithm on three in-memory parties and on its plaintext twin. */
import { expect } from "vitest";
import { findAlgorithm, openingsOf, parseParameters } from "../../algorithms/catalog.ts";
import { wrapInputs } from "../../algorithms/inputs.ts";
import type { InputShape, JobShape, Plan, SessionAlgorithm } from "../../algorithms/manifest.ts";
import { planJob } from "../../algorithms/planner.ts";
import { costSince } from "../../mpc/cost.ts";
import { admitInputs } from "../../mpc/protocols/admit-inputs.ts";
import { PlaintextBackend } from "../../mpc/session/plaintext.ts";
import { SecureBackend } from "../../mpc/session/secure.ts";
import { Session } from "../../mpc/session/session.ts";
import { Scratch } from "../../mpc/tables/scratch.ts";
import { createKernel, type FieldBits } from "../../mpc/vector/index.ts";
import { expectDeclared } from "../mpc/measured-cost.ts";
import { deal, type Parties, reveal, threeParties, together } from "../mpc/three-parties.ts";

export interface Matrix {
  rows: number;
  columns: number;
  /** Row-major, scaled to [-1, 1]. */
  values: readonly number[] | Float64Array;
  hasLabel: boolean;
  weight?: number;
}

export interface Twin {
  secure: Record<string, number[]>;
  plain: Record<string, number[]>;
  plan: Plan;
  shape: JobShape;
}

export interface RunOptions {
  parameters?: Record<string, unknown>;
  validation?: Matrix;
  fracBits?: number;
  fieldBits?: FieldBits;
  /** Rounds before the program: which party plays which role depends on the number of the round. */
  roundsBefore?: number;
  /** Where each party's rows go; in memory by default. */
  scratch?: readonly Scratch[];
}

const shapeOf = (m: Matrix): InputShape => ({
  rows: m.rows,
  columns: m.columns,
  hasLabel: m.hasLabel,
  weight: m.weight ?? m.rows,
});

/** Both runs; asserts that what the three parties measured is what the plan declared. */
export async function runTwice(
  id: string,
  inputs: readonly Matrix[],
  options: RunOptions = {},
): Promise<Twin> {
  const algorithm = findAlgorithm(id) as SessionAlgorithm;
  const parameters = parseParameters(algorithm, options.parameters);
  const fieldBits = options.fieldBits ?? 127;
  const fracBits = options.fracBits ?? 16;
  const shape: JobShape = {
    fieldBits,
    fracBits,
    inputs: inputs.map(shapeOf),
    validation: options.validation && shapeOf(options.validation),
  };
  const plan = await planJob(algorithm, shape, parameters);
  const raw = (m: Matrix): number[] => Array.from(m.values, (x) => Math.round(x * 2 ** fracBits));
  const matrix = (key: number | "validation"): Matrix =>
    key === "validation" ? options.validation! : inputs[key];

  const clear = new Session(new PlaintextBackend(), plan.fieldBits, undefined, plan.fracBits);
  const wrapped = wrapInputs(clear, shape, (key, { rows, columns }) =>
    clear.backend.storeOf(Float64Array.from(raw(matrix(key))), rows, columns),
  );
  const plainParts = await algorithm.run(clear, wrapped, shape, parameters);
  for (const { name, tensor } of plainParts) {
    const largest = Math.max(...Array.from(tensor.data, Math.abs)) / 2 ** tensor.fracBits;
    expect(largest, `bound of ${name}`).toBeLessThanOrEqual(tensor.bound);
  }
  const plain = Object.fromEntries(
    plainParts.map(({ name, tensor }) => [name, Array.from(tensor.data, (x) => x / 2 ** tensor.fracBits)]),
  );

  const parties = await threeParties(plan.fieldBits, { kernel: createKernel });
  const converts = plan.fieldBits !== fieldBits;
  const sources = (
    converts ? await Promise.all(parties.map(async (p) => p.inField(await createKernel(fieldBits)))) : parties
  ) as Parties;
  const keys: (number | "validation")[] = [
    ...inputs.keys(),
    ...(options.validation ? ["validation" as const] : []),
  ];
  const shares = new Map(keys.map((key) => [key, deal(sources, raw(matrix(key)).map(BigInt))]));
  for (let round = 0; round < (options.roundsBefore ?? 0); round++) {
    await together(parties, (party) => party.round("nothing", async () => {}));
  }
  const before = parties.map((p) => p.meter.measurement());
  const results = await together(parties, async (party, i) => {
    const scratch = options.scratch?.[i] ?? Scratch.inMemory();
    const own = await Promise.all(
      keys.map(async (key) => {
        const { rows, columns } = matrix(key);
        const store = await scratch.rows(sources[i].kernel, rows, columns, 7);
        await store.append(shares.get(key)![i], rows);
        return store;
      }),
    );
    const checked = keys.map((key, j) => ({
      name: String(key),
      shares: own[j],
      hasLabel: matrix(key).hasLabel,
      fracBits,
    }));
    const stores = await admitInputs(sources[i], party, checked, (rows, cols) =>
      scratch.rows(party.kernel, rows, cols, 7),
    );
    const backend = new SecureBackend(party, scratch);
    const session = new Session(backend, plan.fieldBits, undefined, plan.fracBits);
    const data = wrapInputs(session, shape, (key) => stores[keys.indexOf(key)]);
    return algorithm.run(session, data, shape, parameters);
  });
  const secure = Object.fromEntries(
    results[0].map(({ name, tensor }, part) => [
      name,
      reveal(
        parties,
        results.map((r) => r[part].tensor.data),
      ).map((v) => Number(v) / 2 ** tensor.fracBits),
    ]),
  );

  // Where errors count from the inputs on, the clear run is what the bounds are about.
  if (algorithm.manifest.errorBasis === undefined) {
    for (const { name, error, bound } of plan.parts) {
      secure[name].forEach((x, i) => {
        expect(Math.abs(x - plain[name][i]), `error of ${name}`).toBeLessThanOrEqual(error + 1e-12 * bound);
      });
    }
  }
  const measured = parties.map((p, i) => costSince(before[i], p.meter.measurement()));
  expectDeclared(measured, plan.declaration);
  expect(Object.keys(openingsOf(algorithm.manifest))).toEqual(
    expect.arrayContaining(Object.keys(plan.declaration.openings)),
  );
  expect(plan.parts.map((p) => p.name)).toEqual(results[0].map((r) => r.name));
  return { secure, plain, plan, shape };
}
