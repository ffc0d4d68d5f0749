/**
 * Products of limb vectors as text.
 *
 * WebAssembly multiplies 32-bit lanes into 64 bits by `extmul_low` and `extmul_high`; on x86 each costs two
 * shuffles beside the multiplication, and the shuffles are the bottleneck. So the products are taken in
 * Karatsuba's way over all pairs of limbs: with D_i = a_i b_i and K_ij = (a_i + a_j)(b_i + b_j),
 * a_i b_j + a_j b_i = K_ij - D_i - D_j, which makes L (L + 1) / 2 multiplications out of L^2. In column t
 * (t = 0 .. L - 1, see layout.ts) every index i has exactly one partner, t - i or t - i + L, so
 *
 *     c_t = K_t - sum_(i <= t) D_i - 2^s sum_(i > t) D_i + 2 f D_i for each i with 2 i = t or 2 i = t + L,
 *
 * where K_t sums the pairs i < j of the column and f is 1 or 2^s as for any product of the column. All of it
 * is arithmetic mod 2^64, and c_t itself is below 2^64, so it does not matter that K_t and D_i may wrap.
 * Sums a_i + a_j fit 32 bits by (1) in layout.ts.
 */
import type { Layout } from "./layout.ts";
import { each, total } from "./limbs.ts";

export interface Pair {
  readonly i: number;
  readonly j: number;
  /** Column. */
  readonly t: number;
  /** Whether the column wrapped around, so that the factor is 2^s. */
  readonly folded: boolean;
  /** Position in the table of prepared sums. */
  readonly index: number;
}

/** All pairs i < j. */
export function pairs({ limbs }: Layout): Pair[] {
  const result: Pair[] = [];
  for (let i = 0; i < limbs; i++)
    for (let j = i + 1; j < limbs; j++)
      result.push({ i, j, t: (i + j) % limbs, folded: i + j >= limbs, index: result.length });
  return result;
}

/** Planes of a prepared operand: its limbs, then for each pair the sum, times 2^s where the column folds. */
export function preparedPlanes(layout: Layout): number {
  return layout.limbs + pairs(layout).length;
}

/** The prepared sums y_(i,j) from limbs x. */
export function sums(layout: Layout, x: string, y: string, fold: boolean): string {
  return pairs(layout)
    .map(({ i, j, folded, index }) => {
      const sum = `i32x4.add(${x}${i}, ${x}${j})`;
      return `const ${y}${index} = ${fold && folded ? `i32x4.shl(${sum}, ${layout.fold})` : sum};`;
    })
    .join("\n");
}

export type Half = "low" | "high";

export function extmul(half: Half, a: string, b: string): string {
  return `i64x2.extmul_${half}_i32x4_u(${a}, ${b})`;
}

/** Columns c_t from K_t and D_i, into `let` variables named by c. */
export function recombine(
  layout: Layout,
  K: (t: number) => string,
  D: (i: number) => string,
  prefix: string,
  c: (t: number) => string,
  declare: boolean,
): string {
  const { limbs, fold } = layout;
  const P = (t: number) => (t === 0 ? D(0) : `${prefix}P${t}`);
  const lines = [each(limbs - 1, (t) => `const ${prefix}P${t + 1} = i64x2.add(${P(t)}, ${D(t + 1)});`)];
  for (let t = 0; t < limbs; t++) {
    // Shifts share their ports with the shuffles of the products, so there is one for a column, and none to double.
    let value = K(t) === "" ? `i64x2.neg(${P(t)})` : `i64x2.sub(${K(t)}, ${P(t)})`;
    let folded = t === limbs - 1 ? "" : `i64x2.sub(${P(limbs - 1)}, ${P(t)})`;
    for (let i = 0; i < limbs; i++) {
      const twice = `i64x2.add(${D(i)}, ${D(i)})`;
      if (2 * i === t) value = `i64x2.add(${value}, ${twice})`;
      if (2 * i === t + limbs) folded = `i64x2.sub(${folded}, ${twice})`;
    }
    if (folded !== "") value = `i64x2.sub(${value}, i64x2.shl(${folded}, ${fold}))`;
    lines.push(`${declare ? "let " : ""}${c(t)} = ${value};`);
  }
  return lines.join("\n");
}

/** Columns `let` c_t of one product, Karatsuba's way. a, b: limbs; ab, bb: sums (those of b prepared). */
export function columnsKaratsuba(
  layout: Layout,
  half: Half,
  a: string,
  b: string,
  c: (t: number) => string,
): string {
  const { limbs } = layout;
  const h = half[0];
  const columns = Array.from({ length: limbs }, (_, t) => pairs(layout).filter((pair) => pair.t === t));
  return `${each(limbs, (i) => `const ${h}D${i} = ${extmul(half, `${a}${i}`, `${b}${i}`)};`)}
${each(limbs, (t) =>
  columns[t]!.length === 0
    ? ""
    : `const ${h}K${t} = ${total(
        "i64x2",
        columns[t]!.map(({ index }) => extmul(half, `${a}s${index}`, `${b}s${index}`)),
      )};`,
)}
${recombine(
  layout,
  (t) => (columns[t]!.length === 0 ? "" : `${h}K${t}`),
  (i) => `${h}D${i}`,
  h!,
  c,
  true,
)}`;
}

/** Columns `let` c_t of one product, all L^2 multiplications. */
export function columnsPlain(
  layout: Layout,
  half: Half,
  a: string,
  b: string,
  c: (t: number) => string,
): string {
  const { limbs, fold } = layout;
  return each(limbs, (t) => {
    const low: string[] = [];
    const high: string[] = [];
    for (let i = 0; i < limbs; i++) {
      const j = (t - i + limbs) % limbs;
      (i + j === t ? low : high).push(extmul(half, `${a}${i}`, `${b}${j}`));
    }
    const sum = total("i64x2", low);
    return `let ${c(t)} = ${high.length === 0 ? sum : `i64x2.add(${sum}, i64x2.shl(${total("i64x2", high)}, ${fold}))`};`;
  });
}
