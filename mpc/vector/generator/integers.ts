/** Kernels on canonical limbs and bits, and those that only move data. */
import type { Layout } from "./layout.ts";
import { each, loadConstants, parameters, planes } from "./limbs.ts";

const masks = loadConstants("mask32", "topMask32");

/** maskPlane: out = a AND mask. */
function emitPlanes(): string {
  return `
export function maskPlane(out: usize, a: usize, mask: u32, n: usize): void {
const m = i32x4.splat(mask);
const end = n << 2;
for (let i: usize = 0; i < end; i += 16) {
  const v = v128.and(v128.load(a + i), m);
  if (end - i >= 16) v128.store(out + i, v); else storeSome(out + i, v, end - i);
}
}
export function fillPlane(out: usize, value: u32, n: usize): void {
const v = i32x4.splat(value);
const end = n << 2;
for (let i: usize = 0; i < end; i += 16) {
  if (end - i >= 16) v128.store(out + i, v); else storeSome(out + i, v, end - i);
}
}
export function copyPlane(out: usize, a: usize, n: usize): void {
memory.copy(out, a, n << 2);
}
export function gatherPlane(out: usize, a: usize, indices: usize, n: usize): void {
for (let i: usize = 0; i < n; i++) store<u32>(out + (i << 2), load<u32>(a + (load<u32>(indices + (i << 2)) << 2)));
}
export function copyRowsOfPlane(out: usize, across: usize, a: usize, aAcross: usize, width: usize, order: usize, rows: usize): void {
const vectors = (width << 2) & ~15;
for (let r: usize = 0; r < rows; r++) {
  const from = a + load<u32>(order + (r << 2)) * aAcross;
  const to = out + r * across;
  for (let i: usize = 0; i < vectors; i += 16) v128.store(to + i, v128.load(from + i));
  for (let i = vectors; i < width << 2; i += 4) store<u32>(to + i, load<u32>(from + i));
}
}
export function maxIndex(indices: usize, n: usize): u32 {
let top = i32x4.splat(0);
const whole = n & ~3;
for (let i: usize = 0; i < whole; i += 4) top = i32x4.max_u(top, v128.load(indices + (i << 2)));
let largest = max(max(<u32>i32x4.extract_lane(top, 0), <u32>i32x4.extract_lane(top, 1)), max(<u32>i32x4.extract_lane(top, 2), <u32>i32x4.extract_lane(top, 3)));
for (let i = whole; i < n; i++) largest = max(largest, load<u32>(indices + (i << 2)));
return largest;
}
export function transposePlane(out: usize, a: usize, rows: usize, cols: usize): void {
const r4 = rows & ~3;
const c4 = cols & ~3;
const across = cols << 2;
const down = rows << 2;
// Strips of 16 rows keep the lines that are written in the L1 cache.
for (let strip: usize = 0; strip < r4; strip += 16) {
  const last = min(strip + 16, r4);
  for (let c: usize = 0; c < c4; c += 4) {
    for (let r = strip; r < last; r += 4) {
      const from = a + ((r * cols + c) << 2);
      const to = out + ((c * rows + r) << 2);
      const x0 = v128.load(from);
      const x1 = v128.load(from + across);
      const x2 = v128.load(from + 2 * across);
      const x3 = v128.load(from + 3 * across);
      const y0 = v128.shuffle<u32>(x0, x1, 0, 4, 1, 5);
      const y1 = v128.shuffle<u32>(x0, x1, 2, 6, 3, 7);
      const y2 = v128.shuffle<u32>(x2, x3, 0, 4, 1, 5);
      const y3 = v128.shuffle<u32>(x2, x3, 2, 6, 3, 7);
      v128.store(to, v128.shuffle<u64>(y0, y2, 0, 2));
      v128.store(to + down, v128.shuffle<u64>(y0, y2, 1, 3));
      v128.store(to + 2 * down, v128.shuffle<u64>(y1, y3, 0, 2));
      v128.store(to + 3 * down, v128.shuffle<u64>(y1, y3, 1, 3));
    }
  }
}
for (let r: usize = 0; r < rows; r++)
  for (let c: usize = r < r4 ? c4 : 0; c < cols; c++)
    store<u32>(out + ((c * rows + r) << 2), load<u32>(a + ((r * cols + c) << 2)));
}`;
}

