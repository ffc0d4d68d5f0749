/** Tensors joined into one. Local. */
import { mismatch, shapeError } from "./shapes.ts";
import { Tensor } from "./tensor.ts";

/** One matrix above the other. */
export function stackRows<D>(list: readonly Tensor<D>[]): Tensor<D> {
  const first = firstOf(list);
  for (const a of list)
    if (a.cols !== first.cols || a.fracBits !== first.fracBits) throw mismatch("stackRows", first, a);
  if (list.length === 1) return first;
  const data = first.session.backend.concat(
    list.map((a) => a.data),
    list.map((a) => a.size),
  );
  const rows = list.reduce((sum, a) => sum + a.rows, 0);
  const bound = Math.max(...list.map((a) => a.bound));
  const error = Math.max(...list.map((a) => a.error));
  return new Tensor(first.session, data, rows, first.cols, first.fracBits, bound, error);
}

/** One matrix beside the other; the rows in the given order, repetitions allowed, in the same pass. */
export function stackColumns<D>(
  list: readonly Tensor<D>[],
  rowOrder?: readonly number[] | Uint32Array,
): Tensor<D> {
  const first = firstOf(list);
  for (const a of list)
    if (a.rows !== first.rows || a.fracBits !== first.fracBits) throw mismatch("stackColumns", first, a);
  for (const row of rowOrder ?? [])
    if (!(row >= 0 && row < first.rows)) throw shapeError("takeRows", `row ${row} of ${first.rows} rows`);
  const order = Uint32Array.from(rowOrder ?? { length: first.rows }, (row, i) => row ?? i);
  const data = first.session.backend.assemble(
    list.map((a) => ({ a: a.data, cols: a.cols, column: 0, width: a.cols, order })),
  );
  const cols = list.reduce((sum, a) => sum + a.cols, 0);
  const bound = Math.max(...list.map((a) => a.bound));
  const error = Math.max(...list.map((a) => a.error));
  return new Tensor(first.session, data, order.length, cols, first.fracBits, bound, error);
}

function firstOf<D>(list: readonly Tensor<D>[]): Tensor<D> {
  if (list.length === 0) throw shapeError("stack", "there is nothing to join");
  return list[0];
}
