/** Comparisons of tensors with public thresholds, and piecewise linear functions made of them. */
import { compareCost, gateOpenedCost } from "../protocols/compare.ts";
import {
  type CompareRequest,
  checkComparison,
  comparisonDealtBytes,
} from "../protocols/comparison-dealing.ts";
import { openMaskedCost } from "../protocols/masked-opening.ts";
import { reduceDegreeCost } from "../protocols/multiply.ts";
import type { FieldBits } from "../vector/index.ts";
import type { Piecewise } from "./backend.ts";
import {
  encode,
  encodingError,
  factorExponent,
  roundedBound,
  timesBound,
  truncationError,
} from "./encoding.ts";
import type { PreparedProduct } from "./products.ts";
import type { Session } from "./session.ts";
import { Tensor } from "./tensor.ts";

/** Bits [a >= t], a tensor for each public threshold; see `Tensor.atLeastEach`. */
export async function atLeastEach<D>(
  a: Tensor<D>,
  thresholds: readonly number[],
  resolutionBits?: number,
): Promise<Tensor<D>[]> {
  const { session, rows, cols } = a;
  const { ledger, elementBytes, backend } = session;
  const n = rows * cols;
  const bitLength = ledger.masked("compare", a.bound, a.fracBits, 0, n);
  const request = requestFor(session.fieldBits, thresholds, a.fracBits, bitLength, resolutionBits);
  ledger.cost("compare", compareCost(n, request, elementBytes));
  const bits = await backend.compare(a.data, n, request);
  const error = bitError(a.error, thresholds, a.fracBits, request);
  return splitBits(session, bits, rows, cols, thresholds.length, error);
}

/** What a piecewise linear function gains from `from` on: slope x + constant. */
export interface Piece {
  readonly from: number;
  readonly slope: number;
  readonly constant: number;
}

/**
 * A piecewise linear function, which is 0 before its first piece: the sum over the pieces of
 * [x >= from] (slope x + constant).
 */
export interface PiecewiseLinear {
  readonly pieces: readonly Piece[];
  /** On the absolute value of the result. */
  readonly bound: number;
  /**
   * Fractional bits of x that count in the comparisons: up to 3 * 2^-resolutionBits below `from` a piece may be
   * counted already. Where the pieces meet continuously that changes little. Default: exact.
   */
  readonly resolutionBits?: number;
}

/** f(a), element by element; see `Tensor.piecewise`. */
export async function piecewise<D>(a: Tensor<D>, f: PiecewiseLinear): Promise<Tensor<D>> {
  const { session, rows, cols, fracBits, size } = a;
  const { ledger, elementBytes, backend } = session;
  const bitLength = ledger.masked("compare", a.bound, fracBits, 0, size);
  const request = requestFor(session.fieldBits, froms(f), fracBits, bitLength, f.resolutionBits);
  ledger.cost("compare", openMaskedCost(size, 1, elementBytes, comparisonDealtBytes(size, request)));
  const prepared = preparePieces(session, f, request, size, fracBits);
  const data = await backend.piecewise(a.data, size, prepared);
  const error = piecewiseError(f, prepared, { bound: a.bound, error: a.error, fracBits, rounding: 0 });
  const bounded = resultBound(prepared, f, fracBits);
  return ledger.result(new Tensor(session, data, rows, cols, fracBits, bounded, error));
}

/** f of a truncated product, compared on the opening that truncates it. */
export async function piecewiseOfProduct<D>(
  product: PreparedProduct<D>,
  f: PiecewiseLinear,
): Promise<Tensor<D>> {
  const { session, terms, rows, cols, bound, rawFracBits, fracBits } = product;
  const { ledger, elementBytes, backend } = session;
  const n = rows * cols;
  const shift = rawFracBits - fracBits;
  const bitLength = ledger.masked("product", bound, rawFracBits, shift, n);
  const request = requestFor(session.fieldBits, froms(f), rawFracBits, bitLength, f.resolutionBits);
  ledger.cost("multiply and truncate", openMaskedCost(n, 2, elementBytes, comparisonDealtBytes(n, request)));
  const prepared = preparePieces(session, f, request, n, fracBits);
  const data = await backend.productPiecewise(terms, n, { shift, bitLength }, prepared);
  const rounding = truncationError(fracBits);
  const error = piecewiseError(f, prepared, { bound, error: product.error, fracBits, rounding });
  const bounded = resultBound(prepared, f, fracBits);
  return ledger.result(new Tensor(session, data, rows, cols, fracBits, bounded, error));
}

const froms = (f: PiecewiseLinear): number[] => f.pieces.map((piece) => piece.from);

