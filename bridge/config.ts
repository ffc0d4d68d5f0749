/**
 * The bridge's configuration: one JSON file, each value overridable by an environment variable
 * `SYMBOLON_BRIDGE_` + the name in capitals (`rpcUrl` is SYMBOLON_BRIDGE_RPC_URL, `blobs.maxBytes` is
 * SYMBOLON_BRIDGE_BLOBS_MAX_BYTES). Unknown names are refused, so that a typing error is not a default.
 */
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { z } from "zod";
import { deploymentSchema } from "../contracts/deployment.ts";
import { SymbolonError } from "../mpc/errors.ts";

const mebibyte = 1024 * 1024;
const count = z.coerce.number().int().positive();
const countOrZero = z.coerce.number().int().nonnegative();
const logLevels = ["fatal", "error", "warn", "info", "debug", "trace", "silent"] as const;

export const bridgeConfigSchema = z.strictObject({
  host: z.string().min(1).default("127.0.0.1"),
  /** 0 asks the system for a free port. */
  port: z.coerce.number().int().min(0).max(65535).default(8600),
  /** Folder of the database and the blobs. */
  dataDir: z.string().min(1),
  /** JSON-RPC endpoint of the chain. It may hold a secret and is never logged. */
  rpcUrl: z.url(),
  /** The account that pays for the bridge's transactions: 0x and 64 hexadecimal digits. */
  privateKey: z.string().regex(/^0x[0-9a-fA-F]{64}$/, "expected 0x and 64 hexadecimal digits"),
  /** Where the contracts are: the document itself or the path of its file. */
  deployment: z.union([deploymentSchema, z.string().min(1)]),
  /** Blocks on top of an event before it counts. 0 suits a development chain only. */
  confirmations: countOrZero.default(5),
  /** Deepest reorganisation that the bridge follows by itself; deeper ones stop it. */
  maxReorgBlocks: count.default(128),
  pollMs: count.default(2000),
  logLevel: z.enum(logLevels).default("info"),
  /** Set it only behind a reverse proxy that overwrites X-Forwarded-For. */
  trustProxy: z.stringbool().or(z.boolean()).default(false),
  /** Origins whose pages may call the bridge from a browser; "*" for all. */
  corsOrigins: z.array(z.string()).default([]),
  blobs: z
    .strictObject({
      maxBytes: count.default(2560 * mebibyte),
      quotaBytes: count.default(20 * 1024 * mebibyte),
      /** When the quota is reached, blobs that no offer or job names go after this time. */
      keepUnneededSec: countOrZero.default(24 * 3600),
    })
    .prefault({}),
  rateLimit: z
    .strictObject({
      /** Requests of one address in a window. */
      max: count.default(6000),
      /** Uploads of one address in a window. */
      uploads: count.default(600),
      windowMs: count.default(60_000),
    })
    .prefault({}),
  events: z
    .strictObject({ maxSubscribers: count.default(2000), maxRoomsEach: count.default(64) })
    .prefault({}),
  relay: z
    .strictObject({
      enabled: z.stringbool().or(z.boolean()).default(true),
      /** Computations of one job: restarts of a run included. */
      maxAttempts: count.default(16),
    })
    .prefault({}),
  /** For parties of a joined job that cannot reach each other. */
  meshRelay: z
    .strictObject({
      enabled: z.stringbool().or(z.boolean()).default(true),
      /** Connections at a time; a link of two parties takes two. */
      maxSockets: count.default(600),
      /** What one link may carry. */
      maxLinkBytes: count.default(64 * 1024 * mebibyte),
    })
    .prefault({}),
});

export type BridgeConfig = z.infer<typeof bridgeConfigSchema>;
/** The configuration as a file or a caller writes it: everything with a default may be left out. */
export type BridgeConfigInput = z.input<typeof bridgeConfigSchema>;

const prefix = "SYMBOLON_BRIDGE_";

/** Names of all settings as paths, `["blobs", "maxBytes"]`, by their environment variable. */
function settingsByVariable(): Map<string, string[]> {
  const settings = new Map<string, string[]>();
  for (const [name, schema] of Object.entries(bridgeConfigSchema.shape)) {
    const inner = innerObject(schema);
    if (inner === null) settings.set(prefix + constantCase(name), [name]);
    else for (const sub of inner) settings.set(prefix + constantCase(`${name}_${sub}`), [name, sub]);
  }
  return settings;
}

function innerObject(schema: z.ZodType): string[] | null {
  const unwrapped = schema instanceof z.ZodPrefault ? schema.unwrap() : schema;
  return unwrapped instanceof z.ZodObject ? Object.keys(unwrapped.shape) : null;
}

function constantCase(name: string): string {
  return name.replace(/([a-z0-9])([A-Z])/g, "$1_$2").toUpperCase();
}

/** Checks a configuration object. @throws CONFIG_INVALID that names each wrong setting, never its value */
export function parseBridgeConfig(input: unknown): BridgeConfig {
  const parsed = bridgeConfigSchema.safeParse(input);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(
    (issue) => `${issue.path.join(".") || "configuration"}: ${issue.message}`,
  );
  throw new SymbolonError("CONFIG_INVALID", `bridge configuration: ${problems.join("; ")}`, {
    hint: `set it in the configuration file or by an environment variable that begins with ${prefix}`,
  });
}

/**
 * Reads the configuration file, when one is named, and lays the environment over it. A deployment that is
 * given as a path is read, relative to the working directory.
 * @throws CONFIG_INVALID
 */
export async function loadBridgeConfig(
  file: string | undefined,
  environment: Record<string, string | undefined> = process.env,
): Promise<BridgeConfig & { deployment: z.infer<typeof deploymentSchema> }> {
  const raw = file === undefined ? {} : await readJson(file, "configuration file");
  if (typeof raw !== "object" || raw === null || Array.isArray(raw)) {
    throw new SymbolonError("CONFIG_INVALID", `${file} must hold one JSON object`);
  }
  const merged = structuredClone(raw) as Record<string, unknown>;
  const settings = settingsByVariable();
  for (const [variable, text] of Object.entries(environment)) {
    if (!variable.startsWith(prefix) || text === undefined) continue;
    const path = settings.get(variable);
    if (path === undefined)
      throw new SymbolonError("CONFIG_INVALID", `unknown environment variable ${variable}`);
    const value = path[0] === "corsOrigins" ? text.split(",").filter((origin) => origin !== "") : text;
    if (path.length === 1) merged[path[0]!] = value;
    else merged[path[0]!] = { ...(merged[path[0]!] as object | undefined), [path[1]!]: value };
  }
  const config = parseBridgeConfig(merged);
  if (typeof config.deployment !== "string") return { ...config, deployment: config.deployment };
  const deployment = deploymentSchema.safeParse(await readJson(config.deployment, "deployment file"));
  if (!deployment.success) {
    throw new SymbolonError("CONFIG_INVALID", `${config.deployment} is not a deployment document`, {
      hint: "`symbolon deploy` writes one",
    });
  }
  return { ...config, deployment: deployment.data };
}

async function readJson(file: string, what: string): Promise<unknown> {
  const path = resolve(file);
  const text = await readFile(path, "utf8").catch(() => {
    throw new SymbolonError("CONFIG_INVALID", `cannot read the ${what} ${path}`);
  });
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own message quotes the text, which may hold a key.
    throw new SymbolonError("CONFIG_INVALID", `the ${what} ${path} is not JSON`);
  }
}
