/** Element-wise kernels and the broadcasts that are made of them. */
import { carriesFit32, type Layout, smallFactor } from "./layout.ts";
import {
  canonical,
  carry32,
  carry64,
  each,
  load,
  loadConstants,
  negated,
  pack,
  parameters,
  planes,
  store,
} from "./limbs.ts";
import { columnsKaratsuba, columnsPlain, sums } from "./products.ts";

const low = (t: number) => `l${t}`;
const high = (t: number) => `h${t}`;

/** A kernel over `out` and some inputs, four elements at a time; `body` turns limbs a0.., b0.. into r0... */
export function elementwise(
  layout: Layout,
  name: string,
  inputs: readonly string[],
  extra: string,
  prologue: string,
  body: string,
): string {
  return `
export function ${name}(${parameters("out", ...inputs)}${extra}, n: usize): void {
${planes(layout, "out")}
${inputs.map((input) => planes(layout, input)).join("\n")}
${prologue}
const end = n << 2;
for (let i: usize = 0; i < end; i += 16) {
${inputs.map((input) => load(layout, input)).join("\n")}
${body}
${store(layout, "out", (j) => `r${j}`)}
}
}`;
}

const masks = loadConstants("mask32", "topMask32");
const masks64 = loadConstants("mask64", "topMask64");
const twice = loadConstants("twice32", "twiceTop32");

/** Carries the columns of both halves and packs them into r0... */
function finish(layout: Layout): string {
  const { limbs, widths } = layout;
  if (!carriesFit32(layout))
    return `${carry64(layout, low)}
${carry64(layout, high)}
${each(limbs, (j) => `const r${j} = ${pack(low(j), high(j))};`)}`;
  // All columns at once is 3 % faster than one after another: the loop is longer than what the processor
  // looks ahead, so a chain of carries is not hidden.
  const mask = (j: number) => (j === limbs - 1 ? "topMask32" : "mask32");
  return `${each(
    limbs,
    (j) =>
      `const g${j} = ${pack(`i64x2.shr_u(${low(j)}, ${widths[j]})`, `i64x2.shr_u(${high(j)}, ${widths[j]})`)};`,
  )}
${each(
  limbs,
  (j) =>
    `const t${j} = i32x4.add(v128.and(${pack(low(j), high(j))}, ${mask(j)}), g${(j + limbs - 1) % limbs});`,
)}
${carry32(layout, "t", "r")}`;
}

function product(layout: Layout, karatsuba: boolean): string {
  const columns = karatsuba ? columnsKaratsuba : columnsPlain;
  return `${columns(layout, "low", "a", "b", low)}
${columns(layout, "high", "a", "b", high)}`;
}

/** Parameters c0.. of a scalar, and its limbs b0.. in every lane. */
const scalarParameters = ({ limbs }: Layout) =>
  Array.from({ length: limbs }, (_, j) => `, c${j}: u32`).join("");
const scalarArguments = ({ limbs }: Layout) => Array.from({ length: limbs }, (_, j) => `c${j}`).join(", ");
const scalarLimbs = ({ limbs }: Layout) => each(limbs, (j) => `const b${j} = i32x4.splat(c${j});`);

export function emitElementwise(layout: Layout): string {
  const { limbs } = layout;
  // Measured, ns for 61, 89, 107, 127 bits: Karatsuba 1.31, 2.24, 3.40, 5.09; all products 1.10, 2.06, 3.43, 5.12.
  // A single product pays for taking the columns apart; sums of products (linear.ts) do not.
  const karatsuba = limbs >= 4;
  const added = each(limbs, (j) => `const t${j} = i32x4.add(a${j}, b${j});`);
  const aSums = karatsuba ? sums(layout, "a", "as", false) : "";
  const bSums = karatsuba ? sums(layout, "b", "bs", true) : "";
  const scalar = `${scalarLimbs(layout)}\n${bSums}`;
  const plusD = each(
    limbs,
    (t) => `${low(t)} = i64x2.add(${low(t)}, i64x2.extend_low_i32x4_u(d${t}));
${high(t)} = i64x2.add(${high(t)}, i64x2.extend_high_i32x4_u(d${t}));`,
  );
  return [
    elementwise(layout, "add", ["a", "b"], "", masks, `${added}\n${carry32(layout, "t", "r")}`),
    elementwise(
      layout,
      "subtract",
      ["a", "b"],
      "",
      masks + twice,
      `${negated(layout, "b", "n")}
${each(limbs, (j) => `const t${j} = i32x4.add(a${j}, n${j});`)}
${carry32(layout, "t", "r")}`,
    ),
    elementwise(
      layout,
      "negate",
      ["a"],
      "",
      masks + twice,
      `${negated(layout, "a", "n")}\n${carry32(layout, "n", "r")}`,
    ),
    elementwise(
      layout,
      "multiply",
      ["a", "b"],
      "",
      masks64 + masks,
      `${aSums}\n${bSums}\n${product(layout, karatsuba)}\n${finish(layout)}`,
    ),
    elementwise(
      layout,
      "addScalar",
      ["a"],
      scalarParameters(layout),
      masks + scalarLimbs(layout),
      `${added}\n${carry32(layout, "t", "r")}`,
    ),
    elementwise(
      layout,
      "multiplyScalar",
      ["a"],
      scalarParameters(layout),
      masks64 + masks + scalar,
      `${aSums}\n${product(layout, karatsuba)}\n${finish(layout)}`,
    ),
    elementwise(
      layout,
      "multiplyAdd",
      ["a", "d"],
      scalarParameters(layout),
      masks64 + masks + scalar,
      `${aSums}\n${product(layout, karatsuba)}\n${plusD}\n${finish(layout)}`,
    ),
    emitSimpleScalars(layout),
    emitBroadcasts(layout),
    emitCanonicalise(layout),
  ].join("\n");
}

