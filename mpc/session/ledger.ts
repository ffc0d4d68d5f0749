import { type Cost, type Declaration, declareCost, emptyDeclaration, type StepRange } from "../cost.ts";
import { SymbolonError } from "../errors.ts";
import type { FieldBits } from "../vector/index.ts";

/** Upper limit of the summed statistical distance of one job: 2^-40. */
export const statisticalLimit = 2 ** -40;

/**
 * Bits that a value may have in a field: two masks of k - 2 bits and the value with its offset, which takes one
 * more, add up to less than p, and a value of as many bits is still half as wide as a mask.
 */
export function roomOf(fieldBits: FieldBits): number {
  return fieldBits - 4;
}

const nothing = { error: 0, bound: 0 };

/**
 * Adds up what a program costs and what room its values need in the field, step by step, from shapes and
 * public bounds alone; refuses what does not fit with the name of the step.
 */
export class Ledger {
  readonly declaration: Declaration = emptyDeclaration();
  readonly #fieldBits: FieldBits;
  readonly #steps = new Map<string, StepRange>();
  #step: StepRange | undefined;
  #name = "input";
  #number: number | undefined;
  /** The worst result of earlier repetitions of the step. */
  #worstBefore = nothing;
  /** While tasks share rounds: the rounds in which each protocol takes part. */
  #sharedRounds: Map<string, Set<number>> | undefined;

  constructor(fieldBits: FieldBits) {
    this.#fieldBits = fieldBits;
  }

  /** Names what follows; repetitions of a step have numbers, and one line of the range report. */
  begin(name: string, number?: number): void {
    this.#number = number;
    if (name !== this.#name) {
      this.#name = name;
      this.#step = undefined;
    }
    const { error, bound } = this.#step ?? this.#steps.get(name) ?? nothing;
    this.#worstBefore = { error, bound };
  }

  /** Adds the cost of an operation; `protocol` is what its rounds are counted as when they are measured. */
  cost(protocol: string, cost: Cost): void {
    const { declaration } = this;
    if (this.#sharedRounds === undefined) {
      declareCost(declaration, protocol, cost);
      return;
    }
    const taken = this.#sharedRounds.get(protocol) ?? new Set();
    this.#sharedRounds.set(protocol, taken);
    for (let i = 0; i < cost.rounds; i++) taken.add(declaration.rounds + i);
    declareCost(declaration, protocol, { ...cost, rounds: 0 });
    declaration.rounds += cost.rounds;
  }

  /**
   * Tasks that share rounds: `enter` names the one whose costs follow, `join` ends them. Everything adds up but
   * the rounds, of which there are as many as the longest task has.
   */
  fork(tasks: number): { enter(task: number): void; join(): void } {
    const { declaration } = this;
    const base = declaration.rounds;
    const outermost = this.#sharedRounds === undefined;
    this.#sharedRounds ??= new Map();
    const place = () => ({ step: this.#step, name: this.#name, number: this.#number });
    const goTo = ({ step, name, number }: ReturnType<typeof place>): void => {
      this.#step = step;
      this.#name = name;
      this.#number = number;
    };
    const start = place();
    const branches = Array.from({ length: tasks }, () => ({ rounds: 0, place: start }));
    let current: (typeof branches)[number] | undefined;
    const leave = (): void => {
      if (current === undefined) return;
      current.rounds = declaration.rounds - base;
      current.place = place();
    };
    return {
      enter: (task) => {
        leave();
        current = branches[task];
        declaration.rounds = base + current.rounds;
        goTo(current.place);
      },
      join: () => {
        leave();
        declaration.rounds = base + Math.max(0, ...branches.map(({ rounds }) => rounds));
        goTo(start);
        if (!outermost) return;
        for (const [protocol, { size }] of this.#sharedRounds!)
          declaration.protocols[protocol].rounds += size;
        this.#sharedRounds = undefined;
      },
    };
  }

  /**
   * The bit length of `count` masked values that are at most `bound` with `fracBits` fractional bits, of which
   * `shift` are dropped; adds their statistical distance. @throws RANGE_EXCEEDED
   */
  masked(operation: string, bound: number, fracBits: number, shift: number, count: number): number {
    const bitLength = this.fits(operation, bound, fracBits, shift);
    const distance = count * 2 ** (bitLength + 1 - (this.#fieldBits - 2));
    this.declaration.statisticalDistance += distance;
    this.#current.statisticalDistance += distance;
    return bitLength;
  }

  /** The bit length that such values need. @throws RANGE_EXCEEDED when the field has no room for it */
  fits(operation: string, bound: number, fracBits: number, shift = 0): number {
    // Rounding adds half a unit of the place that remains; one bit more covers it.
    const bitLength = Math.max(shift, Math.ceil(Math.log2(bound * 2 ** fracBits + 2 ** shift + 1)));
    const step = this.#current;
    if (bitLength > step.bits) {
      step.bits = bitLength;
      step.operation = operation;
    }
    if (bitLength > this.declaration.worstBits) {
      this.declaration.worstBits = bitLength;
      this.declaration.worstStep = step.name;
    }
    if (!(bitLength <= roomOf(this.#fieldBits))) throw this.#overflow(operation, bound, bitLength);
    return bitLength;
  }

  /** Notes and passes on a result; the last one of a repetition is the step's, and the report has the worst. */
  result<T extends { readonly error: number; readonly bound: number }>(tensor: T): T {
    const step = this.#current;
    const worst = tensor.error >= this.#worstBefore.error ? tensor : this.#worstBefore;
    step.error = worst.error;
    step.bound = worst.bound;
    return tensor;
  }

  get #current(): StepRange {
    if (this.#step !== undefined) return this.#step;
    let step = this.#steps.get(this.#name);
    if (step === undefined) {
      step = { name: this.#name, bits: 0, operation: "", statisticalDistance: 0, ...nothing };
      this.#steps.set(this.#name, step);
      this.declaration.steps.push(step);
    }
    this.#step = step;
    return step;
  }

  #overflow(operation: string, bound: number, bitLength: number): SymbolonError {
    const room = roomOf(this.#fieldBits);
    const step = this.#number === undefined ? this.#name : `${this.#name} ${this.#number}`;
    const values = Number.isFinite(bound) ? `values up to ${bound.toPrecision(3)}` : "unbounded values";
    return new SymbolonError(
      "RANGE_EXCEEDED",
      `step "${step}" (${operation}): ${values} need ${bitLength} bits in the worst case, ` +
        `${bitLength - room} more than a field of ${this.#fieldBits} bits has room for`,
    );
  }
}

/** @throws RANGE_EXCEEDED when the masked openings of a run add up to more than 2^-40. */
export function checkStatisticalDistance(
  { statisticalDistance, steps }: Declaration,
  fieldBits: FieldBits,
): void {
  if (statisticalDistance <= statisticalLimit) return;
  const [largest] = [...steps].sort((a, b) => b.statisticalDistance - a.statisticalDistance);
  const where =
    largest === undefined
      ? ""
      : `; most of it comes from step "${largest.name}" (${largest.operation}), whose values have up to ${largest.bits} bits`;
  const excess = Math.log2(statisticalDistance / statisticalLimit);
  throw new SymbolonError(
    "RANGE_EXCEEDED",
    `masked openings would add up to a statistical distance of 2^${Math.log2(statisticalDistance).toFixed(1)}, ` +
      `${excess.toFixed(1)} bits more than 2^-40, in a field of ${fieldBits} bits${where}`,
  );
}
