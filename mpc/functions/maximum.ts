/** Largest and smallest values, and where they stand. Exact; errors of the arguments are passed on. */
import { stackRows } from "../session/stack.ts";
import type { Tensor } from "../session/tensor.ts";
import { fewRoundsPay, indicators, ranks, valuesAt } from "./rank.ts";
import { relu } from "./relu.ts";

/** The larger of a and b, element by element. 4 rounds. */
export async function maximum<D>(a: Tensor<D>, b: Tensor<D>): Promise<Tensor<D>> {
  return withBoundsOf(b.add(await relu(a.subtract(b))), a, b);
}

/** The smaller of a and b, element by element. 4 rounds. */
export async function minimum<D>(a: Tensor<D>, b: Tensor<D>): Promise<Tensor<D>> {
  return withBoundsOf(a.subtract(await relu(a.subtract(b))), a, b);
}

/**
 * The largest element of each column of x[n, m] -> [1, m]. 4 rounds for each level of a binary tree, or 9 by ranks
 * where there are few elements.
 */
export async function maxRows<D>(x: Tensor<D>): Promise<Tensor<D>> {
  if (fewRoundsPay([x.rows, x.cols], 1, tree(x.rows, 4))) return valuesAt(x, [x.rows - 1]);
  let rows = x;
  while (rows.rows > 1) {
    const { left, right, rest } = halves(rows);
    rows = stackRows([await maximum(left, right), ...rest]);
  }
  return rows;
}

/** The smallest element of each column of x[n, m] -> [1, m]. */
export async function minRows<D>(x: Tensor<D>): Promise<Tensor<D>> {
  return (await maxRows(x.negate())).negate();
}

/** The largest of all elements, [1, 1]. */
export function max<D>(x: Tensor<D>): Promise<Tensor<D>> {
  return maxRows(x.reshape(x.size, 1));
}

/** The smallest of all elements, [1, 1]. */
export function min<D>(x: Tensor<D>): Promise<Tensor<D>> {
  return minRows(x.reshape(x.size, 1));
}

/**
 * The row in which each column of x[n, m] has its largest element -> [1, m], integers; of several the first.
 * 5 rounds for each level of a binary tree, or 8 by ranks where there are few elements.
 */
export async function argmaxRows<D>(x: Tensor<D>): Promise<Tensor<D>> {
  const { session, rows, cols } = x;
  if (fewRoundsPay([rows, cols], 1, tree(rows, 5))) {
    // Of equal values the last has the highest rank, so the rows are ranked from the last one on.
    const upwards = Array.from({ length: rows }, (_, row) => rows - 1 - row);
    const [last] = await indicators(await ranks(x.takeRows(upwards)), [rows - 1]);
    const places = upwards.map((row, i) => last.sliceRows(i, 1).timesInteger(row));
    return stackRows(places)
      .sumRows()
      .assume(rows - 1)
      .assumeError(last.error > 0 ? rows - 1 : 0);
  }
  let values = x;
  let indices = stackRows(Array.from({ length: x.rows }, (_, row) => session.constant(row, 1, cols, 0)));
  while (values.rows > 1) {
    const value = halves(values);
    const index = halves(indices);
    const isLeft = await value.left.atLeast(value.right);
    const [larger, where] = await session.together([
      () => isLeft.select(value.left, value.right),
      () => isLeft.select(index.left, index.right),
    ]);
    values = stackRows([larger.assumeError(x.error), ...value.rest]);
    indices = stackRows([where, ...index.rest]);
  }
  return indices;
}

/**
 * A column with 1 in the row of its index and 0 elsewhere, for each of index[1, m] -> [n, m]. 4 rounds.
 * @param index integers from 0 to n - 1, with no fractional bits
 */
export async function oneHot<D>(index: Tensor<D>, n: number): Promise<Tensor<D>> {
  const fromRow = [
    index.session.constant(1, 1, index.cols, 0),
    ...(n > 1 ? await index.atLeastEach(Array.from({ length: n - 1 }, (_, row) => row + 1)) : []),
  ];
  // At least this row, and not at least the next: thresholds rise, so a bit.
  return stackRows(
    fromRow.map((bit, row) =>
      row + 1 < n
        ? bit
            .subtract(fromRow[row + 1])
            .assume(1)
            .assumeError(bit.error)
        : bit,
    ),
  );
}

/** What a binary tree over n rows takes. */
function tree(n: number, roundsOfLevel: number): { rounds: number; comparisons: number } {
  return { rounds: roundsOfLevel * Math.ceil(Math.log2(n)), comparisons: n - 1 };
}

/** Neighbouring rows, in the order that lets a tie be decided for the first, and the one left over. */
function halves<D>(x: Tensor<D>): { left: Tensor<D>; right: Tensor<D>; rest: Tensor<D>[] } {
  const pairs = Math.floor(x.rows / 2);
  const every = (first: number): number[] => Array.from({ length: pairs }, (_, i) => 2 * i + first);
  return {
    left: x.takeRows(every(0)),
    right: x.takeRows(every(1)),
    rest: x.rows % 2 === 1 ? [x.sliceRows(x.rows - 1, 1)] : [],
  };
}

/** The larger or smaller of two is one of them, and moves no further than the one of them that moves most. */
function withBoundsOf<D>(result: Tensor<D>, a: Tensor<D>, b: Tensor<D>): Tensor<D> {
  return result.assume(Math.max(a.bound, b.bound)).assumeError(Math.max(a.error, b.error));
}
