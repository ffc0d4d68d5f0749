/** Arithmetic in WebAssembly with SIMD: element-wise operations, reductions, products of matrices. */
import type { Bytes127 } from "./bytes127.ts";
import type { FieldArray, FieldBits } from "./kernel.ts";
import type { WasmMemory } from "./memory.ts";
import { checkLength, checkMatrix } from "./shapes.ts";
import { WasmArrays } from "./wasm-arrays.ts";
import type { Call } from "./wasm-module.ts";

/** Columns of a matrix that are worked on at a time when sums run down the columns: their sums stay in L1. */
const columnChunk = 512;

/** A matrix above this size does not stay in the L2 cache. */
const cacheBytes = 512 * 1024;

export class WasmArithmetic extends WasmArrays {
  readonly #preparedPlanes: number;
  readonly #rowsPerCarry: number;

  constructor(bits: FieldBits, memory: WasmMemory, functions: Record<string, Call>, bytes127: Bytes127) {
    super(bits, memory, functions, bytes127);
    this.#preparedPlanes = this.x.preparedPlanes!();
    this.#rowsPerCarry = this.x.rowsPerCarry!();
  }

  add(out: FieldArray, a: FieldArray, b: FieldArray): void {
    checkLength("add", "a", a, out.length);
    checkLength("add", "b", b, out.length);
    this.x.add!(out.ptr, 4 * out.stride, a.ptr, 4 * a.stride, b.ptr, 4 * b.stride, out.length);
  }

  subtract(out: FieldArray, a: FieldArray, b: FieldArray): void {
    checkLength("subtract", "a", a, out.length);
    checkLength("subtract", "b", b, out.length);
    this.x.subtract!(out.ptr, 4 * out.stride, a.ptr, 4 * a.stride, b.ptr, 4 * b.stride, out.length);
  }

  negate(out: FieldArray, a: FieldArray): void {
    checkLength("negate", "a", a, out.length);
    this.x.negate!(out.ptr, 4 * out.stride, a.ptr, 4 * a.stride, out.length);
  }

  multiply(out: FieldArray, a: FieldArray, b: FieldArray): void {
    checkLength("multiply", "a", a, out.length);
    checkLength("multiply", "b", b, out.length);
    this.x.multiply!(out.ptr, 4 * out.stride, a.ptr, 4 * a.stride, b.ptr, 4 * b.stride, out.length);
  }

  addScalar(out: FieldArray, a: FieldArray, c: bigint): void {
    checkLength("addScalar", "a", a, out.length);
    this.x.addScalar!(out.ptr, 4 * out.stride, a.ptr, 4 * a.stride, ...this.scalar(c).limbs, out.length);
  }

  multiplyScalar(out: FieldArray, a: FieldArray, c: bigint): void {
    checkLength("multiplyScalar", "a", a, out.length);
    const { limbs, small, half } = this.scalar(c);
    const [o, oStride, x, xStride, n] = [out.ptr, 4 * out.stride, a.ptr, 4 * a.stride, out.length];
    if (small === 1) this.copy(out, a);
    else if (small === -1) this.negate(out, a);
    else if (small > 0) this.x.multiplySmall!(o, oStride, x, xStride, small, n);
    else if (small < 0) this.x.multiplySmallNegative!(o, oStride, x, xStride, -small, n);
    else if (half !== 0) {
      this.x.halve!(o, oStride, x, xStride, n);
      if (half < 0) this.negate(out, out);
    } else this.x.multiplyScalar!(o, oStride, x, xStride, ...limbs, n);
  }

  multiplyAdd(out: FieldArray, a: FieldArray, c: bigint, b: FieldArray): void {
    checkLength("multiplyAdd", "a", a, out.length);
    checkLength("multiplyAdd", "b", b, out.length);
    const { limbs, small, half } = this.scalar(c);
    const [o, oStride, n] = [out.ptr, 4 * out.stride, out.length];
    const [x, xStride, y, yStride] = [a.ptr, 4 * a.stride, b.ptr, 4 * b.stride];
    if (small === 1) this.x.add!(o, oStride, x, xStride, y, yStride, n);
    else if (small === -1) this.x.subtract!(o, oStride, y, yStride, x, xStride, n);
    else if (half === 1) this.x.addHalf!(o, oStride, x, xStride, y, yStride, n);
    else if (half === -1) this.x.subtractHalf!(o, oStride, x, xStride, y, yStride, n);
    else if (small > 0) this.x.multiplyAddSmall!(o, oStride, x, xStride, y, yStride, small, n);
    else if (small < 0) this.x.multiplySubtractSmall!(o, oStride, x, xStride, y, yStride, -small, n);
    else this.x.multiplyAdd!(o, oStride, x, xStride, y, yStride, ...limbs, n);
  }

