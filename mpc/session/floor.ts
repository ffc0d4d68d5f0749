import { floorCosts } from "../protocols/floor.ts";
import { shapeError } from "./shapes.ts";
import { Tensor } from "./tensor.ts";

/**
 * The largest multiple of 2^-fracBits that is not above a, element by element: exact, where `Tensor.truncate` is
 * off by up to 1.5 units. For what is to be published on a grid. 5 rounds, or none where there is nothing to drop.
 * @throws SHAPE_MISMATCH for a negative number of bits
 */
export async function floor<D>(a: Tensor<D>, fracBits = 0): Promise<Tensor<D>> {
  if (fracBits < 0) throw shapeError("floor", `to ${fracBits} fractional bits`);
  const shift = a.fracBits - fracBits;
  if (shift <= 0) return a.widen(fracBits);
  const { session, rows, cols, size } = a;
  const { ledger, elementBytes, backend } = session;
  const unit = 2 ** -fracBits;
  const bitLength = ledger.masked("floor", a.bound, a.fracBits, shift, size);
  // What remains after a truncation is below 1.5 units.
  ledger.masked("floor", 1.5 * unit, a.fracBits, 0, size);
  const costs = floorCosts(size, shift, elementBytes);
  ledger.cost("truncate", costs.truncate);
  ledger.cost("compare", costs.compare);
  const data = await backend.floor(a.data, size, { shift, bitLength });
  // Where a is not exact, the grid's next line may lie between it and the exact value.
  const error = a.error === 0 ? 0 : a.error + unit;
  return ledger.result(new Tensor(session, data, rows, cols, fracBits, a.bound + unit, error));
}

/** The nearest multiple of 2^-fracBits, halves upwards. Exact; 5 rounds. */
export function round<D>(a: Tensor<D>, fracBits = 0): Promise<Tensor<D>> {
  if (fracBits >= a.fracBits) return floor(a, fracBits);
  return floor(a.add(2 ** -(fracBits + 1)), fracBits);
}
