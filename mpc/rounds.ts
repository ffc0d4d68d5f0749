/**
 * The rounds of one party: numbers them, runs them one at a time, and lets independent tasks share them.
 *
 * Every party numbers its rounds alike, for the number names the frames and the pseudo-random streams of the
 * round. So nothing here depends on when a message arrives: tasks that share rounds run one at a time, each
 * until it stands before its next round, and the bodies of those rounds are then run in the order of the tasks.
 */
import type { CostMeter, ProtocolCost } from "./cost.ts";
import { SymbolonError, toSymbolonError } from "./errors.ts";
import type { Prss } from "./prss.ts";
import type { PartyIndex, Transport } from "./transport/transport.ts";

/** What a protocol does in a round: sends, then receives. */
export interface RoundBody {
  /** What the round is counted as. */
  readonly protocol: string;
  /** Whether it opens values: what they depend on has been verified then, see `Party.openingRound`. */
  readonly opens: boolean;
  run(operation: number): Promise<unknown>;
}

/** A task of `together`, and the round bodies before which it stands. */
interface Task {
  entry: Entry | undefined;
  ended: boolean;
  /** Called when the task stands before a round or has ended. */
  yielded: () => void;
}

interface Entry {
  readonly bodies: readonly RoundBody[];
  resolve(results: unknown[]): void;
  reject(error: unknown): void;
}

/** Holds a body that shares its round before its first receive, until all bodies have sent. */
interface Gate {
  open: boolean;
  readonly opened: Promise<void>;
  openNow(): void;
  /** Called when the body waits at the gate. */
  reached: () => void;
}

export class Rounds {
  readonly #transport: Transport;
  readonly #prss: Prss;
  readonly #meter: CostMeter;
  #operation = 0;
  /** The task that runs now, if any shares rounds. */
  #task: Task | undefined;
  /** What the body that runs now is counted as, and whether it may open; none between rounds. */
  #running: ProtocolCost | undefined;
  #opens = false;
  #gate: Gate | undefined;

  constructor(transport: Transport, prss: Prss, meter: CostMeter) {
    this.#transport = transport;
    this.#prss = prss;
    this.#meter = meter;
  }

  /** The number of the last round. */
  get operation(): number {
    return this.#operation;
  }

  /** Whether what runs now shares its rounds with other tasks. */
  get shared(): boolean {
    return this.#task !== undefined;
  }

