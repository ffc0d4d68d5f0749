/** Where commands find the keys that they act with, and the passphrase of an encrypted key file. */
import { readFile } from "node:fs/promises";
import { SymbolonError } from "../../mpc/errors.ts";
import { type Keys, loadKeys, type Role } from "../keys.ts";
import { unreadable } from "../unreadable.ts";

/** The first line of the file, else SYMBOLON_PASSPHRASE; undefined when neither is there. */
export async function readPassphrase(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) {
    const given = process.env.SYMBOLON_PASSPHRASE;
    return given === "" ? undefined : given;
  }
  const text = await readFile(file, "utf8").catch((cause) => {
    throw new SymbolonError("USAGE", `The passphrase file ${file} ${unreadable(cause)}.`, { cause });
  });
  const [line = ""] = text.split(/\r?\n/);
  if (line === "") throw new SymbolonError("USAGE", `The passphrase file ${file} begins with an empty line.`);
  return line;
}

export interface KeyOptions {
  keys?: string;
  passphraseFile?: string;
}

/** The key file that is named, if one is. */
export function keyFileOf({
  keys = process.env.SYMBOLON_KEYS,
}: Pick<KeyOptions, "keys">): string | undefined {
  return keys === "" ? undefined : keys;
}

/** The keys of `role` from `--keys` or SYMBOLON_KEYS. @throws USAGE, KEY_INVALID */
export async function keysOf<R extends Role>(role: R, options: KeyOptions): Promise<Keys<R>> {
  const file = keyFileOf(options);
  if (file === undefined) {
    throw new SymbolonError("USAGE", `no key file of a ${role} is named`, {
      hint: `give --keys FILE or set SYMBOLON_KEYS; "symbolon keys new ${role} --out FILE" makes one`,
    });
  }
  const passphrase = await readPassphrase(options.passphraseFile);
  const passphraseHint = "give --passphrase-file FILE or set SYMBOLON_PASSPHRASE";
  return await loadKeys(file, role, { passphrase, passphraseHint });
}
