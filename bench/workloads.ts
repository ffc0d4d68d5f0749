/**
 * What the engine benchmark runs: programs on a session, with the inputs' shapes and ranges. The same program
 * runs on shares (timed), on plaintext (the check of the result) and on the plan backend (the choice of field).
 */
import { findAlgorithm } from "../algorithms/catalog.ts";
import { fit } from "../algorithms/logistic-regression.ts";
import { standardise } from "../algorithms/standardise.ts";
import type { Session } from "../mpc/session/session.ts";
import { tableOf } from "../mpc/session/table.ts";
import type { Tensor } from "../mpc/session/tensor.ts";
import { breastCancer, type LabelledData, syntheticData, uniform } from "./data.ts";

/** A secret input: its public shape and range, and its values in units of the last place. */
export interface Input {
  readonly rows: number;
  readonly cols: number;
  readonly fracBits: number;
  readonly bound: number;
  raw(): Float64Array | Promise<Float64Array>;
}

export interface Workload {
  readonly name: string;
  /** The work and the ranges of its inputs, for people. */
  readonly about: string;
  readonly inputs: readonly Input[];
  /** What is timed. */
  run<D>(session: Session<D>, inputs: readonly Tensor<D>[]): Promise<Tensor<D>[]>;
  /** What the field must hold, where that is more than what is timed. */
  job?<D>(session: Session<D>, inputs: readonly Tensor<D>[]): Promise<unknown>;
  /** Steps of training in a run, by which times are divided; otherwise 1. */
  readonly steps: number;
  /** Largest error of an output against plaintext. */
  readonly tolerance: number;
  /** The same with one pass over the data, for links with a delay; where there is one. */
  shortened?(): Workload;
  /** Whether this is such a form. */
  readonly short?: boolean;
  /** The inputs come from a fourth process, the sellers', and the output is opened, within the time. */
  readonly fromSellers?: boolean;
}

const workFracBits = 20;
/** Training of a job lasts as long as the algorithm's default says; its range and distance choose the field. */
const jobEpochs = findAlgorithm("logistic-regression").parameters.parse({}).epochs as number;

/** Steps of logistic regression on standardised rows, without the standardisation. */
function training(
  name: string,
  [rows, columns, batchSize]: readonly [number, number, number],
  epochs: number,
  data: () => LabelledData | Promise<LabelledData>,
): Workload {
  let made: LabelledData | Promise<LabelledData> | undefined;
  const raw = async (part: "X" | "labels"): Promise<Float64Array> => {
    made ??= data();
    return (await made)[part].map((x) => Math.round(x * 2 ** workFracBits));
  };
  const train = <D>([X, labels]: readonly Tensor<D>[], count: number) => {
    const defaults = findAlgorithm("logistic-regression").parameters.parse({});
    return fit(tableOf(X), labels, { ...defaults, sigmoid: "clamped-5", batchSize, epochs: count });
  };
  const batch = Math.min(batchSize, rows);
  const steps = Math.ceil(rows / batch) * epochs;
  const shape = { rows, fracBits: workFracBits };
  return {
    name,
    about: `a step of logistic regression, ${rows} x ${columns}, batch ${batch}, clamped sigmoid of 5 pieces`,
    inputs: [
      // The squares of a standardised column sum to the number of rows.
      { ...shape, cols: columns, bound: Math.sqrt(rows), raw: () => raw("X") },
      { ...shape, cols: 1, bound: 1, raw: () => raw("labels") },
    ],
    run: async (_session, inputs) => [await train(inputs, epochs)],
    job: (_session, inputs) => train(inputs, jobEpochs),
    steps,
    tolerance: 0.01,
    shortened: () => ({ ...training(name, [rows, columns, batchSize], 1, data), short: true }),
  };
}

/** Centring and scaling of all columns to mean 0 and variance 1, on shares. */
function standardisation(name: string, rows: number, columns: number): Workload {
  return {
    name,
    about: `standardisation of ${rows} x ${columns} values up to 1`,
    inputs: [values("table", rows, columns, workFracBits, 1)],
    run: async (_session, [table]) => [await (await standardise(tableOf(table), table.cols)).X.tensor()],
    steps: 1,
    // Uniform values of at most 1 have a deviation of 0.58, so theirs grow little.
    tolerance: 2 ** -10,
  };
}

