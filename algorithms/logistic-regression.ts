import { z } from "zod";
import { SymbolonError } from "../mpc/errors.ts";
import { type SigmoidName, sigmoidOfProduct, sigmoidPresets } from "../mpc/functions/sigmoid.ts";
import { maskedBitsLabel } from "../mpc/protocols/outcomes.ts";
import { matmul } from "../mpc/session/products.ts";
import type { Session } from "../mpc/session/session.ts";
import { stackColumns, stackRows } from "../mpc/session/stack.ts";
import { mapBlocks, Table } from "../mpc/session/table.ts";
import { rowProducts } from "../mpc/session/table-products.ts";
import { takeRows } from "../mpc/session/take-rows.ts";
import type { Tensor } from "../mpc/session/tensor.ts";
import { halves } from "./fit-advice.ts";
import type {
  DecodeContext,
  DecodedResult,
  JobInputs,
  JobShape,
  ResultPart,
  SessionAlgorithm,
} from "./manifest.ts";
import { batchOrder } from "./public-permutation.ts";
import { standardise } from "./standardise.ts";

const parameters = z.strictObject({
  epochs: z.int().min(1).max(1000).default(20),
  batchSize: z.int().min(1).max(65536).default(128),
  learningRate: z.number().positive().max(8).default(0.5),
  /** Penalty l2 / 2 |w|^2 on the standardised weights, without the intercept. */
  l2: z.number().min(0).max(1).default(0.01),
  momentum: z.number().min(0).max(0.99).default(0),
  sigmoid: z.enum(Object.keys(sigmoidPresets) as [SigmoidName, ...SigmoidName[]]).default("clamped-7"),
  /** Seed of the public order of rows. */
  seed: z.int().min(0).max(0xffffffff).default(1),
});
type Parameters = z.infer<typeof parameters>;

/**
 * Significant bits of the learning rate over the batch size: an error of the rate, not of the weights, and each
 * bit would widen the masks of the gradient by one.
 */
const rateBits = 14;

/** Steps of one job at most. A plan takes 50 microseconds a step at every party, before anyone has paid. */
const maxSteps = 200_000;

/**
 * Binary logistic regression by mini-batch gradient descent. Features are standardised on shares; the rows
 * of all sellers are mixed by a public permutation; weights never leave the shares until the buyer opens
 * them. Five rounds a step: four for the sigmoid of X w, one for X'e.
 */
export const logisticRegression: SessionAlgorithm<Parameters> = {
  engine: "session",
  usesValidation: true,
  manifest: {
    id: "logistic-regression",
    version: "1.0.0",
    title: "Logistic regression",
    description:
      "Mini-batch gradient descent with L2 and momentum, a clamped piecewise linear sigmoid, standardisation computed on shares.",
    input: { label: "required", description: "numeric features and a label that is 0 or 1" },
    output: "weights and intercept for the raw features; accuracy over the validation or the training rows",
    openings: {
      [maskedBitsLabel]:
        "to one party: outcomes of comparisons, each plus a random bit of the other two: uniform",
    },
    privacy: "The buyer learns the exact model and accuracy. No differential privacy.",
    errorBasis:
      "against the same training in exact arithmetic on the standardised rows as computed, with the same piecewise linear sigmoid",
  },
  parameters,
  accuracy: { fracBits: [16, 20, 24], step: "training step", error: 2 ** -9 },

  narrower: ({ epochs, learningRate, momentum }) => ({
    learningRate: halves(learningRate, 2 ** -10),
    epochs: halves(epochs, 1, Math.floor),
    momentum: momentum > 0 ? [0] : [],
  }),

  checkShape(shape: JobShape, p: Parameters): void {
    const rows = shape.inputs.reduce((sum, s) => sum + s.rows, 0);
    const steps = epochBatches(rows, p) * p.epochs;
    if (steps > maxSteps) {
      throw new SymbolonError("PARAMETER_INVALID", `${steps} training steps are more than ${maxSteps}`, {
        hint: "use fewer epochs or larger batches",
      });
    }
    const all = shape.validation === undefined ? shape.inputs : [...shape.inputs, shape.validation];
    for (const s of all) {
      if (!s.hasLabel || s.columns < 2) {
        throw new SymbolonError(
          "SHAPE_MISMATCH",
          "logistic regression needs a label and at least one feature",
        );
      }
      if (s.columns !== shape.inputs[0].columns) {
        throw new SymbolonError("SHAPE_MISMATCH", "the data sets have different numbers of columns");
      }
    }
  },

  async run<D>(
    session: Session<D>,
    { inputs, validation }: JobInputs<D>,
    _shape: JobShape,
    p: Parameters,
  ): Promise<ResultPart<D>[]> {
    const { fracBits } = session;
    const data = Table.stack(inputs);
    const n = data.rows;
    const d = data.cols - 1;
    const { X, mean, inverseDeviation } = await standardise(data, d);
    const labels = await mapBlocks(data, (block) => block.sliceColumns(d, 1).widen(fracBits));
    const weights = await fit(X, labels, p);

    session.step("weights in scaled units");
    const slopes = weights.sliceRows(0, d).transpose();
    const scaled = await slopes.multiply(inverseDeviation);
    const shift = await scaled.matmul(mean.transpose());
    const intercept = weights.sliceRows(d, 1).subtract(shift);

    session.step("accuracy");
    const correct = await countCorrect(validation ?? data, scaled, intercept);
    session.progress("training", epochBatches(n, p) * p.epochs, epochBatches(n, p) * p.epochs);
    return [
      { name: "weights", tensor: scaled },
      { name: "intercept", tensor: intercept },
      { name: "correct", tensor: correct },
    ];
  },

  decode(values, { shape, columns }: DecodeContext): DecodedResult {
    const weights = columns.map(({ halfRange }, j) => values.weights[j] / halfRange);
    const intercept = columns.reduce((sum, { center }, j) => sum - weights[j] * center, values.intercept[0]);
    const rows = shape.validation?.rows ?? shape.inputs.reduce((sum, s) => sum + s.rows, 0);
    return {
      model: { features: columns.map((c) => c.name), weights, intercept },
      metrics: {
        accuracy: Math.round(values.correct[0]) / rows,
        rows,
        over: shape.validation === undefined ? "training" : "validation",
      },
    };
  },
};

