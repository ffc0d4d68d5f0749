/** Logistic regression on features in the clear: the small head that scores a provider's features. */
import { SymbolonError } from "../../mpc/errors.ts";
import { dot, solvePositive, type Vector } from "./matrix.ts";

/** P(y = 1 | z) = 1 / (1 + exp(-(z . weights + intercept))). */
export interface LogisticHead {
  weights: Vector;
  intercept: number;
}

export interface HeadScore {
  /** Share of rows whose more likely class is theirs, 0 to 1. */
  accuracy: number;
  /** Mean negative log-likelihood of the labels in nats, from 0; a coin has 0.693. */
  logLoss: number;
}

const maxSteps = 100;
const tolerance = 1e-10;

/**
 * Fits by Newton's method with halved steps: minimises sum of -log P(y_i | z_i) + ridge / 2 * |weights|^2, the
 * intercept penalised by a thousandth of it, so that a data set of one class has a finite optimum too. Deterministic.
 * @param z n rows of d features
 * @param y n labels, 0 or 1
 * @param ridge above 0; 1 is scikit-learn's default C
 * @throws SHAPE_MISMATCH without rows or with other labels than rows
 */
export function fitHead(z: readonly Vector[], y: ArrayLike<number>, ridge = 1): LogisticHead {
  if (z.length === 0 || z.length !== y.length) {
    throw new SymbolonError("SHAPE_MISMATCH", `${z.length} rows of features and ${y.length} labels`);
  }
  const d = z[0]!.length;
  const rows = z.map((row) => {
    const extended = new Float64Array(d + 1);
    extended.set(row);
    extended[d] = 1;
    return extended;
  });
  const penalty = new Float64Array(d + 1).fill(ridge);
  penalty[d] = ridge / 1000;
  const objective = (w: Vector): number => {
    let sum = 0;
    for (let j = 0; j <= d; j++) sum += (penalty[j]! / 2) * w[j]! ** 2;
    rows.forEach((row, i) => {
      sum += negativeLog(dot(row, w), y[i]!);
    });
    return sum;
  };
  let weights: Vector = new Float64Array(d + 1);
  let value = objective(weights);
  for (let step = 0; step < maxSteps; step++) {
    const gradient = Float64Array.from(weights, (w, j) => w * penalty[j]!);
    const hessian = Array.from(penalty, (p, j) => {
      const row = new Float64Array(d + 1);
      row[j] = p;
      return row;
    });
    rows.forEach((row, i) => {
      const p = sigmoid(dot(row, weights));
      const slope = p - y[i]!;
      const curvature = p * (1 - p);
      for (let j = 0; j <= d; j++) {
        gradient[j]! += slope * row[j]!;
        const scaled = curvature * row[j]!;
        const line = hessian[j]!;
        for (let k = 0; k <= d; k++) line[k]! += scaled * row[k]!;
      }
    });
    const direction = solvePositive(hessian, gradient);
    const decrease = dot(direction, gradient);
    if (decrease < tolerance) break;
    let length = 1;
    let next = weights;
    let nextValue = value;
    for (; length > 1e-8; length /= 2) {
      next = weights.map((w, j) => w - length * direction[j]!);
      nextValue = objective(next);
      if (nextValue <= value - 1e-4 * length * decrease) break;
    }
    // Rounding is all that is left to win.
    if (length <= 1e-8) break;
    weights = next;
    value = nextValue;
  }
  return { weights: weights.slice(0, d), intercept: weights[d]! };
}

/** The linear score of a row, the logarithm of the odds. */
export function logit(head: LogisticHead, z: Vector): number {
  return dot(head.weights, z) + head.intercept;
}

/** Holds a head against labelled rows. @throws SHAPE_MISMATCH */
export function scoreHead(head: LogisticHead, z: readonly Vector[], y: ArrayLike<number>): HeadScore {
  if (z.length === 0 || z.length !== y.length) {
    throw new SymbolonError("SHAPE_MISMATCH", `${z.length} rows of features and ${y.length} labels`);
  }
  let right = 0;
  let loss = 0;
  z.forEach((row, i) => {
    const score = logit(head, row);
    if (score > 0 === (y[i] === 1)) right += 1;
    loss += negativeLog(score, y[i]!);
  });
  return { accuracy: right / z.length, logLoss: loss / z.length };
}

/** -log P(y | score), without overflow. */
function negativeLog(score: number, y: number): number {
  const margin = y === 1 ? score : -score;
  return margin > 0 ? Math.log1p(Math.exp(-margin)) : Math.log1p(Math.exp(margin)) - margin;
}

function sigmoid(score: number): number {
  return score >= 0 ? 1 / (1 + Math.exp(-score)) : 1 - 1 / (1 + Math.exp(score));
}
