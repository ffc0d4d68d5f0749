import { encode } from "../session/encoding.ts";
import { stackRows } from "../session/stack.ts";
import type { Tensor } from "../session/tensor.ts";

/** Places of the encoded coefficients. */
const coefficientBits = 24;

/**
 * c_0 + c_1 x + c_2 x^2 + ..., element by element, in as many rounds as log2 of the number of coefficients,
 * rounded up [PS73]: pairs of coefficients become lines, and each round joins neighbours p and q to p + q x^m
 * with the power of x that it needs, which the round before has squared.
 *
 * Error: that of x and 1.5 units in the last place of x a round, spread as the bounds of x and of the
 * coefficients say, and 2^-25 for each coefficient.
 * @param fracBits of the result
 */
export async function polynomial<D>(
  x: Tensor<D>,
  coefficients: readonly number[],
  fracBits = x.fracBits,
): Promise<Tensor<D>> {
  const { session, rows } = x;
  const lines: Tensor<D>[] = [];
  for (let i = 0; i < coefficients.length; i += 2) {
    const slope = Number(encode(coefficients[i + 1] ?? 0, coefficientBits));
    lines.push(x.timesInteger(slope).timesPowerOfTwo(-coefficientBits).add(coefficients[i]));
  }
  const encodingErrors = coefficients.reduce((sum, _, i) => sum + 2 ** -25 * Math.max(1, x.bound ** i), 0);
  if (lines.length === 1) {
    const line = await lines[0].truncate(fracBits);
    return line.assumeError(line.error + encodingErrors);
  }
  let [stacked, power] = await session.together([
    () => stackRows(lines).truncate(x.fracBits),
    () => x.multiply(x),
  ]);
  for (let count = lines.length; count > 1; count = Math.ceil(count / 2)) {
    const blocks = Array.from({ length: count }, (_, i) => stacked.sliceRows(i * rows, rows));
    const high = blocks.filter((_, i) => i % 2 === 1);
    const low = high.map((_, i) => blocks[2 * i]);
    const isLast = count === 2;
    const factor = power;
    const [joined, square] = await session.together([
      () =>
        stackRows(high).multiply(stackRows(high.map(() => factor)), {
          fracBits: isLast ? fracBits : x.fracBits,
          plus: [{ tensor: stackRows(low), scale: 1 }],
        }),
      async () => (isLast ? factor : factor.multiply(factor)),
    ]);
    stacked = count % 2 === 1 ? stackRows([joined, blocks[count - 1]]) : joined;
    power = square;
  }
  return stacked.assumeError(stacked.error + encodingErrors);
}
