/**
 * Products of tensors: one round each, however many terms are summed before the truncation. Methods of
 * `Tensor` for the common ones; `sumOfProducts` for several at once.
 */
import { openMaskedCost } from "../protocols/masked-opening.ts";
import { reduceDegreeCost } from "../protocols/multiply.ts";
import type { ProductTerm } from "./backend.ts";
import {
  encode,
  encodedSize,
  encodingError,
  factorExponent,
  roundedBound,
  timesBound,
  truncationError,
} from "./encoding.ts";
import type { Session } from "./session.ts";
import { broadcastOf, mismatch, shapeError } from "./shapes.ts";
import { Tensor } from "./tensor.ts";

export interface ProductOptions<D = never> {
  /** Public factor on the product, encoded with a relative error below 2^-scaleBits. */
  readonly scale?: number;
  /** Default 24. */
  readonly scaleBits?: number;
  /** Fractional bits of the result; default: those of the first operand. */
  readonly fracBits?: number;
  /** A bound on the scaled product that the caller can prove, where it is smaller than the computed one. */
  readonly bound?: number;
  /** The same for the error of the scaled product before its truncation. */
  readonly error?: number;
  /** Shared values with public factors that are added before the truncation, so in the same round. */
  readonly plus?: readonly { readonly tensor: Tensor<D>; readonly scale: number }[];
}

/** One summand of `sumOfProducts`: scale * a o b, element by element. */
export interface Summand<D> {
  readonly a: Tensor<D>;
  readonly b: Tensor<D>;
  readonly scale: number;
}

/** A product before its round: the local terms, their format, and the bound on their sum. */
export interface PreparedProduct<D> {
  readonly session: Session<D>;
  readonly terms: readonly ProductTerm<D>[];
  readonly rows: number;
  readonly cols: number;
  /** On the absolute value of the sum. */
  readonly bound: number;
  /** On its distance from exact arithmetic. */
  readonly error: number;
  /** Fractional bits before and after the truncation. */
  readonly rawFracBits: number;
  readonly fracBits: number;
}

/** The round of a product: truncates, or only reduces the degree where no bits are dropped. */
export async function evaluate<D>(product: PreparedProduct<D>): Promise<Tensor<D>> {
  const { session, terms, rows, cols, bound, rawFracBits, fracBits } = product;
  const { ledger, elementBytes, backend } = session;
  const n = rows * cols;
  const shift = rawFracBits - fracBits;
  const error = product.error + (shift > 0 ? truncationError(fracBits) : 0);
  if (shift === 0) {
    ledger.fits("product", bound, rawFracBits);
    ledger.cost("multiply", reduceDegreeCost(n, elementBytes));
    const data = await backend.product(terms, n, undefined);
    return ledger.result(new Tensor(session, data, rows, cols, fracBits, bound, error));
  }
  const bitLength = ledger.masked("product", bound, rawFracBits, shift, n);
  ledger.cost("multiply and truncate", openMaskedCost(n, 2, elementBytes));
  const data = await backend.product(terms, n, { shift, bitLength });
  return ledger.result(new Tensor(session, data, rows, cols, fracBits, roundedBound(bound, fracBits), error));
}

/** The sum of scaled element-wise products of equal shapes, in one truncation. One round. */
export async function sumOfProducts<D>(
  list: readonly Summand<D>[],
  fracBits: number,
  provenBound?: number,
): Promise<Tensor<D>> {
  const [{ a, b }] = list;
  for (const s of list) {
    for (const t of [s.a, s.b])
      if (t.rows !== a.rows || t.cols !== a.cols) throw mismatch("sumOfProducts", a, t);
    if (s.a.fracBits + s.b.fracBits !== a.fracBits + b.fracBits) throw mismatch("sumOfProducts", s.a, s.b);
  }
  const exponent = Math.max(...list.map((s) => factorExponent(s.scale)));
  const rawFracBits = rawBits("sumOfProducts", a, b, exponent, fracBits);
  const { rows, cols, session } = a;
  const terms = list.map(
    (s): ProductTerm<D> => ({
      kind: "elementwise",
      ...{ a: s.a.data, b: s.b.data, rows, cols },
      scale: encode(s.scale, exponent),
    }),
  );
  const computed = list.reduce((sum, s) => sum + s.a.bound * s.b.bound * encodedSize(s.scale, exponent), 0);
  const bound = Math.min(computed, provenBound ?? computed);
  const error = list.reduce((sum, s) => sum + productError(s.a, s.b, 1, s.scale, exponent), 0);
  return evaluate({ session, terms, rows, cols, bound, error, rawFracBits, fracBits });
}

/** a o b; b may be one row for all rows of a, one column for all columns, or one number. */
export function elementwise<D>(a: Tensor<D>, b: Tensor<D>, options: ProductOptions<D>): PreparedProduct<D> {
  const repeat = broadcastOf("multiply", a, b);
  const { rows, cols } = a;
  const factor = repeat === "scalar" ? b.broadcastTo(1, cols).data : b.data;
  const kind = repeat === "none" ? "elementwise" : repeat === "column" ? "times-column" : "times-row";
  return prepare("multiply", a, b, { rows, cols, inner: 1 }, options, (scale) => ({
    kind,
    ...{ a: a.data, b: factor, rows, cols, scale },
  }));
}

