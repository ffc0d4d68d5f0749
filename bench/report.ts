/** The figures of a benchmark run: as JSON for programs, as tables for people. */
import { cpus, release } from "node:os";
import Table from "cli-table3";
import type { FieldBits } from "../mpc/vector/index.ts";
import type { Outcome } from "./engine/parties.ts";
import type { Workload } from "./workloads.ts";

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly kernel: string;
  readonly node: string;
}

/** Times in milliseconds: of a step of training, otherwise of the whole work. */
export interface Result {
  readonly name: string;
  /** The work and the size that was run. */
  readonly size: string;
  /** Median, smallest and largest over the runs; of the three parties the last one counts. */
  readonly ms: number;
  readonly msMin: number;
  readonly msMax: number;
  readonly runs: number;
  readonly rounds: number;
  /** Sent by the three parties to each other, payload. */
  readonly bytes: number;
  /** Emulated round trip. */
  readonly rttMs: number;
  /** Exponent k of the field 2^k - 1. */
  readonly field: FieldBits;
  /** Why a job of this kind would be refused, where no field is large enough. */
  readonly refused?: string;
  /** Processor time of parties 1, 2, 3, median. */
  readonly cpuMs: readonly number[];
  /** Share of the time in which a party waits for its peers' messages, mean of the three. */
  readonly waitingShare: number;
  /** Largest difference from the same work in the clear. */
  readonly maxError: number;
  /** How many times longer stock JIFF takes for the same amount of work. */
  readonly timesFasterThanJiff?: number;
}

/** Stock JIFF on as much of the same work as it finishes. */
export interface JiffResult {
  readonly name: string;
  readonly size: string;
  readonly ms: number;
  readonly msMin: number;
  readonly msMax: number;
  readonly runs: number;
  readonly rounds: null;
  readonly bytes: null;
  readonly rttMs: 0;
  /** The part of the work beside it that was done. */
  readonly part: number;
  readonly maxError: number;
}

export function machine(): Machine {
  return { cpu: cpus()[0].model, cores: cpus().length, kernel: release(), node: process.version };
}

export function median(list: readonly number[]): number {
  const sorted = [...list].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export function summarise(
  workload: Workload,
  { parties, maxError }: Outcome,
  { field, refused, rttMs }: { field: FieldBits; refused?: string; rttMs: number },
): Result {
  const { steps } = workload;
  // The work is done when the last party has its result.
  const times = parties[0].runs.map((_, run) => Math.max(...parties.map((p) => p.runs[run].ms)) / steps);
  const waits = parties.flatMap(({ runs }) => runs.map(({ waitingMs, ms }) => waitingMs / ms));
  return {
    name: workload.name,
    size: workload.about,
    ms: median(times),
    msMin: Math.min(...times),
    msMax: Math.max(...times),
    runs: times.length,
    rounds: parties[0].rounds / steps,
    bytes: Math.round(parties.reduce((sum, { bytesSent }) => sum + bytesSent, 0) / steps),
    rttMs,
    field,
    refused,
    cpuMs: parties.map(({ runs }) => median(runs.map(({ cpuMs }) => cpuMs)) / steps),
    waitingShare: waits.reduce((sum, share) => sum + share, 0) / waits.length,
    maxError,
  };
}

const columns = [
  "work",
  "round trip",
  "k",
  "ms (median)",
  "min .. max",
  "runs",
  "CPU ms a party",
  "waiting",
  "rounds",
  "bytes, all links",
] as const;

function cells(r: Result): string[] {
  return [
    r.refused === undefined ? r.name : `${r.name} *`,
    `${r.rttMs} ms`,
    String(r.field),
    figure(r.ms),
    `${figure(r.msMin)} .. ${figure(r.msMax)}`,
    String(r.runs),
    figure(median(r.cpuMs)),
    `${Math.round(100 * r.waitingShare)} %`,
    r.rounds.toFixed(1),
    String(r.bytes),
  ];
}

/** Three significant digits. */
function figure(x: number): string {
  return x >= 100 ? x.toFixed(0) : x.toPrecision(3);
}

/** For a terminal. */
export function printTables({ cpu, cores, kernel, node }: Machine, results: readonly Result[]): void {
  console.log(
    `${cpu}, ${cores} cores, kernel ${kernel}, Node ${node}; three parties on loopback, links encrypted`,
  );
  const table = new Table({ head: [...columns], style: { head: [], border: [] } });
  table.push(...results.map(cells));
  console.log(table.toString());
  for (const { name, refused } of results) if (refused !== undefined) console.log(`* ${name}: ${refused}`);
}
