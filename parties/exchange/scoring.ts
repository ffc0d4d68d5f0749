/**
 * The collector's scores: for each provider a head is trained on the provider's features and labels, and tested on the
 * collector's own validation rows, which no provider knows.
 */
import { SymbolonError } from "../../mpc/errors.ts";
import type { Extractor } from "./extractor.ts";
import type { FeatureBlock } from "./feature-block.ts";
import { fitHead, type HeadScore, scoreHead } from "./logistic-head.ts";
import type { Vector } from "./matrix.ts";
import { decodeFeatures, labelAgreement, type PrivateModel, splitRows } from "./private-model.ts";
import type { LabelledRows } from "./shards.ts";

export interface ProviderScore extends HeadScore {
  rows: number;
  /** Share of the labels, 0 to 1, that the collector's private model agrees with. */
  agreement: number;
}

/** What scores are ordered by. */
export const rankings = ["log-loss", "accuracy"] as const;
export type Ranking = (typeof rankings)[number];

export class Scorer {
  readonly #model: PrivateModel;
  readonly #test: Vector[];
  readonly #labels: Float64Array;
  readonly #mean: Vector;
  readonly #scale: Vector;

  /**
   * @param validation the collector's rows; the half that did not fit the private model is what scores
   * @throws PARAMETER_INVALID when that half is empty
   */
  constructor(model: PrivateModel, extractor: Extractor, validation: LabelledRows) {
    const { fit, score } = splitRows(validation);
    if (score.rows === 0) throw new SymbolonError("PARAMETER_INVALID", "one validation row cannot score");
    this.#model = model;
    // Standardised by the collector's own rows: a provider has no hand in the yardstick.
    const own = decodeFeatures(model, extractor.extract(fit));
    const width = extractor.width;
    this.#mean = Float64Array.from({ length: width }, (_, i) => mean(own.map((row) => row[i]!)));
    this.#scale = this.#mean.map((center, i) => {
      const deviation = Math.sqrt(mean(own.map((row) => (row[i]! - center) ** 2)));
      return deviation > 0 ? deviation : 1;
    });
    this.#test = this.#standardise(decodeFeatures(model, extractor.extract(score)));
    this.#labels = score.label;
  }

  /** Trains on the blocks of one provider and tests on the validation rows. */
  score(blocks: readonly FeatureBlock[]): ProviderScore {
    const z = blocks.flatMap((block) => this.#standardise(decodeFeatures(this.#model, block)));
    const y = blocks.flatMap(({ labels }) => [...labels]);
    const rows = z.length;
    const agreeing = blocks.reduce((sum, block) => sum + labelAgreement(this.#model, block) * block.rows, 0);
    return { ...scoreHead(fitHead(z, y), this.#test, this.#labels), rows, agreement: agreeing / rows };
  }

  #standardise(rows: readonly Vector[]): Vector[] {
    return rows.map((row) => row.map((value, i) => (value - this.#mean[i]!) / this.#scale[i]!));
  }
}

/**
 * Best first. By default by the loss, for labels that are wrong at random hardly move the accuracy while they stay in
 * the minority: the best decision remains the same, and only the confidence in it, which the loss measures, shrinks.
 * By accuracy, equal ones go by the loss.
 */
export function rank<T extends { score: HeadScore }>(scored: readonly T[], by: Ranking = "log-loss"): T[] {
  return [...scored].sort(({ score: a }, { score: b }) => {
    const accuracy = by === "accuracy" ? b.accuracy - a.accuracy : 0;
    return accuracy || a.logLoss - b.logLoss;
  });
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
