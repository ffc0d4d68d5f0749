/** Comparisons of tensors with public thresholds. */
import {
  type CompareRequest,
  compareCost,
  compareDeal,
  compareOpenedCost,
  maskedBitsLabel,
} from "../protocols/compare.ts";
import { openMaskedCost } from "../protocols/masked-opening.ts";
import { encode, roundedBound } from "./encoding.ts";
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
  const request = requestFor(thresholds, a.fracBits, bitLength, resolutionBits);
  ledger.cost(compareCost(n, request, elementBytes));
  ledger.opening(maskedBitsLabel, n * thresholds.length);
  const bits = await backend.compare(a.data, n, request);
  return splitBits(session, bits, rows, cols, thresholds.length);
}

/** The truncated product, and the comparisons of the untruncated one from the same opening. */
export async function evaluateAtLeast<D>(
  product: PreparedProduct<D>,
  thresholds: readonly number[],
  resolutionBits: number,
): Promise<{ value: Tensor<D>; bits: Tensor<D>[] }> {
  const { session, terms, rows, cols, bound, rawFracBits, fracBits } = product;
  const { ledger, elementBytes, backend } = session;
  const n = rows * cols;
  const shift = rawFracBits - fracBits;
  const bitLength = ledger.masked("product", bound, rawFracBits, shift, n);
  const request = requestFor(thresholds, rawFracBits, bitLength, resolutionBits);
  const deal = compareDeal(request);
  ledger.cost(openMaskedCost(n, 2, elementBytes, deal));
  ledger.cost(compareOpenedCost(n, deal, elementBytes));
  ledger.opening(maskedBitsLabel, n * thresholds.length);
  const result = await backend.productAndCompare(terms, n, { shift, bitLength }, request);
  return {
    value: new Tensor(session, result.value, rows, cols, fracBits, roundedBound(bound, fracBits)),
    bits: splitBits(session, result.bits, rows, cols, thresholds.length),
  };
}

function requestFor(
  thresholds: readonly number[],
  fracBits: number,
  bitLength: number,
  resolutionBits?: number,
): CompareRequest {
  const coarseBits = resolutionBits === undefined ? 0 : Math.max(0, fracBits - resolutionBits);
  return { thresholds: thresholds.map((t) => encode(t, fracBits)), bitLength, coarseBits };
}

function splitBits<D>(session: Session<D>, data: D, rows: number, cols: number, count: number): Tensor<D>[] {
  const n = rows * cols;
  return Array.from(
    { length: count },
    (_, j) => new Tensor(session, session.backend.slice(data, j * n, n), rows, cols, 0, 1),
  );
}
