/** Vectors over F_p: the kernel interface and its two implementations. */

export { buildKernels } from "./build.ts";
export type { Bytes127, Draw, PrivateCompareRequest } from "./bytes127.ts";
export { byteModulus, loadBytes127, maxComparedBits } from "./bytes127.ts";
export { createReferenceBytes127 } from "./bytes127-reference.ts";
export type { ColumnsOf, FieldArray, FieldBits, FieldSpec, Kernel, Region } from "./kernel.ts";
export { fieldBits, fieldSpecs, randomBlock } from "./kernel.ts";
export { createReferenceKernel } from "./reference.ts";
export { createKernel } from "./wasm.ts";
