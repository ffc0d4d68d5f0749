/** Vectors over F_p: the kernel interface and its two implementations. */
export { buildKernels } from "./build.ts";
export type { FieldArray, FieldBits, FieldSpec, Kernel, Region } from "./kernel.ts";
export { fieldBits, fieldSpecs, randomBlock } from "./kernel.ts";
export { createReferenceKernel } from "./reference.ts";
export { createKernel } from "./wasm.ts";
