/** The ranges of a planned run as people and result files get them. */
import { roomOf, statisticalLimit } from "../mpc/session/session.ts";
import type { FieldBits } from "../mpc/vector/index.ts";
import type { Algorithm, JobShape, Plan } from "./manifest.ts";

/** Errors are absolute, against exact arithmetic on the shared values; null where no bound is of use. */
export interface RangeReport {
  /** Exponent of the field that the parties compute in, and fractional bits of the program. */
  fieldBits: FieldBits;
  fracBits: number;
  /** The same of the shared inputs, each of which is rounded by half a unit of its last place at most. */
  inputs: { fieldBits: FieldBits; fracBits: number; roundingError: number };
  /** Bits that a value may have in this field, and the step that comes nearest. */
  room: number;
  worst: { step: string; bits: number };
  statisticalDistance: number;
  statisticalLimit: number;
  steps: { step: string; bits: number; statisticalDistance: number; error: number | null }[];
  results: { name: string; bound: number; error: number | null }[];
  /** The step whose error decided on the fractional bits, and the error that was wanted of it. */
  target?: { step: string; error: number };
  /** What errors are counted against where that is not exact arithmetic on the inputs. */
  errorBasis?: string;
}

export function rangeReport(
  // biome-ignore lint/suspicious/noExplicitAny: each algorithm has its own parameter type
  algorithm: Algorithm<any>,
  shape: JobShape,
  { fieldBits, fracBits, declaration, parts }: Plan,
): RangeReport {
  const { worstBits, worstStep, statisticalDistance, steps } = declaration;
  return {
    fieldBits,
    fracBits,
    inputs: {
      fieldBits: shape.fieldBits,
      fracBits: shape.fracBits,
      roundingError: 2 ** -(shape.fracBits + 1),
    },
    room: roomOf(fieldBits),
    worst: { step: worstStep, bits: worstBits },
    statisticalDistance,
    statisticalLimit,
    steps: steps.map(({ name, bits, statisticalDistance: distance, error, bound }) => ({
      step: name,
      bits,
      statisticalDistance: distance,
      error: useful(error, bound),
    })),
    results: parts.map(({ name, bound, error }) => ({ name, bound, error: useful(error, bound) })),
    ...(algorithm.engine === "session" &&
      algorithm.accuracy !== undefined && {
        target: { step: algorithm.accuracy.step, error: algorithm.accuracy.error },
      }),
    ...(algorithm.manifest.errorBasis !== undefined && { errorBasis: algorithm.manifest.errorBasis }),
  };
}

/** An error as large as the value that it belongs to says nothing. */
function useful(error: number, bound: number): number | null {
  return Number.isFinite(error) && (error === 0 || error < bound) ? error : null;
}
