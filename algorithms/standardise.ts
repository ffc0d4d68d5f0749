import { inverseSqrt } from "../mpc/functions/square-root.ts";
import { columnDots } from "../mpc/session/products.ts";
import { mapRows, type Table } from "../mpc/session/table.ts";
import { sumProducts, sumRows } from "../mpc/session/table-products.ts";
import type { Tensor } from "../mpc/session/tensor.ts";

/** Columns whose variance, times n over `squaresDivisor(n)`, is below this power of two give 0 instead of a division: they are constant, or nearly. */
export const minVarianceExponent = -22;

/** Fractional bits of sums of squares: twice those of what is squared, up to this many. */
const maxSquareBits = 40;

/** What standardisation takes of the columns of a table. */
export interface Standardised<D> {
  /** (x - mean) / deviation, [n, d]; 0 in columns that are constant. */
  readonly X: Table<D>;
  readonly mean: Tensor<D>;
  /** 1 / deviation, or 0. */
  readonly inverseDeviation: Tensor<D>;
}

/** The sums of the first d columns, [1, d]. Local. */
export async function columnSums<D>(table: Table<D>, d: number): Promise<Tensor<D>> {
  return (await sumRows(table)).sliceColumns(0, d);
}

/** The means of the first d columns, [1, d], with the session's fractional bits; nothing is opened. One round. */
export async function columnMeans<D>(table: Table<D>, d: number): Promise<Tensor<D>> {
  const { session, rows, bound } = table;
  session.step("mean");
  return (await columnSums(table, d)).widen(session.fracBits).over(rows, bound);
}

/** The first d columns of a block, less their means. */
function centre<D>(block: Tensor<D>, mean: Tensor<D>): Tensor<D> {
  return block.sliceColumns(0, mean.cols).widen(mean.fracBits).subtract(mean);
}

/**
 * The divisor of `meanSquares` of n rows: the next power of two. Dividing by it moves the point, where n itself
 * would take 20 bits of every sum to encode; who needs another divisor multiplies by the quotient.
 */
export function squaresDivisor(n: number): number {
  return 2 ** Math.ceil(Math.log2(n));
}

/** Sums of the squares of the columns less their means [1, d], over `squaresDivisor(n)`, [1, d]. One round. */
export async function meanSquares<D>(table: Table<D>, mean: Tensor<D>): Promise<Tensor<D>> {
  table.session.step("variance");
  const divisor = squaresDivisor(table.rows);
  // All rows of a column are off by the same error e of its mean, and exactly centred they add up to 0: so
  // sum (c + e)^2 = sum c^2 + n e^2.
  const error = (table.rows / divisor) * (table.error + mean.error) ** 2;
  return sumProducts(
    table,
    (block) => {
      const centred = centre(block, mean);
      return columnDots(centred, centred, {
        scale: 1 / divisor,
        fracBits: Math.min(maxSquareBits, 2 * centred.fracBits),
      });
    },
    // A variance of values in [-1, 1] is at most 1; their mean is rounded.
    { bound: (table.rows / divisor) * (1 + 2 ** -10), error },
  );
}

/**
 * Standardises the first d columns of a table of values in [-1, 1], on shares; nothing is opened. Errors are
 * counted afresh from its results on. One round for each block of rows, and those of means, variances and their
 * inverse roots.
 */
export async function standardise<D>(table: Table<D>, d: number): Promise<Standardised<D>> {
  const { session, rows } = table;
  const mean = await columnMeans(table, d);
  const squares = await meanSquares(table, mean);
  session.step("inverse deviation");
  const range = { minExponent: minVarianceExponent, maxExponent: 2 };
  // Errors of what follows count from the computed means, deviations and rows on: these are the units in which
  // a model is trained, and whether a column is constant enough to be left out is decided by them.
  const inverse = await inverseSqrt(squares.assumeError(0), range, session.fracBits);
  const scaled = await inverse.multiplyPublic(Math.sqrt(rows / squaresDivisor(rows)));
  const inverseDeviation = scaled.assumeError(0);
  session.step("standardise");
  const X = await mapRows(table, d, async (block) => {
    const scaledBlock = await centre(block, mean).assumeError(0).multiply(inverseDeviation);
    // n variance = sum (x_i - mean)^2 >= (x_j - mean)^2, so |x_j - mean| / deviation <= sqrt(n).
    return scaledBlock.assume(1.01 * Math.sqrt(rows)).assumeError(0);
  });
  return { X, mean: mean.assumeError(0), inverseDeviation };
}
