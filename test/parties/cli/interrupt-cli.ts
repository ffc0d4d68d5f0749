/** Runs `symbolon` as a process of its own and interrupts it, as Ctrl-C does. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { expect } from "vitest";

const main = join(import.meta.dirname, "../../../parties/cli/main.ts");

/** Interrupts once stderr has `text`. @returns the signal that ended the process, and its stderr */
export async function interruptCli(
  args: readonly string[],
  text: string,
): Promise<{ signal: string | null; stderr: string }> {
  const child = spawn(process.execPath, [main, ...args]);
  const ended = once(child, "exit");
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (part: string) => {
    stderr += part;
  });
  try {
    await expect.poll(() => stderr, { timeout: 60_000 }).toContain(text);
  } finally {
    child.kill("SIGINT");
  }
  const [, signal] = await ended;
  return { signal, stderr };
}