  interpolate(out: FieldArray, a: FieldArray, b: FieldArray, c: FieldArray): boolean {
    checkLength("interpolate", "a", a, out.length);
    checkLength("interpolate", "b", b, out.length);
    checkLength("interpolate", "c", c, out.length);
    const consistent = this.x.interpolate!(
      out.ptr,
      4 * out.stride,
      a.ptr,
      4 * a.stride,
      b.ptr,
      4 * b.stride,
      c.ptr,
      4 * c.stride,
      out.length,
    );
    return consistent === 1;
  }

  sum(out: FieldArray, a: FieldArray): void {
    checkLength("sum", "out", out, 1);
    this.x.sum!(out.ptr, 4 * out.stride, a.ptr, 4 * a.stride, a.length);
  }

  dot(out: FieldArray, a: FieldArray, b: FieldArray): void {
    checkLength("dot", "out", out, 1);
    checkLength("dot", "b", b, a.length);
    this.x.dot!(out.ptr, 4 * out.stride, a.ptr, 4 * a.stride, b.ptr, 4 * b.stride, a.length);
  }

  matvec(out: FieldArray, A: FieldArray, rows: number, cols: number, x: FieldArray): void {
    checkMatrix("matvec", "A", A, rows, cols);
    checkLength("matvec", "x", x, cols);
    checkLength("matvec", "out", out, rows);
    const prepared = this.#prepare(x);
    this.#rowSums(out, 1, A, rows, cols, prepared);
    this.release(prepared, this.#preparedPlanes);
  }

  matvecTransposed(out: FieldArray, A: FieldArray, rows: number, cols: number, v: FieldArray): void {
    checkMatrix("matvecTransposed", "A", A, rows, cols);
    checkLength("matvecTransposed", "v", v, rows);
    checkLength("matvecTransposed", "out", out, cols);
    const prepared = this.#prepare(v);
    this.#columnSums(out, A, rows, cols, this.#rowsPerCarry, (work, a, row, block, width, ahead) =>
      this.x.accumulateRows!(
        a,
        4 * A.stride,
        prepared.ptr + 4 * row,
        4 * prepared.stride,
        work,
        block,
        width,
        4 * cols,
        ahead,
      ),
    );
    this.release(prepared, this.#preparedPlanes);
  }

  matmul(out: FieldArray, A: FieldArray, n: number, m: number, B: FieldArray, q: number): void {
    checkMatrix("matmul", "A", A, n, m);
    checkMatrix("matmul", "B", B, m, q);
    checkMatrix("matmul", "out", out, n, q);
    if (out.length === 0) return;
    if (q >= 4) {
      // Row i of the result is B' times row i of A.
      for (let i = 0; i < n; i++)
        this.matvecTransposed(this.slice(out, i * q, q), B, m, q, this.slice(A, i * m, m));
      return;
    }
    // Too narrow for vectors along q: column j of the result is A times column j of B.
    const columns = this.take(m * q, this.spec.limbs);
    this.transpose(columns, B, m, q);
    for (let j = 0; j < q; j++) {
      const prepared = this.#prepare(this.slice(columns, j * m, m));
      this.#rowSums(this.slice(out, j, out.length - j), q, A, n, m, prepared);
      this.release(prepared, this.#preparedPlanes);
    }
    this.release(columns, this.spec.limbs);
  }

  sumColumns(out: FieldArray, A: FieldArray, rows: number, cols: number): void {
    checkMatrix("sumColumns", "A", A, rows, cols);
    checkLength("sumColumns", "out", out, cols);
    // A billion limbs fit a 64-bit column; the block only has to stay in the cache.
    this.#columnSums(out, A, rows, cols, 16, (work, a, _row, block, width) =>
      this.x.sumDown!(a, 4 * A.stride, work, block, width, 4 * cols),
    );
  }

  columnDots(out: FieldArray, A: FieldArray, B: FieldArray, rows: number, cols: number): void {
    checkMatrix("columnDots", "A", A, rows, cols);
    checkMatrix("columnDots", "B", B, rows, cols);
    checkLength("columnDots", "out", out, cols);
    this.#columnSums(out, A, rows, cols, this.#rowsPerCarry, (work, a, _row, block, width) =>
      this.x.accumulateProducts!(
        a,
        4 * A.stride,
        B.ptr + a - A.ptr,
        4 * B.stride,
        work,
        block,
        width,
        4 * cols,
      ),
    );
  }

