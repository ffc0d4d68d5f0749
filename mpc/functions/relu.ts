/**
 * Functions of one hinge or two. All take 4 rounds, are exact for any values that fit the field, and pass an
 * error of their argument on as it is.
 */
import { SymbolonError } from "../errors.ts";
import type { Tensor } from "../session/tensor.ts";

/** max(x, 0), element by element. */
export function relu<D>(x: Tensor<D>): Promise<Tensor<D>> {
  return x.piecewise({ pieces: [{ from: 0, slope: 1, constant: 0 }], bound: x.bound });
}

/** |x|, element by element. */
export async function abs<D>(x: Tensor<D>): Promise<Tensor<D>> {
  const twice = await x.piecewise({ pieces: [{ from: 0, slope: 2, constant: 0 }], bound: 2 * x.bound });
  return twice.subtract(x).assume(x.bound).assumeError(x.error);
}

/** x where low <= x <= high, else the nearer of the two; element by element. */
export async function clamp<D>(x: Tensor<D>, low: number, high: number): Promise<Tensor<D>> {
  if (!(low <= high)) throw new SymbolonError("PARAMETER_INVALID", `no value lies from ${low} to ${high}`);
  const pieces = [
    { from: low, slope: 1, constant: -low },
    { from: high, slope: -1, constant: high },
  ];
  const above = await x.piecewise({ pieces, bound: high - low });
  // The limits are rounded to a unit in the last place of x.
  return above.add(low).assume(Math.max(Math.abs(low), Math.abs(high)) + 2 ** -x.fracBits);
}
