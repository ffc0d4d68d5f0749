/**
 * Compiles the contracts when something about them changed. `node contracts/build.ts` does it from a script.
 *
 * Hardhat's own cache needs over a second to find out that there is nothing to do; a hash over the sources and
 * the settings needs milliseconds, and so every script can afford to ask.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { access, glob, mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { SymbolonError } from "../mpc/errors.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const stampFile = join(root, "build/contracts.sha256");
const oneArtifact = join(root, "build/artifacts/contracts/JobEscrow.sol/JobEscrow.json");
const lockFolder = join(root, "build/contracts.lock");
const timeoutMs = 300_000;

/**
 * Brings `build/artifacts` up to date.
 * @param onCompile called before the compiler runs, which takes about half a minute
 * @returns whether the compiler ran
 * @throws INTERNAL with the compiler's words when the sources do not compile
 */
export async function buildContracts(onCompile: () => void = () => {}): Promise<boolean> {
  const hash = await hashOfSources();
  if (await isBuilt(hash)) return false;
  return alone(async () => {
    // Another process may have built it meanwhile.
    if (await isBuilt(hash)) return false;
    onCompile();
    await compile();
    await writeFile(stampFile, hash);
    return true;
  });
}

async function isBuilt(hash: string): Promise<boolean> {
  const built = await readFile(stampFile, "utf8").catch(() => "");
  const present = await access(oneArtifact).then(
    () => true,
    () => false,
  );
  return built === hash && present;
}

/** Runs `action` in one process at a time: workers of one test run all want the same build. */
async function alone<T>(action: () => Promise<T>): Promise<T> {
  await mkdir(dirname(lockFolder), { recursive: true });
  const giveUpMs = Date.now() + 2 * timeoutMs;
  for (;;) {
    try {
      await mkdir(lockFolder);
      break;
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== "EEXIST") throw cause;
      // A process that was killed leaves its lock behind; none holds one longer than a compilation may take.
      const heldSince = await stat(lockFolder).then(
        ({ mtimeMs }) => mtimeMs,
        () => Date.now(),
      );
      if (Date.now() - heldSince > timeoutMs) await rm(lockFolder, { recursive: true, force: true });
      if (Date.now() > giveUpMs) {
        throw new SymbolonError("INTERNAL", "another process builds the contracts and does not end", {
          hint: `remove ${lockFolder}`,
          cause,
        });
      }
      await setTimeout(100);
    }
  }
  try {
    return await action();
  } finally {
    await rm(lockFolder, { recursive: true, force: true });
  }
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
