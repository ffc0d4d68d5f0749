/**
 * Commands that messages name, completed so that they run as they stand: with the key file, chain, bridge and
 * deployment that the present command was given, and the files of schema and result where they take them. What stands in
 * the environment is there for the next one, too.
 */
import { originOf } from "../../bridge/client.ts";
import { SymbolonError } from "../../mpc/errors.ts";
import { defaultBridge, defaultRpc } from "./endpoints.ts";
import type { KeyOptions } from "./key-options.ts";
import type { MarketOptions } from "./market-options.ts";
import type { SchemaOption } from "./schema-option.ts";

type Environment = Record<string, string | undefined>;

/** A command of a seller or buyer about a job or an offer, or one of an operator that needs no more than its keys. */
const named =
  /(?<!npx )symbolon ((?:seller|buyer) [a-z-]+ 0x[0-9a-f]{8,64}|operator (?:claim|leave|pause|resume|status|withdraw-bond))\b/g;

/** `text` with its commands completed. */
export function runnable(
  text: string,
  options: GivenOptions,
  environment: Environment = process.env,
): string {
  const program = programName(environment);
  const rest = repeated(options, environment)
    .map(([option, value]) => ` ${option} ${quoted(value)}`)
    .join("");
  const whole = (command: string): string => `${program} ${command}${rest}${files(command, options)}`;
  return text.replaceAll(named, (_, command: string) => whole(command));
}

/** As the present command was called: whoever came by npx may have no other way to the program. */
export function programName(environment: Environment = process.env): string {
  return environment.npm_lifecycle_event === "npx" ? "npx symbolon" : "symbolon";
}

/** An error whose hint names commands, with these completed. */
export function runnableHint(error: unknown, options: GivenOptions): unknown {
  if (!(error instanceof SymbolonError) || error.hint === undefined) return error;
  const hint = runnable(error.hint, options);
  if (hint === error.hint) return error;
  const { code, message, stack, cause } = error;
  return Object.assign(new SymbolonError(code, message, { hint, cause }), { stack });
}

/** The options that the next command needs again. */
function repeated(options: MarketOptions & KeyOptions, environment: Environment): [string, string][] {
  const { keys, passphraseFile, rpc, bridge, deployment } = options;
  const all: [string, string | undefined, string | undefined][] = [
    ["--keys", keys, undefined],
    ["--passphrase-file", passphraseFile, undefined],
    ["--rpc", rpc, environment.SYMBOLON_RPC ?? defaultRpc],
    ["--bridge", bridge, environment.SYMBOLON_BRIDGE ?? defaultBridge],
    ["--deployment", deployment, environment.SYMBOLON_DEPLOYMENT],
  ];
  return all.flatMap(([option, value, without]) =>
    value === undefined || value === "" || value === without ? [] : [[option, shown(value)]],
  );
}

/** What the present command was given. */
export interface GivenOptions extends MarketOptions, KeyOptions, SchemaOption {
  /** Where the result of a job goes; other commands keep their `--out` to themselves. */
  out?: string;
}

/** Which commands take these files. */
const takers = { schema: /^buyer (result|accept|dispute) /, out: /^buyer (result|dispute) / };

function files(command: string, options: GivenOptions): string {
  return (["schema", "out"] as const)
    .map((name) => {
      const file = options[name];
      return file === undefined || !takers[name].test(command) ? "" : ` --${name} ${quoted(file)}`;
    })
    .join("");
}

/** Endpoints may have a password or key in their address, which is not printed: who has it puts it in again. */
function shown(value: string): string {
  if (!/^[a-z]+:\/\//.test(value) || !URL.canParse(value)) return value;
  const { username, password, pathname, search } = new URL(value);
  const plain = `${username}${password}${search}` === "" && /^\/?$/.test(pathname);
  return plain ? value : `${originOf(value)}/...`;
}

/** As one word of a shell. */
export function quoted(value: string): string {
  return /^[\w@%+=:,./-]+$/.test(value) ? value : `'${value.replaceAll("'", "'\\''")}'`;
}
