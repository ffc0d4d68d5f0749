/** Loads a WebAssembly module: built where it is missing, compiled once a process. */
import { readFile } from "node:fs/promises";
import { buildModule, type ModuleName, modulePath } from "./build.ts";
import type { WasmMemory } from "./memory.ts";

/** The part of WebAssembly that is used; its types are in TypeScript's browser library only. */
declare const WebAssembly: {
  compile(bytes: Uint8Array): Promise<WasmModule>;
  instantiate(module: WasmModule, imports: object): Promise<{ readonly exports: unknown }>;
};
type WasmModule = { readonly wasmModule: unique symbol };

/** A function of a kernel. Pointers and strides in bytes, lengths in elements. */
export type Call = (...args: number[]) => number;

const modules = new Map<ModuleName, Promise<WasmModule>>();

/** Compiles a module once per process; builds it first where it is missing or out of date. */
function loadModule(name: ModuleName): Promise<WasmModule> {
  let module = modules.get(name);
  if (module === undefined) {
    module = buildModule(name)
      .then(() => readFile(modulePath(name)))
      .then((bytes) => WebAssembly.compile(bytes));
    // A failed build may be repaired: do not keep the failure.
    module.catch(() => modules.delete(name));
    modules.set(name, module);
  }
  return module;
}

/** A fresh instance with its own memory. */
export async function instantiate(
  name: ModuleName,
): Promise<{ memory: WasmMemory; functions: Record<string, Call> }> {
  const instance = await WebAssembly.instantiate(await loadModule(name), {
    env: {
      abort: () => {
        throw new Error("kernel aborted");
      },
    },
  });
  const { memory, ...functions } = instance.exports as { memory: WasmMemory } & Record<string, Call>;
  return { memory, functions };
}
