/**
 * The configuration of a compute node: one JSON file, each value overridable by an environment variable
 * `SYMBOLON_NODE_` + the name in capitals (`rpcUrl` is SYMBOLON_NODE_RPC_URL, `mesh.port` is
 * SYMBOLON_NODE_MESH_PORT). Unknown names are refused, so that a typing error is not a default.
 */
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { z } from "zod";
import { type Deployment, deploymentSchema } from "../../contracts/deployment.ts";
import { SymbolonError } from "../../mpc/errors.ts";
import { unreadable } from "../unreadable.ts";

const mebibyte = 1024 * 1024;
const count = z.coerce.number().int().positive();
const countOrZero = z.coerce.number().int().nonnegative();
const hash = z
  .string()
  .regex(/^0x[0-9a-fA-F]{64}$/, "expected 0x and 64 hexadecimal digits")
  .toLowerCase();

export const nodeConfigSchema = z.strictObject({
  /** This operator's own JSON-RPC endpoint. It may hold a secret and is never logged. */
  rpcUrl: z.url(),
  bridgeUrl: z.url(),
  /** Key file of role operator. */
  keysFile: z.string().min(1),
  /** Of the key file, when it is encrypted. Better given by the environment than by a file. */
  passphrase: z.string().min(1).optional(),
  /** Folder of the journal and of the sealed inputs. One node uses it at a time. */
  dataDir: z.string().min(1),
  /** Where the contracts are: the document itself or the path of its file. */
  deployment: z.union([deploymentSchema, z.string().min(1)]),
  /** Where the other two parties connect to; the registered endpoint must lead here. */
  mesh: z
    .strictObject({
      host: z.string().min(1).default("127.0.0.1"),
      /** 0 asks the system for a free port. */
      port: z.coerce.number().int().min(0).max(65535).default(9600),
      /** Whether peers are met through the bridge: where they cannot be reached, never, or always. */
      relay: z.enum(["auto", "never", "always"]).default("auto"),
      /** How long a direct connection is tried before the relay is tried as well. */
      directMs: count.default(5_000),
    })
    .prefault({}),
  /** Port on 127.0.0.1 for /healthz and /readyz; none by default. */
  healthPort: z.coerce.number().int().min(0).max(65535).optional(),
  /** How often the chain is asked. Live events of the bridge make it sooner. */
  pollMs: count.default(2000),
  /** Blocks on top of an event before it counts. 0 suits a development chain only. */
  confirmations: countOrZero.default(5),
  /** Algorithm hashes that this node runs. When absent, those that its operator approved on chain. */
  algorithms: z.array(hash).optional(),
  logLevel: z.enum(["fatal", "error", "warn", "info", "debug", "trace", "silent"]).default("info"),
  limits: z
    .strictObject({
      /** Jobs that compute at the same time. */
      maxJobs: count.default(2),
      /** Jobs that are checked, wait or compute; further ones wait unseen. */
      maxOpenJobs: count.default(64),
      /** Shares of one job's inputs, together, as elements. The scratch files may take five times as much. */
      maxInputBytes: count.default(4096 * mebibyte),
      /** Rows of a job that stay in memory; what is more goes to encrypted scratch files. */
      memoryBytes: count.default(1024 * mebibyte),
      /** Elements of a result. */
      maxResultElements: count.default(4_194_304),
      /** Least time between joining and the job's deadline. */
      minRemainingSec: countOrZero.default(20),
      /** How long inputs may be missing at the bridge, or the bridge be silent, before the job is refused. */
      verifyMs: count.default(60_000),
      /** How long a joined party waits for the others to join before it gives the job up. */
      joinMs: count.default(300_000),
      /** For connecting to the peers, and to the JIFF session: nodes and bridge see a block at different times. */
      connectMs: count.default(120_000),
      /** For each message of a peer. */
      roundMs: count.default(60_000),
      /** Sealed inputs on the disk, of all jobs; those that were not used for longest make room for others. */
      sealedBytes: count.default(32_768 * mebibyte),
      /** Sealed inputs that were not used for so long are deleted. */
      retentionSec: count.default(7 * 24 * 3600),
      /** What the answer to a challenge pays for a unit of gas at most, in gwei; the bond hangs on it. */
      maxFeeGwei: count.default(500),
    })
    .refine(({ sealedBytes, maxInputBytes }) => sealedBytes >= 2 * maxInputBytes, {
      path: ["sealedBytes"],
      error: "expected at least twice maxInputBytes, for the inputs of one job and of the next",
    })
    .prefault({}),
});

