/**
 * AssemblyScript source of the arithmetic of bytes modulo q = 127, sixteen bytes at a time.
 *
 * `reduce` subtracts q once where that does not wrap: it takes 0 .. 255 to 0 .. 128, 0 .. 253 to 0 .. 126.
 * Every sum below is followed by its largest value. Arrays are read and written in whole vectors: what lies
 * behind them must be scratch memory. Constants are loaded from memory for the reason in limbs.ts.
 */

/** Where constants lie in memory; the scratch arrays of ../bytes127.ts begin behind them. */
const modulusAt = 16;
const lanesAt = 32;
const foldAt = 48;

const lanes = (from: (lane: number) => number) =>
  Array.from({ length: 16 }, (_, lane) => from(lane)).join(", ");

/** Lane i of the result is lane i + d of x; lanes of `above` follow. */
const down = (x: string, above: string, d: number) =>
  `v128.shuffle<u8>(${x}, ${above}, ${lanes((lane) => lane + d)})`;

/** One step of the sum over all higher lanes. */
const step = (d: number) => `x = reduce(i8x16.add(x, ${down("x", "zero", d)}), q);`;

export const bytes127Source = `// Arithmetic of bytes modulo 127. Generated; do not edit.
export function init(): void {
  v128.store(${modulusAt}, i8x16.splat(127));
  v128.store(${lanesAt}, i8x16(${lanes((lane) => lane)}));
  v128.store(${foldAt}, i16x8.splat(127));
}

@inline
function reduce(x: v128, q: v128): v128 {
  return i8x16.min_u(x, i8x16.sub(x, q));
}

// The lanes of the last vector of a row of \`width\` bytes that belong to it.
@inline
function lastLanes(width: usize): v128 {
  return i8x16.lt_u(v128.load(${lanesAt}), i8x16.splat(<i8>(width - ((width - 1) & ~15))));
}

// Bytes & 127 of the input that are not 127 (and not 0 if \`nonzero\`), in order; how many.
export function sample(out: usize, input: usize, length: usize, nonzero: bool): usize {
  const q = v128.load(${modulusAt});
  const refused = nonzero ? i8x16.splat(0) : q;
  const end = input + length;
  let p = out;
  while (input + 16 <= end) {
    const v = v128.and(v128.load(input), q);
    v128.store(p, v);
    const bad = i8x16.bitmask(v128.or(i8x16.eq(v, q), i8x16.eq(v, refused)));
    if (bad == 0) {
      p += 16;
      input += 16;
    } else {
      // What precedes the first refused byte stands; go on behind it.
      const good = <usize>ctz(bad);
      p += good;
      input += good + 1;
    }
  }
  for (; input < end; input++) {
    const v = load<u8>(input) & 127;
    store<u8>(p, v);
    p += <usize>(v != 127 && !(nonzero && v == 0));
  }
  return p - out;
}

// Bytes below \`limit\`, a multiple of the bound, modulo the bound; how many. factor = floor(2^16 / bound) + 1:
// v factor / 2^16 exceeds v / bound by less than 2^8 / 2^16 < 1 / bound, so its floor is the quotient.
export function sampleBelow(out: usize, input: usize, length: usize, bound: u32, limit: u32, factor: u32): usize {
  let p = out;
  for (let i: usize = 0; i < length; i++) {
    const v = <u32>load<u8>(input + i);
    store<u8>(p, <u8>(v - ((v * factor) >> 16) * bound));
    p += <usize>(v < limit);
  }
  return p - out;
}

// 126 + 126 = 252.
export function add(out: usize, a: usize, b: usize, n: usize): void {
  const q = v128.load(${modulusAt});
  for (let i: usize = 0; i < n; i += 16)
    v128.store(out + i, reduce(i8x16.add(v128.load(a + i), v128.load(b + i)), q));
}

// 126 + 127 - 0 = 253.
export function subtract(out: usize, a: usize, b: usize, n: usize): void {
  const q = v128.load(${modulusAt});
  for (let i: usize = 0; i < n; i += 16)
    v128.store(out + i, reduce(i8x16.add(v128.load(a + i), i8x16.sub(q, v128.load(b + i))), q));
}

// The largest byte.
export function largest(a: usize, n: usize): u32 {
  let m = i8x16.splat(0);
  let i: usize = 0;
  for (; i + 16 <= n; i += 16) m = i8x16.max_u(m, v128.load(a + i));
  let top: u32 = 0;
  for (; i < n; i++) top = max(top, <u32>load<u8>(a + i));
  m = i8x16.max_u(m, ${down("m", "m", 8)});
  m = i8x16.max_u(m, ${down("m", "m", 4)});
  m = i8x16.max_u(m, ${down("m", "m", 2)});
  m = i8x16.max_u(m, ${down("m", "m", 1)});
  return max(top, <u32>i8x16.extract_lane_u(m, 0));
}

// Bit planes \`stride\` bytes apart, m of them, to rows of m bytes 0 or 1. Eight rows at a time; within them the
// last vectors come first, because they write over the beginning of the row that follows.
export function bitsToBytes(out: usize, planes: usize, stride: usize, n: usize, m: usize): void {
  const one = i8x16.splat(1);
  for (let e: usize = 0; e < n; e += 8) {
    for (let i = <isize>((m - 1) & ~15); i >= 0; i -= 16) {
      const p = planes + <usize>i * stride + (e >> 3);
      let v = v128.load8_splat(p);
${Array.from({ length: 15 }, (_, j) => `      v = v128.load_lane<u8>(p + ${j + 1} * stride, v, ${j + 1});`).join("\n")}
      let to = out + e * m + <usize>i;
${Array.from(
  { length: 8 },
  (_, b) => `      v128.store(to, i8x16.min_u(v128.and(v, i8x16.splat(${b === 7 ? -128 : 1 << b})), one));
      to += m;`,
).join("\n")}
    }
  }
}

// A party's share of the numbers w_0 .. w_m of each row, at most 128 each; see Bytes127.privateCompare.
export function weights(w: usize, a: usize, r: usize, coins: usize, n: usize, m: usize, first: i32): void {
  const q = v128.load(${modulusAt});
  const zero = i8x16.splat(0);
  const one = i8x16.splat(1);
  const ones = i8x16.splat(-1);
  const constant = i8x16.splat(<i8>first);
  const negator = i8x16.add(q, constant);
  const top = <isize>((m - 1) & ~15);
  const topLanes = lastLanes(m);
  for (let e: usize = 0; e < n; e++) {
    const coin = (load<u32>(coins + (e >> 5 << 2)) >> <u32>(e & 31)) & 1;
    const flip = i8x16.splat(-<i8>coin);
    const base = i8x16.add(constant, coin ? one : q);
    let carry = zero;
    let inRow = topLanes;
    for (let i = top; i >= 0; i -= 16) {
      const bits = v128.load(a + <usize>i);
      const share = v128.load(r + <usize>i);
      // a xor r, as a share: a + (1 - 2 a) r, at most 128 before it is reduced.
      let x = v128.bitselect(i8x16.sub(negator, share), share, i8x16.neg(bits));
      x = v128.and(reduce(x, q), inRow);
      // Sums over the higher positions of the row; 126 + 126 in each step.
      ${[1, 2, 4, 8].map(step).join("\n      ")}
      x = reduce(i8x16.add(x, carry), q);
      const above = ${down("x", "carry", 1)};
      carry = v128.shuffle<u8>(x, x, ${lanes(() => 0)});
      // sigma (a - r) + 1 + q, at most 129: with d = a - r it is d + 128 or, -d being (d xor 255) + 1, 1 - d;
      // without the constants q - r or r.
      const d = i8x16.sub(v128.and(bits, constant), share);
      const own = i8x16.add(v128.xor(d, flip), base);
      // 129 + 126 = 255.
      v128.store(w + <usize>i, reduce(i8x16.add(own, above), q));
      inRow = ones;
    }
    store<u8>(w + m, coin ? <u8>i8x16.extract_lane_u(carry, 0) : <u8>first);
    a += m;
    r += m;
    w += m + 1;
  }
}

// out = s w + z or s w - z, w at most 128. 126 * 128 = 2^7 * 126, so its halves of 7 bits sum to at most
// 127 + 126 = 253; then 126 + 126, or 126 + 127 with q - z = (z xor 255) + 128.
export function scaleAndMask(out: usize, w: usize, s: usize, z: usize, negate: bool, n: usize): void {
  const q = v128.load(${modulusAt});
  const low7 = v128.load(${foldAt});
  const flip = i8x16.splat(negate ? -1 : 0);
  const base = i8x16.splat(negate ? -128 : 0);
  for (let i: usize = 0; i < n; i += 16) {
    const x = v128.load(w + i);
    const y = v128.load(s + i);
    const low = i16x8.extmul_low_i8x16_u(x, y);
    const high = i16x8.extmul_high_i8x16_u(x, y);
    const folded = i8x16.narrow_i16x8_u(
      i16x8.add(v128.and(low, low7), i16x8.shr_u(low, 7)),
      i16x8.add(v128.and(high, low7), i16x8.shr_u(high, 7)),
    );
    const mask = i8x16.add(v128.xor(v128.load(z + i), flip), base);
    v128.store(out + i, reduce(i8x16.add(reduce(folded, q), mask), q));
  }
}

// Every row of \`width\` bytes to the left by its rotation, which is below the width. Each row is written twice,
// one behind the other, and read from where it begins: no branch depends on the rotation.
export function rotate(out: usize, a: usize, rotations: usize, twice: usize, n: usize, width: usize): void {
  let to = twice;
  for (let e: usize = 0; e < n; e++) {
    for (let i: usize = 0; i < width; i += 16) v128.store(to + i, v128.load(a + i));
    to += width;
    for (let i: usize = 0; i < width; i += 16) v128.store(to + i, v128.load(a + i));
    to += width;
    a += width;
  }
  let from = twice;
  for (let e: usize = 0; e < n; e++) {
    const begin = from + <usize>load<u8>(rotations + e);
    for (let i: usize = 0; i < width; i += 16) v128.store(out + i, v128.load(begin + i));
    out += width;
    from += 2 * width;
  }
}

// Bit e of \`out\`: whether row e of x + y has a zero modulo q; the sums of canonical bytes are at most 252.
export function zeroFlags(out: usize, x: usize, y: usize, n: usize, width: usize): void {
  const q = v128.load(${modulusAt});
  const zero = i8x16.splat(0);
  const top = (width - 1) & ~15;
  const topLanes = lastLanes(width);
  for (let e: usize = 0; e < n; e += 32) {
    const rows = min(n - e, 32);
    let flags: u32 = 0;
    for (let row: usize = 0; row < rows; row++) {
      let sum = i8x16.add(v128.load(x + top), v128.load(y + top));
      let found = v128.and(v128.or(i8x16.eq(sum, zero), i8x16.eq(sum, q)), topLanes);
      for (let i: usize = 0; i < top; i += 16) {
        sum = i8x16.add(v128.load(x + i), v128.load(y + i));
        found = v128.or(found, v128.or(i8x16.eq(sum, zero), i8x16.eq(sum, q)));
      }
      flags |= <u32>v128.any_true(found) << <u32>row;
      x += width;
      y += width;
    }
    store<u32>(out, flags);
    out += 4;
  }
}
`;
