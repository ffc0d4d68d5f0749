/**
 * What a run cost: as each node measures it and seals it to the buyer, and as the result file shows it, beside
 * what the plan declared.
 */
import { z } from "zod";
import type { Cost, Declaration, RunCost } from "../mpc/cost.ts";

const count = z.int().nonnegative();
const milliseconds = z.number().nonnegative();
/** Labels come from other nodes and are shown to people: no control characters. */
const label = z.string().regex(/^[\w .,:()/-]{1,64}$/);

const costFields = {
  rounds: count,
  framesSent: count,
  /** Payload bytes that this party sent and received. */
  bytesSent: count,
  bytesReceived: count,
  /** How many values were opened to the parties, by label. */
  openings: z.record(label, count),
  /** Computing; and waiting for a peer's message. */
  localMs: milliseconds,
  waitingMs: milliseconds,
};

/** What a run cost one party: the checks of the inputs and the program, as the plan declares them together. */
export const measurementSchema = z.strictObject({
  ...costFields,
  protocols: z.record(label, z.strictObject(costFields)),
  seconds: z.number().nonnegative(),
  /** How each peer was reached, by its point. */
  links: z.partialRecord(z.enum(["1", "2", "3"]), z.enum(["direct", "relay"])),
});
export type RunMeasurement = z.infer<typeof measurementSchema>;

/** A protocol's cost in a run: bytes of all parties, times of the party that they were longest for. */
export interface ProtocolReport {
  protocol: string;
  rounds: number;
  bytesSent: number;
  openings: Record<string, number>;
  localMs: number;
  waitingMs: number;
  declared: { rounds: number; bytes: number; openings: Record<string, number> };
}

/** The `run` of a result file: rounds and seconds of the slowest party, bytes of all three. */
export interface RunReport {
  seconds: number;
  rounds: number;
  bytesSent: number;
  openings: Record<string, number>;
  declared: { rounds: number; bytes: number; openings: Record<string, number> };
  protocols: ProtocolReport[];
  /** By point. Local time includes what the party computed outside of all protocols. */
  parties: { bytesSent: number; bytesReceived: number; localMs: number; waitingMs: number }[];
  /** How each two parties were connected, by their points, such as "1-2". */
  links: Record<string, "direct" | "relay" | "unknown">;
}

/** Whether a party's rounds and openings are the declared ones, in all and of each protocol; else what is not. */
export function deviation(measured: RunCost, declared: Declaration): string | undefined {
  const one = (name: string, a: Pick<Cost, "rounds" | "openings">, b: typeof a): string | undefined => {
    if (a.rounds !== b.rounds) return `${name}: ${a.rounds} rounds, declared ${b.rounds}`;
    const labels = [...Object.keys(a.openings), ...Object.keys(b.openings)];
    const strayed = labels.find((opened) => a.openings[opened] !== b.openings[opened]);
    return strayed === undefined ? undefined : `${name}: openings of ${strayed}`;
  };
  const none = { rounds: 0, openings: {} };
  const names = new Set([...Object.keys(measured.protocols), ...Object.keys(declared.protocols)]);
  const found = Array.from(names, (name) =>
    one(name, measured.protocols[name] ?? none, declared.protocols[name] ?? none),
  );
  return [one("run", measured, declared), ...found].find((each) => each !== undefined);
}

/** @param measurements of the parties at points 1, 2 and 3 */
export function runReport(declaration: Declaration, measurements: readonly RunMeasurement[]): RunReport {
  const largest = (of: (measured: RunMeasurement) => number): number => Math.max(...measurements.map(of));
  const sum = (of: (measured: RunMeasurement) => number): number =>
    measurements.reduce((total, measured) => total + of(measured), 0);
  const ms = (time: number): number => Math.round(time * 1000) / 1000;
  const declared = ({ rounds, bytes, openings }: Cost) => ({ rounds, bytes, openings });
  return {
    seconds: largest(({ seconds }) => seconds),
    rounds: largest(({ rounds }) => rounds),
    bytesSent: sum(({ bytesSent }) => bytesSent),
    openings: measurements[0]!.openings,
    declared: declared(declaration),
    // The plan's names: what a node calls its protocols is only its word.
    protocols: Object.entries(declaration.protocols).map(([protocol, cost]) => ({
      protocol,
      rounds: largest(({ protocols }) => protocols[protocol]?.rounds ?? 0),
      bytesSent: sum(({ protocols }) => protocols[protocol]?.bytesSent ?? 0),
      openings: measurements[0]!.protocols[protocol]?.openings ?? {},
      localMs: ms(largest(({ protocols }) => protocols[protocol]?.localMs ?? 0)),
      waitingMs: ms(largest(({ protocols }) => protocols[protocol]?.waitingMs ?? 0)),
      declared: declared(cost),
    })),
    parties: measurements.map(({ bytesSent, bytesReceived, localMs, waitingMs }) => ({
      bytesSent,
      bytesReceived,
      localMs: ms(localMs),
      waitingMs: ms(waitingMs),
    })),
    links: Object.fromEntries(
      (["1-2", "1-3", "2-3"] as const).map((name) => {
        const [one, other] = name.split("-") as ["1" | "2", "2" | "3"];
        return [name, measurements[Number(one) - 1]!.links[other] ?? "unknown"];
      }),
    ),
  };
}
