import type { PiecewiseLinear } from "../session/comparisons.ts";
import type { Tensor } from "../session/tensor.ts";

/**
 * Clamped piecewise linear approximations of 1 / (1 + exp(-x)). A bare polynomial diverges where |x| is
 * large, and on real data it is; these are constant 0 and 1 outside and continuous everywhere.
 *
 * `slopes[i]` holds from `knots[i]` to `knots[i + 1]` on the positive side, 0 after the last knot; the
 * function is odd about (0, 1/2). Slopes are multiples of 1/256, chosen with the knots by minimising the
 * largest error over the whole line.
 */
export interface SigmoidPreset {
  readonly knots: readonly number[];
  readonly slopes: readonly number[];
  /** Largest absolute difference from the true sigmoid. */
  readonly maxError: number;
}

/** The last knot is where the value reaches 1. */
function preset(slopes: readonly number[], inner: readonly number[], maxError: number): SigmoidPreset {
  const knots = [0, ...inner];
  let value = 0.5;
  for (let i = 0; i < inner.length; i++) value += slopes[i] * (knots[i + 1] - knots[i]);
  const last = knots[knots.length - 1] + (1 - value) / slopes[slopes.length - 1];
  return { knots: [...knots, last], slopes, maxError };
}

export const sigmoidPresets = {
  "clamped-3": preset([45 / 256], [], 0.0577),
  "clamped-5": preset([56 / 256, 15 / 256], [1.625], 0.02),
  "clamped-7": preset([59 / 256, 34 / 256, 8 / 256], [1.125, 2.375], 0.0104),
} as const;

export type SigmoidName = keyof typeof sigmoidPresets;

/**
 * Comparison bits that count. A value less than 3 * 2^-10 below a knot may take the piece above it, which
 * differs there by less than 3 * 2^-10 times the change of slope: 0.0006.
 */
const resolutionBits = 10;

/** Knots from left to right, and by how much the slope changes at each. */
export function sigmoidPieces({ knots, slopes }: SigmoidPreset): { thresholds: number[]; changes: number[] } {
  const positive = knots.slice(1).map((at, i) => ({ at, change: (slopes[i + 1] ?? 0) - slopes[i] }));
  const pieces = [...positive.map(({ at, change }) => ({ at: -at, change: -change })).reverse(), ...positive];
  return { thresholds: pieces.map((p) => p.at), changes: pieces.map((p) => p.change) };
}

/** The preset's value in the clear. */
export function sigmoidPlain(x: number, name: SigmoidName): number {
  const { thresholds, changes } = sigmoidPieces(sigmoidPresets[name]);
  return thresholds.reduce((sum, t, j) => sum + (x >= t ? changes[j] * (x - t) : 0), 0);
}

/** The pieces as a sum of hinges: change_j (x - t_j) from t_j on. */
function hinges(name: SigmoidName): PiecewiseLinear {
  const { thresholds, changes } = sigmoidPieces(sigmoidPresets[name]);
  const pieces = thresholds.map((t, j) => ({ from: t, slope: changes[j], constant: -changes[j] * t }));
  // The value lies in [0, 1]; the error of judging a knot wrongly and of rounding stays below 2^-8.
  return { pieces, resolutionBits, bound: 1 + 2 ** -8 };
}

/**
 * sigmoid(X w) for X[n, d], w[d, 1] -> [n, 1], with the comparisons made on the opening of the product.
 *
 * Error against the true sigmoid: the preset's maxError + 0.0006 + 4 units in the last place.
 * Rounds: 4, the product's among them.
 */
export function sigmoidOfProduct<D>(X: Tensor<D>, w: Tensor<D>, name: SigmoidName): Promise<Tensor<D>> {
  return X.matmulPiecewise(w, hinges(name));
}

/** sigmoid(z), element by element, in 4 rounds; error as for `sigmoidOfProduct`. */
export function sigmoid<D>(z: Tensor<D>, name: SigmoidName): Promise<Tensor<D>> {
  return z.piecewise(hinges(name));
}
