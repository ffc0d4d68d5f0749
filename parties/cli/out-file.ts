/** The file of an `--out` option: tried before a job is paid, written after it. */
import { access, constants, stat, writeFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { SymbolonError } from "../../mpc/errors.ts";

/** @throws USAGE when the file could not be written, or is there and has to be `fresh` */
export async function checkOutFile(file: string | undefined, { fresh = false } = {}): Promise<void> {
  if (file === undefined) return;
  const existing = await stat(file).catch(() => undefined);
  if (fresh && existing !== undefined) {
    throw new SymbolonError("USAGE", `--out: ${file} exists`, { hint: "give another name, or move it away" });
  }
  if (existing?.isDirectory()) throw new SymbolonError("USAGE", `--out: ${file} is a folder`);
  await access(existing === undefined ? dirname(resolve(file)) : file, constants.W_OK).catch((cause) => {
    throw new SymbolonError("USAGE", `--out: ${file} cannot be written`, { cause });
  });
}

/** Writes a document as JSON. @throws USAGE */
export async function writeOutFile(file: string | undefined, document: unknown): Promise<void> {
  if (file === undefined) return;
  await writeFile(file, `${JSON.stringify(document, null, 2)}\n`).catch((cause) => {
    throw new SymbolonError("USAGE", `--out: ${file} cannot be written`, { cause });
  });
}
