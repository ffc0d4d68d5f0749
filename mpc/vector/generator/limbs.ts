/** Pieces of AssemblyScript that act on the limbs of four elements at a time, as text. */
import type { Layout } from "./layout.ts";

/** Lines for j = 0 .. n - 1. */
export function each(n: number, line: (j: number) => string): string {
  return Array.from({ length: n }, (_, j) => line(j)).join("\n");
}

/** Sum of 32-bit or 64-bit vectors as a nested expression. */
export function total(shape: "i32x4" | "i64x2", terms: readonly string[]): string {
  return terms.reduce((sum, term) => `${shape}.add(${sum}, ${term})`);
}

/**
 * Constants live in memory and are loaded before each loop: written as v128 constants, the optimiser moves
 * them into the loop, where the engine builds each from general registers again.
 */
export const constants = {
  mask32: 16,
  topMask32: 32,
  mask64: 48,
  topMask64: 64,
  twice32: 80,
  twiceTop32: 96,
  touched: 112,
} as const;

/** Writes the constants; called once per instance. */
export function emitInit({ limbBits, topBits }: Layout): string {
  const mask = (bits: number) => `0x${((1n << BigInt(bits)) - 1n).toString(16)}`;
  // The limbs of 2p, each at least as large as a loose limb: subtraction adds them first.
  const twice = (bits: number) => `0x${((1n << BigInt(bits + 1)) - 2n).toString(16)}`;
  return `
export function init(): void {
  v128.store(${constants.mask32}, i32x4.splat(${mask(limbBits)}));
  v128.store(${constants.topMask32}, i32x4.splat(${mask(topBits)}));
  v128.store(${constants.mask64}, i64x2.splat(${mask(limbBits)}));
  v128.store(${constants.topMask64}, i64x2.splat(${mask(topBits)}));
  v128.store(${constants.twice32}, i32x4.splat(${twice(limbBits)}));
  v128.store(${constants.twiceTop32}, i32x4.splat(${twice(topBits)}));
}
function storeSome(p: usize, v: v128, left: usize): void {
  v128.store_lane<u32>(p, v, 0);
  if (left > 4) v128.store_lane<u32>(p, v, 1, 4);
  if (left > 8) v128.store_lane<u32>(p, v, 2, 8);
}`;
}

export function loadConstants(...names: (keyof typeof constants)[]): string {
  return names.map((name) => `const ${name} = v128.load(${constants[name]});`).join("\n");
}

/** Parameters of an array: its pointer and the bytes from one plane to the next. */
export function parameters(...names: string[]): string {
  return names.map((name) => `${name}: usize, ${name}Stride: usize`).join(", ");
}

/** x_j = pointer of plane j. */
export function planes({ limbs }: Layout, name: string, keyword: "let" | "const" = "const"): string {
  return each(
    limbs,
    (j) => `${keyword} ${name}_${j} = ${j === 0 ? name : `${name} + ${j} * ${name}Stride`};`,
  );
}

/** xj = four values of limb j at byte offset i. */
export function load({ limbs }: Layout, name: string): string {
  return each(limbs, (j) => `const ${name}${j} = v128.load(${name}_${j} + i);`);
}

/** Stores four values of each limb, fewer at the end of the array: a view must not touch what follows it. */
export function store({ limbs }: Layout, out: string, value: (j: number) => string, end = "end"): string {
  return `if (${end} - i >= 16) {
${each(limbs, (j) => `  v128.store(${out}_${j} + i, ${value(j)});`)}
} else {
${each(limbs, (j) => `  storeSome(${out}_${j} + i, ${value(j)}, ${end} - i);`)}
}`;
}

const mask32 = (layout: Layout, j: number) => (j === layout.limbs - 1 ? "topMask32" : "mask32");
const mask64 = (layout: Layout, j: number) => (j === layout.limbs - 1 ? "topMask64" : "mask64");

