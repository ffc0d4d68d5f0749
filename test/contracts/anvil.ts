/** Where anvil is. Apart from what starts it, because the configuration of vitest asks, and need not load a chain. */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";

/** The binary of an optional dependency; undefined when there is none for this machine. */
export const anvilPath: string | undefined = find();

/** Why nothing runs on anvil here; undefined when it does. */
export const anvilMissing: string | undefined =
  anvilPath === undefined ? `none for ${process.platform} ${process.arch} is installed` : undefined;

function find(): string | undefined {
  try {
    const path = createRequire(import.meta.url).resolve("@foundry-rs/anvil-linux-amd64/bin/anvil");
    return existsSync(path) ? path : undefined;
  } catch {
    return undefined;
  }
}