/** a[n, m] b[m, q] -> [n, q]. */
export function matmul<D>(a: Tensor<D>, b: Tensor<D>, options: ProductOptions<D>): PreparedProduct<D> {
  if (a.cols !== b.rows) throw mismatch("matmul", a, b);
  const shape = { rows: a.rows, inner: a.cols, cols: b.cols };
  return prepare("matmul", a, b, shape, options, (scale) => ({
    kind: "matmul",
    ...{ a: a.data, b: b.data, ...shape, scale },
  }));
}

/** a' b, with a[n, m] and b[n, q] -> [m, q]. */
export function transposedMatmul<D>(
  a: Tensor<D>,
  b: Tensor<D>,
  options: ProductOptions<D>,
): PreparedProduct<D> {
  if (a.rows !== b.rows) throw mismatch("transposedMatmul", a, b);
  const shape = { rows: a.cols, inner: a.rows, cols: b.cols };
  return prepare("transposedMatmul", a, b, shape, options, (scale) => ({
    kind: "transposed-matmul",
    ...{ a: a.data, b: b.data, ...shape, scale },
  }));
}

/** Column by column inner products of a[n, m] and b[n, m] -> [1, m]. */
export function columnDots<D>(a: Tensor<D>, b: Tensor<D>, options: ProductOptions<D>): PreparedProduct<D> {
  if (a.rows !== b.rows || a.cols !== b.cols) throw mismatch("columnDots", a, b);
  const shape = { rows: 1, inner: a.rows, cols: a.cols };
  return prepare("columnDots", a, b, shape, options, (scale) => ({
    kind: "column-dots",
    ...{ a: a.data, b: b.data, ...shape, scale },
  }));
}

/** Each element of the product is the sum of `inner` products of elements of a and b. */
function prepare<D>(
  operation: string,
  a: Tensor<D>,
  b: Tensor<D>,
  { rows, cols, inner }: { rows: number; cols: number; inner: number },
  options: ProductOptions<D>,
  termOf: (scale: bigint) => ProductTerm<D>,
): PreparedProduct<D> {
  const { scale = 1, fracBits = a.fracBits, plus = [] } = options;
  const exponent = factorExponent(scale, options.scaleBits);
  const rawFracBits = rawBits(operation, a, b, exponent, fracBits);
  const terms = [termOf(encode(scale, exponent))];
  const computed = inner * a.bound * b.bound * encodedSize(scale, exponent);
  let bound = Math.min(computed, options.bound ?? computed);
  const spread = productError(a, b, inner, scale, exponent, bound);
  let error = Math.min(spread, options.error ?? spread);
  for (const { tensor, scale: factor } of plus) {
    if (tensor.rows !== rows || tensor.cols !== cols)
      throw shapeError("plus", `${tensor.rows}x${tensor.cols} to ${rows}x${cols}`);
    const encoded = encode(factor, rawFracBits - tensor.fracBits);
    terms.push({ kind: "linear", a: tensor.data, rows, cols, scale: encoded });
    bound += tensor.bound * encodedSize(factor, rawFracBits - tensor.fracBits);
    const factorError = encodingError(factor, rawFracBits - tensor.fracBits);
    error +=
      timesBound(tensor.error, Math.abs(factor)) + timesBound(tensor.bound + tensor.error, factorError);
  }
  return { session: a.session, terms, rows, cols, bound, error, rawFracBits, fracBits };
}

/**
 * Error of scale * sum of `inner` products of elements of a and b: with exact a', b' the products differ by
 * a b - a' b' = a (b - b') + b (a - a') - (a - a') (b - b'), and the encoded scale differs from its own value.
 * @param bound on the scaled sum, where it is known to be smaller than the elements' bounds say
 */
function productError<D>(
  a: Tensor<D>,
  b: Tensor<D>,
  inner: number,
  scale: number,
  exponent: number,
  bound = Number.POSITIVE_INFINITY,
): number {
  const size = Math.abs(scale);
  const inherited =
    inner * (timesBound(a.bound, b.error) + timesBound(b.bound, a.error) + timesBound(a.error, b.error));
  const scaleError = encodingError(scale, exponent);
  const sum = Math.min(inner * a.bound * b.bound, size === 0 ? 0 : bound / size);
  return timesBound(size + scaleError, inherited) + timesBound(scaleError, sum + inherited);
}

/** Fractional bits of a product before its truncation. */
function rawBits<D>(
  operation: string,
  a: Tensor<D>,
  b: Tensor<D>,
  exponent: number,
  fracBits: number,
): number {
  const raw = a.fracBits + b.fracBits + exponent;
  if (raw < fracBits)
    throw shapeError(operation, `the product has ${raw} fractional bits, fewer than ${fracBits}`);
  return raw;
}
