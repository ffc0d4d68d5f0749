/** Where commands find the keys that they act with, and the passphrase of an encrypted key file. */
import { readFile } from "node:fs/promises";
import { SymbolonError } from "../../mpc/errors.ts";
import { type Keys, loadKeys, loadPublicKeys, type Role } from "../keys.ts";
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

/**
 * The keys of `role` from `--keys` or SYMBOLON_KEYS.
 * @param otherWay what a command takes in place of them, for the error that says that they are missing
 * @throws USAGE, KEY_INVALID
 */
export async function keysOf<R extends Role>(
  role: R,
  options: KeyOptions,
  otherWay?: string,
): Promise<Keys<R>> {
  const file = requiredKeyFile(role, options, otherWay);
  const passphrase = await readPassphrase(options.passphraseFile);
  const passphraseHint = "give --passphrase-file FILE or set SYMBOLON_PASSPHRASE";
  return await loadKeys(file, role, { passphrase, passphraseHint });
}

/** Their public part, for commands that only read: it takes no passphrase. @throws USAGE, KEY_INVALID */
export async function publicKeysOf(role: Role, options: KeyOptions): Promise<Record<string, string>> {
  return (await loadPublicKeys(requiredKeyFile(role, options), role)).public;
}

/** The key file that is named, if one is. */
export function keyFileOf({
  keys = process.env.SYMBOLON_KEYS,
}: Pick<KeyOptions, "keys">): string | undefined {
  return keys === "" ? undefined : keys;
}

function requiredKeyFile(role: Role, options: KeyOptions, otherWay?: string): string {
  const file = keyFileOf(options);
  if (file !== undefined) return file;
  throw new SymbolonError("USAGE", `no key file of a ${role} is named`, {
    hint: `give --keys FILE or set SYMBOLON_KEYS; "symbolon keys new ${role} --out FILE" makes one${otherWay === undefined ? "" : `; ${otherWay}`}`,
  });
}
