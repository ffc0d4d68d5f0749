/** The algorithms of the market: which there are, what they open, what operators approve of them. */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { SymbolonError } from "../mpc/errors.ts";
import { inputCheckOpenings } from "../mpc/protocols/input-check.ts";
import { gradientAggregation } from "./gradient-aggregation.ts";
import { jiffProgram } from "./jiff-program.ts";
import { logisticRegression } from "./logistic-regression.ts";
import { type Algorithm, algorithmHash, type Manifest } from "./manifest.ts";
import { statistics } from "./statistics.ts";

// biome-ignore lint/suspicious/noExplicitAny: each algorithm has its own parameter type, checked by its zod schema
type AnyAlgorithm = Algorithm<any>;

const algorithms: readonly AnyAlgorithm[] = [
  statistics,
  logisticRegression,
  gradientAggregation,
  jiffProgram,
];

export function listAlgorithms(): readonly AnyAlgorithm[] {
  return algorithms;
}

/** @throws ALGORITHM_UNKNOWN */
export function findAlgorithm(id: string, version?: string): AnyAlgorithm {
  const found = algorithms.find(
    (a) => a.manifest.id === id && (version ?? a.manifest.version) === a.manifest.version,
  );
  if (found !== undefined) return found;
  const names = algorithms.map((a) => a.manifest.id).join(", ");
  const wanted = version === undefined ? id : `${id} ${version}`;
  throw new SymbolonError("ALGORITHM_UNKNOWN", `there is no algorithm "${wanted}"`, {
    hint: `known: ${names}`,
  });
}

/** Checks parameters and fills in defaults. @throws PARAMETER_INVALID naming the parameter */
export function parseParameters(algorithm: AnyAlgorithm, given: unknown): Record<string, unknown> {
  const parsed = algorithm.parameters.safeParse(given ?? {});
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const place = issue.path.length > 0 ? `parameter "${issue.path.join(".")}"` : "parameters";
  throw new SymbolonError("PARAMETER_INVALID", `${algorithm.manifest.id}: ${place}: ${issue.message}`, {
    hint: `symbolon algorithms show ${algorithm.manifest.id} lists the parameters and their ranges`,
  });
}

/** Everything that a job of this algorithm may open to the parties, by label, and why it is safe. */
export function openingsOf(manifest: Manifest): Readonly<Record<string, string>> {
  return { ...inputCheckOpenings, ...manifest.openings };
}

let codeHashPromise: Promise<string> | undefined;

/** SHA-256 over the names and contents of all source files that decide what a party computes. */
export function codeHash(): Promise<string> {
  codeHashPromise ??= hashSources();
  return codeHashPromise;
}

async function hashSources(): Promise<string> {
  const root = join(import.meta.dirname, "..");
  const hash = createHash("sha256");
  for (const folder of ["algorithms", "mpc"]) {
    const entries = await readdir(join(root, folder), { recursive: true, withFileTypes: true });
    const files = entries
      .filter((e) => e.isFile() && /\.(ts|js)$/.test(e.name))
      .map((e) => join(e.parentPath, e.name))
      .sort();
    for (const file of files) {
      const digest = createHash("sha256")
        .update(await readFile(file))
        .digest("hex");
      hash.update(`${relative(root, file).split(sep).join("/")} ${digest}\n`);
    }
  }
  return hash.digest("hex");
}

/** What operators approve on chain. */
export async function identify(manifest: Manifest): Promise<{ id: string; version: string; hash: string }> {
  return { id: manifest.id, version: manifest.version, hash: algorithmHash(manifest, await codeHash()) };
}
