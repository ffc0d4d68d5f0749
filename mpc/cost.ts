/**
 * Costs of a run: what the protocols declare, and what the network really carried.
 *
 * `CostMeter` is filled by the party (measured) or by the session's declarations (predicted); the two are
 * compared by tests and written into every result.
 */

/** Everything that is opened to the parties, by label: how many values. */
export type Openings = Record<string, number>;

/** Declared cost of one operation. Bytes are payload bytes over all three parties and links; frames likewise. */
export interface Cost {
  rounds: number;
  frames: number;
  bytes: number;
  openings: Openings;
}

export const noCost: Cost = { rounds: 0, frames: 0, bytes: 0, openings: {} };

export function addCost(a: Cost, b: Cost): Cost {
  return {
    rounds: a.rounds + b.rounds,
    frames: a.frames + b.frames,
    bytes: a.bytes + b.bytes,
    openings: addOpenings(a.openings, b.openings),
  };
}

export function addOpenings(a: Openings, b: Openings): Openings {
  const sum = { ...a };
  for (const [label, values] of Object.entries(b)) sum[label] = (sum[label] ?? 0) + values;
  return sum;
}

/**
 * The range report of one named step, over all its repetitions: worst cases, from bounds alone.
 */
export interface StepRange {
  readonly name: string;
  /** Largest bit length of a value that the step masks or multiplies, and the operation that needs it. */
  bits: number;
  operation: string;
  /** Sum of the statistical distances of the step's masked openings. */
  statisticalDistance: number;
  /** Bound on the distance of the step's last result from exact arithmetic; may be infinite. */
  error: number;
  /** Bound on the absolute values of that result: an error as large says nothing. */
  bound: number;
}

/** What a session predicts of a run, from shapes and public bounds alone. */
export interface Declaration extends Cost {
  /**
   * The same for each protocol. A round that several protocols share is a round of each, so their rounds may add
   * up to more than the total.
   */
  protocols: Record<string, Cost>;
  /** Sum of the statistical distances of all masked openings of the run. */
  statisticalDistance: number;
  /** The largest bit length that a masked value needs, and the step that needs it. */
  worstBits: number;
  worstStep: string;
  /** In the order in which they begin. */
  steps: StepRange[];
}

export const emptyDeclaration = (): Declaration => ({
  rounds: 0,
  frames: 0,
  bytes: 0,
  openings: {},
  protocols: {},
  statisticalDistance: 0,
  worstBits: 0,
  worstStep: "",
  steps: [],
});

/** Adds the cost of an operation of this protocol. */
export function declareCost(declaration: Declaration, protocol: string, cost: Cost): void {
  const { protocols } = declaration;
  protocols[protocol] = addCost(protocols[protocol] ?? noCost, cost);
  Object.assign(declaration, addCost(declaration, cost));
}

/** What one party measured, of one protocol or of everything. */
export interface Measurement {
  rounds: number;
  framesSent: number;
  /** Payload bytes. */
  bytesSent: number;
  bytesReceived: number;
  openings: Openings;
  /** Milliseconds in which this party computed: everything since the round before, but for waiting. */
  localMs: number;
  /** Milliseconds in which this party waited for a message of a peer. */
  waitingMs: number;
}

export type ProtocolCost = Measurement;

/** A party's measurement of a run. */
export interface RunCost extends Measurement {
  /** The same for each protocol. Local time after the last round is part of none. */
  protocols: Record<string, ProtocolCost>;
}

const emptyMeasurement = (): Measurement => ({
  rounds: 0,
  framesSent: 0,
  bytesSent: 0,
  bytesReceived: 0,
  openings: {},
  localMs: 0,
  waitingMs: 0,
});

/**
 * Counts as the party runs. The clock is read once a round, and the waiting is the transport's own account of
 * it: a round's cost on the meter is a tenth of a microsecond. Work between two rounds prepares the later one, so
 * it is counted there.
 */
export class CostMeter {
  readonly #total = emptyMeasurement();
  readonly #protocols = new Map<string, ProtocolCost>();
  #settledAt = performance.now();

  get rounds(): number {
    return this.#total.rounds;
  }

  get openings(): Readonly<Openings> {
    return this.#total.openings;
  }

  /**
   * One round that so many protocol steps share: where the costs of each are counted. It is a round of each
   * protocol, so the protocols' rounds may add up to more than the total.
   */
  beginRound(protocols: readonly string[]): ProtocolCost[] {
    this.#total.rounds += 1;
    for (const protocol of new Set(protocols)) this.#account(protocol).rounds += 1;
    return protocols.map((protocol) => this.#account(protocol));
  }

  /** The time since the last call was spent for `cost`, waiting for so long. */
  settle(cost: ProtocolCost, waitingMs: number): void {
    // The transport reads the clock itself: rounding must not make a time negative.
    const localMs = Math.max(0, this.#elapsed() - waitingMs);
    for (const account of [cost, this.#total]) {
      account.localMs += localMs;
      account.waitingMs += waitingMs;
    }
  }

  countFrame(cost: ProtocolCost, bytes: number): void {
    for (const account of [cost, this.#total]) {
      account.framesSent += 1;
      account.bytesSent += bytes;
    }
  }

  countReceived(cost: ProtocolCost, bytes: number): void {
    cost.bytesReceived += bytes;
    this.#total.bytesReceived += bytes;
  }

  countOpening(label: string, values: number, cost: ProtocolCost): void {
    for (const { openings } of [cost, this.#total]) {
      openings[label] = (openings[label] ?? 0) + values;
    }
  }

  /** Everything so far. Settles the clock: time since the last round is counted as local, of no protocol. */
  measurement(): RunCost {
    this.#total.localMs += this.#elapsed();
    const copy = (cost: Measurement): Measurement => ({ ...cost, openings: { ...cost.openings } });
    return {
      ...copy(this.#total),
      protocols: Object.fromEntries(Array.from(this.#protocols, ([name, cost]) => [name, copy(cost)])),
    };
  }

  #account(protocol: string): ProtocolCost {
    let cost = this.#protocols.get(protocol);
    if (cost === undefined) {
      cost = emptyMeasurement();
      this.#protocols.set(protocol, cost);
    }
    return cost;
  }

  #elapsed(): number {
    const now = performance.now();
    const elapsed = now - this.#settledAt;
    this.#settledAt = now;
    return elapsed;
  }
}

/** What was measured between two readings of one meter. */
export function costSince(before: RunCost, after: RunCost): RunCost {
  const protocols: Record<string, ProtocolCost> = {};
  for (const [name, cost] of Object.entries(after.protocols)) {
    const difference = subtract(cost, before.protocols[name] ?? emptyMeasurement());
    if (difference.rounds > 0) protocols[name] = difference;
  }
  return { ...subtract(after, before), protocols };
}

function subtract(a: Measurement, b: Measurement): Measurement {
  const openings: Openings = {};
  for (const [label, values] of Object.entries(a.openings)) {
    const difference = values - (b.openings[label] ?? 0);
    if (difference > 0) openings[label] = difference;
  }
  return {
    rounds: a.rounds - b.rounds,
    framesSent: a.framesSent - b.framesSent,
    bytesSent: a.bytesSent - b.bytesSent,
    bytesReceived: a.bytesReceived - b.bytesReceived,
    openings,
    localMs: a.localMs - b.localMs,
    waitingMs: a.waitingMs - b.waitingMs,
  };
}