type ParsedConfig = z.infer<typeof nodeConfigSchema>;
/** The configuration as a file or a caller writes it: everything with a default may be left out. */
export type NodeConfigInput = z.input<typeof nodeConfigSchema>;
/** A checked configuration; the deployment is read. */
export type NodeConfig = Omit<ParsedConfig, "deployment"> & { deployment: Deployment };

const prefix = "SYMBOLON_NODE_";

/**
 * Reads the configuration file, when one is named, and lays the environment over it.
 * @throws CONFIG_INVALID naming each wrong setting, never its value
 */
export async function loadNodeConfig(
  file: string | undefined,
  environment: Record<string, string | undefined> = process.env,
): Promise<NodeConfig> {
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
    const [name, sub] = path;
    const value = name === "algorithms" ? text.split(",").filter((entry) => entry !== "") : text;
    if (sub === undefined) merged[name!] = value;
    else merged[name!] = { ...(merged[name!] as object | undefined), [sub]: value };
  }
  return parseNodeConfig(merged);
}

/** Checks a configuration and reads the deployment that it names by path. @throws CONFIG_INVALID */
export async function parseNodeConfig(input: unknown): Promise<NodeConfig> {
  const parsed = nodeConfigSchema.safeParse(input);
  if (!parsed.success) {
    const problems = parsed.error.issues.map(
      (issue) => `${issue.path.join(".") || "configuration"}: ${issue.message}`,
    );
    throw new SymbolonError("CONFIG_INVALID", `node configuration: ${problems.join("; ")}`, {
      hint: `set it in the configuration file or by an environment variable that begins with ${prefix}`,
    });
  }
  const { deployment, ...rest } = parsed.data;
  if (typeof deployment !== "string") return { ...rest, deployment };
  const read = deploymentSchema.safeParse(await readJson(deployment, "deployment file"));
  if (!read.success) {
    throw new SymbolonError("CONFIG_INVALID", `${deployment} is not a deployment document`, {
      hint: "`symbolon deploy` writes one",
    });
  }
  return { ...rest, deployment: read.data };
}

/** All settings as paths, `["mesh", "port"]`, by their environment variable. */
function settingsByVariable(): Map<string, string[]> {
  const settings = new Map<string, string[]>();
  for (const [name, schema] of Object.entries(nodeConfigSchema.shape)) {
    const inner = schema instanceof z.ZodPrefault ? schema.unwrap() : undefined;
    if (!(inner instanceof z.ZodObject)) settings.set(prefix + constantCase(name), [name]);
    else
      for (const sub of Object.keys(inner.shape))
        settings.set(prefix + constantCase(`${name}_${sub}`), [name, sub]);
  }
  return settings;
}

function constantCase(name: string): string {
  return name.replace(/([a-z0-9])([A-Z])/g, "$1_$2").toUpperCase();
}

async function readJson(file: string, what: string): Promise<unknown> {
  const path = resolve(file);
  const text = await readFile(path, "utf8").catch((error) => {
    throw new SymbolonError("CONFIG_INVALID", `the ${what} ${path} ${unreadable(error)}`);
  });
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own message quotes the text, which may hold a secret.
    throw new SymbolonError("CONFIG_INVALID", `the ${what} ${path} is not JSON`);
  }
}
