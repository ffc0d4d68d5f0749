/** Runs `symbolon` as a process of its own, as a shell would. */
import { execFile } from "node:child_process";
import { join } from "node:path";

export interface CliRun {
  status: number;
  stdout: string;
  stderr: string;
}

const main = join(import.meta.dirname, "../../../parties/cli/main.ts");

export function runCli(
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string>; timeoutMs?: number } = {},
): Promise<CliRun> {
  const { cwd, env, timeoutMs = 60_000 } = options;
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [main, ...args],
      { cwd, env: { ...process.env, ...env }, timeout: timeoutMs },
      (error, stdout, stderr) => {
        const status = error === null ? 0 : typeof error.code === "number" ? error.code : -1;
        resolve({ status, stdout, stderr });
      },
    );
  });
}
