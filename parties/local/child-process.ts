/** Child processes of a local market: each a `symbolon` command of its own, ended with the market whatever happens. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fewCores } from "../../mpc/collector.ts";
import { SymbolonError } from "../../mpc/errors.ts";

/** Only the parent's own settings reach a child, not those that the user's shell has for a real market. */
const foreignVariables = /^SYMBOLON_/;

const cli = join(import.meta.dirname, "..", "cli", "main.ts");
const stopPatienceMs = 4000;

export interface ChildOptions {
  /** For people: "bridge", "node 1". */
  name: string;
  /** Arguments of `symbolon`. */
  args: readonly string[];
  /** Where its log goes. */
  logFile: string;
  readyTimeoutMs: number;
}

export interface Child {
  readonly name: string;
  readonly pid: number;
  /** The JSON line with which the child said that it is ready. */
  readonly ready: Record<string, unknown>;
  /** Whether it still runs. */
  readonly running: boolean;
  /** Resolves when it has ended, for whatever reason. */
  readonly ended: Promise<void>;
  /** Ends it at once, as a crash would. */
  kill(): void;
  /** Ends it in order, with force when it does not obey. */
  stop(): Promise<void>;
}

/**
 * Starts `symbolon ARGS --json` and waits for the first JSON line on its stdout.
 * @throws RUN_ABORTED with the last lines of its log when it ends or is silent instead
 */
export async function startChild(options: ChildOptions): Promise<Child> {
  const { name, args, logFile } = options;
  const environment = Object.fromEntries(
    Object.entries(process.env).filter(([variable]) => !foreignVariables.test(variable)),
  );
  const log = openSync(logFile, "a", 0o600);
  // Heaps are small here and three nodes share the cores: the collector's own threads would take them away.
  const command = [...fewCores, cli, ...args, "--json", "--until-stdin-ends"];
  const child = spawn(process.execPath, command, {
    // The child ends when its stdin does: so it does not outlive a parent that was killed.
    stdio: ["pipe", "pipe", log],
    env: environment,
    // In its own group, Ctrl-C reaches it through the parent only, which ends jobs before processes.
    detached: true,
  });
  closeSync(log);
  child.stdin?.on("error", () => {});
  const exited = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
    child.once("error", () => resolve());
  });
  try {
    const ready = await firstLine(child, exited, options.readyTimeoutMs);
    return {
      name,
      pid: child.pid ?? 0,
      ready,
      ended: exited,
      get running() {
        return child.exitCode === null && child.signalCode === null;
      },
      kill: () => void child.kill("SIGKILL"),
      stop: () => stop(child, exited),
    };
  } catch (error) {
    await stop(child, exited);
    throw new SymbolonError("RUN_ABORTED", `${name} did not start: ${(error as Error).message}`, {
      hint: await lastLines(logFile),
    });
  }
}

async function firstLine(
  child: ChildProcess,
  exited: Promise<void>,
  timeoutMs: number,
): Promise<Record<string, unknown>> {
  const { promise, resolve, reject } = Promise.withResolvers<Record<string, unknown>>();
  const timer = setTimeout(() => reject(new Error(`it was not ready within ${timeoutMs} ms`)), timeoutMs);
  let text = "";
  child.stdout?.setEncoding("utf8");
  child.stdout?.on("data", (chunk: string) => {
    text += chunk;
    // One document, on one line or several: it is whole when it parses.
    const document = parsed(text);
    if (document !== undefined) resolve(document);
  });
  void exited.then(() => reject(new Error("it ended")));
  try {
    const ready = await promise;
    if ("error" in ready) throw new Error(String((ready.error as { message?: string }).message));
    return ready;
  } finally {
    clearTimeout(timer);
  }
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

async function stop(child: ChildProcess, exited: Promise<void>): Promise<void> {
  if (child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
    child.kill("SIGTERM");
    const force = setTimeout(() => child.kill("SIGKILL"), stopPatienceMs);
    await exited;
    clearTimeout(force);
  }
  child.stdin?.destroy();
  child.stdout?.destroy();
}

async function lastLines(logFile: string): Promise<string> {
  const text = await readFile(logFile, "utf8").catch(() => "");
  const lines = text.trim().split("\n").slice(-3);
  return lines.join("\n").slice(-1500) || "it wrote no log";
}
