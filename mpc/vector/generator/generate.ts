/** AssemblyScript source of a field's kernel, from the one table in kernel.ts. */
import { type FieldBits, fieldSpecs } from "../kernel.ts";
import { emitElementwise } from "./elementwise.ts";
import { emitFused } from "./fused.ts";
import { emitIntegers } from "./integers.ts";
import { layoutOf } from "./layout.ts";
import { emitInit } from "./limbs.ts";
import { emitLinear } from "./linear.ts";
import { emitNumbers } from "./numbers.ts";
import { emitWords } from "./words.ts";

export function generateKernel(bits: FieldBits): string {
  const layout = layoutOf(fieldSpecs[bits]);
  return [
    `// Field of 2^${bits} - 1: ${layout.limbs} limbs of ${layout.limbBits} bits. Generated; do not edit.`,
    emitInit(layout),
    emitElementwise(layout),
    emitFused(layout),
    emitLinear(layout),
    emitIntegers(layout),
    emitNumbers(layout),
    emitWords(layout),
    "",
  ].join("\n");
}
