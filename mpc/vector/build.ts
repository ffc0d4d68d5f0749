/**
 * Compiles the kernels: generated AssemblyScript to `build/kernels/<module>.wasm`. Skips what is up to date,
 * judged by a hash over the generated source, the compiler's version and its options.
 */
import { createHash } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { SymbolonError } from "../errors.ts";
import { randomId } from "../random.ts";
import { bytes127Source } from "./generator/bytes127.ts";
import { generateKernel } from "./generator/generate.ts";
import { type FieldBits, fieldBits } from "./kernel.ts";

/** Where the compiled kernels lie. */
export const kernelDirectory = join(import.meta.dirname, "..", "..", "build", "kernels");

/** A field's kernel, or the arithmetic of bytes modulo 127. */
export type ModuleName = `field${FieldBits}` | "bytes127";

/** Everything that is compiled. */
export const moduleNames: readonly ModuleName[] = [
  ...fieldBits.map((bits): ModuleName => `field${bits}`),
  "bytes127",
];

/** Path of a compiled module. */
export function modulePath(name: ModuleName, directory: string = kernelDirectory): string {
  return join(directory, `${name}.wasm`);
}

function sourceOf(name: ModuleName): string {
  const bits = fieldBits.find((field) => name === `field${field}`);
  return bits === undefined ? bytes127Source : generateKernel(bits);
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

/** Compiles what is missing or out of date; says which modules were compiled. */
export async function buildKernels(directory: string = kernelDirectory): Promise<ModuleName[]> {
  const compiled: ModuleName[] = [];
  for (const name of moduleNames) if (await buildModule(name, directory)) compiled.push(name);
  return compiled;
}

/** Compiles one module unless it is up to date. Safe against a concurrent build of the same. */
export async function buildModule(name: ModuleName, directory: string = kernelDirectory): Promise<boolean> {
  const source = sourceOf(name);
  const hash = createHash("sha256")
    .update(JSON.stringify([source, options, compilerVersion]))
    .digest("hex");
  const target = modulePath(name, directory);
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

/** What is used of the compiler. Its own declarations are global ones and clash with those of Node. */
interface Compiler {
  main(
    args: readonly string[],
    files: {
      readFile(name: string): string | null;
      writeFile(name: string, contents: Uint8Array | string): void;
      listFiles(): string[];
    },
  ): Promise<{ error: Error | null; stderr: { toString(): string } }>;
}

async function compile(source: string): Promise<Uint8Array> {
  // Loaded here only: the compiler is 10 MB, and a run with compiled kernels does not need it.
  const compiler: string = "assemblyscript/asc";
  const { default: asc } = (await import(compiler)) as { default: Compiler };
  let binary: Uint8Array | undefined;
  const { error, stderr } = await asc.main(["kernel.ts", "--outFile", "kernel.wasm", ...options], {
    readFile: (name) => (name === "kernel.ts" ? source : null),
    writeFile: (_name, contents) => {
      if (typeof contents !== "string") binary = contents;
    },
    listFiles: () => [],
  });
  if (error !== null || binary === undefined)
    throw new SymbolonError("INTERNAL", `a kernel did not compile: ${stderr.toString()}`, { cause: error });
  return binary;
}