function epochBatches(n: number, { batchSize }: Parameters): number {
  return Math.ceil(n / Math.min(batchSize, n));
}

/**
 * Gradient descent on standardised X[n, d] and labels[n, 1] -> weights[d + 1, 1], the intercept last, in
 * standardised units. Gives X back when its rows are in the order of the batches. Exported for tests that compare
 * weights in these units.
 */
export async function fit<D>(X: Table<D>, labels: Tensor<D>, p: Parameters): Promise<Tensor<D>> {
  const { session } = X;
  const n = X.rows;
  const d = X.cols;
  const { fracBits } = X;
  const batch = Math.min(p.batchSize, n);
  const perEpoch = epochBatches(n, p);
  const order = batchOrder(n, batch, perEpoch, p.seed);
  const rows = await takeRows(X, order, batch, d + 1, (piece) =>
    stackColumns([piece, session.constant(1, piece.rows, 1, fracBits)]),
  );
  await X.free();
  const targets = labels.takeRows(order);
  // Over all rows the squares of a standardised column sum to at most n, and a row occurs at most once in a
  // batch, so by Cauchy-Schwarz the batch mean of |x e| is at most sqrt(n / batch) for |e| <= 1.
  const gradientBound = Math.min(X.bound, 1.02 * Math.sqrt(n / batch));
  // Without momentum a slope becomes (1 - rate l2) w - rate gradient, where intervals would let the penalty
  // grow it; the intercept has no penalty and moves by the rate times the mean error, at most.
  const unit = 2 ** (1 - fracBits);
  let slopeBound = 0;
  let interceptBound = 0;
  const drift = new Drift(p, d, gradientBound);

  let weights = session.constant(0, d + 1, 1, fracBits);
  let velocity = weights;
  const steps = perEpoch * p.epochs;
  for (let step = 0; step < steps; step++) {
    if (step % 10 === 0) session.progress("training", step, steps);
    const start = (step % perEpoch) * batch;
    [weights, velocity] = await session.scope(async (): Promise<[Tensor<D>, Tensor<D>]> => {
      session.step("training step", step + 1);
      const xs = await rows.read(start, batch);
      // The errors of one step from exact weights; what becomes of them in the next is the drift's matter.
      const before = weights.assumeError(0);
      const predicted = await sigmoidOfProduct(xs, before, p.sigmoid);
      // A probability minus a label.
      const error = predicted.subtract(targets.sliceRows(start, batch)).assume(1 + 2 ** -7);
      const penalised = stackRows([before.sliceRows(0, d), session.constant(0, 1, 1, fracBits)]);
      const change = await xs.transposedMatmul(error, {
        scale: p.learningRate / batch,
        scaleBits: rateBits,
        bound: p.learningRate * gradientBound * error.bound,
        // Of the errors in e, the gradient gets the mean of |x| times as much; the rest is the rate's encoding.
        error: p.learningRate * gradientBound * (error.error + 2 ** -rateBits * (error.bound + error.error)),
        plus: [
          { tensor: penalised, scale: p.learningRate * p.l2 },
          { tensor: velocity.assumeError(0), scale: p.momentum },
        ],
      });
      const updated = before.subtract(change);
      drift.step(change.error);
      if (p.momentum > 0) return [updated.assumeError(drift.error), change];
      const rate = p.learningRate * error.bound;
      slopeBound = Math.abs(1 - p.learningRate * p.l2) * slopeBound + rate * gradientBound + unit;
      interceptBound += rate + unit;
      const bound = Math.max(slopeBound, interceptBound);
      return [updated.assume(bound).assumeError(drift.error), change];
    });
  }
  // In standardised units: what follows divides by deviations, which may be small.
  session.step("trained weights");
  return session.ledger.result(weights);
}