  addRow(out: FieldArray, A: FieldArray, rows: number, cols: number, row: FieldArray): void {
    checkLength("addRow", "row", row, cols);
    this.#broadcast("addRow", out, A, rows, cols, row);
  }

  multiplyRow(out: FieldArray, A: FieldArray, rows: number, cols: number, row: FieldArray): void {
    checkLength("multiplyRow", "row", row, cols);
    this.#broadcast("multiplyRow", out, A, rows, cols, row);
  }

  multiplyColumn(out: FieldArray, A: FieldArray, rows: number, cols: number, column: FieldArray): void {
    checkLength("multiplyColumn", "column", column, rows);
    this.#broadcast("multiplyColumn", out, A, rows, cols, column);
  }

  transpose(out: FieldArray, A: FieldArray, rows: number, cols: number): void {
    checkMatrix("transpose", "A", A, rows, cols);
    checkLength("transpose", "out", out, A.length);
    for (let j = 0; j < this.spec.limbs; j++)
      this.x.transposePlane!(this.plane(out, j), this.plane(A, j), rows, cols);
  }

  #broadcast(name: string, out: FieldArray, A: FieldArray, rows: number, cols: number, b: FieldArray): void {
    checkMatrix(name, "A", A, rows, cols);
    checkLength(name, "out", out, A.length);
    this.x[name]!(out.ptr, 4 * out.stride, A.ptr, 4 * A.stride, b.ptr, 4 * b.stride, rows, cols);
  }

  /** The table of a vector's limbs and pair sums that products read (see generator/products.ts). */
  #prepare(x: FieldArray): FieldArray {
    const prepared = this.take(x.length, this.#preparedPlanes);
    this.x.prepare!(prepared.ptr, 4 * prepared.stride, x.ptr, 4 * x.stride, x.length);
    return prepared;
  }

  /** out[i * step] = row i of A times the prepared vector. */
  #rowSums(out: FieldArray, step: number, A: FieldArray, rows: number, cols: number, x: FieldArray): void {
    this.x.matvec!(out.ptr, 4 * out.stride, 4 * step, A.ptr, 4 * A.stride, x.ptr, 4 * x.stride, rows, cols);
  }

  /**
   * Sums down the columns of A, a chunk of columns and a block of at most `blockRows` rows at a time.
   * `accumulate(work, a, row, block, width, ahead)` adds the rows row .. row + block - 1 of the columns at a to
   * work, and touches what lies `ahead` bytes further, unless that is 0.
   */
  #columnSums(
    out: FieldArray,
    A: FieldArray,
    rows: number,
    cols: number,
    blockRows: number,
    accumulate: (work: number, a: number, row: number, block: number, width: number, ahead: number) => void,
  ): void {
    const widest = Math.min(columnChunk, cols);
    const workBytes = 32 * this.spec.limbs * Math.ceil(widest / 4);
    const work = this.memory.allocate(workBytes);
    // The next block is touched line after line only where its rows are next to one another.
    const outOfCache = cols <= columnChunk && this.spec.elementBytes * rows * cols > cacheBytes;
    for (let col = 0; col < cols; col += columnChunk) {
      const width = Math.min(columnChunk, cols - col);
      this.memory.bytes.fill(0, work, work + workBytes);
      for (let row = 0; row < rows; row += blockRows) {
        const ahead = outOfCache && row + 2 * blockRows <= rows ? 4 * blockRows * cols : 0;
        accumulate(work, A.ptr + 4 * (row * cols + col), row, Math.min(blockRows, rows - row), width, ahead);
      }
      this.x.finishColumns!(out.ptr + 4 * col, 4 * out.stride, work, width);
    }
    this.memory.free(work, workBytes);
  }
}
