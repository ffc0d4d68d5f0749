/**
 * Costs of a run: what the protocols declare, and what the network really carried.
 *
 * `CostMeter` is filled by the party (measured) or by the session's declarations (predicted); the two are
 * compared by tests and written into every result.
 */

/** Cost of one operation. Bytes are payload bytes over all three parties and links; frames likewise. */
export interface Cost {
  rounds: number;
  frames: number;
  bytes: number;
}

export const noCost: Cost = { rounds: 0, frames: 0, bytes: 0 };

export function addCost(a: Cost, b: Cost): Cost {
  return { rounds: a.rounds + b.rounds, frames: a.frames + b.frames, bytes: a.bytes + b.bytes };
}

/** Everything that is opened to the parties, by label: how many values. */
export type Openings = Record<string, number>;

export function addOpenings(a: Openings, b: Openings): Openings {
  const sum = { ...a };
  for (const [label, values] of Object.entries(b)) sum[label] = (sum[label] ?? 0) + values;
  return sum;
}

/** What a session predicts of a run, from shapes and public bounds alone. */
export interface Declaration {
  rounds: number;
  frames: number;
  bytes: number;
  openings: Openings;
  /** Sum of the statistical distances of all masked openings of the run. */
  statisticalDistance: number;
  /** The largest bit length that a masked value needs, and the step that needs it. */
  worstBits: number;
  worstStep: string;
}

export const emptyDeclaration = (): Declaration => ({
  rounds: 0,
  frames: 0,
  bytes: 0,
  openings: {},
  statisticalDistance: 0,
  worstBits: 0,
  worstStep: "",
});

/** What one party measured. */
export interface Measurement {
  rounds: number;
  framesSent: number;
  bytesSent: number;
  openings: Openings;
}

export class CostMeter {
  rounds = 0;
  framesSent = 0;
  bytesSent = 0;
  readonly openings: Openings = {};

  countRound(): void {
    this.rounds += 1;
  }

  countFrame(bytes: number): void {
    this.framesSent += 1;
    this.bytesSent += bytes;
  }

  countOpening(label: string, values: number): void {
    this.openings[label] = (this.openings[label] ?? 0) + values;
  }

  measurement(): Measurement {
    return {
      rounds: this.rounds,
      framesSent: this.framesSent,
      bytesSent: this.bytesSent,
      openings: { ...this.openings },
    };
  }
}
