/** Sums and products over all rows of a table: local work block by block, then the rounds of one operation. */
import type { ProductTerm } from "./backend.ts";
import { evaluate, type PreparedProduct } from "./products.ts";
import { stackRows } from "./stack.ts";
import { mapBlocks, type Table } from "./table.ts";
import type { Tensor } from "./tensor.ts";

/** Rows of a product that are computed together; its operands are read block by block. */
const groupRows = 2 ** 17;

/** The sum of all rows, [1, cols]. Local. */
export async function sumRows<D>(table: Table<D>): Promise<Tensor<D>> {
  const [sum] = await table.session.scope(async () => [
    (await mapBlocks(table, (block) => block.sumRows())).sumRows(),
  ]);
  // One element of each row adds up, however the rows were grouped.
  return sum.assume(table.bound * table.rows);
}

/**
 * The sum of a product that `prepare` makes of each block of rows, for instance of columns with columns. One
 * round, as if the table were one block.
 * @param known a bound and an error of the whole sum that the caller can prove
 */
export async function sumProducts<D>(
  table: Table<D>,
  prepare: (block: Tensor<D>) => PreparedProduct<D>,
  known: { bound?: number; error?: number } = {},
): Promise<Tensor<D>> {
  const { session, rows, blockRows } = table;
  const { backend } = session;
  let whole: PreparedProduct<D> | undefined;
  const [result] = await session.scope(async () => {
    for (let first = 0; first < rows; first += blockRows) {
      const earlier = whole;
      const keep = (made: PreparedProduct<D>) => made.terms.map((term) => term.a);
      whole = await backend.scope(async (): Promise<PreparedProduct<D>> => {
        const part = prepare(await table.read(first, Math.min(blockRows, rows - first)));
        const terms = earlier === undefined ? part.terms : [...part.terms, ...earlier.terms];
        const n = part.rows * part.cols;
        return {
          ...part,
          terms: [
            { kind: "local", a: backend.localProduct(terms, n), rows: part.rows, cols: part.cols, scale: 1n },
          ],
          bound: part.bound + (earlier?.bound ?? 0),
          error: part.error + (earlier?.error ?? 0),
        };
      }, keep);
    }
    const { bound, error } = whole!;
    return [
      await evaluate({
        ...whole!,
        bound: Math.min(bound, known.bound ?? bound),
        error: known.error ?? error,
      }),
    ];
  });
  return result;
}

/**
 * What `then` makes of a product that has a row for each row of the table, in memory: one round of products for
 * 2^17 rows.
 */
export async function rowProducts<D>(
  table: Table<D>,
  prepare: (block: Tensor<D>) => PreparedProduct<D>,
  then: (product: Tensor<D>) => Promise<Tensor<D>>,
): Promise<Tensor<D>> {
  const { session, rows, blockRows } = table;
  const { backend } = session;
  const results: Tensor<D>[] = [];
  for (let begin = 0; begin < rows; begin += groupRows) {
    const end = Math.min(rows, begin + groupRows);
    const [made] = await session.scope(async () => {
      const parts: D[] = [];
      const lengths: number[] = [];
      let product: PreparedProduct<D> | undefined;
      for (let first = begin; first < end; first += blockRows) {
        const local = await backend.scope(
          async () => {
            const part = prepare(await table.read(first, Math.min(blockRows, end - first)));
            product = {
              ...part,
              bound: Math.max(part.bound, product?.bound ?? 0),
              error: Math.max(part.error, product?.error ?? 0),
            };
            lengths.push(part.rows * part.cols);
            return backend.localProduct(part.terms, part.rows * part.cols);
          },
          (data) => [data],
        );
        parts.push(local);
      }
      const { cols } = product!;
      const a = backend.concat(parts, lengths);
      const rows = end - begin;
      const terms: ProductTerm<D>[] = [{ kind: "local", a, rows, cols, scale: 1n }];
      return [await then(await evaluate({ ...product!, terms, rows }))];
    });
    results.push(made);
  }
  return stackRows(results);
}