/** Encodes the pieces and declares the rounds after the opening. */
function preparePieces<D>(
  { ledger, elementBytes }: Session<D>,
  { pieces, bound }: PiecewiseLinear,
  request: CompareRequest,
  n: number,
  fracBits: number,
): Piecewise {
  const shift = Math.max(...pieces.map((piece) => factorExponent(piece.slope)));
  const gates = pieces.map(({ slope, constant }) => ({
    slope: encode(slope, shift),
    constant: encode(constant, fracBits + shift),
  }));
  ledger.cost("compare", gateOpenedCost(n, request, elementBytes));
  if (shift === 0) {
    ledger.fits("piecewise", bound, fracBits);
    ledger.cost("multiply", reduceDegreeCost(n, elementBytes));
    return { request, gates, truncation: undefined };
  }
  const bitLength = ledger.masked("piecewise", bound, fracBits + shift, shift, n);
  ledger.cost("multiply and truncate", openMaskedCost(n, 2, elementBytes));
  return { request, gates, truncation: { shift, bitLength } };
}

function resultBound({ truncation }: Piecewise, { bound }: PiecewiseLinear, fracBits: number): number {
  return truncation === undefined ? bound : roundedBound(bound, fracBits);
}

/** What is known of the argument of a piecewise function: the values that are compared, and gated. */
interface Argument {
  readonly bound: number;
  readonly error: number;
  readonly fracBits: number;
  /** How far what is gated can be from what is compared. */
  readonly rounding: number;
}

/**
 * How far a piecewise linear function can be from its exact value. Between the pieces an error of the argument
 * is multiplied by the steepest slope. A piece that is counted too early adds its slope times the distance to
 * where it begins, and its jump there if it has one; two pieces are misjudged at once only if they begin within
 * the comparison's resolution of each other.
 */
function piecewiseError(
  { pieces, resolutionBits }: PiecewiseLinear,
  { request, truncation }: Piecewise,
  { bound, error, fracBits, rounding }: Argument,
): number {
  const sorted = [...pieces].sort((a, b) => a.from - b.from);
  let slope = 0;
  let steepest = 0;
  let jumps = 0;
  for (const piece of sorted) {
    slope += piece.slope;
    steepest = Math.max(steepest, Math.abs(slope));
    jumps += Math.abs(piece.slope * piece.from + piece.constant);
  }
  const coarse = request.coarseBits > 0 && resolutionBits !== undefined ? 3 * 2 ** -resolutionBits : 0;
  const thresholdErrors = sorted.map(({ from }) => encodingError(from, fracBits));
  const resolution = coarse + rounding + Math.max(0, ...thresholdErrors);
  const misjudged = sorted.map(({ from }) =>
    sorted.reduce((sum, p) => sum + (Math.abs(p.from - from) <= resolution ? Math.abs(p.slope) : 0), 0),
  );
  const places = truncation?.shift ?? 0;
  const encoded = pieces.reduce(
    (sum, p) =>
      sum + timesBound(bound, encodingError(p.slope, places)) + encodingError(p.constant, fracBits + places),
    0,
  );
  // A hinge's constant is -slope * from, in double precision: what is left of it is no jump.
  const continuous = jumps <= 2 ** -40;
  return (
    timesBound(steepest, error + rounding) +
    Math.max(0, ...misjudged) * resolution +
    (continuous || error + resolution === 0 ? 0 : jumps) +
    encoded +
    (places > 0 ? truncationError(fracBits) : 0)
  );
}

function requestFor(
  field: FieldBits,
  thresholds: readonly number[],
  fracBits: number,
  bitLength: number,
  resolutionBits?: number,
): CompareRequest {
  const coarseBits = resolutionBits === undefined ? 0 : Math.max(0, fracBits - resolutionBits);
  const request = { thresholds: thresholds.map((t) => encode(t, fracBits)), bitLength, coarseBits };
  checkComparison(field, request);
  return request;
}

/** A bit is exact or, where the value, a threshold or the comparison is not, may be the wrong one. */
function bitError(
  valueError: number,
  thresholds: readonly number[],
  fracBits: number,
  { coarseBits }: CompareRequest,
): number {
  const exact = thresholds.every((t) => encodingError(t, fracBits) === 0);
  return valueError === 0 && coarseBits === 0 && exact ? 0 : 1;
}

function splitBits<D>(
  session: Session<D>,
  data: D,
  rows: number,
  cols: number,
  count: number,
  error: number,
): Tensor<D>[] {
  const n = rows * cols;
  return Array.from(
    { length: count },
    (_, j) => new Tensor(session, session.backend.slice(data, j * n, n), rows, cols, 0, 1, error),
  );
}
