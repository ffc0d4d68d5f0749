/**
 * The demo: a market on this machine, real data, one paid job, and what can be said about it afterwards that a
 * real market could not say because nobody there sees everything.
 */

import { findAlgorithm, parseParameters } from "../../algorithms/catalog.ts";
import type { SessionAlgorithm } from "../../algorithms/manifest.ts";
import type { JobResult } from "../buyer/result.ts";
import { deriveSchema } from "../data/schema.ts";
import type { BuyerKeys } from "../keys.ts";
import { demoLabel, demoTables } from "./demo-data.ts";
import { type CellAtParty, cellAtParty } from "./evidence.ts";
import type { LocalInputs } from "./inputs.ts";
import type { LocalMarket } from "./market.ts";
import {
  accuracyOf,
  deviationsOf,
  type LinearModel,
  runInPlaintext,
  sharedMatrix,
  trainWithExactSigmoid,
} from "./reference.ts";
import { type TamperCheck, tamperChecks } from "./tamper.ts";

export const demoAlgorithm = "logistic-regression";

/** The tables of the demo with bounds derived from them, ready for a job. */
export async function demoInputs(
  parameters: unknown = {},
): Promise<LocalInputs & { algorithm: SessionAlgorithm }> {
  const { sellers, validation } = await demoTables();
  const algorithm = findAlgorithm(demoAlgorithm) as SessionAlgorithm;
  return {
    algorithm,
    parameters: parseParameters(algorithm, parameters),
    tables: sellers,
    validation,
    schema: deriveSchema([...sellers, validation], { label: demoLabel, fracBits: 20 }),
    derived: true,
  };
}

export interface DemoComparison {
  /** On the buyer's rows. */
  rows: number;
  accuracy: { secure: number; plaintext: number; exactSigmoid: number };
  /** Largest difference of a weight between the secure and the plaintext run, in standardised units. */
  largestWeightDifference: number;
}

/** Holds the secure model against the same training in the clear. */
export async function compareWithPlaintext(inputs: LocalInputs, result: JobResult): Promise<DemoComparison> {
  const { schema, parameters, tables, validation } = inputs;
  const algorithm = inputs.algorithm as SessionAlgorithm;
  const matrices = tables.map((table) => sharedMatrix(table, schema));
  const values = await runInPlaintext(
    algorithm,
    result,
    { inputs: matrices, ...(validation && { validation: sharedMatrix(validation, schema) }) },
    parameters,
  );
  const secure = result.decoded.model as unknown as LinearModel;
  const columns = schema.columns.map(({ name, min, max }) => ({
    name,
    center: min / 2 + max / 2,
    halfRange: max / 2 - min / 2,
  }));
  const plain = algorithm.decode(values, { shape: result.shape, parameters, columns })
    .model as unknown as LinearModel;
  const exact = trainWithExactSigmoid(
    matrices,
    schema,
    parameters as Parameters<typeof trainWithExactSigmoid>[2],
  );
  const deviations = deviationsOf(
    tables,
    schema.columns.map(({ name }) => name),
  );
  const label = schema.label!.name;
  const held = validation!;
  return {
    rows: held.rows,
    accuracy: {
      secure: accuracyOf(secure, held, label),
      plaintext: accuracyOf(plain, held, label),
      exactSigmoid: accuracyOf(exact, held, label),
    },
    largestWeightDifference: Math.max(
      ...secure.weights.map((weight, j) => Math.abs(weight - plain.weights[j]!) * deviations[j]!),
    ),
  };
}

export interface SeenCell extends CellAtParty {
  /** What stands in the seller's file, which no party has seen. */
  value: number;
}

/** For each party another cell of another seller, as that party holds it. */
export async function whatPartiesSaw(
  market: LocalMarket,
  inputs: LocalInputs,
  offers: readonly string[],
): Promise<SeenCell[]> {
  const cells = [
    { point: 1, seller: 0, row: 0, column: "radius_mean" },
    { point: 2, seller: 1, row: 7, column: "area_mean" },
    { point: 3, seller: 2, row: 41, column: demoLabel },
  ] as const;
  const seen: SeenCell[] = [];
  for (const { point, seller, row, column } of cells) {
    const table = inputs.tables[seller]!;
    const value = table.values[row * table.columns.length + table.columns.indexOf(column)]!;
    const cell = { point, offer: offers[seller]!, row, column };
    seen.push({ ...(await cellAtParty(market, inputs.schema, cell)), value });
  }
  return seen;
}

export async function showTampering(
  market: LocalMarket,
  result: JobResult,
  buyer: BuyerKeys,
): Promise<TamperCheck[]> {
  return await tamperChecks(market, result.job.job, buyer.resultKey);
}
