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

/** Shape and public bound of what is lifted; JIFF knows neither. */
export interface LiftedShape {
  readonly rows: number;
  readonly cols: number;
  readonly fracBits: number;
  /** Absolute values are at most this. */
  readonly bound: number;
}

export interface JiffWithVectors extends JiffHandle {
  /** The vector engine. */
  readonly vectors: Session<FieldArray>;
  /** JIFF shares of raw integers x * 2^fracBits, row-major, as a tensor. Waits for shares still in the making. */
  lift(shares: readonly SecretShare[], shape: LiftedShape): Promise<Tensor<FieldArray>>;
  /** The elements of a tensor as JIFF shares of raw integers x * 2^fracBits. */
  lower(tensor: Tensor<FieldArray>): SecretShare[];
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
  return Object.assign(handle as JiffHandle, {
    vectors: session,
    async lift(shares: readonly SecretShare[], { rows, cols, fracBits, bound }: LiftedShape) {
      if (shares.length !== rows * cols) {
        throw new SymbolonError("SHAPE_MISMATCH", `${shares.length} shares are no ${rows}x${cols} matrix`);
      }
      const data = kernel.allocate(shares.length);
      kernel.fromBigints(data, await liftValues(shares));
      return session.input(data, rows, cols, fracBits, bound);
    },
    lower: (tensor: Tensor<FieldArray>) => sharesFromValues(kernel.toBigints(tensor.data)),
  });
}
