/** Small dense linear algebra in doubles, as much as extractors and heads need. Matrices are arrays of rows. */
import { SymbolonError } from "../../mpc/errors.ts";
import { randomBytes } from "../../mpc/random.ts";

export type Vector = Float64Array;

export function dot(a: Vector, b: Vector): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** matrix [m, n] times vector [n]. */
export function multiply(matrix: readonly Vector[], vector: Vector): Vector {
  return Float64Array.from(matrix, (row) => dot(row, vector));
}

/** a [m, k] times b [k, n]. */
export function product(a: readonly Vector[], b: readonly Vector[]): Vector[] {
  const columns = b[0]?.length ?? 0;
  return a.map((row) => {
    const out = new Float64Array(columns);
    row.forEach((factor, i) => {
      const other = b[i]!;
      for (let j = 0; j < columns; j++) out[j]! += factor * other[j]!;
    });
    return out;
  });
}

export function transpose(matrix: readonly Vector[]): Vector[] {
  return Array.from({ length: matrix[0]?.length ?? 0 }, (_, j) =>
    Float64Array.from(matrix, (row) => row[j]!),
  );
}

/** `rows` x `columns` independent standard normal numbers (Box-Muller) from the operating system's generator. */
export function randomNormal(rows: number, columns: number): Vector[] {
  return Array.from({ length: rows }, () =>
    Float64Array.from({ length: columns }, () => {
      const bytes = randomBytes(16);
      // From (0, 1], for the logarithm of 0 is none.
      const u = (Number(bytes.readBigUInt64BE(0) >> 11n) + 1) * 2 ** -53;
      const v = Number(bytes.readBigUInt64BE(8) >> 11n) * 2 ** -53;
      return Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * v);
    }),
  );
}

/**
 * The rows made orthonormal in their order (Gram-Schmidt, twice against rounding): the first keeps its direction. Of
 * normal rows the result is uniform (Haar) among all orthonormal frames.
 * @throws PARAMETER_INVALID for rows that depend on each other
 */
export function orthonormalise(rows: readonly Vector[]): Vector[] {
  const frame: Vector[] = [];
  for (const row of rows) {
    const next = Float64Array.from(row);
    const before = Math.sqrt(dot(next, next));
    for (let pass = 0; pass < 2; pass++) {
      for (const other of frame) {
        const along = dot(next, other);
        for (let j = 0; j < next.length; j++) next[j]! -= along * other[j]!;
      }
    }
    const length = Math.sqrt(dot(next, next));
    if (!(length > before * 1e-9)) {
      throw new SymbolonError("PARAMETER_INVALID", "rows that depend on each other span no frame");
    }
    frame.push(next.map((value) => value / length));
  }
  return frame;
}

/**
 * Solves a x = b for a symmetric positive definite a [n, n] (Cholesky).
 * @throws PARAMETER_INVALID when it is not positive definite
 */
export function solvePositive(a: readonly Vector[], b: Vector): Vector {
  const n = b.length;
  const lower = a.map((row) => Float64Array.from(row));
  const x = Float64Array.from(b);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = lower[i]![j]!;
      for (let k = 0; k < j; k++) sum -= lower[i]![k]! * lower[j]![k]!;
      if (i !== j) lower[i]![j] = sum / lower[j]![j]!;
      else if (sum > 0) lower[i]![i] = Math.sqrt(sum);
      else throw new SymbolonError("PARAMETER_INVALID", "the matrix is not positive definite");
    }
  }
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) x[i]! -= lower[i]![k]! * x[k]!;
    x[i]! /= lower[i]![i]!;
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let k = i + 1; k < n; k++) x[i]! -= lower[k]![i]! * x[k]!;
    x[i]! /= lower[i]![i]!;
  }
  return x;
}
