/** The figures of a benchmark run: as JSON for programs, as a table for people and for the documentation. */
import { cpus, release } from "node:os";
import Table from "cli-table3";
import type { FieldBits } from "../mpc/vector/index.ts";
import type { Outcome } from "./engine/parties.ts";
import type { JiffTiming } from "./jiff/stock.ts";
import type { Workload } from "./workloads.ts";

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly kernel: string;
  readonly node: string;
}

/** Times in milliseconds: of a step of training, otherwise of the whole work. */
interface Times {
  readonly name: string;
  /** The work and the size that was run. */
  readonly size: string;
  /** Median, smallest and largest over the runs; of the three parties the last one counts. */
  readonly ms: number;
  readonly msMin: number;
  readonly msMax: number;
  readonly runs: number;
  /** Emulated round trip. */
  readonly rttMs: number;
  /** Largest difference from the same work in the clear. */
  readonly maxError: number;
}

export interface EngineResult extends Times {
  /** The first run in processes that have just started, with V8's compilers at work. */
  readonly msFirst: number;
  readonly rounds: number;
  /** Sent by the three parties to each other, payload. */
  readonly bytes: number;
  /** Exponent k of the field 2^k - 1. */
  readonly field: FieldBits;
  /** Why a job of this kind would be refused, where no field is large enough. */
  readonly refused?: string;
  /** Processor time of parties 1, 2, 3, median. */
  readonly cpuMs: readonly number[];
  /** Microseconds of a bare exchange between three processes, before and after the runs, mean; where it was timed. */
  readonly exchangeMicros?: number;
  /** Share of the time in which a party waits for its peers' messages, mean of the three. */
  readonly waitingShare: number;
}

export interface JiffResult extends Times {
  readonly rounds: null;
  readonly bytes: null;
  /** How much of the work of the engine's workload this was. */
  readonly part: number;
  /** How many times longer stock JIFF takes for the same amount of work, where both were run. */
  readonly factor?: number;
}

export function machine(): Machine {
  return { cpu: cpus()[0].model, cores: cpus().length, kernel: release(), node: process.version };
}

export function median(list: readonly number[]): number {
  const sorted = [...list].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

const spread = (times: readonly number[]) => ({
  ms: median(times),
  msMin: Math.min(...times),
  msMax: Math.max(...times),
  runs: times.length,
});

export function engineResult(
  workload: Workload,
  { parties, maxError, firstMs }: Outcome,
  {
    field,
    refused,
    rttMs,
    exchangeMicros,
  }: Pick<EngineResult, "field" | "refused" | "rttMs" | "exchangeMicros">,
): EngineResult {
  const { steps } = workload;
  // The work is done when the last party has its result.
  const times = parties[0].map((_, run) => Math.max(...parties.map((runs) => runs[run].ms)) / steps);
  const waits = parties.flat().map(({ waitingMs, ms }) => waitingMs / ms);
  return {
    name: workload.name,
    size: workload.about,
    ...spread(times),
    msFirst: firstMs / steps,
    rounds: parties[0][0].rounds / steps,
    bytes: Math.round(parties.reduce((sum, [run]) => sum + run.bytesSent, 0) / steps),
    rttMs,
    field,
    refused,
    exchangeMicros,
    cpuMs: parties.map((runs) => median(runs.map(({ cpuMs }) => cpuMs)) / steps),
    waitingShare: waits.reduce((sum, share) => sum + share, 0) / waits.length,
    maxError,
  };
}

/** @param ours the engine's figures for the workload of this name, without an emulated delay */
export function jiffResult(
  name: string,
  { work, ms, maxError }: JiffTiming,
  ours?: EngineResult,
): JiffResult {
  const times = spread(ms);
  const part = work.part(name);
  return {
    name: `jiff-${name}`,
    size: work.size,
    ...times,
    rounds: null,
    bytes: null,
    rttMs: 0,
    part,
    factor: ours && times.ms / part / ours.ms,
    maxError,
  };
}

const engineColumns = [
  "work",
  "round trip",
  "k",
  "ms (median)",
  "min to max",
  "runs",
  "first run",
  "CPU ms a party",
  "waiting",
  "rounds",
  "bytes, all links",
  "bare exchange, us",
  "exchanges",
];
const jiffColumns = ["stock JIFF", "what it ran", "ms (median)", "min to max", "runs", "times slower"];

function engineRow(r: EngineResult): string[] {
  return [
    r.refused === undefined ? r.name : `${r.name} *`,
    `${r.rttMs} ms`,
    String(r.field),
    figure(r.ms),
    `${figure(r.msMin)} to ${figure(r.msMax)}`,
    String(r.runs),
    figure(r.msFirst),
    figure(median(r.cpuMs)),
    `${Math.round(100 * r.waitingShare)} %`,
    r.rounds.toFixed(1),
    grouped(r.bytes),
    ...(r.exchangeMicros === undefined
      ? ["", ""]
      : [r.exchangeMicros.toFixed(0), figure((r.ms * 1000) / r.exchangeMicros)]),
  ];
}

function jiffRow(r: JiffResult): string[] {
  const factor = r.factor === undefined ? "" : grouped(Number(r.factor.toPrecision(2)));
  return [r.name, r.size, figure(r.ms), `${figure(r.msMin)} to ${figure(r.msMax)}`, String(r.runs), factor];
}

/** Three significant digits. */
const figure = (x: number): string => (x >= 100 ? x.toFixed(0) : x.toPrecision(3));

const grouped = (x: number): string => x.toLocaleString("en").replaceAll(",", " ");

export interface Report {
  readonly machine: Machine;
  readonly results: readonly (EngineResult | JiffResult)[];
}

const isJiff = (r: EngineResult | JiffResult): r is JiffResult => "part" in r;

function parts({ machine: { cpu, cores, kernel, node }, results }: Report) {
  const engine = results.filter((r) => !isJiff(r));
  return {
    heading: `${cpu}, ${cores} cores, kernel ${kernel}, Node ${node}; three parties on loopback, links encrypted`,
    tables: [
      [engineColumns, ...engine.map(engineRow)],
      [jiffColumns, ...results.filter(isJiff).map(jiffRow)],
    ].filter((rows) => rows.length > 1),
    notes: [
      ...new Set(engine.flatMap((r) => (r.refused === undefined ? [] : [`* ${r.name}: ${r.refused}`]))),
    ],
  };
}

/** For a terminal. */
export function terminalTables(report: Report): string {
  const { heading, tables, notes } = parts(report);
  const drawn = tables.map(([head, ...rows]) => {
    const table = new Table({ head, style: { head: [], border: [], compact: true } });
    table.push(...rows);
    return table.toString();
  });
  return [heading, ...drawn, ...notes].join("\n");
}

/** For the documentation. */
export function markdownTables(report: Report): string {
  const { heading, tables, notes } = parts(report);
  const line = (row: readonly string[]): string => `| ${row.join(" | ")} |`;
  const drawn = tables.map(([head, ...rows]) =>
    [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n"),
  );
  return [heading, ...drawn, ...notes.map((note) => note.replace("*", "\\*"))].join("\n\n");
}
