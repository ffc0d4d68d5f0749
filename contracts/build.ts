/**
 * Compiles the contracts when something about them changed. `node contracts/build.ts` does it from a script.
 *
 * Hardhat's own cache needs over a second to find out that there is nothing to do; a hash over the sources and
 * the settings needs milliseconds, and so every script can afford to ask.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { access, glob, mkdir, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { SymbolonError } from "../mpc/errors.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const stampFile = join(root, "build/contracts.sha256");
const oneArtifact = join(root, "build/artifacts/contracts/JobEscrow.sol/JobEscrow.json");
const timeoutMs = 300_000;

/**
 * Brings `build/artifacts` up to date.
 * @returns whether the compiler ran
 * @throws INTERNAL with the compiler's words when the sources do not compile
 */
export async function buildContracts(): Promise<boolean> {
  const hash = await hashOfSources();
  const built = await readFile(stampFile, "utf8").catch(() => "");
  const present = await access(oneArtifact).then(
    () => true,
    () => false,
  );
  if (built === hash && present) return false;
  await compile();
  await mkdir(dirname(stampFile), { recursive: true });
  await writeFile(stampFile, hash);
  return true;
}

/** Over everything that decides the output: sources, settings, versions of compiler and libraries. */
async function hashOfSources(): Promise<string> {
  const files = ["hardhat.config.ts", "package-lock.json"];
  for await (const file of glob("contracts/**/*.sol", { cwd: root })) files.push(file);
  const hash = createHash("sha256");
  for (const file of files.sort()) {
    hash.update(`${file}\0`).update(await readFile(join(root, file)));
  }
  return hash.digest("hex");
}

async function compile(): Promise<void> {
  const require = createRequire(import.meta.url);
  const cli = join(dirname(require.resolve("hardhat/package.json")), "dist/src/cli.js");
  try {
    await promisify(execFile)(process.execPath, [cli, "build", "--no-tests"], {
      cwd: root,
      timeout: timeoutMs,
      env: { ...process.env, HARDHAT_DISABLE_TELEMETRY_PROMPT: "true" },
    });
  } catch (error) {
    const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
    throw new SymbolonError("INTERNAL", `the contracts do not compile\n${stdout}${stderr}`.trim(), {
      cause: error,
    });
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await buildContracts();
}
