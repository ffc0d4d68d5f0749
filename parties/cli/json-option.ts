/** Options that take JSON: the text itself, or `@FILE`. */
import { readFile } from "node:fs/promises";
import { SymbolonError } from "../../mpc/errors.ts";
import { unreadable } from "../unreadable.ts";

/** @returns undefined when the option was not given. @throws USAGE */
export async function parseJsonOption(text: string | undefined, option: string): Promise<unknown> {
  if (text === undefined) return undefined;
  const fromFile = text.startsWith("@");
  const content = fromFile
    ? await readFile(text.slice(1), "utf8").catch((cause) => {
        throw new SymbolonError("USAGE", `${option}: ${text.slice(1)} ${unreadable(cause)}`, { cause });
      })
    : text;
  try {
    return JSON.parse(content);
  } catch (cause) {
    throw new SymbolonError("USAGE", `${option}: ${fromFile ? text.slice(1) : "the value"} is not JSON`, {
      cause,
      hint: `for instance ${option} '{"epochs":10}' or ${option} @FILE`,
    });
  }
}
