/**
 * How fast the machine is at the moment, measured by what the engine cannot do without: three processes that
 * exchange frames over bare TCP on loopback. Shared machines drift by a factor of two within minutes; a figure
 * beside the exchange that was timed around it can be compared with one from another time, or another machine.
 */
import { join } from "node:path";
import { partyIndices } from "../../mpc/transport/transport.ts";
import { median } from "../report.ts";
import { Child } from "./messages.ts";
import type { YardstickTask } from "./yardstick-process.ts";

export class Yardstick {
  readonly #children: readonly Child[];

  private constructor(children: readonly Child[]) {
    this.#children = children;
  }

  static async start(): Promise<Yardstick> {
    const children = partyIndices.map(() => new Child(join(import.meta.dirname, "yardstick-process.ts")));
    const ports = await Promise.all(children.map((child) => child.next<number>()));
    children.forEach((child, i) => {
      child.send<YardstickTask>({ partyIndex: partyIndices[i]!, ports });
    });
    return new Yardstick(children);
  }

  /** Microseconds of one exchange: each process sends 6000 bytes to each other and waits for theirs. */
  async exchangeMicros(): Promise<number> {
    for (const child of this.#children) child.send({});
    return median((await Promise.all(this.#children.map((child) => child.next<number[]>()))).flat());
  }

  /**
   * Keeps the machine busy until exchanges no longer get faster, for at most a minute: one that was idle takes
   * up to half a minute to reach its pace.
   */
  async settle(): Promise<void> {
    const end = performance.now() + 60_000;
    let least = Number.POSITIVE_INFINITY;
    for (let steady = 0; steady < 10 && performance.now() < end; steady++) {
      const micros = await this.exchangeMicros();
      if (micros < 0.95 * least || micros > 1.15 * least) steady = 0;
      least = Math.min(least, micros);
    }
  }

  stop(): void {
    for (const child of this.#children) child.kill();
  }
}
