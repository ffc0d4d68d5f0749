/** Integers as planes of 32-bit words, the form that is the same for every field, from limbs and back. */
import type { Layout } from "./layout.ts";
import { canonical, carry32, each, loadConstants, parameters, planes, store } from "./limbs.ts";

/** Word planes that `fromWords` reads. */
const widest = 4;

const shifted = (vector: string, by: number) =>
  by === 0 ? vector : by > 0 ? `i32x4.shl(${vector}, ${by})` : `i32x4.shr_u(${vector}, ${-by})`;

const union = (parts: readonly string[]) => parts.reduce((all, part) => `v128.or(${all}, ${part})`);

/** Bits from .. from + width - 1 of the integer in x0 .. x3; width <= 31. */
function bitsOfWords(from: number, width: number): string {
  const parts: string[] = [];
  for (let q = 0; q < widest; q++)
    if (32 * q < from + width && 32 * (q + 1) > from) parts.push(shifted(`x${q}`, 32 * q - from));
  const end = Math.min(from + width, 32 * widest);
  return `v128.and(${union(parts)}, i32x4.splat(0x${(2 ** (end - from) - 1).toString(16)}))`;
}

/** Bits 32 q .. 32 q + 31 of the canonical limbs a0, a1, ... */
function wordOfLimbs({ limbs, limbBits, widths }: Layout, q: number): string {
  const parts: string[] = [];
  for (let j = 0; j < limbs; j++) {
    const from = j * limbBits;
    if (from < 32 * (q + 1) && from + widths[j]! > 32 * q) parts.push(shifted(`a${j}`, from - 32 * q));
  }
  return union(parts);
}

/**
 * fromWords: integers below 2^128 into loose limbs. 2^k = 1 mod p, so the integer is cut into pieces of k bits,
 * at most three, which are added one at a time and carried after each: sums of two as after an addition.
 */
function emitFromWords(layout: Layout): string {
  const { bits, limbs, limbBits, widths } = layout;
  const piece = (index: number, name: string) =>
    each(limbs, (j) => {
      const from = index * bits + j * limbBits;
      const value = from < 32 * widest ? bitsOfWords(from, widths[j]!) : "i32x4.splat(0)";
      return `const ${name}${j} = ${value};`;
    });
  const lines = [piece(0, "p0_")];
  let sum = "p0_";
  for (let index = 1; index * bits < 32 * widest; index++) {
    lines.push(
      piece(index, `p${index}_`),
      each(limbs, (j) => `const t${index}_${j} = i32x4.add(${sum}${j}, p${index}_${j});`),
      carry32(layout, `t${index}_`, `r${index}_`),
    );
    sum = `r${index}_`;
  }
  return `
export function fromWords(${parameters("out", "x")}, n: usize): void {
${planes(layout, "out")}
${loadConstants("mask32", "topMask32")}
const end = n << 2;
for (let i: usize = 0; i < end; i += 16) {
${each(widest, (q) => `const x${q} = v128.load(x + ${q} * xStride + i);`)}
${lines.join("\n")}
${store(layout, "out", (j) => `${sum}${j}`)}
}
}`;
}

/** toWords: the canonical values as word planes `outStride` bytes apart; whole vectors are written. */
function emitToWords(layout: Layout): string {
  const count = Math.ceil(layout.bits / 32);
  return `
export function toWords(${parameters("out", "a")}, n: usize): void {
${planes(layout, "a")}
${loadConstants("mask32", "topMask32")}
const end = n << 2;
for (let i: usize = 0; i < end; i += 16) {
${each(layout.limbs, (j) => `let a${j} = v128.load(a_${j} + i);`)}
${canonical(layout, "a")}
${each(count, (q) => `v128.store(out + ${q} * outStride + i, ${wordOfLimbs(layout, q)});`)}
}
}`;
}

export function emitWords(layout: Layout): string {
  return [emitFromWords(layout), emitToWords(layout)].join("\n");
}