/**
 * How far the weights can be from those of the same training in exact arithmetic, on the same standardised rows
 * and with the same piecewise sigmoid; in the 2-norm, so for every weight.
 *
 * A step maps weights w to w - rate (l2 w + X'(s(X w) - y) / batch). The sigmoid s is monotone and no steeper than
 * its first piece, so for two w the difference is multiplied by a symmetric matrix whose eigenvalues lie between
 * 1 - rate L and 1, with L = l2 + steepest slope * largest eigenvalue of X'X / batch; the last is at most the trace,
 * the mean squared norm of the batch's rows. Where rate L <= 2 a step does not spread an error, and errors add
 * up; where it is larger they may grow by rate L - 1 a step, and after many steps the bound says nothing. With
 * momentum the same holds for weights and velocity together, without the help of the signs.
 */
class Drift {
  #weights = 0;
  #velocity = 0;
  readonly #momentum: number;
  /** rate L. */
  readonly #spread: number;
  /** The 2-norm of d + 1 errors of 1. */
  readonly #norm: number;

  constructor({ learningRate, l2, momentum, sigmoid }: Parameters, d: number, gradientBound: number) {
    const [steepest] = sigmoidPresets[sigmoid].slopes;
    // Squares of a column, like products with it, have a mean of at most gradientBound^2 in a batch.
    this.#spread = learningRate * (l2 + steepest * (d * gradientBound ** 2 + 1));
    this.#momentum = momentum;
    this.#norm = Math.sqrt(d + 1);
  }

  get error(): number {
    return this.#weights;
  }

  /** @param error of each weight, in a step from exact weights */
  step(error: number): void {
    const added = this.#norm * error;
    if (this.#momentum === 0) {
      this.#weights = Math.max(1, this.#spread - 1) * this.#weights + added;
      return;
    }
    this.#velocity = this.#momentum * this.#velocity + this.#spread * this.#weights + added;
    this.#weights += this.#velocity;
  }
}

/** How many rows of [m, d + 1], the label last, the model gives to the right side of 0. */
async function countCorrect<D>(held: Table<D>, weights: Tensor<D>, intercept: Tensor<D>): Promise<Tensor<D>> {
  const d = held.cols - 1;
  const { fracBits } = weights;
  const column = weights.transpose();
  const positive = await rowProducts(
    held,
    (block) => matmul(block.sliceColumns(0, d).widen(fracBits), column, {}),
    (product) => product.add(intercept).atLeast(0),
  );
  const labels = await mapBlocks(held, (block) => block.sliceColumns(d, 1).widen(fracBits));
  // Right: both 1 or both 0, which is 1 - bit - label + 2 bit label.
  const both = await positive.transposedMatmul(labels, {
    fracBits: labels.fracBits,
    bound: held.rows,
  });
  const sums = positive.sumRows().widen(labels.fracBits).add(labels.sumRows());
  // A count of rows, whose rounding is far below one.
  return sums
    .subtract(both.timesInteger(2))
    .subtractFrom(held.rows)
    .assume(held.rows + 0.5);
}
