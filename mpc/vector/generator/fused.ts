/** Kernels that do in one pass what protocols would otherwise do in several. */
import { elementwise } from "./elementwise.ts";
import type { Layout } from "./layout.ts";
import {
  canonical,
  carry32,
  each,
  load,
  loadConstants,
  negated,
  parameters,
  planes,
  store,
} from "./limbs.ts";

const masks = loadConstants("mask32", "topMask32");
const twice = loadConstants("twice32", "twiceTop32");

/**
 * addRandom, subtractRandom: out = a + u, a - u, with u the limbs in pseudo-random words (planes of `u`), each
 * below 2^(w_j): sums of two loose elements, carried as in layout.ts.
 */
function emitRandom(layout: Layout): string {
  const { limbs } = layout;
  const mask = (j: number) => (j === limbs - 1 ? "topMask32" : "mask32");
  // p, all ones, is a loose form of 0 and needs no replacing.
  const limbsOfU = each(limbs, (j) => `const v${j} = v128.and(u${j}, ${mask(j)});`);
  return [
    elementwise(
      layout,
      "addRandom",
      ["a", "u"],
      "",
      masks,
      `${limbsOfU}
${each(limbs, (j) => `const t${j} = i32x4.add(a${j}, v${j});`)}
${carry32(layout, "t", "r")}`,
    ),
    elementwise(
      layout,
      "subtractRandom",
      ["a", "u"],
      "",
      masks + twice,
      `${limbsOfU}
${negated(layout, "v", "n")}
${each(limbs, (j) => `const t${j} = i32x4.add(a${j}, n${j});`)}
${carry32(layout, "t", "r")}`,
    ),
  ].join("\n");
}

/**
 * interpolate: out = 2 a - b, the value at 0 of the line through (1, a) and (2, b); whether (3, c) lies on it.
 * Each sum is one of two loose elements, as after an addition or subtraction: a - b, b - c, their difference,
 * and a + (a - b).
 */
function emitInterpolate(layout: Layout): string {
  const { limbs } = layout;
  const minus = (left: string, right: string, out: string) => `${negated(layout, right, `n${out}`)}
${each(limbs, (j) => `const t${out}${j} = i32x4.add(${left}${j}, n${out}${j});`)}
${carry32(layout, `t${out}`, out)}`;
  const any = Array.from({ length: limbs }, (_, j) => `z${j}`).reduce((all, z) => `v128.or(${all}, ${z})`);
  return `
export function interpolate(${parameters("out", "a", "b", "c")}, n: usize): bool {
${["out", "a", "b", "c"].map((name) => planes(layout, name)).join("\n")}
${masks}
${twice}
const lanes = i32x4(0, 4, 8, 12);
const end = n << 2;
let wrong = i32x4.splat(0);
for (let i: usize = 0; i < end; i += 16) {
const valid = i32x4.lt_u(lanes, i32x4.splat(<i32>(end - i)));
${["a", "b", "c"].map((name) => load(layout, name)).join("\n")}
${minus("a", "b", "d")}
${minus("b", "c", "e")}
${minus("d", "e", "f")}
${each(limbs, (j) => `let z${j} = f${j};`)}
${canonical(layout, "z")}
wrong = v128.or(wrong, v128.and(${any}, valid));
${each(limbs, (j) => `const g${j} = i32x4.add(a${j}, d${j});`)}
${carry32(layout, "g", "r")}
${store(layout, "out", (j) => `r${j}`)}
}
return !v128.any_true(wrong);
}`;
}

/**
 * shiftRight<skip>: the canonical values shifted by `skip` limbs and r < w bits; a itself stays as it is. With
 * the limbs above, limb j is ((a_(j+skip) >> r) | (a_(j+skip+1) << (w - r))) mod 2^w.
 */
function emitShifts(layout: Layout): string {
  const { limbs, limbBits } = layout;
  return each(limbs, (skip) => {
    const shifted = each(limbs, (j) => {
      const from = j + skip;
      if (from >= limbs) return `const r${j} = i32x4.splat(0);`;
      const low = `i32x4.shr_u(a${from}, r)`;
      return from + 1 < limbs
        ? `const r${j} = v128.and(v128.or(${low}, i32x4.shl(a${from + 1}, ${limbBits} - r)), mask32);`
        : `const r${j} = ${low};`;
    });
    return `
export function shiftRight${skip}(${parameters("out", "a")}, r: i32, n: usize): void {
${planes(layout, "out")}
${planes(layout, "a")}
${masks}
const end = n << 2;
for (let i: usize = 0; i < end; i += 16) {
${each(limbs, (j) => `let a${j} = v128.load(a_${j} + i);`)}
${canonical(layout, "a")}
${shifted}
${store(layout, "out", (j) => `r${j}`)}
}
}`;
  });
}

export function emitFused(layout: Layout): string {
  return [emitRandom(layout), emitInterpolate(layout), emitShifts(layout)].join("\n");
}