function values(label: string, rows: number, cols: number, fracBits: number, bound: number): Input {
  const raw = () => uniform(label, rows * cols, bound * 2 ** fracBits);
  return { rows, cols, fracBits, bound, raw };
}

const million = 1_000_000;
/** An exact result: an integer below 2^53. */
const exact = 0;

export const workloads: readonly Workload[] = [
  training("lr-569x30-b128", [569, 30, 128], 20, breastCancer),
  training("lr-1000x100-b128", [1000, 100, 128], 12, () => syntheticData(1000, 100)),
  training("lr-10000x100-b128", [10_000, 100, 128], 10, () => syntheticData(10_000, 100)),
  training("lr-10000x100-full", [10_000, 100, 65_536], 10, () => syntheticData(10_000, 100)),
  {
    name: "multiply-1e6",
    about: "10^6 products of integers up to 2^20",
    inputs: [values("a", million, 1, 0, 2 ** 20), values("b", million, 1, 0, 2 ** 20)],
    run: async (_session, [a, b]) => [await a.multiply(b, { fracBits: 0 })],
    steps: 1,
    tolerance: exact,
  },
  {
    name: "multiply-fixed-1e6",
    about: "10^6 fixed-point products, 16 fractional bits, values up to 32",
    inputs: [values("a", million, 1, 16, 32), values("b", million, 1, 16, 32)],
    run: async (_session, [a, b]) => [await a.multiply(b)],
    steps: 1,
    tolerance: 1.5 * 2 ** -16,
  },
  {
    name: "less-than-1e5",
    about: "10^5 comparisons of signed 32-bit values, preprocessing included",
    inputs: [values("a", 100_000, 1, 0, 2 ** 30), values("b", 100_000, 1, 0, 2 ** 30)],
    run: async (_session, [a, b]) => [await a.lessThan(b)],
    steps: 1,
    tolerance: exact,
  },
  {
    name: "matvec-fixed-1000x1000",
    about: "1000 x 1000 matrix times vector, 16 fractional bits, values up to 16",
    inputs: [values("A", 1000, 1000, 16, 16), values("x", 1000, 1, 16, 16)],
    run: async (_session, [A, x]) => [await A.matmul(x)],
    steps: 1,
    tolerance: 1.5 * 2 ** -16,
  },
  {
    name: "aggregate-10x1e6",
    about:
      "10 sellers' vectors of 10^6 values up to 1, 16 fractional bits: shared, sealed, sent, summed, opened",
    inputs: Array.from({ length: 10 }, (_, i) => values(`seller ${i}`, million, 1, 16, 1)),
    run: async (_session, inputs) => [inputs.reduce((sum, next) => sum.add(next))],
    steps: 1,
    tolerance: exact,
    fromSellers: true,
  },
];

export const workloadNames: readonly string[] = workloads.map((w) => w.name);

/**
 * A workload by name: one of the list, `lr-ROWSxCOLUMNS-bBATCH` or `-full` for training of any size, or
 * `standardise-ROWSxCOLUMNS`.
 * @param short one pass over the data instead of several, for training
 * @throws Error for another name
 */
export function findWorkload(name: string, short = false): Workload {
  const found = workloads.find((w) => w.name === name) ?? ofAnySize(name);
  if (found === undefined) throw new Error(`no benchmark "${name}"; known: ${workloadNames.join(", ")}`);
  return short ? (found.shortened?.() ?? found) : found;
}

function ofAnySize(name: string): Workload | undefined {
  const named = /^(lr|standardise)-(\d+)x(\d+)(?:-(?:b(\d+)|full))?$/.exec(name);
  if (named === null) return undefined;
  const [rows, columns] = [Number(named[2]), Number(named[3])];
  if (named[1] === "standardise") return standardisation(name, rows, columns);
  return training(name, [rows, columns, Number(named[4] ?? rows)], 3, () => syntheticData(rows, columns));
}