/** isCanonical: every limb in range and no element equal to p. isZero, isEqual: of canonical arrays. */
function emitTests(layout: Layout): string {
  const { limbs, widths } = layout;
  const mask = (j: number) => (j === limbs - 1 ? "topMask32" : "mask32");
  const ones = Array.from({ length: limbs }, (_, j) => `i32x4.eq(a${j}, ${mask(j)})`);
  return `
export function isCanonical(${parameters("a")}, n: usize): bool {
${planes(layout, "a")}
${masks}
const lanes = i32x4(0, 4, 8, 12);
const end = n << 2;
let bad = i32x4.splat(0);
for (let i: usize = 0; i < end; i += 16) {
  const valid = i32x4.lt_u(lanes, i32x4.splat(<i32>(end - i)));
${each(
  limbs,
  (j) => `const a${j} = v128.and(v128.load(a_${j} + i), valid);
bad = v128.or(bad, i32x4.shr_u(a${j}, ${widths[j]}));`,
)}
  bad = v128.or(bad, ${ones.reduce((all, one) => `v128.and(${all}, ${one})`)});
}
return !v128.any_true(bad);
}
export function isZeroPlane(a: usize, n: usize): bool {
const end = n << 2;
const lanes = i32x4(0, 4, 8, 12);
let any = i32x4.splat(0);
for (let i: usize = 0; i < end; i += 16) {
  any = v128.or(any, v128.and(v128.load(a + i), i32x4.lt_u(lanes, i32x4.splat(<i32>(end - i)))));
}
return !v128.any_true(any);
}
export function isEqualPlane(a: usize, b: usize, n: usize): bool {
const end = n << 2;
const lanes = i32x4(0, 4, 8, 12);
let any = i32x4.splat(0);
for (let i: usize = 0; i < end; i += 16) {
  const valid = i32x4.lt_u(lanes, i32x4.splat(<i32>(end - i)));
  any = v128.or(any, v128.and(v128.xor(v128.load(a + i), v128.load(b + i)), valid));
}
return !v128.any_true(any);
}`;
}

/**
 * extractByte: bit planes first .. first + count - 1 (count <= 8) of (plane >> shift) mod 256. Bytes of sixteen
 * elements are packed into one vector, whose sign bits one instruction collects. The planes of `out` are
 * `outStride` bytes apart; whole words are written, so they need ceil(n / 32) words each.
 * expandBits: the inverse for one plane, into 0 and 1.
 */
function emitBits(): string {
  const sixteen = (base: string) => `{
  const v0 = v128.and(i32x4.shr_u(v128.load(${base}), shift), byte);
  const v1 = v128.and(i32x4.shr_u(v128.load(${base}, 16), shift), byte);
  const v2 = v128.and(i32x4.shr_u(v128.load(${base}, 32), shift), byte);
  const v3 = v128.and(i32x4.shr_u(v128.load(${base}, 48), shift), byte);
  let v = i8x16.narrow_i16x8_u(i16x8.narrow_i32x4_u(v0, v1), i16x8.narrow_i32x4_u(v2, v3));
  v = i8x16.shl(v, 8 - count);
  let q = p;
  for (let b = count - 1; b >= 0; b--) {
    store<u16>(q, <u16>i8x16.bitmask(v));
    v = i8x16.add(v, v);
    q -= outStride;
  }
  p += 2;
}`;
  return `
export function extractByte(out: usize, outStride: usize, plane: usize, shift: i32, count: i32, words: usize): void {
const byte = i32x4.splat(0xff);
let p = out + <usize>(count - 1) * outStride;
for (let w: usize = 0; w < words; w++) {
${sixteen("plane")}
${sixteen("plane + 64")}
  plane += 128;
}
}
export function expandBits(out: usize, bits: usize, n: usize): void {
const select = i32x4(1, 2, 4, 8);
const one = i32x4.splat(1);
const end = n << 2;
for (let i: usize = 0; i < end; i += 16) {
  const nibble = <u32>load<u8>(bits + (i >> 7 << 2) + ((i >> 5) & 3)) >> (<u32>(i >> 4) & 1) * 4;
  const v = v128.and(i32x4.ne(v128.and(i32x4.splat(nibble), select), i32x4.splat(0)), one);
  if (end - i >= 16) v128.store(out + i, v); else storeSome(out + i, v, end - i);
}
}`;
}

export function emitIntegers(layout: Layout): string {
  return [emitPlanes(), emitTests(layout), emitBits()].join("\n");
}
