import type { CompareRequest } from "../protocols/comparison-dealing.ts";
import { checkRows, type RowStore, storeOf } from "../tables/row-store.ts";
import type { Backend, ColumnBlock, Piecewise, ProductTerm, Truncation } from "./backend.ts";
import { inTurn } from "./in-turn.ts";

/**
 * The plaintext twin: the same programs on numbers in the clear, in double precision and without rounding,
 * so that what differs from a secure run is the fixed-point error alone. Values are in units of the last
 * place, not rounded to integers.
 */
export class PlaintextBackend implements Backend<Float64Array> {
  readonly kind = "plaintext";

  constant(value: bigint, length: number): Float64Array {
    return new Float64Array(length).fill(Number(value));
  }

  add(a: Float64Array, b: Float64Array): Float64Array {
    return a.map((x, i) => x + b[i]);
  }

  subtract(a: Float64Array, b: Float64Array): Float64Array {
    return a.map((x, i) => x - b[i]);
  }

  scale(a: Float64Array, c: bigint): Float64Array {
    const factor = Number(c);
    return a.map((x) => x * factor);
  }

  addConstant(a: Float64Array, c: bigint): Float64Array {
    const term = Number(c);
    return a.map((x) => x + term);
  }

  addRow(a: Float64Array, row: Float64Array, _rows: number, cols: number): Float64Array {
    return a.map((x, i) => x + row[i % cols]);
  }

  slice(a: Float64Array, start: number, length: number): Float64Array {
    return a.subarray(start, start + length);
  }

  concat(list: readonly Float64Array[], lengths: readonly number[]): Float64Array {
    const out = new Float64Array(lengths.reduce((sum, n) => sum + n, 0));
    let at = 0;
    list.forEach((a, i) => {
      out.set(a, at);
      at += lengths[i];
    });
    return out;
  }

  gather(a: Float64Array, indices: Uint32Array): Float64Array {
    return Float64Array.from(indices, (i) => a[i]);
  }

  assemble(blocks: readonly ColumnBlock<Float64Array>[]): Float64Array {
    const cols = blocks.reduce((sum, { width }) => sum + width, 0);
    const rows = blocks[0].order.length;
    const out = new Float64Array(rows * cols);
    let at = 0;
    for (const block of blocks) {
      block.order.forEach((row, i) => {
        const from = row * block.cols + block.column;
        out.set(block.a.subarray(from, from + block.width), i * cols + at);
      });
      at += block.width;
    }
    return out;
  }

  transpose(a: Float64Array, rows: number, cols: number): Float64Array {
    const out = new Float64Array(a.length);
    for (let i = 0; i < rows; i++) for (let j = 0; j < cols; j++) out[j * rows + i] = a[i * cols + j];
    return out;
  }

  sumColumns(a: Float64Array, _rows: number, cols: number): Float64Array {
    const out = new Float64Array(cols);
    for (let i = 0; i < a.length; i++) out[i % cols] += a[i];
    return out;
  }

  async rowStore(rows: number, cols: number): Promise<RowStore<Float64Array>> {
    const whole = new Float64Array(rows * cols);
    let written = 0;
    return {
      ...this.storeOf(whole, rows, cols),
      append: async (data, count) => {
        checkRows(written, count, rows);
        whole.set(data, written * cols);
        written += count;
      },
    };
  }

  storeOf(whole: Float64Array, rows: number, cols: number): RowStore<Float64Array> {
    return storeOf(whole, rows, cols, (start, length) => whole.subarray(start, start + length));
  }

  localProduct(terms: readonly ProductTerm<Float64Array>[], length: number): Float64Array {
    return sumOfProducts(terms, length);
  }

  async product(
    terms: readonly ProductTerm<Float64Array>[],
    length: number,
    truncation: Truncation | undefined,
  ): Promise<Float64Array> {
    return divide(sumOfProducts(terms, length), truncation?.shift ?? 0);
  }

  async productPiecewise(
    terms: readonly ProductTerm<Float64Array>[],
    length: number,
    truncation: Truncation,
    pieces: Piecewise,
  ): Promise<Float64Array> {
    const product = sumOfProducts(terms, length);
    return gatedSum(divide(product, truncation.shift), atLeast(product, pieces.request), pieces);
  }

  async piecewise(a: Float64Array, _length: number, pieces: Piecewise): Promise<Float64Array> {
    return gatedSum(a, atLeast(a, pieces.request), pieces);
  }

  async floor(a: Float64Array, _length: number, truncation: Truncation): Promise<Float64Array> {
    return divide(a, truncation.shift).map(Math.floor);
  }

  async truncate(a: Float64Array, _length: number, truncation: Truncation): Promise<Float64Array> {
    return divide(a, truncation.shift);
  }

  async compare(a: Float64Array, _length: number, request: CompareRequest): Promise<Float64Array> {
    return atLeast(a, request);
  }

  async open(a: Float64Array): Promise<Float64Array> {
    return a.slice();
  }

  together = inTurn;

  scope<T>(body: () => Promise<T>): Promise<T> {
    return body();
  }
}

function divide(a: Float64Array, shift: number): Float64Array {
  const factor = 2 ** -shift;
  return a.map((x) => x * factor);
}

function atLeast(a: Float64Array, { thresholds }: CompareRequest): Float64Array {
  const out = new Float64Array(a.length * thresholds.length);
  thresholds.forEach((t, j) => {
    a.forEach((x, i) => {
      out[j * a.length + i] = x >= Number(t) ? 1 : 0;
    });
  });
  return out;
}

function gatedSum(z: Float64Array, bits: Float64Array, { gates, truncation }: Piecewise): Float64Array {
  const out = new Float64Array(z.length);
  gates.forEach(({ slope, constant }, j) => {
    for (let i = 0; i < z.length; i++)
      out[i] += bits[j * z.length + i] * (Number(slope) * z[i] + Number(constant));
  });
  return divide(out, truncation?.shift ?? 0);
}

function sumOfProducts(terms: readonly ProductTerm<Float64Array>[], length: number): Float64Array {
  const out = new Float64Array(length);
  for (const term of terms) {
    const scale = Number(term.scale);
    if (term.kind === "linear" || term.kind === "local") {
      for (let i = 0; i < length; i++) out[i] += scale * term.a[i];
      continue;
    }
    const { a, b, cols } = term;
    switch (term.kind) {
      case "elementwise":
        for (let i = 0; i < length; i++) out[i] += scale * a[i] * b[i];
        break;
      case "times-row":
        for (let i = 0; i < length; i++) out[i] += scale * a[i] * b[i % cols];
        break;
      case "times-column":
        for (let i = 0; i < length; i++) out[i] += scale * a[i] * b[Math.floor(i / cols)];
        break;
      case "column-dots":
        for (let i = 0; i < a.length; i++) out[i % cols] += scale * a[i] * b[i];
        break;
      case "matmul":
        for (let i = 0; i < term.rows; i++)
          for (let l = 0; l < term.inner; l++)
            for (let j = 0; j < cols; j++)
              out[i * cols + j] += scale * a[i * term.inner + l] * b[l * cols + j];
        break;
      case "transposed-matmul":
        for (let l = 0; l < term.inner; l++)
          for (let i = 0; i < term.rows; i++)
            for (let j = 0; j < cols; j++)
              out[i * cols + j] += scale * a[l * term.rows + i] * b[l * cols + j];
        break;
    }
  }
  return out;
}
