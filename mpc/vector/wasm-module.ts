/** Loads the WebAssembly module of a field: built where it is missing, compiled once a process. */
import { readFile } from "node:fs/promises";
import { buildKernel, kernelPath } from "./build.ts";
import type { FieldBits } from "./kernel.ts";
import type { WasmMemory } from "./memory.ts";

/** The part of WebAssembly that is used; its types are in TypeScript's browser library only. */
declare const WebAssembly: {
  compile(bytes: Uint8Array): Promise<WasmModule>;
  instantiate(module: WasmModule, imports: object): Promise<{ readonly exports: unknown }>;
};
type WasmModule = { readonly wasmModule: unique symbol };

/** A function of a kernel. Pointers and strides in bytes, lengths in elements. */
export type Call = (...args: number[]) => number;

const modules = new Map<FieldBits, Promise<WasmModule>>();

/** Compiles a field's module once per process; builds it first where it is missing or out of date. */
function loadModule(bits: FieldBits): Promise<WasmModule> {
  let module = modules.get(bits);
  if (module === undefined) {
    module = buildKernel(bits)
      .then(() => readFile(kernelPath(bits)))
      .then((bytes) => WebAssembly.compile(bytes));
    // A failed build may be repaired: do not keep the failure.
    module.catch(() => modules.delete(bits));
    modules.set(bits, module);
  }
  return module;
}

/** A fresh instance with its own memory. */
export async function instantiate(
  bits: FieldBits,
): Promise<{ memory: WasmMemory; functions: Record<string, Call> }> {
  const instance = await WebAssembly.instantiate(await loadModule(bits), {
    env: {
      abort: () => {
        throw new Error("kernel aborted");
      },
    },
  });
  const { memory, ...functions } = instance.exports as { memory: WasmMemory } & Record<string, Call>;
  return { memory, functions };
}