/**
 * The factors that interpolation and embedding need most cost no product: 1/2 moves every limb's lowest bit
 * to the limb below (limb 0's to bit k - 1, because 2^k = 1), and factors up to `smallFactor` fit 32 bits.
 *
 * A halved limb is at most (2^(w_j) + 2^16) / 2 + 2^(w_j - 1) = 2^(w_j) + 2^15, and below 2^31 for w = 31: (1) in
 * layout.ts, so that a sum with it or a difference is carried as of any two loose elements.
 */
function emitSimpleScalars(layout: Layout): string {
  const { limbs, widths } = layout;
  const one = "const one = i32x4.splat(1);";
  const half = each(limbs, (j) => {
    const above = `a${(j + 1) % limbs}`;
    return `const t${j} = i32x4.add(i32x4.shr_u(a${j}, 1), i32x4.shl(v128.and(${above}, one), ${widths[j]! - 1}));`;
  });
  const kernels = [
    elementwise(layout, "halve", ["a"], "", one, `${half}\n${each(limbs, (j) => `const r${j} = t${j};`)}`),
    elementwise(
      layout,
      "addHalf",
      ["a", "b"],
      "",
      one + masks,
      `${half}
${each(limbs, (j) => `const u${j} = i32x4.add(t${j}, b${j});`)}
${carry32(layout, "u", "r")}`,
    ),
    elementwise(
      layout,
      "subtractHalf",
      ["a", "b"],
      "",
      one + masks + twice,
      `${half}
${negated(layout, "t", "n")}
${each(limbs, (j) => `const u${j} = i32x4.add(n${j}, b${j});`)}
${carry32(layout, "u", "r")}`,
    ),
  ];
  if (smallFactor(layout) > 1) {
    const factor = "const factor = i32x4.splat(c);";
    const times = (x: string) =>
      each(limbs, (j) => `const t${j} = i32x4.add(i32x4.mul(${x}${j}, factor), b${j});`);
    const scaled = (x: string) => each(limbs, (j) => `const t${j} = i32x4.mul(${x}${j}, factor);`);
    kernels.push(
      elementwise(
        layout,
        "multiplySmall",
        ["a"],
        ", c: u32",
        factor + masks,
        `${scaled("a")}\n${carry32(layout, "t", "r")}`,
      ),
      elementwise(
        layout,
        "multiplySmallNegative",
        ["a"],
        ", c: u32",
        factor + masks + twice,
        `${negated(layout, "a", "n")}\n${scaled("n")}\n${carry32(layout, "t", "r")}`,
      ),
      elementwise(
        layout,
        "multiplyAddSmall",
        ["a", "b"],
        ", c: u32",
        factor + masks,
        `${times("a")}\n${carry32(layout, "t", "r")}`,
      ),
      elementwise(
        layout,
        "multiplySubtractSmall",
        ["a", "b"],
        ", c: u32",
        factor + masks + twice,
        `${negated(layout, "a", "n")}\n${times("n")}\n${carry32(layout, "t", "r")}`,
      ),
    );
  }
  return `export function smallFactor(): i32 { return ${smallFactor(layout)}; }\n${kernels.join("\n")}`;
}

function emitBroadcasts(layout: Layout): string {
  const { limbs } = layout;
  const byRow = (name: string, kernel: string) => `
export function ${name}(${parameters("out", "a", "b")}, rows: usize, cols: usize): void {
for (let r: usize = 0; r < rows; r++) {
  ${kernel}(out, outStride, a, aStride, b, bStride, cols);
  out += cols << 2;
  a += cols << 2;
}
}`;
  return `${byRow("addRow", "add")}
${byRow("multiplyRow", "multiply")}
export function multiplyColumn(${parameters("out", "a", "b")}, rows: usize, cols: usize): void {
for (let r: usize = 0; r < rows; r++) {
${each(limbs, (j) => `const c${j} = load<u32>(b + ${j} * bStride);`)}
  multiplyScalar(out, outStride, a, aStride, ${scalarArguments(layout)}, cols);
  out += cols << 2;
  a += cols << 2;
  b += 4;
}
}`;
}

/** Makes an array canonical in place; the value does not change. */
function emitCanonicalise(layout: Layout): string {
  return `
export function canonicalise(${parameters("a")}, n: usize): void {
${planes(layout, "a")}
${masks}
const end = n << 2;
for (let i: usize = 0; i < end; i += 16) {
${each(layout.limbs, (j) => `let a${j} = v128.load(a_${j} + i);`)}
${canonical(layout, "a")}
${store(layout, "a", (j) => `a${j}`)}
}
}`;
}
