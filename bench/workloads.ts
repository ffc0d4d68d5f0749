/** What the engine benchmark runs at each party. Inputs are fresh random shares; values do not matter to speed. */
import { findAlgorithm } from "../algorithms/catalog.ts";
import { fit } from "../algorithms/logistic-regression.ts";
import type { Party } from "../mpc/party.ts";
import { SecureBackend } from "../mpc/session/secure.ts";
import { Session, type Tensor } from "../mpc/session/session.ts";
import type { FieldArray } from "../mpc/vector/index.ts";

export interface Workload {
  readonly name: string;
  /** Timed runs; one more goes ahead to warm up. */
  readonly runs: number;
  /** Runs once and says by how much to divide the time: steps of training, otherwise 1. */
  run(session: Session<FieldArray>, party: Party): Promise<number>;
}

type Secret = Tensor<FieldArray>;

/** Shares of 0 in the wanted shape: all parties hold the same line, which is a valid sharing. */
function zeros(
  session: Session<FieldArray>,
  rows: number,
  cols: number,
  fracBits: number,
  bound: number,
): Secret {
  return session.input(session.backend.constant(0n, rows * cols), rows, cols, fracBits, bound);
}

/** Steps of logistic regression on standardised rows, without the standardisation. */
function training(name: string, rows: number, cols: number, batchSize: number, steps: number): Workload {
  return {
    name,
    runs: 4,
    async run(session) {
      const X = zeros(session, rows, cols, 20, Math.sqrt(rows));
      const labels = zeros(session, rows, 1, 20, 1);
      const perEpoch = Math.ceil(rows / Math.min(batchSize, rows));
      const epochs = Math.max(1, Math.round(steps / perEpoch));
      const defaults = findAlgorithm("logistic-regression").parameters.parse({});
      await fit(session, X, labels, { ...defaults, sigmoid: "clamped-5", batchSize, epochs });
      return perEpoch * epochs;
    },
  };
}

function once(name: string, runs: number, act: (session: Session<FieldArray>) => Promise<unknown>): Workload {
  return {
    name,
    runs,
    async run(session) {
      await act(session);
      return 1;
    },
  };
}

const million = 1_000_000;

export const workloads: readonly Workload[] = [
  training("lr-569x30-b128", 569, 30, 128, 50),
  training("lr-1000x100-b128", 1000, 100, 128, 48),
  training("lr-10000x100-b128", 10_000, 100, 128, 79),
  training("lr-10000x100-full", 10_000, 100, 65_536, 10),
  once("multiply-1e6", 5, (s) => {
    const a = zeros(s, million, 1, 0, 2 ** 20);
    return s.multiply(a, a, { fracBits: 0 });
  }),
  once("multiply-fixed-1e6", 5, (s) => {
    const a = zeros(s, million, 1, 16, 2 ** 10);
    return s.multiply(a, a);
  }),
  once("less-than-1e5", 5, (s) => s.isNonNegative(zeros(s, 100_000, 1, 0, 2 ** 32))),
  once("matvec-fixed-1000x1000", 8, (s) =>
    s.matmul(zeros(s, 1000, 1000, 16, 2 ** 4), zeros(s, 1000, 1, 16, 2 ** 4)),
  ),
  once("aggregate-10x1e6", 3, (s) => {
    let sum = zeros(s, million, 1, 16, 1);
    for (let i = 1; i < 10; i++) sum = s.add(sum, zeros(s, million, 1, 16, 1));
    return s.open(sum, "aggregate");
  }),
];

export interface Timing {
  name: string;
  /** Of each run, divided by its units. */
  milliseconds: number[];
  /** Steps of training in a run, otherwise 1. */
  unitsPerRun: number;
  rounds: number;
  bytes: number;
}

/** Times a workload at one party; rounds and bytes are what this party counted for one unit. */
export async function time(workload: Workload, party: Party, runs: number): Promise<Timing> {
  const milliseconds: number[] = [];
  let rounds = 0;
  let bytes = 0;
  let unitsPerRun = 1;
  for (let run = 0; run < runs; run++) {
    const region = party.kernel.beginRegion();
    const session = new Session(new SecureBackend(party), party.kernel.spec.bits);
    // A round that opens nothing lines the parties up.
    await session.open(session.constant(0, 1, 1, 0), "start");
    const before = party.meter.measurement();
    const start = performance.now();
    unitsPerRun = await workload.run(session, party);
    const elapsed = performance.now() - start;
    const after = party.meter.measurement();
    milliseconds.push(elapsed / unitsPerRun);
    rounds = (after.rounds - before.rounds) / unitsPerRun;
    bytes = (after.bytesSent - before.bytesSent) / unitsPerRun;
    party.kernel.endRegion(region);
  }
  return { name: workload.name, milliseconds, unitsPerRun, rounds, bytes };
}
