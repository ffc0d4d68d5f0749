/**
 * Sorting in few rounds: all pairs of values are compared at once, a value's place is how many stand before it,
 * and the value at a place is a sum over all values with one factor that is 1. The rounds do not depend on the
 * number of values, the bytes grow with its square; `fewRoundsPay` says when that is worth it.
 */
import { stackColumns, stackRows } from "../session/stack.ts";
import type { Tensor } from "../session/tensor.ts";

/** Rounds of `ranks` and of `indicators`: those of a comparison. */
const comparisonRounds = 4;
/** Rounds of a sort by ranks: `ranks`, `indicators` and one product. */
export const rankRounds = 2 * comparisonRounds + 1;

/**
 * What a round is worth in bytes. Nearby parties would set less, for the bytes must be computed as well; those
 * that are tens of milliseconds apart much more.
 */
const bytesForRound = 2 ** 15;
/** Bytes of comparing two values of some 40 bits, and of comparing a rank with a place, over all links. */
const bytesOfPair = 240;
const bytesOfPlace = 120;

/**
 * Whether to find `places` of the sorted n values of each of m columns by ranks, rather than by so many rounds
 * and comparisons. A rule on public sizes, the same at every party.
 */
export function fewRoundsPay(
  [n, m]: readonly [number, number],
  places: number,
  other: { readonly rounds: number; readonly comparisons: number },
): boolean {
  const byRanks = ((n * (n - 1)) / 2) * bytesOfPair + n * Math.min(n, places + 1) * bytesOfPlace;
  const extra = m * (byRanks - other.comparisons * bytesOfPair);
  return extra <= (other.rounds - rankRounds) * bytesForRound;
}

/**
 * How many values of the column of x[n, m] each one has before it in ascending order: [n, m], integers. Equal
 * values count in the order of their rows, so every place from 0 to n - 1 is taken once. 4 rounds.
 */
export async function ranks<D>(x: Tensor<D>): Promise<Tensor<D>> {
  const { session, rows: n, cols } = x;
  if (n === 1) return session.constant(0, 1, cols, 0);
  // Pair (i, j), i < j, is number j (j - 1) / 2 + i.
  const pairs = Array.from({ length: n }, (_, j) => Array.from({ length: j }, (_, i) => [i, j])).flat();
  const first = x.takeRows(pairs.map(([i]) => i));
  const second = x.takeRows(pairs.map(([, j]) => j));
  // 1 where the first of a pair stands before the second.
  const before = await second.atLeast(first);
  const places = Array.from({ length: n }, (_, row) => {
    const asSecond = before.sliceRows((row * (row - 1)) / 2, row).sumRows();
    const asFirst = Array.from({ length: n - 1 - row }, (_, i) => ((row + i + 1) * (row + i)) / 2 + row);
    return asSecond.subtract(before.takeRows(asFirst).sumRows()).add(asFirst.length);
  });
  return stackRows(places)
    .assume(n - 1)
    .assumeError(before.error > 0 ? n - 1 : 0);
}

/** For each of the places, 1 at the row of every column of ranks[n, m] that takes it and 0 elsewhere. 4 rounds. */
export async function indicators<D>(rank: Tensor<D>, places: readonly number[]): Promise<Tensor<D>[]> {
  const { session, rows: n, cols } = rank;
  const thresholds = [...new Set(places.flatMap((place) => [place, place + 1]))]
    .filter((t) => t > 0 && t < n)
    .sort((a, b) => a - b);
  const bits = thresholds.length > 0 ? await rank.atLeastEach(thresholds) : [];
  const atLeast = (t: number): Tensor<D> =>
    t <= 0 || t >= n ? session.constant(t <= 0 ? 1 : 0, n, cols, 0) : bits[thresholds.indexOf(t)];
  return places.map((place) => {
    const [here, above] = [atLeast(place), atLeast(place + 1)];
    // What is at least the next place is at least this one.
    return here.subtract(above).assume(1).assumeError(here.error);
  });
}

/** The values that stand at these places of the sorted columns of x[n, m] -> [places, m]. 9 rounds, exact. */
export async function valuesAt<D>(x: Tensor<D>, places: readonly number[]): Promise<Tensor<D>> {
  const chosen = await indicators(await ranks(x), places);
  const values = stackColumns(places.map(() => x));
  const sums = await stackColumns(chosen).columnDots(values, { fracBits: x.fracBits, bound: x.bound });
  // Values in their order move no further than the one of them that moves most.
  return sums.reshape(places.length, x.cols).assumeError(x.error);
}

/** The rows of each table in the ascending order of keys[n, 1]; equal keys keep their order. 9 rounds, exact. */
export async function rowsInOrder<D>(keys: Tensor<D>, tables: readonly Tensor<D>[]): Promise<Tensor<D>[]> {
  const places = Array.from({ length: keys.rows }, (_, place) => place);
  const chosen = await indicators(await ranks(keys), places);
  const permutation = stackRows(chosen.map((column) => column.transpose()));
  return keys.session.together(
    tables.map((table) => async () => {
      // One factor in a row is 1: a product is a row of the table.
      const rows = await permutation.matmul(table, { fracBits: table.fracBits, bound: table.bound });
      return rows.assumeError(table.error);
    }),
  );
}
