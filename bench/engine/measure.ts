/** What a party process does with a workload: one run whose result is checked, then timed runs. */
import type { Party } from "../../mpc/party.ts";
import { PlaintextBackend } from "../../mpc/session/plaintext.ts";
import { SecureBackend } from "../../mpc/session/secure.ts";
import { Session, type Tensor } from "../../mpc/session/session.ts";
import type { TransportStats } from "../../mpc/transport/transport.ts";
import type { FieldArray } from "../../mpc/vector/index.ts";
import { stream } from "../data.ts";
import type { Workload } from "../workloads.ts";

/** One run at one party, in milliseconds. */
export interface Run {
  readonly ms: number;
  /** Processor time, of all threads of the process. */
  readonly cpuMs: number;
  /** Time in which the party waited for a message of a peer. */
  readonly waitingMs: number;
  /** As the party counted them. */
  readonly rounds: number;
  readonly bytesSent: number;
}

/** The inputs of one run, and when its time began (`now`). */
export interface Start {
  readonly inputs: readonly FieldArray[];
  readonly at: number;
}

/** Milliseconds of a clock that all processes of the machine share. */
export const now = (): number => Number(process.hrtime.bigint()) / 1e6;

export class Measurement {
  readonly #workload: Workload;
  readonly #party: Party;
  readonly #stats: Readonly<TransportStats>;
  readonly #begin: () => Promise<Start>;

  /** @param begin called at the start of each run, when the parties stand in line */
  constructor(
    workload: Workload,
    party: Party,
    stats: Readonly<TransportStats>,
    begin: () => Promise<Start>,
  ) {
    this.#workload = workload;
    this.#party = party;
    this.#stats = stats;
    this.#begin = begin;
  }

  /** One run, and the values of its outputs, opened after the time. */
  async check(): Promise<{ run: Run; outputs: Float64Array[] }> {
    const outputs: Float64Array[] = [];
    const run = await this.#run(async (tensors, opened) => {
      outputs.push(...opened);
      for (const tensor of opened.length > 0 ? [] : tensors) outputs.push(await tensor.open("result"));
    });
    return { run, outputs };
  }

  async time(runs: number): Promise<Run[]> {
    const measured: Run[] = [];
    for (let run = 0; run < runs; run++) measured.push(await this.#run());
    return measured;
  }

  async #run(
    afterwards?: (outputs: readonly Tensor<FieldArray>[], opened: Float64Array[]) => Promise<void>,
  ): Promise<Run> {
    const party = this.#party;
    const region = party.kernel.beginRegion();
    const session = new Session(new SecureBackend(party), party.kernel.spec.bits);
    await session.constant(0, 1, 1, 0).open("start");
    const before = party.meter.measurement();
    const cpu = process.cpuUsage();
    const waited = this.#stats.waitingMs;
    const { inputs, at } = await this.#begin();
    const tensors = this.#workload.inputs.map(({ rows, cols, fracBits, bound }, i) =>
      session.input(inputs[i]!, rows, cols, fracBits, bound),
    );
    const outputs = await this.#workload.run(session, tensors);
    const opened = [];
    for (const tensor of this.#workload.fromSellers ? outputs : []) {
      opened.push(await tensor.open("result"));
    }
    const ms = now() - at;
    const { user, system } = process.cpuUsage(cpu);
    const waitingMs = this.#stats.waitingMs - waited;
    const after = party.meter.measurement();
    await afterwards?.(outputs, opened);
    party.kernel.endRegion(region);
    return {
      ms,
      cpuMs: (user + system) / 1000,
      waitingMs,
      rounds: after.rounds - before.rounds,
      bytesSent: after.bytesSent - before.bytesSent,
    };
  }
}

/** This party's shares of inputs that every process can make: the lines' slopes come from a public stream. */
export async function knownShares(workload: Workload, { kernel, index }: Party): Promise<FieldArray[]> {
  const shares: FieldArray[] = [];
  for (const [i, input] of workload.inputs.entries()) {
    const raw = await input.raw();
    const share = kernel.allocate(raw.length);
    const slope = kernel.allocate(raw.length);
    kernel.fromNumbers(share, raw, 0);
    kernel.fromRandomBytes(slope, stream(`slope ${i}`, kernel.randomByteLength(raw.length)));
    kernel.multiplyAdd(share, slope, BigInt(index), share);
    kernel.free(slope);
    shares.push(share);
  }
  return shares;
}

/**
 * The largest difference of the outputs from those of the same program in the clear.
 * @throws Error when it is larger than the workload allows
 */
export async function checkOutputs(workload: Workload, outputs: readonly Float64Array[]): Promise<number> {
  const session = new Session(new PlaintextBackend(), 127);
  const inputs: Tensor<Float64Array>[] = [];
  for (const input of workload.inputs) {
    const { rows, cols, fracBits, bound } = input;
    inputs.push(session.input(await input.raw(), rows, cols, fracBits, bound));
  }
  const expected = await workload.run(session, inputs);
  let largest = 0;
  expected.forEach(({ data, fracBits }, i) => {
    if (outputs[i]?.length !== data.length) throw new Error(`${workload.name}: an output has another length`);
    for (let j = 0; j < data.length; j++) {
      const error = Math.abs(outputs[i][j] - data[j] / 2 ** fracBits);
      // NaN must not pass.
      if (!(error <= workload.tolerance)) {
        throw new Error(`${workload.name}: output ${j} is off by ${error}, more than ${workload.tolerance}`);
      }
      largest = Math.max(largest, error);
    }
  });
  return largest;
}
