import { access, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { buildKernels, buildModule, modulePath } from "../../../mpc/vector/build.ts";
import { layoutOf } from "../../../mpc/vector/generator/layout.ts";
import { fieldSpecs } from "../../../mpc/vector/index.ts";

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "symbolon-kernels-"));
});
afterAll(() => rm(directory, { recursive: true }));

it("compiles what is missing or out of date, and nothing else", async () => {
  expect(await buildKernels(directory)).toEqual(["field61", "field89", "field107", "field127", "bytes127"]);
  const binary = await readFile(modulePath("field61", directory));
  expect(binary.subarray(0, 4)).toEqual(Buffer.from("\0asm"));
  expect((await readdir(directory)).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  expect(await buildKernels(directory)).toEqual([]);

  await writeFile(`${modulePath("field61", directory)}.sha256`, "of an older source");
  expect(await buildKernels(directory)).toEqual(["field61"]);
  expect(await readFile(modulePath("field61", directory))).toEqual(binary);

  await rm(modulePath("field61", directory));
  expect(await Promise.all([buildModule("field61", directory), buildModule("field61", directory)])).toEqual([
    true,
    true,
  ]);
  await access(modulePath("field61", directory));
});

it("refuses limbs that leave no room for lazy reduction", () => {
  expect(() => layoutOf({ ...fieldSpecs[127], limbs: 4, limbBits: 32, elementBytes: 16 })).toThrow(
    /room|suit/,
  );
  expect(() => layoutOf({ ...fieldSpecs[61], limbs: 2, limbBits: 32, elementBytes: 8 })).toThrow(/room|suit/);
});
