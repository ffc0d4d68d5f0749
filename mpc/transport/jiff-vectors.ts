/**
 * JIFF's scalar shares and the session's vectors are the same thing, lines over one field at the points 1, 2
 * and 3, so one becomes the other at each party by itself: no message, no round.
 */
import { SymbolonError } from "../errors.ts";
import type { JiffHandle, SecretShare } from "../jiff-program.ts";
import type { Party } from "../party.ts";
import type { Session, Tensor } from "../session/session.ts";
import type { FieldArray } from "../vector/index.ts";
import { applyVectorExtension } from "./jiff.ts";

/** Format and public bound of what is lifted; JIFF knows neither. */
export interface LiftedFormat {
  /** A share of the integer v stands for v / 2^fracBits. */
  readonly fracBits: number;
  /** Absolute values are at most this, in units of the values and not of the integers. */
  readonly bound: number;
}

/** One share becomes a [1, 1] tensor, a list of them a column, a list of rows a matrix. */
export type Liftable = SecretShare | readonly SecretShare[] | readonly (readonly SecretShare[])[];

export interface JiffWithVectors extends JiffHandle {
  /** The vector engine. */
  readonly vectors: Session<FieldArray>;
  /**
   * JIFF shares of integers x * 2^fracBits as a tensor. Waits for shares still in the making.
   * @throws SHAPE_MISMATCH when the rows differ in length; STATE_INVALID for a share of another instance or degree
   */
  lift(shares: Liftable, format: LiftedFormat): Promise<Tensor<FieldArray>>;
  /** The elements of a tensor, row after row, as JIFF shares of integers x * 2^tensor.fracBits. */
  lower(tensor: Tensor<FieldArray>): SecretShare[];
  /** The same as a list of rows. */
  lowerRows(tensor: Tensor<FieldArray>): SecretShare[][];
}

/** Extends a JIFF instance by the vector engine of the same attempt. */
export function extendByVectors(
  jiff: JiffHandle,
  session: Session<FieldArray>,
  { kernel }: Party,
): JiffWithVectors {
  if (jiff.Zp.toString(10) !== kernel.spec.modulus.toString()) {
    throw new SymbolonError("INTERNAL", "JIFF and the vector engine work over different fields");
  }
  const handle = applyVectorExtension(jiff, session);
  const { lift: liftValues, sharesFromValues } = handle;
  const lower = (tensor: Tensor<FieldArray>) => sharesFromValues(kernel.toBigints(tensor.data));
  return Object.assign(handle as JiffHandle, {
    vectors: session,
    async lift(shares: Liftable, { fracBits, bound }: LiftedFormat) {
      const rows = rowsOf(shares);
      const cols = rows[0]?.length ?? 0;
      if (cols === 0 || rows.some((row) => row.length !== cols)) {
        throw new SymbolonError(
          "SHAPE_MISMATCH",
          "shares that are lifted form a list, or rows of one length",
        );
      }
      const values = await liftValues(rows.flat());
      const data = kernel.allocate(values.length);
      kernel.fromBigints(data, values);
      return session.input(data, rows.length, cols, fracBits, bound);
    },
    lower,
    lowerRows(tensor: Tensor<FieldArray>) {
      const shares = lower(tensor);
      return Array.from({ length: tensor.rows }, (_, i) =>
        shares.slice(i * tensor.cols, (i + 1) * tensor.cols),
      );
    },
  });
}

const isList = (shares: Liftable | readonly SecretShare[]): shares is readonly SecretShare[] =>
  Array.isArray(shares);

function rowsOf(shares: Liftable): readonly (readonly SecretShare[])[] {
  if (!isList(shares)) return [[shares as SecretShare]];
  return shares.map((row) => (isList(row) ? row : [row]));
}
