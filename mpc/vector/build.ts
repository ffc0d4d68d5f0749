/**
 * Compiles the kernels: generated AssemblyScript to `build/kernels/field<k>.wasm`. Skips what is up to date,
 * judged by a hash over the generated source, the compiler's version and its options.
 */
import { createHash } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { SymbolonError } from "../errors.ts";
import { randomId } from "../random.ts";
import { generateKernel } from "./generator/generate.ts";
import { type FieldBits, fieldBits } from "./kernel.ts";

/** Where the compiled kernels lie. */
export const kernelDirectory = join(import.meta.dirname, "..", "..", "build", "kernels");

/** Path of a field's compiled kernel. */
export function kernelPath(bits: FieldBits, directory: string = kernelDirectory): string {
  return join(directory, `field${bits}.wasm`);
}

const options = [
  "--optimizeLevel",
  "3",
  "--noAssert",
  "--runtime",
  "stub",
  "--enable",
  "simd",
  "--initialMemory",
  "16",
  "--maximumMemory",
  "65536",
];

const compilerVersion: string = createRequire(import.meta.url)("assemblyscript/package.json").version;

/** Compiles what is missing or out of date; says which fields were compiled. */
export async function buildKernels(directory: string = kernelDirectory): Promise<FieldBits[]> {
  const compiled: FieldBits[] = [];
  for (const bits of fieldBits) if (await buildKernel(bits, directory)) compiled.push(bits);
  return compiled;
}

/** Compiles one field's kernel unless it is up to date. Safe against a concurrent build of the same. */
export async function buildKernel(bits: FieldBits, directory: string = kernelDirectory): Promise<boolean> {
  const source = generateKernel(bits);
  const hash = createHash("sha256")
    .update(JSON.stringify([source, options, compilerVersion]))
    .digest("hex");
  const target = kernelPath(bits, directory);
  const stamp = `${target}.sha256`;
  const [built, binaryThere] = await Promise.all([
    readFile(stamp, "utf8").catch(() => ""),
    readFile(target).then(
      () => true,
      () => false,
    ),
  ]);
  if (binaryThere && built === hash) return false;
  const binary = await compile(source);
  await mkdir(directory, { recursive: true });
  // The stamp is written last; a rename replaces the file at once, so a reader never sees half of it.
  await replace(target, binary);
  await replace(stamp, hash);
  return true;
}

async function replace(path: string, content: Uint8Array | string): Promise<void> {
  const temporary = `${path}.${randomId()}.tmp`;
  await writeFile(temporary, content);
  await rename(temporary, path);
}

async function compile(source: string): Promise<Uint8Array> {
  // Loaded here only: the compiler is 10 MB, and a run with compiled kernels does not need it.
  const { default: asc } = await import("assemblyscript/asc");
  let binary: Uint8Array | undefined;
  const { error, stderr } = await asc.main(["kernel.ts", "--outFile", "kernel.wasm", ...options], {
    readFile: (name: string) => (name === "kernel.ts" ? source : null),
    writeFile: (_name: string, contents: Uint8Array | string) => {
      if (typeof contents !== "string") binary = contents;
    },
    listFiles: () => [],
  });
  if (error !== null || binary === undefined)
    throw new SymbolonError("INTERNAL", `the kernel did not compile: ${stderr.toString()}`, { cause: error });
  return binary;
}
