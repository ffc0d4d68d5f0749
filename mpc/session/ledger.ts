import { addCost, type Cost, type Declaration, emptyDeclaration } from "../cost.ts";
import { SymbolonError } from "../errors.ts";
import { maskedValuesLabel } from "../protocols/masked-opening.ts";
import type { FieldBits } from "../vector/index.ts";

/** Upper limit of the summed statistical distance of one job: 2^-40. */
export const statisticalLimit = 2 ** -40;

const rangeHint = "use fewer epochs, a smaller learning rate, narrower column ranges, or a larger field";

/**
 * Adds up what a program costs and what room its values need in the field, step by step, from shapes and
 * public bounds alone; refuses what does not fit with the name of the step.
 */
export class Ledger {
  readonly declaration: Declaration = emptyDeclaration();
  readonly #fieldBits: FieldBits;
  /** What is being computed, for messages. */
  step = "input";

  constructor(fieldBits: FieldBits) {
    this.#fieldBits = fieldBits;
  }

  cost(cost: Cost): void {
    Object.assign(this.declaration, addCost(this.declaration, cost));
  }

  opening(label: string, values: number): void {
    const { openings } = this.declaration;
    openings[label] = (openings[label] ?? 0) + values;
  }

  /**
   * The bit length of `count` masked values that are at most `bound` with `fracBits` fractional bits, of which
   * `shift` are dropped; adds their statistical distance. @throws RANGE_EXCEEDED
   */
  masked(operation: string, bound: number, fracBits: number, shift: number, count: number): number {
    const bitLength = this.fits(operation, bound, fracBits, shift);
    this.declaration.statisticalDistance += count * 2 ** (bitLength + 1 - (this.#fieldBits - 2));
    this.opening(maskedValuesLabel, count);
    return bitLength;
  }

  /** The bit length that such values need. @throws RANGE_EXCEEDED when the field has no room for it */
  fits(operation: string, bound: number, fracBits: number, shift = 0): number {
    // Rounding adds half a unit of the place that remains; one bit more covers it.
    const bitLength = Math.max(shift, Math.ceil(Math.log2(bound * 2 ** fracBits + 2 ** shift + 1)));
    if (bitLength > this.declaration.worstBits) {
      this.declaration.worstBits = bitLength;
      this.declaration.worstStep = this.step;
    }
    if (!(bitLength <= this.#fieldBits - 4)) {
      throw new SymbolonError(
        "RANGE_EXCEEDED",
        `step "${this.step}" (${operation}) needs ${bitLength} bits in the worst case; a field of ${this.#fieldBits} bits has room for ${this.#fieldBits - 4}`,
        { hint: rangeHint },
      );
    }
    return bitLength;
  }
}

/** @throws RANGE_EXCEEDED when the masked openings of a run add up to more than 2^-40. */
export function checkStatisticalDistance(
  { statisticalDistance, worstBits, worstStep }: Declaration,
  fieldBits: FieldBits,
): void {
  if (statisticalDistance <= statisticalLimit) return;
  const widest = worstStep === "" ? "" : `; the widest step is "${worstStep}" with ${worstBits} bits`;
  throw new SymbolonError(
    "RANGE_EXCEEDED",
    `masked openings would add up to a statistical distance of 2^${Math.log2(statisticalDistance).toFixed(1)}, ` +
      `more than 2^-40, in a field of ${fieldBits} bits${widest}`,
    { hint: rangeHint },
  );
}
