/**
 * The session: where tensors of secret fixed-point numbers come from. One program runs on three backends
 * (shares, plaintext, plan), and the session's ledger does for all of them what does not depend on the data:
 * the choice of bit lengths, declared costs, the refusal of what would not fit the field.
 */
import type { Declaration } from "../cost.ts";
import { type FieldBits, fieldSpecs } from "../vector/index.ts";
import type { Backend } from "./backend.ts";
import { encode, encodedSize, encodingError } from "./encoding.ts";
import { Ledger } from "./ledger.ts";
import { Tensor } from "./tensor.ts";

export { checkStatisticalDistance, roomOf, statisticalLimit } from "./ledger.ts";
export { Tensor } from "./tensor.ts";

export type ProgressListener = (phase: string, done: number, total: number) => void;

/** Of a session whose program was not planned. */
const defaultFracBits = 20;

export class Session<D> {
  readonly backend: Backend<D>;
  readonly fieldBits: FieldBits;
  readonly elementBytes: number;
  /** Fractional bits in which the program works; inputs with fewer are widened, which costs nothing. */
  readonly fracBits: number;
  readonly ledger: Ledger;
  readonly #onProgress: ProgressListener;

  constructor(
    backend: Backend<D>,
    fieldBits: FieldBits,
    onProgress: ProgressListener = () => {},
    fracBits = defaultFracBits,
  ) {
    this.backend = backend;
    this.fieldBits = fieldBits;
    this.fracBits = fracBits;
    this.elementBytes = fieldSpecs[fieldBits].elementBytes;
    this.ledger = new Ledger(fieldBits);
    this.#onProgress = onProgress;
  }

  /** What the program so far costs and opens, and the room that it needs. */
  get declaration(): Declaration {
    return this.ledger.declaration;
  }

  /** Names what follows, for error messages and the range report; a repeated step has a number. */
  step(name: string, number?: number): void {
    this.ledger.begin(name, number);
  }

  progress(phase: string, done: number, total: number): void {
    this.#onProgress(phase, done, total);
  }

  /** Wraps input data whose range the schema declares. Errors are counted from here. */
  input(data: D, rows: number, cols: number, fracBits: number, bound: number): Tensor<D> {
    return new Tensor(this, data, rows, cols, fracBits, bound, 0);
  }

  /** A public matrix with all elements `value`. */
  constant(value: number, rows: number, cols: number, fracBits: number): Tensor<D> {
    const data = this.backend.constant(encode(value, fracBits), rows * cols);
    return new Tensor(
      this,
      data,
      rows,
      cols,
      fracBits,
      encodedSize(value, fracBits),
      encodingError(value, fracBits),
    );
  }

  /**
   * Runs tasks that do not depend on each other in shared rounds: all that have an i-th round take it together,
   * so there are as many rounds as the longest task has. A scope within a task frees nothing before the end of
   * the scope around them all.
   */
  async together<T extends readonly unknown[]>(
    tasks: readonly [...{ [K in keyof T]: () => Promise<T[K]> }],
  ): Promise<T> {
    const branches = this.ledger.fork(tasks.length);
    try {
      return (await this.backend.together<unknown>(tasks, branches.enter)) as unknown as T;
    } finally {
      branches.join();
    }
  }

  /** Runs the body and frees what it made, but for the tensors that it returns. */
  scope<T extends readonly Tensor<D>[]>(body: () => Promise<T>): Promise<T> {
    return this.backend.scope(body, (tensors) => tensors.map((t) => t.data));
  }
}
