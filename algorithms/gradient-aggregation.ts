import { z } from "zod";
import { SymbolonError } from "../mpc/errors.ts";
import type { Session } from "../mpc/session/session.ts";
import type {
  DecodeContext,
  DecodedResult,
  JobInputs,
  JobShape,
  ResultPart,
  SessionAlgorithm,
} from "./manifest.ts";

const parameters = z.strictObject({});
type Parameters = z.infer<typeof parameters>;

/** Bits of the public weights' encoding. */
const weightBits = 24;

/** The weighted mean of vectors that sellers computed themselves, for instance gradients. */
export const gradientAggregation: SessionAlgorithm<Parameters> = {
  engine: "session",
  manifest: {
    id: "gradient-aggregation",
    version: "1.0.0",
    title: "Secure gradient aggregation",
    description:
      "The mean of the sellers' update vectors, weighted by the public weights of the job: row counts, unless the buyer states others.",
    input: {
      label: "none",
      description:
        'one update vector of equal length a seller, as JSON: [...] or { "rows": n, "update": [...] }',
    },
    output: "update: [...], accepted: [true, ...] for each seller",
    openings: {},
    privacy:
      "The buyer learns the weighted mean only, and chooses offers and weights: with one seller, or all the weight on one, that is the seller's own vector. No update is rejected in this version.",
  },
  parameters,

  checkShape(shape: JobShape): void {
    const [first] = shape.inputs;
    for (const s of shape.inputs) {
      if (s.columns !== 1) throw new SymbolonError("SHAPE_MISMATCH", "an update is a data set of one column");
      if (s.rows !== first.rows)
        throw new SymbolonError("SHAPE_MISMATCH", "the updates have different lengths");
    }
  },

  async run<D>(session: Session<D>, { inputs }: JobInputs<D>, shape: JobShape): Promise<ResultPart<D>[]> {
    session.step("weighted mean");
    const total = shape.inputs.reduce((sum, s) => sum + s.weight, 0);
    const updates = await Promise.all(inputs.map((input) => input.tensor()));
    const weighted = updates
      .map((u, i) => u.timesInteger(Math.round((shape.inputs[i].weight / total) * 2 ** weightBits)))
      .reduce((sum, u) => sum.add(u));
    // A sum of values in [-1, 1] whose weights add up to 1, up to their rounding, which is all of its error.
    const mean = weighted
      .timesPowerOfTwo(-weightBits)
      .assume(1 + inputs.length * 2 ** -weightBits)
      .assumeError(inputs.length * 2 ** -(weightBits + 1));
    return [{ name: "update", tensor: await mean.truncate(shape.fracBits) }];
  },

  decode(values, { shape, columns: [{ center, halfRange }] }: DecodeContext): DecodedResult {
    return {
      model: {
        update: Array.from(values.update, (x) => center + halfRange * x),
        accepted: shape.inputs.map(() => true),
      },
      metrics: {},
    };
  },
};
