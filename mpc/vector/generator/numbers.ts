/** Doubles to limbs and back, one element at a time: exact, and a few nanoseconds instead of tens. */
import type { Layout } from "./layout.ts";
import { each, parameters, planes } from "./limbs.ts";

const hex = (bits: number) => `0x${((1n << BigInt(bits)) - 1n).toString(16)}`;

/**
 * fromNumbers: round(x * scale), ties away from zero, for |x * scale| < 2^(k-2), which the caller checked. All
 * steps are exact: scale is a power of two, the quotients and remainders are by powers of two. p - v has every
 * bit of v flipped; for v = 0 that is p, a loose form of 0.
 */
function emitFromNumbers(layout: Layout): string {
  const { limbs, limbBits, widths } = layout;
  return `
export function fromNumbers(${parameters("out")}, values: usize, scale: f64, n: usize): void {
${planes(layout, "out")}
for (let i: usize = 0; i < n; i++) {
  const x = load<f64>(values + (i << 3)) * scale;
  const magnitude = abs(x);
  let rest = floor(magnitude);
  if (magnitude - rest >= 0.5) rest += 1.0;
  const at = i << 2;
  const flip: u32 = x < 0 ? -1 : 0;
  if (rest < 9007199254740992.0) {
    let bits = <u64>rest;
${each(limbs, (j) => `store<u32>(out_${j} + at, (<u32>bits ^ flip) & ${hex(widths[j]!)}); bits >>= ${limbBits};`)}
  } else {
    let quotient: f64;
${each(
  limbs,
  (j) => `    quotient = floor(rest * ${2 ** -limbBits});
    store<u32>(out_${j} + at, (<u32>(rest - quotient * ${2 ** limbBits}.0) ^ flip) & ${hex(widths[j]!)});
    rest = quotient;`,
)}
  }
}
}`;
}

/**
 * toNumbers: v * scale for the signed value v of a canonical element. One rounding, by the conversion of a
 * 64-bit integer; an element whose magnitude needs more bits becomes NaN, and the number of those is returned.
 */
function emitToNumbers(layout: Layout): string {
  const { limbs, limbBits, topBits, widths } = layout;
  const parts: string[] = [];
  const over: string[] = [];
  for (let j = 0; j < limbs; j++) {
    const shift = j * limbBits;
    if (shift < 64) parts.push(`(<u64>l${j} << ${shift})`);
    if (shift + widths[j]! > 63) over.push(shift >= 63 ? `l${j}` : `(l${j} >> ${63 - shift})`);
  }
  return `
export function toNumbers(values: usize, ${parameters("a")}, scale: f64, n: usize): u32 {
${planes(layout, "a")}
let wide: u32 = 0;
for (let i: usize = 0; i < n; i++) {
  const at = i << 2;
  const negative = load<u32>(a_${limbs - 1} + at) >> ${topBits - 1};
  const flip: u32 = 0 - negative;
${each(limbs, (j) => `const l${j} = (load<u32>(a_${j} + at) ^ flip) & ${hex(widths[j]!)};`)}
  const magnitude = <f64>(${parts.join(" | ")});
  let value = (negative != 0 ? -magnitude : magnitude) * scale;
  if ((${over.length === 0 ? "0" : over.join(" | ")}) != 0) {
    value = NaN;
    wide++;
  }
  store<f64>(values + (i << 3), value);
}
return wide;
}`;
}

export function emitNumbers(layout: Layout): string {
  return [emitFromNumbers(layout), emitToNumbers(layout)].join("\n");
}
