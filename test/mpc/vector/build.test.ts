import { access, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { buildKernel, buildKernels, kernelPath } from "../../../mpc/vector/build.ts";
import { layoutOf } from "../../../mpc/vector/generator/layout.ts";
import { fieldSpecs } from "../../../mpc/vector/index.ts";

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "symbolon-kernels-"));
});
afterAll(() => rm(directory, { recursive: true }));

it("compiles what is missing or out of date, and nothing else", async () => {
  expect(await buildKernels(directory)).toEqual([61, 89, 107, 127]);
  const binary = await readFile(kernelPath(61, directory));
  expect(binary.subarray(0, 4)).toEqual(Buffer.from("\0asm"));
  expect((await readdir(directory)).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  expect(await buildKernels(directory)).toEqual([]);

  await writeFile(`${kernelPath(61, directory)}.sha256`, "of an older source");
  expect(await buildKernels(directory)).toEqual([61]);
  expect(await readFile(kernelPath(61, directory))).toEqual(binary);

  await rm(kernelPath(61, directory));
  expect(await Promise.all([buildKernel(61, directory), buildKernel(61, directory)])).toEqual([true, true]);
  await access(kernelPath(61, directory));
});

it("refuses limbs that leave no room for lazy reduction", () => {
  expect(() => layoutOf({ ...fieldSpecs[127], limbs: 4, limbBits: 32, elementBytes: 16 })).toThrow(
    /room|suit/,
  );
  expect(() => layoutOf({ ...fieldSpecs[61], limbs: 2, limbBits: 32, elementBytes: 8 })).toThrow(/room|suit/);
});
