import { type RowStore, storeOf } from "../tables/row-store.ts";
import type { Backend } from "./backend.ts";
import { inTurn } from "./in-turn.ts";

const scopesAtOnce = 200;

/**
 * No data at all. A program on this backend runs through its steps on shapes and public bounds, and the
 * session around it adds up rounds, bytes, openings, bit lengths and statistical distances. What a run will
 * cost, and whether it fits the field, is known before anyone pays.
 */
export class PlanBackend implements Backend<null> {
  readonly kind = "plan";
  #scopes = 0;
  constant = () => null;
  add = () => null;
  subtract = () => null;
  scale = () => null;
  addConstant = () => null;
  addRow = () => null;
  slice = () => null;
  concat = () => null;
  gather = () => null;
  assemble = () => null;
  transpose = () => null;
  sumColumns = () => null;
  rowStore = async (rows: number, cols: number): Promise<RowStore<null>> => this.storeOf(null, rows, cols);
  storeOf = (_whole: null, rows: number, cols: number): RowStore<null> => ({
    ...storeOf(null, rows, cols, () => null),
    append: async () => {},
  });
  localProduct = () => null;
  product = async () => null;
  productPiecewise = async () => null;
  piecewise = async () => null;
  truncate = async () => null;
  floor = async () => null;
  compare = async () => null;
  open = async (_a: null, length: number): Promise<Float64Array> => new Float64Array(length);

  together = inTurn;

  /** A plan never waits for anything, so a long one lets the process breathe between its steps. */
  async scope<T>(body: () => Promise<T>): Promise<T> {
    this.#scopes += 1;
    if (this.#scopes % scopesAtOnce === 0) await new Promise((resolve) => setImmediate(resolve));
    return body();
  }
}