  async run(body: RoundBody): Promise<unknown> {
    const [result] = await (this.#task === undefined
      ? this.#execute([body])
      : this.#stand(this.#task, [body]));
    return result;
  }

  /**
   * Runs tasks that do not depend on each other. The i-th rounds of all that have so many become one, in which
   * all send before any waits; there are as many rounds as the longest task has. Tasks may do so in turn.
   * @param resumed called with a task's place in the list whenever that task goes on
   */
  async together<T>(
    bodies: readonly (() => Promise<T>)[],
    resumed: (task: number) => void = () => {},
  ): Promise<T[]> {
    const outer = this.#task;
    const tasks = bodies.map((): Task => ({ entry: undefined, ended: false, yielded: () => {} }));
    const results = new Array<T>(bodies.length);
    let failure: { error: unknown } | undefined;
    /** Lets task i run until it stands before a round or has ended. */
    const go = async (i: number, start: () => void): Promise<void> => {
      const yielded = new Promise<void>((resolve) => {
        tasks[i].yielded = resolve;
      });
      this.#task = tasks[i];
      resumed(i);
      start();
      // One that failed beside its own round has ended already.
      if (!tasks[i].ended) await yielded;
      this.#task = outer;
    };
    const begin = (i: number): void => {
      const end = (): void => {
        tasks[i].ended = true;
        tasks[i].yielded();
      };
      (async () => bodies[i]())().then(
        (result) => {
          results[i] = result;
          if (tasks[i].entry !== undefined) failure ??= { error: overlap() };
          end();
        },
        (error: unknown) => {
          failure ??= { error };
          end();
        },
      );
    };
    for (let i = 0; i < tasks.length && failure === undefined; i++) await go(i, () => begin(i));
    while (failure === undefined && tasks.some((task) => task.entry !== undefined)) {
      const standing = tasks.flatMap(({ entry }, i) => (entry === undefined ? [] : [{ entry, i }]));
      const all = standing.flatMap(({ entry }) => entry.bodies);
      let made: unknown[];
      try {
        made = await (outer === undefined ? this.#execute(all) : this.#stand(outer, all));
      } catch (error) {
        failure = { error };
        break;
      }
      let at = 0;
      for (const { entry, i } of standing) {
        const own = made.slice(at, at + entry.bodies.length);
        at += entry.bodies.length;
        tasks[i].entry = undefined;
        await go(i, () => entry.resolve(own));
      }
    }
    if (failure === undefined) return results;
    // What still stands before a round will not get it.
    for (const [i, { entry }] of tasks.entries()) {
      if (entry !== undefined) await go(i, () => entry.reject(failure!.error));
    }
    throw failure.error;
  }

  send(to: PartyIndex, operation: number, parts: readonly Uint8Array[]): void {
    if (this.#gate?.open) {
      throw new SymbolonError("INTERNAL", "a round that is shared sends after it has received");
    }
    let bytes = 0;
    for (const part of parts) bytes += part.length;
    this.#meter.countFrame(this.#account(), bytes);
    this.#transport.send(to, operation, parts);
  }

  receive(from: PartyIndex, operation: number, byteLength: number): Promise<Uint8Array> {
    this.#meter.countReceived(this.#account(), byteLength);
    const gate = this.#gate;
    if (gate === undefined || gate.open) return this.#transport.receive(from, operation, byteLength);
    gate.reached();
    return gate.opened.then(() => this.#transport.receive(from, operation, byteLength));
  }

  /** @throws INTERNAL in a round that was not begun as one that opens */
  countOpening(label: string, values: number): void {
    const cost = this.#account();
    if (!this.#opens) throw new SymbolonError("INTERNAL", `${label} opened in a round that opens nothing`);
    this.#meter.countOpening(label, values, cost);
  }

  /** What messages and openings are counted as now. */
  #account(): ProtocolCost {
    if (this.#running === undefined) throw new SymbolonError("INTERNAL", "a message outside of a round");
    return this.#running;
  }

  /** The task waits for a round that its group makes of the bodies of all its tasks. */
  #stand(task: Task, bodies: readonly RoundBody[]): Promise<unknown[]> {
    if (task.entry !== undefined) return Promise.reject(overlap());
    return new Promise((resolve, reject) => {
      task.entry = { bodies, resolve, reject };
      task.yielded();
    });
  }

  async #execute(bodies: readonly RoundBody[]): Promise<unknown[]> {
    if (this.#running !== undefined) throw overlap();
    const first = this.#operation + 1;
    this.#operation += bodies.length;
    try {
      return await (bodies.length === 1 ? this.#alone(bodies[0], first) : this.#shared(bodies, first));
    } catch (error) {
      const reason = blame(toSymbolonError(error));
      this.#transport.close(reason);
      throw reason;
    } finally {
      this.#running = undefined;
      this.#gate = undefined;
      this.#prss.close(this.#operation);
    }
  }

  async #alone({ protocol, opens, run }: RoundBody, operation: number): Promise<unknown[]> {
    this.#running = this.#meter.beginRound([protocol])[0];
    this.#opens = opens;
    const waitedMs = this.#transport.stats.waitingMs;
    try {
      return [await run(operation)];
    } finally {
      this.#meter.settle(this.#running, this.#transport.stats.waitingMs - waitedMs);
    }
  }

  /**
   * One round of several bodies. All send first, each under its own number, so the frames to a peer leave
   * together; then each receives in turn. A body runs alone until it waits, so that its costs are its own.
   */
  async #shared(bodies: readonly RoundBody[], first: number): Promise<unknown[]> {
    const { stats } = this.#transport;
    const costs = this.#meter.beginRound(bodies.map(({ protocol }) => protocol));
    let waitedMs = stats.waitingMs;
    const inTurn = async (i: number, gate: Gate, act: () => Promise<unknown>): Promise<unknown> => {
      this.#running = costs[i];
      this.#opens = bodies[i].opens;
      this.#gate = gate;
      const result = await act();
      this.#meter.settle(costs[i], stats.waitingMs - waitedMs);
      waitedMs = stats.waitingMs;
      return result;
    };
    const begun: { gate: Gate; end: Promise<unknown> }[] = [];
    for (const [i, { run }] of bodies.entries()) {
      const gate = makeGate();
      await inTurn(i, gate, () => {
        const waits = new Promise<void>((resolve) => {
          gate.reached = resolve;
        });
        const end = run(first + i);
        begun.push({ gate, end });
        return Promise.race([waits, end]);
      });
    }
    const results: unknown[] = [];
    for (const [i, { gate, end }] of begun.entries()) {
      results.push(
        await inTurn(i, gate, () => {
          gate.openNow();
          return end;
        }),
      );
    }
    return results;
  }
}

function makeGate(): Gate {
  let openNow = (): void => {};
  const opened = new Promise<void>((resolve) => {
    openNow = resolve;
  });
  const gate: Gate = {
    open: false,
    opened,
    openNow: () => {
      gate.open = true;
      openNow();
    },
    reached: () => {},
  };
  return gate;
}

/** What a round decodes is what peers sent: an encoding that is none is their fault, not this user's. */
function blame(error: SymbolonError): SymbolonError {
  if (error.code !== "FIELD_ENCODING") return error;
  return new SymbolonError("PEER_MISBEHAVED", `a peer's message: ${error.message}`, { cause: error });
}

function overlap(): SymbolonError {
  return new SymbolonError("INTERNAL", "two rounds of one party overlap: await one before the next begins");
}
