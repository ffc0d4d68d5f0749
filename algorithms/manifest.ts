/**
 * What an algorithm of the market is: a manifest that people and contracts can read, a program over secret
 * tensors, and the buyer's decoding of its result. The same program runs on shares, in the clear and on the
 * plan, so its declared rounds, bytes, openings and ranges follow from the sizes alone.
 */
import canonicalize from "canonicalize";
import { keccak256, toUtf8Bytes } from "ethers";
import type { z } from "zod";
import type { Declaration } from "../mpc/cost.ts";
import { SymbolonError } from "../mpc/errors.ts";
import type { JiffHandle, JiffOperations, SecretShare } from "../mpc/jiff-program.ts";
import type { Session, Tensor } from "../mpc/session/session.ts";
import type { Table } from "../mpc/session/table.ts";
import type { FieldBits } from "../mpc/vector/index.ts";

/** Shape and format of one input matrix; public. Columns include the label, which is last. */
export interface InputShape {
  readonly rows: number;
  readonly columns: number;
  readonly hasLabel: boolean;
  /** Weight of this input in averages; the row count unless the buyer stated another. */
  readonly weight: number;
}

/** The public facts of a job that its program, its plan and its decoding depend on. */
export interface JobShape {
  /** Exponent of the field in which the inputs are shared; the parties compute in the plan's. */
  readonly fieldBits: FieldBits;
  /** Fractional bits of the shared inputs. */
  readonly fracBits: number;
  /** One for each data set, in the order of the offers. */
  readonly inputs: readonly InputShape[];
  /** The buyer's own data, for metrics. */
  readonly validation?: InputShape;
}

/** Secret inputs: values scaled to [-1, 1] by the schema's public bounds, labels 0 or 1. */
export interface JobInputs<D> {
  readonly inputs: readonly Table<D>[];
  readonly validation?: Table<D>;
}

/** A named part of the result. The parts and their shapes depend on the job's shape alone. */
export interface ResultPart<D> {
  readonly name: string;
  readonly tensor: Tensor<D>;
}

/** A column of the schema with its public bounds; raw = center + halfRange * scaled. */
export interface ColumnScale {
  readonly name: string;
  readonly center: number;
  readonly halfRange: number;
}

/** What the buyer's decoding knows besides the values. */
export interface DecodeContext {
  readonly shape: JobShape;
  readonly parameters: Record<string, unknown>;
  /** Features, without the label. */
  readonly columns: readonly ColumnScale[];
}

export interface DecodedResult {
  /** What `model` holds in the result file. */
  model: Record<string, unknown>;
  metrics: Record<string, unknown>;
}

export interface Manifest {
  readonly id: string;
  readonly version: string;
  readonly title: string;
  readonly description: string;
  readonly input: { readonly label: "required" | "optional" | "none"; readonly description: string };
  readonly output: string;
  /** Labels of everything that is opened to the parties, and why it is safe. */
  readonly openings: Readonly<Record<string, string>>;
  readonly privacy: string;
  /** What error bounds are counted against where that is not exact arithmetic on the shared inputs. */
  readonly errorBasis?: string;
}

interface AlgorithmBase<P extends Record<string, unknown>> {
  readonly manifest: Manifest;
  /** Whether it counts metrics over the buyer's own rows; without, they would be shared for nothing. */
  readonly usesValidation?: boolean;
  /** Unknown parameters are refused; defaults are filled in. */
  readonly parameters: z.ZodType<P>;
  /** @throws SHAPE_MISMATCH when the inputs do not fit. Sees nothing but the shape. */
  checkShape(shape: JobShape, parameters: P): void;
  decode(values: Readonly<Record<string, Float64Array>>, context: DecodeContext): DecodedResult;
}

/** How finely a program works. */
export interface Accuracy {
  /** Fractional bits that come into question, ascending. */
  readonly fracBits: readonly number[];
  /** The fewest of them are taken with which the results of this step have at most this error. */
  readonly step: string;
  readonly error: number;
}

/** A program over secret tensors. */
export interface SessionAlgorithm<P extends Record<string, unknown> = Record<string, unknown>>
  extends AlgorithmBase<P> {
  readonly engine: "session";
  /** Left out where the program works in the format of its inputs. */
  readonly accuracy?: Accuracy;
  /**
   * For each parameter that decides how large values grow, smaller values to try, nearest first: from these a
   * refusal says what would fit.
   */
  narrower?(parameters: P): Readonly<Record<string, readonly unknown[]>>;
  run<D>(session: Session<D>, inputs: JobInputs<D>, shape: JobShape, parameters: P): Promise<ResultPart<D>[]>;
}

/** An ordinary JIFF program over JIFF's secret shares; its cost is declared in operations. */
export interface JiffAlgorithm<P extends Record<string, unknown> = Record<string, unknown>>
  extends AlgorithmBase<P> {
  readonly engine: "jiff";
  /** @throws RANGE_EXCEEDED when the field has no room for it */
  plan(shape: JobShape, fieldBits: FieldBits, parameters: P): Omit<Plan, "fieldBits" | "fracBits">;
  /** `inputs[i]` are the shares of data set i, row-major, of raw integers x * 2^fracBits. */
  run(
    jiff: JiffHandle,
    inputs: readonly SecretShare[][],
    shape: JobShape,
    parameters: P,
  ): Promise<SecretShare[]>;
  /** The same function in the clear, on real values scaled to [-1, 1]. */
  plain(inputs: readonly Float64Array[], shape: JobShape, parameters: P): number[];
}

export type Algorithm<P extends Record<string, unknown> = Record<string, unknown>> =
  | SessionAlgorithm<P>
  | JiffAlgorithm<P>;

/** A part of the result as the plan knows it. */
export interface PlannedPart {
  readonly name: string;
  readonly rows: number;
  readonly cols: number;
  readonly fracBits: number;
  /** Bounds on the absolute values, and on their distance from exact arithmetic; the latter may be infinite. */
  readonly bound: number;
  readonly error: number;
}

/** What is known of a run before it. */
export interface Plan {
  /** Exponent of the field that the parties compute in. */
  readonly fieldBits: FieldBits;
  /** Fractional bits in which a session's program works. */
  readonly fracBits: number;
  readonly declaration: Declaration;
  /** The parts of the result in the order in which their shares are sealed. */
  readonly parts: readonly PlannedPart[];
  /** What a JIFF program costs each party, in JIFF's operations. */
  readonly jiff?: JiffOperations;
}

/** The manifest, its parameters' JSON schema and the code, in one hash that operators approve. */
export function algorithmHash(manifest: Manifest, codeHash: string): string {
  const text = canonicalize({ manifest, codeHash });
  if (text === undefined) throw new SymbolonError("INTERNAL", "a manifest has no canonical form");
  return keccak256(toUtf8Bytes(text));
}
