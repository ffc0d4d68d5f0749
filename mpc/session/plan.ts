import type { Backend } from "./backend.ts";

/**
 * No data at all. A program on this backend runs through its steps on shapes and public bounds, and the
 * session around it adds up rounds, bytes, openings, bit lengths and statistical distances. What a run will
 * cost, and whether it fits the field, is known before anyone pays.
 */
export class PlanBackend implements Backend<null> {
  readonly kind = "plan";
  constant = () => null;
  add = () => null;
  subtract = () => null;
  scale = () => null;
  addConstant = () => null;
  addRow = () => null;
  slice = () => null;
  concat = () => null;
  gather = () => null;
  transpose = () => null;
  sumColumns = () => null;
  product = async () => null;
  productAndCompare = async () => ({ value: null, bits: null });
  truncate = async () => null;
  compare = async () => null;
  open = async (_a: null, length: number): Promise<number[]> => new Array(length).fill(0);
  scope = <T>(body: () => Promise<T>): Promise<T> => body();
}