/** Carries sums t of loose limbs into loose limbs r, all limbs at once; see layout.ts. */
export function carry32(layout: Layout, t: string, r: string): string {
  const { limbs, limbBits, widths } = layout;
  const carried = (j: number) => {
    const below = (j + limbs - 1) % limbs;
    return `i32x4.add(v128.and(${t}${j}, ${mask32(layout, j)}), i32x4.shr_u(${t}${below}, ${widths[below]}))`;
  };
  if (limbBits < 31) return each(limbs, (j) => `const ${r}${j} = ${carried(j)};`);
  return `${each(limbs, (j) => `const ${r}${j}x = ${carried(j)};`)}
const ${r}0 = v128.and(${r}0x, mask32);
const ${r}1 = i32x4.add(${r}1x, i32x4.shr_u(${r}0x, 31));
${each(limbs - 2, (j) => `const ${r}${j + 2} = ${r}${j + 2}x;`)}`;
}

/** n = 2p - b, limb by limb. For w = 31 limb 0 passes its carry on, so that a sum with it fits 32 bits. */
export function negated(layout: Layout, b: string, n: string): string {
  const twice = (j: number) => (j === layout.limbs - 1 ? "twiceTop32" : "twice32");
  const plain = (j: number) => `i32x4.sub(${twice(j)}, ${b}${j})`;
  if (layout.limbBits < 31) return each(layout.limbs, (j) => `const ${n}${j} = ${plain(j)};`);
  return `const ${n}0x = ${plain(0)};
const ${n}0 = v128.and(${n}0x, mask32);
const ${n}1 = i32x4.add(${plain(1)}, i32x4.shr_u(${n}0x, 31));
${each(layout.limbs - 2, (j) => `const ${n}${j + 2} = ${plain(j + 2)};`)}`;
}

/** Makes loose limbs x canonical: variables `let` x0 .. are replaced. Two passes, then p itself becomes 0. */
export function canonical(layout: Layout, x: string): string {
  const { limbs, limbBits, topBits } = layout;
  const top = limbs - 1;
  const pass = `${each(
    top,
    (j) => `${x}${j + 1} = i32x4.add(${x}${j + 1}, i32x4.shr_u(${x}${j}, ${limbBits}));
${x}${j} = v128.and(${x}${j}, mask32);`,
  )}
${x}0 = i32x4.add(${x}0, i32x4.shr_u(${x}${top}, ${topBits}));
${x}${top} = v128.and(${x}${top}, topMask32);`;
  const ones = Array.from({ length: limbs }, (_, j) => `i32x4.eq(${x}${j}, ${mask32(layout, j)})`);
  return `${pass}
${pass}
const ones = ${ones.reduce((all, one) => `v128.and(${all}, ${one})`)};
${each(limbs, (j) => `${x}${j} = v128.andnot(${x}${j}, ones);`)}`;
}

/** Carries 64-bit columns (`let` c0 ..) once around; column 0 keeps the top's carry. */
export function partialCarry64(layout: Layout, c: (t: number) => string): string {
  const top = layout.limbs - 1;
  return `${each(
    top,
    (t) => `${c(t + 1)} = i64x2.add(${c(t + 1)}, i64x2.shr_u(${c(t)}, ${layout.limbBits}));
${c(t)} = v128.and(${c(t)}, mask64);`,
  )}
${c(0)} = i64x2.add(${c(0)}, i64x2.shr_u(${c(top)}, ${layout.topBits}));
${c(top)} = v128.and(${c(top)}, ${mask64(layout, top)});`;
}

/** Carries 64-bit columns into loose limbs; see layout.ts. */
export function carry64(layout: Layout, c: (t: number) => string): string {
  return `${partialCarry64(layout, c)}
${c(1)} = i64x2.add(${c(1)}, i64x2.shr_u(${c(0)}, ${layout.limbBits}));
${c(0)} = v128.and(${c(0)}, mask64);`;
}

/** Four 32-bit values from two vectors of two 64-bit ones. */
export function pack(low: string, high: string): string {
  return `v128.shuffle<u32>(${low}, ${high}, 0, 2, 4, 6)`;
}
