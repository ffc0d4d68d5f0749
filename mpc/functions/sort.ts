/**
 * Sorting: which values are compared does not depend on them, so nothing is opened. Exact; an error of the values
 * is passed on, since no order statistic moves further than the values. Small inputs are sorted by ranks in 9
 * rounds, larger ones by a network: 4 rounds a layer, 5 with a payload, log2(n) (log2(n) + 1) / 2 layers.
 */
import { SymbolonError } from "../errors.ts";
import { mismatch } from "../session/shapes.ts";
import { stackRows } from "../session/stack.ts";
import type { Tensor } from "../session/tensor.ts";
import { fewRoundsPay, rowsInOrder, valuesAt } from "./rank.ts";
import { relu } from "./relu.ts";
import { type Layer, mergeExchange, pruned } from "./sorting-network.ts";

/** Each column of x[n, m] in ascending order. */
export function sort<D>(x: Tensor<D>): Promise<Tensor<D>> {
  return placesOf(
    x,
    Array.from({ length: x.rows }, (_, place) => place),
  );
}

/** The k largest elements of each column of x[n, m], the largest first -> [k, m]. */
export async function topK<D>(x: Tensor<D>, k: number): Promise<Tensor<D>> {
  if (!(k >= 1 && k <= x.rows))
    throw new SymbolonError("PARAMETER_INVALID", `the ${k} largest of ${x.rows} values`);
  return placesOf(
    x,
    Array.from({ length: k }, (_, i) => x.rows - 1 - i),
  );
}

/**
 * The median of each column of x[n, m] -> [1, m]; for even n the mean of the middle two, with one fractional bit
 * more than x.
 */
export async function median<D>(x: Tensor<D>): Promise<Tensor<D>> {
  const [low, high] = [Math.floor((x.rows - 1) / 2), Math.floor(x.rows / 2)];
  if (low === high) return placesOf(x, [low]);
  // The sum of two, halved: no larger and no further off than the values.
  return (await placesOf(x, [low, high])).sumRows().timesPowerOfTwo(-1);
}

/** keys[n, 1] in ascending order, and the rows of payload[n, m] moved along; the order of equal keys is open. */
export async function sortBy<D>(
  keys: Tensor<D>,
  payload: Tensor<D>,
): Promise<{ keys: Tensor<D>; payload: Tensor<D> }> {
  if (keys.cols !== 1 || keys.rows !== payload.rows) throw mismatch("sortBy", keys, payload);
  const layers = mergeExchange(keys.rows);
  const network = { rounds: 5 * layers.length, comparisons: layers.flat().length };
  const [sorted, along] = fewRoundsPay([keys.rows, 1], keys.rows, network)
    ? await rowsInOrder(keys, [keys, payload])
    : await exchangeRows(keys, payload, layers);
  // A row that stands in the wrong place because of an error in its key is as wrong as it can be.
  const error = keys.error > 0 ? 2 * payload.bound : payload.error;
  return { keys: sorted.assumeError(keys.error), payload: along.assumeError(error) };
}

function placesOf<D>(x: Tensor<D>, places: readonly number[]): Promise<Tensor<D>> {
  const layers = pruned(mergeExchange(x.rows), places);
  const network = { rounds: 4 * layers.length, comparisons: layers.flat().length };
  return fewRoundsPay([x.rows, x.cols], places.length, network)
    ? valuesAt(x, places)
    : exchange(x, layers).then((sorted) => sorted.takeRows(places));
}

/** The columns of x[n, m] after the compare-exchanges of a network. */
export async function exchange<D>(x: Tensor<D>, layers: readonly Layer[]): Promise<Tensor<D>> {
  let rows = x;
  for (const layer of layers) {
    const { first, second } = pairsOf(rows, layer);
    const excess = await relu(first.subtract(second));
    rows = putBack(rows, layer, first.subtract(excess), second.add(excess)).assumeError(x.error);
  }
  return rows;
}

/** Keys and the rows of a payload after the compare-exchanges of a network on the keys. */
export async function exchangeRows<D>(
  keys: Tensor<D>,
  payload: Tensor<D>,
  layers: readonly Layer[],
): Promise<Tensor<D>[]> {
  let table = [keys, payload];
  for (const layer of layers) {
    const pairs = table.map((part) => pairsOf(part, layer));
    const inOrder = await pairs[0].second.atLeast(pairs[0].first);
    table = await keys.session.together(
      pairs.map(({ first, second }, part) => async () => {
        // The first of each pair where the order is right, else the second.
        const difference = first.subtract(second);
        const moved = await difference.multiply(inOrder);
        return putBack(table[part], layer, second.add(moved), first.subtract(moved));
      }),
    );
  }
  return table;
}

function pairsOf<D>(x: Tensor<D>, layer: Layer): { first: Tensor<D>; second: Tensor<D> } {
  return { first: x.takeRows(layer.map(([i]) => i)), second: x.takeRows(layer.map(([, j]) => j)) };
}

/** x with the rows of a layer's places replaced by rows that are the same up to their order. */
function putBack<D>(x: Tensor<D>, layer: Layer, first: Tensor<D>, second: Tensor<D>): Tensor<D> {
  const from = Array.from({ length: x.rows }, (_, row) => row);
  layer.forEach(([i, j], pair) => {
    from[i] = x.rows + pair;
    from[j] = x.rows + layer.length + pair;
  });
  return stackRows([x, first, second]).takeRows(from).assume(x.bound);
}
